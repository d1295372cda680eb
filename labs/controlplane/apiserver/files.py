"""The files that the server reads at its start, beside its own certificate, in the real order and words.

`BuildGenericConfig` in `pkg/controlplane/apiserver` applies the options one after the other; the first that
cannot be applied ends the process.
"""

from __future__ import annotations

from pathlib import Path

from labs.golang import pem

from . import authentication_config, egress_config, encryption, runtime_config, tracing_config
from .authentication import TokenFileError, token_file
from .options import InvalidOptions, Options


def check(options: Options) -> None:
    """Raises `InvalidOptions` for the first file that the real server would not start with."""
    flags = options.flags
    if not flags.number("max-requests-inflight") + flags.number("max-mutating-requests-inflight"):
        raise InvalidOptions(
            "invalid configuration: MaxRequestsInFlight=0 and MaxMutatingRequestsInFlight=0; they must add "
            "up to something positive"
        )
    runtime_config.check(flags.words("runtime-config"))
    if path := flags.text("encryption-provider-config"):
        encryption.check(path)
    if path := flags.text("egress-selector-config-file"):
        egress_config.check(path)
    if path := flags.text("tracing-config-file"):
        tracing_config.check(path)
    try:
        _check_authentication(options)
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None
    for flag, failing in (
        ("authorization-policy-file", "open"),
        ("authorization-webhook-config-file", "stat"),
    ):
        _check_there(flags.text(flag), f"invalid authorization config: {failing}")
    if path := flags.text("peer-ca-file"):
        try:
            pem.read(path)
        except pem.PEMError as error:
            raise InvalidOptions(f"failed to create proxy transport: {error}") from None


def _check_authentication(options: Options) -> None:
    flags = options.flags
    if path := flags.text("authentication-config"):
        issuers = flags.words("service-account-issuer")
        anonymous = authentication_config.read(path, service_account_issuers=issuers)
        if anonymous is not None and flags.is_given("anonymous-auth"):
            raise InvalidOptions(
                "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is "
                "configured in authentication configuration file"
            )
    elif (url := flags.text("oidc-issuer-url")) and not url.startswith("https://"):
        wrong = f'jwt[0].issuer.url: Invalid value: "{url}": URL scheme must be https'
        raise InvalidOptions(f"invalid authentication configuration: {wrong}")
    if options.client_ca_file:
        pem.check_bundle(options.client_ca_file, "client-ca-bundle")
    if path := flags.text("requestheader-client-ca-file"):
        pem.check_bundle(path, "request-header")
    keys = flags.words("service-account-key-file")
    for path in keys or [""] * flags.is_given("service-account-key-file"):
        pem.check_public_keys(path)
    if path := flags.text("token-auth-file"):
        try:
            token_file(path)
        except TokenFileError as error:
            raise InvalidOptions(str(error)) from None
    _check_there(flags.text("authentication-token-webhook-config-file"), "stat")


def _check_there(path: str, failing: str) -> None:
    if path and not Path(path).exists():
        raise InvalidOptions(f"{failing} {path}: no such file or directory")
