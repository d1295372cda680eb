"""The ways of authentication that the flags ask for (`pkg/kubeapiserver/options/authentication.go`)."""

from __future__ import annotations

from . import authentication_config
from .authentication import (
    Authenticator,
    BootstrapTokens,
    Certificates,
    Issuer,
    Keys,
    TokenFileError,
    token_file,
)
from .authentication_config import Anonymous
from .options import InvalidOptions, Options
from .storage import Storage


def of(options: Options, storage: Storage) -> Authenticator:
    """The authenticator. Raises `InvalidOptions` for files that cannot be used."""
    flags = options.flags
    signing = flags.text("service-account-signing-key-file")
    issuer = next(iter(flags.words("service-account-issuer")), "")
    audiences = tuple(flags.words("api-audiences")) or (issuer,)
    keys = Keys(signing, tuple(flags.words("service-account-key-file")) or (signing,))
    try:
        users = token_file(path) if (path := flags.text("token-auth-file")) else {}
    except TokenFileError as error:
        raise InvalidOptions(str(error)) from error
    anonymous = None
    if path := flags.text("authentication-config"):
        anonymous = authentication_config.read(path)
    return Authenticator(
        Certificates(options.client_ca_file, front_proxy=bool(flags.text("requestheader-client-ca-file"))),
        Issuer(keys, issuer, audiences, storage, flags.text("service-account-jwks-uri")),
        users,
        BootstrapTokens(storage) if flags.switch("enable-bootstrap-token-auth") else None,
        anonymous=(anonymous or Anonymous(flags.switch("anonymous-auth"))).allows,
    )
