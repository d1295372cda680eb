"""Who asks: the user behind a certificate or a token, or nobody in particular.

Every way is tried in turn; the first that knows the client decides. When none does and one refused, the
request is unauthorized and the log says why (the client is never told).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from labs.controlplane import klog
from labs.controlplane.http import Request
from labs.golang.errors import aggregate

from .. import status
from ..context import User
from ._certificates import CertificateError, Certificates
from ._jwt import TokenError
from ._service_accounts import Bindings, Issuer, Keys
from ._tokens import BootstrapTokens, TokenFileError, token_file

__all__ = [
    "ANONYMOUS",
    "AUTHENTICATED",
    "Authenticator",
    "Bindings",
    "BootstrapTokens",
    "Certificates",
    "Issuer",
    "Keys",
    "TokenError",
    "TokenFileError",
    "TokenOwner",
    "token_file",
]

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
AUTHENTICATED = "system:authenticated"
#: A token that was good is not looked at again for so long (the real server's success cache).
TOKEN_CACHE_SECONDS = 10.0
TOKEN_CACHE_SIZE = 4096


@dataclass(frozen=True)
class TokenOwner:
    """Whose token it is, and which of the audiences asked for it is meant for."""

    user: User
    audiences: tuple[str, ...]


@dataclass
class Authenticator:
    """All ways in which a client can say who it is."""

    certificates: Certificates
    issuer: Issuer
    #: `--token-auth-file`
    known_tokens: dict[str, User] = field(default_factory=dict)
    #: `--enable-bootstrap-token-auth`
    bootstrap: BootstrapTokens | None = None
    #: Whether who shows nothing may ask for a path.
    anonymous: Callable[[str], bool] = lambda _: True
    _cache: OrderedDict[tuple[bytes, tuple[str, ...]], tuple[float, TokenOwner]] = field(
        default_factory=OrderedDict, init=False
    )

    async def authenticate(self, request: Request) -> User:
        """The user behind a request. Raises a 401 for credentials that are not accepted."""
        refusals: list[str] = []
        try:
            if user := self.certificates.user(request.peer):
                return _authenticated(user)
        except CertificateError as error:
            refusals += error.args
        if token := _bearer(request):
            try:
                return (await self.token_owner(token)).user
            except TokenError as error:
                refusals += error.args
        if not refusals and self.anonymous(request.path):
            return ANONYMOUS
        if refusals:
            klog.error("authentication.go:75", "Unable to authenticate the request", err=aggregate(refusals))
        raise status.unauthorized()

    async def token_owner(self, token: str, audiences: tuple[str, ...] = ()) -> TokenOwner:
        """Whose token this is. Raises `TokenError` when it is nobody's, or meant for other audiences."""
        wanted = audiences or self.issuer.audiences
        key = (sha256(token.encode()).digest(), wanted)
        known = self._cache.get(key)
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        owner = await self._token_owner(token, wanted)
        self._cache[key] = (now + TOKEN_CACHE_SECONDS, owner)
        while len(self._cache) > TOKEN_CACHE_SIZE:
            self._cache.popitem(last=False)
        return owner

    async def _token_owner(self, token: str, audiences: tuple[str, ...]) -> TokenOwner:
        user = self.known_tokens.get(token)
        if user is None and self.bootstrap is not None:
            user = await self.bootstrap.user(token)
        if user is not None:
            # these tokens know no audience: they are for this server alone
            meant = tuple(audience for audience in audiences if audience in self.issuer.audiences)
            if not meant:
                raise TokenError("invalid bearer token")
            return TokenOwner(_authenticated(user), meant)
        try:
            found = await self.issuer.user(token, audiences)
        except TokenError as error:
            raise TokenError("invalid bearer token", *error.args) from error
        if found is None:
            raise TokenError("invalid bearer token")
        return TokenOwner(_authenticated(found[0]), found[1])


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _authenticated(user: User) -> User:
    return user if AUTHENTICATED in user.groups else replace(user, groups=(*user.groups, AUTHENTICATED))
