"""Where a component finds the API server and who it is there: `clientcmd`'s reading of a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import os
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from labs.golang import gojson, goyaml, pem, urls
from labs.golang.errors import aggregate
from labs.golang.quoting import quote

EMPTY = (
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment "
    "variable"
)
_SCHEME = "k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50"
#: What the parts of the file are, here and in Go.
_FIELDS: dict[str, tuple[type, str]] = {
    "preferences": (dict, "v1.Preferences"),
    "clusters": (list, "[]v1.NamedCluster"),
    "users": (list, "[]v1.NamedAuthInfo"),
    "contexts": (list, "[]v1.NamedContext"),
    "current-context": (str, "string"),
}


#: Gives a file's content, or raises OSError.
Read = Callable[[str], bytes]


class _FileError(Exception):
    """The file is no kubeconfig."""


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message is client-go's."""


@dataclass(frozen=True)
class RestConfig:
    """One API server and one user of it."""

    server: str
    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    insecure: bool = False
    #: The plug-in that would know a token; there is none any more.
    provider: str = ""
    #: The pair is in files of its own: read again and again, and so no reason to end.
    in_files: bool = False
    #: Why the server is no address.
    fault: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        address = urlsplit(self.server)
        return address.port or (443 if address.scheme == "https" else 80)

    def tls(self, complain: Callable[[KubeconfigError], object]) -> ssl.SSLContext | None:
        """The context for a connection, None for plain HTTP. Raises `KubeconfigError`.

        A pair in files that is none ends nobody: the files may be mended. `complain` hears of it.
        """
        if self.fault:
            raise KubeconfigError(self.fault)
        if self.provider:
            raise KubeconfigError(f'no Auth Provider found for name "{self.provider}"')
        if self.insecure and self.authority:
            raise KubeconfigError("specifying a root certificates file with the insecure flag is not allowed")
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
            except KubeconfigError as error:
                if not self.in_files:
                    raise
                complain(error)
        return context


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def load(path: str, read: Read = _content, *, master: str = "") -> RestConfig:
    """The current context of the kubeconfig at `path`; `read` has the files. Raises `KubeconfigError`.

    `master` is the server where one is named, whatever the file says, which then needs no context.
    """
    try:
        return _current(_document(read(path)), Path(path).parent, read, master)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KubeconfigError(f"stat {path}: {(error.strerror or '').lower()}") from None
    except OSError as error:
        raise KubeconfigError(f'error loading config file "{path}": {pem.unreadable(path, error)}') from None
    except (goyaml.YAMLError, _FileError) as error:
        raise KubeconfigError(f'error loading config file "{path}": {error}') from None


def at(server: str) -> RestConfig:
    """The server alone, for nobody in particular; one without a scheme is asked without TLS.

    Follows `rest.DefaultServerURL`.
    """
    if not urls.fault(server) and re.match(r"[^/:]+://[^/]", server):
        return RestConfig(server.rstrip("/"))
    guess = f"http://{server}"
    why = urls.fault(guess)
    if not why and urlsplit(guess).path not in ("", "/"):
        why = f"host must be a URL or a host:port pair: {quote(server)}"
    return RestConfig(guess.rstrip("/"), fault=why)


def _document(data: bytes) -> dict[str, Any]:
    document = goyaml.load(data)
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = "array" if isinstance(document, list) else "string"
        fields = (("APIVersion", "apiVersion"), ("Kind", "kind"))
        go = "; ".join(f'{field} string "json:\\"{name},omitempty\\""' for field, name in fields)
        raise _FileError(
            "couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{kind} into Go value of type struct {{ {go} }}"
        )
    kind, version = document.get("kind") or "Config", document.get("apiVersion") or "v1"
    if (kind, version) != ("Config", "v1"):
        raise _FileError(f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"')
    for name, (expected, go) in _FIELDS.items():
        value = document.get(name)
        if value is not None and not isinstance(value, expected):
            raise _FileError(
                f"json: cannot unmarshal {gojson.kind(value)} into Go struct field Config.{name} of type {go}"
            )
    return document


def _current(document: dict[str, Any], directory: Path, read: Read, master: str) -> RestConfig:
    name = document.get("current-context")
    if not name:
        if master:
            return at(master)
        raise KubeconfigError(EMPTY)
    context = _named(document, "contexts", "context", name)
    if context is None:
        faults = [f"context was not found for specified context: {name}"]
        faults += [] if master else ["cluster has no server defined"]
        raise KubeconfigError(f"invalid configuration: {aggregate(faults)}")
    cluster = _named(document, "clusters", "cluster", context.get("cluster", ""))
    if master:
        cluster = {**(cluster or {}), "server": master}
    elif cluster is None:
        raise KubeconfigError(EMPTY)
    owner = context.get("user", "")
    user = _named(document, "users", "user", owner) or {}
    faults = []
    certificate = _pem(user, "client-certificate", owner, directory, read, faults)
    key = _pem(user, "client-key", owner, directory, read, faults)
    faults += _method_faults(user, owner)
    faults += _cluster_faults(cluster, context.get("cluster", ""))
    authority = _pem(cluster, "certificate-authority", context.get("cluster", ""), directory, read, faults)
    if faults:
        raise KubeconfigError(f"invalid configuration: {aggregate(faults)}")
    address = at(str(cluster["server"]))
    if not address.server.startswith("https:"):
        return address  # nobody says who he is where everybody could hear it
    token = str(user.get("token") or "")
    if path := user.get("tokenFile"):
        try:
            token = read(path).decode().strip()
        except OSError as error:
            raise KubeconfigError(pem.unreadable(path, error)) from None
    insecure = bool(cluster.get("insecure-skip-tls-verify"))
    provider = str((user.get("auth-provider") or {}).get("name") or "")
    in_files = bool(user.get("client-certificate") or user.get("client-key"))
    return RestConfig(address.server, authority, certificate, key, token, insecure, provider, in_files)


def _method_faults(user: dict[str, Any], owner: str) -> Iterator[str]:
    """What `validateAuthInfo` has against the ways in which somebody says who he is."""
    certificate, key = (
        user.get(name) or user.get(f"{name}-data") for name in ("client-certificate", "client-key")
    )
    if certificate and not key:
        yield (
            f"client-key-data or client-key must be specified for {owner} to use the clientCert "
            "authentication method."
        )
    methods = [
        name
        for name, given in (
            ("token", user.get("token")),
            ("basicAuth", user.get("username") or user.get("password")),
        )
        if given
    ]
    if plugin := user.get("exec"):
        yield from _exec_faults(plugin, owner)
    if len(methods) > 1:
        yield (
            f"more than one authentication method found for {owner}; found [{' '.join(methods)}], only "
            "one is allowed"
        )


def _exec_faults(plugin: dict[str, Any], owner: str) -> Iterator[str]:
    """What `validateAuthInfo` has against a program to be asked for credentials; nobody asks it here."""
    for name in ("command", "apiVersion"):
        if not plugin.get(name):
            yield f"{name} must be specified for {owner} to use exec authentication plugin"
    mode = plugin.get("interactiveMode")
    if not mode:
        yield f"interactiveMode must be specified for {owner} to use exec authentication plugin"
    elif mode not in ("Never", "IfAvailable", "Always"):
        yield f"invalid interactiveMode for {owner}: {quote(str(mode))}"


def _cluster_faults(cluster: dict[str, Any], name: str) -> Iterator[str]:
    """`validateClusterInfo`, but for the authorities' file. No proxy is asked here."""
    if not cluster.get("server"):
        yield f'no server found for cluster "{name}"'
    if (proxy := str(cluster.get("proxy-url") or "")) and (why := _proxy_fault(proxy)):
        yield f"invalid 'proxy-url' {quote(proxy)} for cluster {quote(name)}: {why}"
    if cluster.get("certificate-authority") and cluster.get("certificate-authority-data"):
        what = "certificate-authority"
        yield f"{what}-data and {what} are both specified for {name}. {what}-data will override."


def _proxy_fault(url: str) -> str:
    if why := urls.fault(url):
        return f"failed to parse: {why}"
    scheme = url.partition(":")[0]
    if scheme in ("http", "https", "socks5"):
        return ""
    return f"unsupported scheme {quote(scheme)}, must be http, https, or socks5"


def _named(document: dict[str, Any], key: str, part: str, name: str) -> dict[str, Any] | None:
    found = next((entry for entry in document.get(key) or () if entry.get("name") == name), None)
    return None if found is None else found.get(part) or {}


def _pem(
    section: dict[str, Any], name: str, owner: str, directory: Path, read: Read, faults: list[str]
) -> bytes:
    """A certificate or key, in the kubeconfig or in a file beside it; what is wrong goes to `faults`."""
    content = b""
    if section.get(name):
        path = str(directory / str(section[name]))
        try:
            content = read(path)
        except OSError as error:
            what = name.replace("client-certificate", "client-cert")
            faults.append(f"unable to read {what} {path} for {owner} due to {pem.unreadable(path, error)}")
    if data := section.get(f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            wrong = re.search(r"[^A-Za-z0-9+/=]", data)
            at = wrong.start() if wrong else len(data)
            raise _FileError(f"illegal base64 data at input byte {at}") from None
    return content


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python's ssl reads certificates from files only: from ones that have no name."""
    with _nameless(certificate) as shown, _nameless(key) as secret:
        try:
            pem.load_pair(context, *(f"/proc/self/fd/{file.fileno()}" for file in (shown, secret)))
        except pem.PEMError as error:
            raise KubeconfigError(str(error)) from None


def _nameless(content: bytes) -> BinaryIO:
    file = os.fdopen(os.memfd_create("client"), "wb")
    file.write(content)
    file.flush()
    return file
