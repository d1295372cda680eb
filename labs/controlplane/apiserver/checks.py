"""What the real server refuses before it looks at any file, in its order and words.

`cmd/kube-apiserver/app/options` completes the options and then asks each group of them for its errors; all
that are found are told at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from labs.controlplane.flags import Flags
from labs.controlplane.flagvalues import port_range
from labs.controlplane.serverflags import (
    ServerFlagError,
    check_gates,
    logging_faults,
    metrics_faults,
    version_faults,
)
from labs.golang import pem, urls
from labs.golang.errors import aggregate
from labs.golang.quoting import quote

from . import authorization_config, cors
from .authorization_config import TYPES
from .options import ADMISSION_PLUGINS, InvalidOptions, Options

_AUDIT_MODES = ("batch", "blocking", "blocking-strict")
_MEDIA_TYPES = ("application/json", "application/vnd.kubernetes.protobuf", "application/yaml")
_SMALLEST_SERVICE_RANGE = 8
#: Keys of --runtime-config that stand for many versions.
_WHOLE = ("api/all", "api/ga", "api/beta", "api/alpha")
_TOKEN_SECONDS = (3600, 1 << 32)


def complete(options: Options) -> None:
    """What fails while defaults are filled in, before the server says anything. Raises `InvalidOptions`."""
    flags = options.flags
    try:
        if faults := [*logging_faults(flags)]:
            raise ServerFlagError(aggregate(faults))
        check_gates(flags.text("feature-gates"))
        if faults := [*version_faults(flags)]:
            raise ServerFlagError(aggregate(faults))
    except ServerFlagError as error:
        raise InvalidOptions(str(error)) from None
    for index, text in enumerate(_ranges(options)[:2]):
        network = _network(text)
        if network is None:
            what = "an ip net" if index else "a valid cidr"
            raise InvalidOptions(f"service-cluster-ip-range[{index}] is not {what}")
        if index == 0 and network.num_addresses < _SMALLEST_SERVICE_RANGE:
            why = "the service cluster IP range must be at least 8 IP addresses"
            raise InvalidOptions(f"error determining service IP ranges for primary service cidr: {why}")


def check_signing_key(options: Options) -> None:
    """The key that signs service account tokens is read with the defaults. Raises `InvalidOptions`."""
    path = options.flags.text("service-account-signing-key-file")
    if path:
        try:
            pem.check_private_key(path)
        except pem.PEMError as error:
            raise InvalidOptions(f"failed to parse service-account-issuer-key-file: {error}") from None


def validate(options: Options) -> None:
    """Raises `InvalidOptions` with all that does not go together."""
    groups = (
        _generic, _etcd, _secure_serving, _authentication, _authorization, _audit, _admission,
        _runtime_config, _tokens, _services, _metrics,
    )  # fmt: skip
    if faults := [fault for group in groups for fault in group(options)]:
        raise InvalidOptions(aggregate(faults))


def _generic(options: Options) -> Iterable[str]:
    flags = options.flags
    for name in ("max-requests-inflight", "max-mutating-requests-inflight"):
        if flags.number(name) < 0:
            yield f"--{name} can not be negative value"
    if flags.seconds("request-timeout") < 0:
        yield "--request-timeout can not be negative value"
    if not 0 <= float(flags.text("goaway-chance") or 0) <= 0.02:
        yield "--goaway-chance can not be less than 0 or greater than 0.02"
    if flags.number("min-request-timeout") < 0:
        yield "--min-request-timeout can not be negative value"
    if flags.seconds("shutdown-delay-duration") < 0:
        yield "--shutdown-delay-duration can not be negative value"
    if flags.seconds("shutdown-watch-termination-grace-period") < 0:
        yield "shutdown-watch-termination-grace-period, if provided, can not be a negative value"
    if flags.seconds("storage-initialization-timeout") < 0:
        yield "--storage-initialization-timeout can not be negative value"
    if flags.seconds("livez-grace-period") < 0:
        yield "--livez-grace-period can not be a negative value"
    for directive in flags.words("strict-transport-security-directives"):
        if not re.fullmatch(r"max-age=.*|includeSubDomains|preload", directive):
            yield (
                "--strict-transport-security-directives invalid, allowed values: max-age=expireTime, "
                "includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more "
                "information"
            )
            break
    yield from cors.faults(flags.words("cors-allowed-origins"))


def _etcd(options: Options) -> Iterable[str]:
    flags = options.flags
    if not options.etcd_servers:
        yield "--etcd-servers must be specified"
    if flags.text("storage-backend") not in ("", "etcd3"):
        yield (
            "--storage-backend invalid, allowed values: etcd3. If not specified, it will default to 'etcd3'"
        )
    if flags.text("storage-media-type") not in ("", *_MEDIA_TYPES):
        kind = flags.text("storage-media-type")
        yield f'--storage-media-type "{kind}" invalid, allowed values: {", ".join(_MEDIA_TYPES)}'
    automatic = flags.switch("encryption-provider-config-automatic-reload")
    if automatic and not flags.text("encryption-provider-config"):
        yield ("--encryption-provider-config-automatic-reload must be set with --encryption-provider-config")
    for size in flags.words("watch-cache-sizes"):
        if size.count("#") != 1:
            yield f"invalid value of watch cache size: {size}"
        elif not re.fullmatch(r"[^#]+#\d+", size):
            yield f"invalid size of watch cache size: {size}"
    for override in flags.words("etcd-servers-overrides"):
        if not re.fullmatch(r"[^/#]*/[^/#]+#.+", override):
            yield (
                "--etcd-servers-overrides invalid, must be of format: group/resource#servers, where servers "
                "are URLs, semicolon separated"
            )


def _secure_serving(options: Options) -> Iterable[str]:
    if not 1 <= options.secure_port <= 65535:
        rule = "must be between 1 and 65535, inclusive. It cannot be turned off with 0"
        yield f"--secure-port {options.secure_port} {rule}"


def _authentication(options: Options) -> Iterable[str]:
    flags = options.flags
    issuers = flags.words("service-account-issuer")
    if not issuers and flags.is_given("service-account-issuer"):
        yield "service-account-issuer should not be an empty string"
    elif not issuers:
        yield "service-account-issuer is a required flag"
    for issuer in issuers:
        if ":" in issuer and (why := urls.fault(issuer)):
            yield f"service-account-issuer {quote(issuer)} contained a ':' but was not a valid URL: {why}"
    if not (flags.is_given("service-account-key-file") or flags.text("service-account-signing-endpoint")):
        yield "either `--service-account-key-file` or `--service-account-signing-endpoint` must be set"
    low, high = _TOKEN_SECONDS
    longest = flags.seconds("service-account-max-token-expiration")
    if longest and not low <= longest <= high:
        yield "the service-account-max-token-expiration must be between 1 hour and 2^32 seconds"
    if (uri := flags.text("service-account-jwks-uri")) and not uri.startswith("https:"):
        yield f"service-account-jwks-uri requires https scheme, parsed as: {uri}"
    oidc = [name for name in flags.given if name.startswith("oidc-")]
    if oidc and flags.text("authentication-config"):
        yield "authentication-config file and oidc-* flags are mutually exclusive"
    elif oidc and not (flags.text("oidc-issuer-url") and flags.text("oidc-client-id")):
        yield "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"


def _authorization(options: Options) -> Iterable[str]:
    flags, modes = options.flags, options.authorization_mode
    webhook = [name for name in flags.given if name.startswith("authorization-webhook-")]
    if flags.text("authorization-config"):
        if flags.is_given("authorization-mode") or webhook:
            yield (
                "--authorization-config can not be specified when --authorization-mode or "
                "--authorization-webhook-* flags are defined"
            )
            return
        try:
            authorization_config.read(flags.text("authorization-config"))
        except InvalidOptions as error:
            yield str(error)
        return
    for mode in modes:
        if mode not in TYPES:
            yield f'authorization-mode "{mode}" is not a valid mode'
        elif mode == "ABAC" and not flags.text("authorization-policy-file"):
            yield "authorization-mode ABAC's authorization policy file not passed"
        elif mode == "Webhook" and not flags.text("authorization-webhook-config-file"):
            yield "authorization-mode Webhook's authorization config file not passed"
    for flag, mode in (
        ("authorization-policy-file", "ABAC"),
        ("authorization-webhook-config-file", "Webhook"),
    ):
        if flags.text(flag) and mode not in modes:
            yield f"cannot specify --{flag} without mode {mode}"
    if len(set(modes)) < len(modes):
        yield f"authorization-mode {_quoted(modes)} has mode specified more than once"


def _audit(options: Options) -> Iterable[str]:
    """Each of the two logs is checked only where it is wanted."""
    flags = options.flags
    if flags.text("audit-log-path"):
        yield from _audit_backend(flags, "log")
        if (kind := flags.text("audit-log-format")) not in ("legacy", "json"):
            yield f'invalid audit log format {kind}, allowed formats are "legacy,json"'
        for name in ("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize"):
            if flags.number(name) < 0:
                yield f"--{name} {flags.number(name)} can't be a negative number"
    if flags.text("audit-webhook-config-file"):
        yield from _audit_backend(flags, "webhook")


def _audit_backend(flags: Flags, kind: str) -> Iterable[str]:
    if (mode := flags.text(f"audit-{kind}-mode")) not in _AUDIT_MODES:
        yield f'invalid audit {kind} mode {mode}, allowed modes are "{",".join(_AUDIT_MODES)}"'
    for name, what in (
        ("buffer-size", "buffer size"), ("max-size", "max batch size"), ("throttle-qps", "throttle QPS"),
        ("throttle-burst", "throttle burst"),
    ):  # fmt: skip
        given = flags.text(f"audit-{kind}-batch-{name}")
        throttled = flags.switch(f"audit-{kind}-batch-throttle-enable") or not name.startswith("throttle")
        if mode == "batch" and throttled and float(given or 0) <= 0:
            yield f"invalid audit batch {kind} {what} {given}, must be a positive number"
    if flags.switch(f"audit-{kind}-truncate-enabled"):
        size = flags.number(f"audit-{kind}-truncate-max-event-size")
        if size <= 0:
            yield f"invalid audit truncate {kind} max event size {size}, must be a positive number"
    if flags.text(f"audit-{kind}-version") != "audit.k8s.io/v1":
        yield 'invalid group version, allowed versions are ["audit.k8s.io/v1"]'


def _admission(options: Options) -> Iterable[str]:
    flags = options.flags
    on, off = options.enable_admission_plugins, flags.words("disable-admission-plugins")
    both = [plugin for plugin in on if plugin in off]
    if flags.is_given("admission-control"):
        if on or off:
            yield (
                "admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually "
                "exclusive"
            )
            return
        for plugin in flags.words("admission-control"):
            if plugin not in ADMISSION_PLUGINS:
                yield f'admission-control plugin "{plugin}" is unknown'
        return
    if both:
        yield f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped"
    for flag, plugins in (("enable-admission-plugins", on), ("disable-admission-plugins", off)):
        for plugin in plugins:
            if plugin not in ADMISSION_PLUGINS:
                yield f'{flag} plugin "{plugin}" is unknown'


def _runtime_config(options: Options) -> Iterable[str]:
    for key in _pairs(options.flags.text("runtime-config")):
        if key in _WHOLE:
            continue
        if "/" not in key:
            yield f"runtime-config invalid key {key}"
        elif key.startswith("api/") and key != "api/v1":
            yield f"unknown api groups {key}"


def _pairs(text: str) -> Mapping[str, str]:
    parts = (part.partition("=") for part in text.split(",") if part)
    return {key: value for key, _, value in parts}


def _tokens(options: Options) -> Iterable[str]:
    flags = options.flags
    if flags.text("service-account-signing-endpoint"):
        return
    if not (flags.text("service-account-signing-key-file") and flags.words("service-account-issuer")):
        yield (
            "--service-account-signing-key-file, --service-account-issuer, and --api-audiences should be "
            "specified together"
        )


def _metrics(options: Options) -> Iterable[str]:
    return metrics_faults(options.flags)


def _services(options: Options) -> Iterable[str]:
    flags, ranges = options.flags, _ranges(options)
    if len(ranges) > 2:
        yield "--service-cluster-ip-range must not contain more than two entries"
    networks = [network for text in ranges[:2] if (network := _network(text))]
    if len(networks) == 2 and networks[0].version == networks[1].version:
        yield (
            "--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family"
        )
    port = flags.number("kubernetes-service-node-port")
    if not 0 <= port <= 65535:
        yield (
            f"--kubernetes-service-node-port {port} must be between 0 and 65535, inclusive. If 0, the "
            "Kubernetes master service will be of type ClusterIP"
        )
    first, last = port_range(flags.text("service-node-port-range"))
    if port and not first <= port <= last:
        yield f"kubernetes service node port range {first}-{last} doesn't contain {port}"
    if (count := flags.number("apiserver-count")) <= 0:
        yield f"--apiserver-count should be a positive number, but value '{count}' provided"
    address = options.advertise_address
    if networks and address and networks[0].version != ipaddress.ip_address(address).version:
        yield f'service IP family "{ranges[0]}" must match public address family "{address}"'


def _ranges(options: Options) -> Sequence[str]:
    return [text for text in options.service_cluster_ip_range.split(",") if text]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A range as Go's `net.ParseCIDR` reads it: it may name any address of its network."""
    try:
        return ipaddress.ip_network(text, strict=False) if re.search(r"/\d+$", text) else None
    except ValueError:
        return None


def _quoted(words: Sequence[str]) -> str:
    return "[" + " ".join(f'"{word}"' for word in words) + "]"
