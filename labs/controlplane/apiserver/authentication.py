"""Who asks: the client certificate's CommonName is the user, its Organizations are the groups."""

from __future__ import annotations

from hashlib import sha256

from labs.controlplane.http import Request

from . import status
from .context import User

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class Authenticator:
    """Tells users apart; `anonymous` says whether those without credentials are let in at all."""

    def __init__(self, *, anonymous: bool = True) -> None:
        self._anonymous = anonymous

    def authenticate(self, request: Request) -> User:
        """The user behind a request. Raises a 401 for credentials that are not accepted."""
        certificate = request.peer.certificate
        if certificate is not None:
            name = next((value for kind, value in request.peer.subject if kind == "commonName"), "")
            groups = tuple(value for kind, value in request.peer.subject if kind == "organizationName")
            if name:
                identity = f"X509SHA256={sha256(certificate).hexdigest()}"
                return User(name, (*groups, "system:authenticated"), {CREDENTIAL_ID: [identity]})
        if not self._anonymous or request.headers.get("authorization", "").lower().startswith("bearer "):
            raise status.unauthorized()
        return ANONYMOUS
