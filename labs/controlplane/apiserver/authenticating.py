"""The ways of authentication that the flags ask for (`pkg/kubeapiserver/options/authentication.go`)."""

from __future__ import annotations

from .authentication import (
    Authenticator,
    BootstrapTokens,
    Certificates,
    Issuer,
    Keys,
    TokenFileError,
    token_file,
)
from .options import InvalidOptions, Options
from .storage import Storage


def of(options: Options, storage: Storage) -> Authenticator:
    """The authenticator. Raises `InvalidOptions` for files that cannot be used."""
    given = options.others
    signing = given.get("service-account-signing-key-file", "")
    issuer = given.get("service-account-issuer", "")
    audiences = tuple(a for a in given.get("api-audiences", "").split(",") if a) or (issuer,)
    keys = Keys(signing, given.get("service-account-key-file", "") or signing)
    try:
        users = token_file(path) if (path := given.get("token-auth-file", "")) else {}
    except TokenFileError as error:
        raise InvalidOptions(str(error)) from error
    return Authenticator(
        Certificates(options.client_ca_file, front_proxy=bool(given.get("requestheader-client-ca-file"))),
        Issuer(keys, issuer, audiences, storage),
        users,
        BootstrapTokens(storage) if given.get("enable-bootstrap-token-auth") == "true" else None,
        anonymous=given.get("anonymous-auth") != "false",
    )
