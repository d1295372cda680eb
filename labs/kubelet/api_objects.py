"""What pods of the API refer to: ConfigMaps, Secrets and tokens of their service account.

Asked for when they are needed: volumes at each sync of their pod, variables when a container starts (upstream
keeps a watch per object, `pkg/kubelet/util/manager`, and sees the same at the same moments). While the API
server is away, what a pod was given last is given again. Tokens are renewed as `pkg/kubelet/token` does.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from labs.kubelet.api_client import ApiError
from labs.kubelet.pod.model import Container, Pod

CONFIG_MAP, SECRET = "configmap", "secret"
#: Tokens are renewed after so much of their life, and at the latest after a day.
RENEWAL, OLDEST = 0.8, timedelta(hours=24)
DEFAULT_EXPIRATION = 3600

Content = Mapping[str, bytes]


class ObjectError(Exception):
    """A referred object cannot be had; the text is what the kubelet says of it."""


class MissingObjectError(ObjectError):
    """The API has no such object."""


@dataclass(frozen=True)
class Reference:
    """A ConfigMap or Secret of the pod's own namespace."""

    kind: str
    name: str

    @property
    def plural(self) -> str:
        return f"{self.kind}s"


@dataclass(frozen=True)
class TokenReference:
    """A token for the pod's service account; an empty audience is the API server itself."""

    audience: str
    seconds: int

    @classmethod
    def of(cls, projection: Mapping[str, Any]) -> "TokenReference":
        seconds = projection.get("expirationSeconds", DEFAULT_EXPIRATION)
        return cls(projection.get("audience", ""), seconds)


@dataclass(frozen=True)
class Objects:
    """What came of asking, by reference: the content, or why there is none."""

    contents: Mapping[Reference, Content | ObjectError] = field(default_factory=dict)
    tokens: Mapping[TokenReference, str | ObjectError] = field(default_factory=dict)

    def content(self, reference: Reference, optional: bool = False) -> Content:
        """Its values by key; one that is missing and optional is empty. Raises ObjectError."""
        found = self.contents[reference]
        if optional and isinstance(found, MissingObjectError):
            return {}
        if isinstance(found, ObjectError):
            raise found
        return found

    def token(self, reference: TokenReference) -> str:
        """Raises ObjectError."""
        found = self.tokens[reference]
        if isinstance(found, ObjectError):
            raise found
        return found


NONE = Objects()


def volume_references(pod: Pod) -> tuple[set[Reference], set[TokenReference]]:
    """What the pod's volumes are filled from."""
    objects: set[Reference] = set()
    tokens: set[TokenReference] = set()
    for volume in pod.volumes:
        projected = volume.kind == "projected"
        sources = volume.source.get("sources", ()) if projected else ({volume.kind: volume.source},)
        for source in sources:
            if "configMap" in source:
                objects.add(Reference(CONFIG_MAP, source["configMap"].get("name", "")))
            if "secret" in source:
                objects.add(Reference(SECRET, secret_name(source["secret"])))
            if "serviceAccountToken" in source:
                tokens.add(TokenReference.of(source["serviceAccountToken"]))
    return objects, tokens


def secret_name(source: Mapping[str, Any]) -> str:
    """A volume calls it `secretName`, a projection `name`."""
    return str(source.get("secretName") or source.get("name", ""))


def environment_references(container: Container) -> set[Reference]:
    """What the container's variables are taken from."""
    found = set()
    for variable in container.env:
        origin = variable.get("valueFrom", {})
        for kind, key in ((CONFIG_MAP, "configMapKeyRef"), (SECRET, "secretKeyRef")):
            if key in origin:
                found.add(Reference(kind, origin[key].get("name", "")))
    for source in container.env_from:
        for kind, key in ((CONFIG_MAP, "configMapRef"), (SECRET, "secretRef")):
            if key in source:
                found.add(Reference(kind, source[key].get("name", "")))
    return found


class Api(Protocol):
    """What reading objects needs of the API."""

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]: ...


@dataclass(frozen=True)
class _Token:
    value: str
    renewal: datetime
    expiration: datetime


class ApiObjects:
    """Reads what pods refer to, and remembers it for when the API server is away."""

    def __init__(self, api: Api | None, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now
        self._contents: dict[str, dict[Reference, Content]] = {}
        self._tokens: dict[str, dict[TokenReference, _Token]] = {}

    async def fetch(
        self, pod: Pod, references: Iterable[Reference], tokens: Iterable[TokenReference] = ()
    ) -> Objects:
        """All of these, asked for together."""
        wanted, asked = list(references), list(tokens)
        if not wanted and not asked:
            return NONE
        contents, issued = await asyncio.gather(
            asyncio.gather(*(self._content(pod, reference) for reference in wanted)),
            asyncio.gather(*(self._token(pod, reference) for reference in asked)),
        )
        return Objects(dict(zip(wanted, contents, strict=True)), dict(zip(asked, issued, strict=True)))

    async def _content(self, pod: Pod, reference: Reference) -> Content | ObjectError:
        known = self._contents.setdefault(pod.uid, {})
        path = f"/api/v1/namespaces/{pod.namespace}/{reference.plural}/{reference.name}"
        try:
            if self._api is None:
                raise ApiError(0, "there is no API server")
            known[reference] = _values(await self._api.request("GET", path))
        except ApiError as error:
            if error.status == 404:
                known.pop(reference, None)
                return MissingObjectError(f'{reference.kind} "{reference.name}" not found')
            if error.status:
                return ObjectError(str(error))
            if reference not in known:
                why = "timed out waiting for the condition"
                return ObjectError(f"failed to sync {reference.kind} cache: {why}")
        return known[reference]

    async def _token(self, pod: Pod, reference: TokenReference) -> str | ObjectError:
        known = self._tokens.setdefault(pod.uid, {})
        last, now = known.get(reference), self._now()
        if last is not None and now < last.renewal:
            return last.value
        try:
            if self._api is None:
                raise ApiError(0, "there is no API server")
            known[reference] = token = await self._request_token(self._api, pod, reference)
        except ApiError as error:
            if last is not None and now < last.expiration:
                return last.value
            return ObjectError(f"failed to fetch token: {error}")
        return token.value

    async def _request_token(self, api: Api, pod: Pod, reference: TokenReference) -> _Token:
        account = pod.object["spec"].get("serviceAccountName") or "default"
        path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{account}/token"
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid}
        audiences = {"audiences": [reference.audience]} if reference.audience else {}
        answer = await api.request(
            "POST",
            path,
            {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "spec": {**audiences, "expirationSeconds": reference.seconds, "boundObjectRef": bound},
            },
        )
        status, now = answer["status"], self._now()
        expiration = datetime.fromisoformat(status["expirationTimestamp"])
        life = min((expiration - now) * RENEWAL, OLDEST)
        return _Token(status["token"], now + life, expiration)

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._contents.pop(uid, None)
        self._tokens.pop(uid, None)


def _values(obj: Mapping[str, Any]) -> dict[str, bytes]:
    """The values of a ConfigMap or a Secret."""
    if obj.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return {**text, **binary}
