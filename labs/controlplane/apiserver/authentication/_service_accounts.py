"""Service accounts' tokens: issued for a while, bound to a pod, Secret or node, good as long as those are.

Mirrors `pkg/serviceaccount` (claims.go, jwt.go) and `pkg/controller/serviceaccount/tokengetter.go`.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..context import User
from ..meta import parse_time
from ..resources import core
from ..storage import Storage
from ._jwt import Token, TokenError, as_jwk, key_id, sign, split, verify

if TYPE_CHECKING:
    from ._jwt import PrivateKey, PublicKey

Object = dict[str, Any]
#: By kind in small letters: name and UID of what a token is bound to.
Bindings = dict[str, dict[str, str]]
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
#: What kubelets ask for: such a token is good for a year, and its use after this time is only noted.
WARN_ONLY_SECONDS = 60 * 60 + 7
EXTENDED_SECONDS = 365 * 24 * 60 * 60
#: An account or pod that is being deleted keeps its tokens for so long.
DELETION_LEEWAY_SECONDS = 60
#: Claims about the object that a token is bound to, and the resource that this is.
BOUND = {"pod": "pods", "secret": "secrets", "node": "nodes"}
_EXTRA = "authentication.kubernetes.io/"


@dataclass(frozen=True)
class Keys:
    """The files of `--service-account-signing-key-file` and `--service-account-key-file`."""

    signing: str
    verifying: tuple[str, ...]

    @cached_property
    def private(self) -> PrivateKey:
        """What tokens are signed with."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(Path(self.signing).read_bytes(), None)  # type: ignore[return-value]

    @cached_property
    def public(self) -> dict[str, PublicKey]:
        """What signatures are checked with, by key id; a file may have several, private ones too."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

        found = {}
        for block in _pem_blocks("\n".join(Path(path).read_text() for path in self.verifying)):
            if "PRIVATE KEY" in block:
                key: Any = load_pem_private_key(block.encode(), None).public_key()
            else:
                key = load_pem_public_key(block.encode())
            found[key_id(key)] = key
        return found


def _pem_blocks(text: str) -> list[str]:
    blocks, lines = [], text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("-----BEGIN ") and "PARAMETERS" not in line:
            end = next(
                (n for n, last in enumerate(lines[number:], number) if last.startswith("-----END ")), number
            )
            blocks.append("\n".join(lines[number : end + 1]) + "\n")
    return blocks


@dataclass(frozen=True)
class Issuer:
    """Issues tokens and tells whether one is good."""

    keys: Keys
    name: str
    audiences: tuple[str, ...]
    storage: Storage
    #: Where others find its keys, if not at this server.
    jwks_uri: str = ""

    # -- issuing
    def issue(self, account: Object, bound: Bindings, audiences: list[str], seconds: int) -> str:
        """A token for an account, good while the objects in `bound` exist."""
        metadata, now = account["metadata"], int(time.time())
        kubernetes: Object = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        kubernetes |= bound
        expires = now + seconds
        if seconds == WARN_ONLY_SECONDS and set(audiences) <= set(self.audiences):
            kubernetes["warnafter"] = expires
            expires = now + EXTENDED_SECONDS
        claims = {
            "aud": audiences,
            "exp": expires,
            "iat": now,
            "iss": self.name,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": kubernetes,
            "nbf": now,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        return sign(claims, self.keys.private)

    # -- being known (`pkg/serviceaccount/openidmetadata.go`)
    def configuration(self, address: str) -> Object | None:
        """What OpenID Connect wants to know of the issuer, whose server is at `HOST:PORT`.

        None for one that is no URL with https.
        """
        if not self.name.startswith("https://"):
            return None
        return {
            "issuer": self.name,
            "jwks_uri": self.jwks_uri or f"https://{address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({key["alg"] for key in self._jwks()}),
        }

    def key_set(self) -> Object | None:
        """The keys that tokens are signed with; None where there is no `configuration`."""
        return {"keys": self._jwks()} if self.name.startswith("https://") else None

    def _jwks(self) -> list[dict[str, str]]:
        return [as_jwk(key) for key in self.keys.public.values()]

    # -- judging
    async def user(self, text: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]] | None:
        """Whose token this is, and which of the audiences it is for.

        None when another issuer may know it. Raises `TokenError` when it is of this one and no good.
        """
        token = split(text)
        if token is None or token.claims.get("iss") != self.name:
            return None
        self._check_signature(token)
        claims = token.claims
        given = claims.get("aud") or []
        audience = given if isinstance(given, list) else [given]
        meant = tuple(wanted for wanted in audiences if wanted in audience)
        if not meant:
            listed, known = (" ".join(f'"{a}"' for a in names) for names in (audience, audiences))
            raise TokenError(f"token audiences [{listed}] is invalid for the target audiences [{known}]")
        now = time.time()
        if now > claims.get("exp", 0):
            raise TokenError("service account token has expired")
        if now < claims.get("nbf", 0):
            raise TokenError("service account token is not valid yet")
        return await self._owner(claims), meant

    def _check_signature(self, token: Token) -> None:
        key = self.keys.public.get(token.header.get("kid", ""))
        if key is None:
            raise TokenError("invalid signature", "no keys found")
        verify(token, key)

    async def _owner(self, claims: Object) -> User:
        kubernetes = claims.get("kubernetes.io") or {}
        namespace, reference = kubernetes.get("namespace", ""), kubernetes.get("serviceaccount") or {}
        name, uid = reference.get("name", ""), reference.get("uid", "")
        subject = f"system:serviceaccount:{namespace}:{name}"
        if not namespace or not name or claims.get("sub") != subject:
            raise TokenError("sub claim is invalid")
        account = await self._living("serviceaccounts", namespace, name)
        if account is None:
            raise TokenError(f'serviceaccounts "{name}" not found')
        metadata = account["metadata"]
        if metadata["uid"] != uid:
            raise TokenError(f"service account UID ({metadata['uid']}) does not match claim ({uid})")
        if _gone(account):
            raise TokenError("service account token has been invalidated")
        extra = {CREDENTIAL_ID: [f"JTI={claims['jti']}"]} if claims.get("jti") else {}
        for kind, plural in BOUND.items():
            if bound := kubernetes.get(kind):
                await self._check_bound(plural, namespace, bound)
                extra |= {
                    f"{_EXTRA}{kind}-{part}": [value] for part, value in bound.items() if kind != "secret"
                }
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return User(subject, groups, extra, uid)

    async def _check_bound(self, plural: str, namespace: str, bound: Object) -> None:
        if not bound.get("uid"):  # a pod's node that was not there when the token was issued
            return
        found = await self._living(plural, namespace, bound.get("name", ""))
        if found is None or found["metadata"]["uid"] != bound.get("uid") or _gone(found):
            raise TokenError("service account token has been invalidated")

    async def _living(self, plural: str, namespace: str, name: str) -> Object | None:
        resource = core(plural)
        found = await self.storage.get(resource.key(namespace if resource.namespaced else "", name))
        return found.object if found else None


def _gone(obj: Object) -> bool:
    deleted = parse_time(obj["metadata"].get("deletionTimestamp", ""))
    return deleted is not None and (datetime.now(UTC) - deleted).total_seconds() > DELETION_LEEWAY_SECONDS
