"""Where a component finds the API server and who it is there: `clientcmd`'s reading of a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

EMPTY = (
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment "
    "variable"
)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message is the one the component ends with."""


@dataclass(frozen=True)
class RestConfig:
    """One API server and one user of it."""

    server: str
    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    insecure: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        address = urlsplit(self.server)
        return address.port or (443 if address.scheme == "https" else 80)

    def tls(self) -> ssl.SSLContext | None:
        """The context for a connection, None for plain HTTP. Raises `KubeconfigError`."""
        if urlsplit(self.server).scheme != "https":
            return None
        try:
            context = ssl.create_default_context(cadata=self.authority.decode() or None)
        except (ssl.SSLError, ValueError):
            why = "unable to parse bytes as PEM block"
            raise KubeconfigError(f"unable to load root certificates: {why}") from None
        # the key usage of Kubernetes' own authorities is not what OpenSSL's strict mode wants
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate:
            try:
                _load_pair(context, self.certificate, self.key)
            except ssl.SSLError:
                raise KubeconfigError("tls: failed to find any PEM data in certificate input") from None
        return context


def load(path: str) -> RestConfig:
    """The current context of the kubeconfig at `path`. Raises `KubeconfigError`."""
    file = Path(path)
    try:
        file.stat()
    except OSError as error:
        raise KubeconfigError(f"stat {path}: {(error.strerror or '').lower()}") from None
    try:
        text = file.read_text()
    except IsADirectoryError:
        raise KubeconfigError(f'error loading config file "{path}": read {path}: is a directory') from None
    except (OSError, UnicodeDecodeError) as error:
        why = (getattr(error, "strerror", "") or "invalid UTF-8").lower()
        raise KubeconfigError(f'error loading config file "{path}": open {path}: {why}') from None
    return _current(_document(path, text), file.parent)


def _document(path: str, text: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or error
        raise KubeconfigError(f'error loading config file "{path}": yaml: {line}{problem}') from None
    if document is None:
        raise KubeconfigError(EMPTY)
    if not isinstance(document, dict):
        kind = "array" if isinstance(document, list) else "string"
        fields = (("APIVersion", "apiVersion"), ("Kind", "kind"))
        go = "; ".join(f'{field} string "json:\\"{name},omitempty\\""' for field, name in fields)
        raise KubeconfigError(
            f'error loading config file "{path}": couldn\'t get version/kind; json parse error: json: cannot '
            f"unmarshal {kind} into Go value of type struct {{ {go} }}"
        )
    return document


def _current(document: dict[str, Any], directory: Path) -> RestConfig:
    name = document.get("current-context") or ""
    if not name and not document.get("clusters"):
        raise KubeconfigError(EMPTY)
    context = _named(document, "contexts", "context", name)
    if context is None:
        unknown = f"context was not found for specified context: {name}"
        raise KubeconfigError(f"invalid configuration: [{unknown}, cluster has no server defined]")
    cluster = _named(document, "clusters", "cluster", context.get("cluster", ""))
    if cluster is None:
        raise KubeconfigError(EMPTY)
    user = _named(document, "users", "user", context.get("user", "")) or {}
    faults: list[str] = []
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        faults.append(f'no server found for cluster "{context.get("cluster", "")}"')
    certificate = _pem(user, "client-certificate", context.get("user", ""), directory, faults)
    key = _pem(user, "client-key", context.get("user", ""), directory, faults)
    authority = _pem(cluster, "certificate-authority", context.get("cluster", ""), directory, faults)
    token = str(user.get("token") or "")
    if path := user.get("tokenFile"):
        token = Path(path).read_text().strip()
    if faults:
        listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        raise KubeconfigError(f"invalid configuration: {listed}")
    insecure = bool(cluster.get("insecure-skip-tls-verify"))
    return RestConfig(server, authority, certificate, key, token, insecure)


def _named(document: dict[str, Any], key: str, part: str, name: str) -> dict[str, Any] | None:
    found = next((entry for entry in document.get(key) or () if entry.get("name") == name), None)
    return None if found is None else found.get(part) or {}


def _pem(section: dict[str, Any], name: str, owner: str, directory: Path, faults: list[str]) -> bytes:
    """A certificate or key, in the kubeconfig or in a file beside it; what is wrong goes to `faults`."""
    if data := section.get(f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            faults.append(f"illegal base64 data in {name}-data of {owner}")
            return b""
    if not section.get(name):
        return b""
    path = directory / str(section[name])
    try:
        return path.read_bytes()
    except OSError as error:
        what = name.replace("client-certificate", "client-cert")
        why = f"open {path}: {(error.strerror or '').lower()}"
        faults.append(f"unable to read {what} {path} for {owner} due to {why}")
        return b""


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python's ssl reads certificates from files only: from one that has no name."""
    with os.fdopen(os.memfd_create("client"), "wb") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
