"""The kubelet's command line (`cmd/kubelet/app/options`): the flags kubeadm and people pass, and `--help`."""

# ruff: noqa: E501 - a flag is one line of the table

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from labs.errors import LabsError
from labs.golang.duration import duration
from labs.golang.quoting import quote

LONG = (
    'The kubelet is the primary "node agent" that runs on each\nnode. It can register the node with the apiserver using '
    "one of: the hostname; a flag to\noverride the hostname; or specific logic for a cloud provider.\n\nThe kubelet works "
    "in terms of a PodSpec. A PodSpec is a YAML or JSON object\nthat describes a pod. It takes PodSpecs from the "
    "apiserver and from files in a directory\n(--pod-manifest-path) and makes sure that the containers described in them "
    "run and are healthy."
)
IN_CONFIG = (
    "This parameter should be set via the config file specified by the Kubelet's --config flag. See "
    "https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ for more information."
)
REMOVED = "will be removed in a future release. Image garbage collector will get sandbox image information from CRI."


class FlagError(LabsError):
    """The command line is no kubelet's."""

    def __init__(self, why: str) -> None:
        super().__init__(f"failed to parse kubelet flag: {why}")


def _labels(text: str) -> dict[str, str]:
    return dict(p.partition("=")[::2] for p in text.split(",") if p)


def _taints(text: str) -> tuple[dict[str, str], ...]:
    taints = []
    for each in filter(None, text.split(",")):
        head, colon, effect = each.rpartition(":")
        if not colon:
            raise ValueError(f"invalid taint spec: {each}")
        key, _, value = head.partition("=")
        taints.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return tuple(taints)


def _headers(text: str) -> dict[str, tuple[str, ...]]:
    """`a:hello,b:again,b:world`."""
    headers: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, text.split(",")):
        name, _, value = pair.partition(":")
        headers[name] = (*headers.get(name, ()), value)
    return headers


def _version(text: str) -> tuple[int, int]:
    major, minor = text.removeprefix("v").split(".")[:2]
    return int(major), int(minor)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")
    return text.lower() in ("true", "1", "t")


def _integer(text: str, function: str = "ParseInt") -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: invalid syntax") from None


def _verbosity(text: str) -> int:
    return _integer(text, "ParseUint")


def _list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


#: flag -> (field of KubeletConfig or None, type, help, deprecation)
FLAGS: dict[str, tuple[str | None, Any, str, str]] = {
    "config": (None, str, "The Kubelet will load its initial configuration from this file.", ""),
    "kubeconfig": ("kubeconfig", str, "Path to a kubeconfig file, specifying how to connect to the API server. Omitting --kubeconfig enables standalone mode.", ""),
    "bootstrap-kubeconfig": ("bootstrap_kubeconfig", str, "Path to a kubeconfig file that will be used to get client certificate for kubelet.", ""),
    "hostname-override": ("hostname_override", str, "If non-empty, will use this string as identification instead of the actual hostname.", ""),
    "node-ip": ("node_ip", str, "IP address (or comma-separated dual-stack IP addresses) of the node.", ""),
    "node-labels": ("node_labels", _labels, "Labels to add when registering the node in the cluster. Labels must be key=value pairs separated by ','.", ""),
    "register-with-taints": ("register_with_taints", _taints, "Register the node with the given list of taints (comma separated \"<key>=<value>:<effect>\").", IN_CONFIG),
    "root-dir": ("root_dir", str, "Directory path for managing kubelet files (volume mounts,etc).", ""),
    "pod-manifest-path": ("static_pod_path", str, "Path to the directory containing static pod files to run, or the path to a single static pod file. Files starting with dots will be ignored.", IN_CONFIG),
    "manifest-url": ("static_pod_url", str, "URL for accessing additional Pod specifications to run.", IN_CONFIG),
    "manifest-url-header": ("static_pod_url_header", _headers, "Comma-separated list of HTTP headers to use when accessing the url provided to --manifest-url. Multiple headers with the same name will be added in the same order provided. This flag can be repeatedly invoked. For example: --manifest-url-header 'a:hello,b:again,c:world' --manifest-url-header 'b:beautiful'", IN_CONFIG),
    "http-check-frequency": ("http_check_frequency", duration, "Duration between checking http for new data.", IN_CONFIG),
    "container-runtime-endpoint": ("container_runtime_endpoint", str, "The endpoint of container runtime service.", IN_CONFIG),
    "image-service-endpoint": ("image_service_endpoint", str, "The endpoint of container image service.", IN_CONFIG),
    "pod-infra-container-image": (None, str, "Specified image will not be pruned by the image garbage collector.", REMOVED),
    "file-check-frequency": ("file_check_frequency", duration, "Duration between checking config files for new data.", IN_CONFIG),
    "sync-frequency": ("sync_frequency", duration, "Max period between synchronizing running containers and config.", IN_CONFIG),
    "node-status-update-frequency": ("node_status_update_frequency", duration, "Specifies how often kubelet posts node status to master.", IN_CONFIG),
    "address": ("address", str, "The IP address for the Kubelet to serve on.", IN_CONFIG),
    "port": ("port", _integer, "The port for the Kubelet to serve on.", IN_CONFIG),
    "read-only-port": ("read_only_port", _integer, "The read-only port for the Kubelet to serve on with no authentication/authorization (set to 0 to disable).", IN_CONFIG),
    "healthz-port": ("healthz_port", _integer, "The port of the localhost healthz endpoint (set to 0 to disable).", IN_CONFIG),
    "healthz-bind-address": ("healthz_bind_address", str, "The IP address for the healthz server to serve on.", IN_CONFIG),
    "client-ca-file": ("client_ca_file", str, "If set, any request presenting a client certificate signed by one of the authorities in the client-ca-file is authenticated.", IN_CONFIG),
    "tls-cert-file": ("tls_cert_file", str, "File containing x509 Certificate used for serving HTTPS.", IN_CONFIG),
    "tls-private-key-file": ("tls_private_key_file", str, "File containing x509 private key matching --tls-cert-file.", IN_CONFIG),
    "anonymous-auth": ("anonymous_auth", _boolean, "Enables anonymous requests to the Kubelet server.", IN_CONFIG),
    "authentication-token-webhook": ("webhook_auth", _boolean, "Use the TokenReview API to determine authentication for bearer tokens.", IN_CONFIG),
    "authentication-token-webhook-cache-ttl": ("token_ttl", duration, "The duration to cache responses from the webhook token authenticator.", IN_CONFIG),
    "authorization-webhook-cache-authorized-ttl": ("authorized_ttl", duration, "The duration to cache 'authorized' responses from the webhook authorizer.", IN_CONFIG),
    "authorization-webhook-cache-unauthorized-ttl": ("unauthorized_ttl", duration, "The duration to cache 'unauthorized' responses from the webhook authorizer.", IN_CONFIG),
    "authorization-mode": ("authorization_mode", str, "Authorization mode for Kubelet server. Valid options are AlwaysAllow or Webhook.", IN_CONFIG),
    "cluster-dns": ("cluster_dns", _list, "Comma-separated list of DNS server IP address.", IN_CONFIG),
    "cluster-domain": ("cluster_domain", str, "Domain for this cluster.", IN_CONFIG),
    "max-pods": ("max_pods", _integer, "Number of Pods that can run on this Kubelet.", IN_CONFIG),
    "register-node": ("register_node", _boolean, "Register the node with the apiserver. If --kubeconfig is not provided, this flag is irrelevant.", IN_CONFIG),
    "cgroup-driver": ("cgroup_driver", str, "Driver that the kubelet uses to manipulate cgroups on the host.", IN_CONFIG),
    "cgroup-root": ("cgroup_root", str, "Optional root cgroup to use for pods.", IN_CONFIG),
    "fail-swap-on": (None, _boolean, "Makes the Kubelet fail to start if swap is enabled on the node.", IN_CONFIG),
    "feature-gates": (None, str, "A set of key=value pairs that describe feature gates for alpha/experimental features.", IN_CONFIG),
    "runtime-cgroups": (None, str, "Optional absolute name of cgroups to create and run the runtime in.", ""),
    "cloud-provider": (None, str, "The provider for cloud services.", ""),
    "provider-id": (None, str, "Unique identifier for identifying the node in a machine database.", IN_CONFIG),
    "kubernetes-version": ("kubernetes_version", _version, "Treat manifests as the kubelet of this version does, for instance v1.33.", ""),
    "v": (None, _verbosity, "number for the log level verbosity", ""),
}  # fmt: skip


def parse(argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings by flag name (None where not given), and the warnings of deprecated flags that were.

    Raises FlagError for what no kubelet knows. `--help` prints and exits 0.
    """
    parser = argparse.ArgumentParser(
        "kubelet", "kubelet [flags]", LONG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        exit_on_error=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version="Kubernetes v1.36.2")
    for name, (_, kind, text, deprecation) in FLAGS.items():
        note = f" (DEPRECATED: {deprecation})" if deprecation else ""
        names = ["-v", "--v"] if name == "v" else [f"--{name}"]
        parser.add_argument(
            *names, dest=name, type=_read(kind), help=(text + note).replace("%", "%%"), metavar=_metavar(kind),
            nargs="?" if kind is _boolean else None, const=True if kind is _boolean else None,
        )  # fmt: skip
    try:
        given, unknown = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise FlagError(_fault(error)) from None
    if unknown:
        flag = unknown[0].partition("=")[0]
        raise FlagError(f"unknown flag: {flag}" if flag.startswith("-") else f"unknown command {flag}")
    settings = vars(given)
    warnings = [
        f"Flag --{name} has been deprecated, {FLAGS[name][3]}"
        for name, value in settings.items()
        if value is not None and FLAGS[name][3]
    ]
    return settings, warnings


def _read(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """The reader of a value, whose words argparse keeps."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text}\0{error}") from None

    return read


def _fault(error: argparse.ArgumentError) -> str:
    """As pflag words it."""
    flag = (error.argument_name or "").replace("/", ", ")
    text, found, why = error.message.partition("\0")
    if not found:
        return f"flag needs an argument: {flag}"
    return f'invalid argument {quote(text)} for "{flag}" flag: {why}'


def _metavar(kind: object) -> str:
    names: dict[object, str] = {
        _integer: "int",
        _verbosity: "Level",
        duration: "duration",
        _boolean: "bool",
        _list: "strings",
        _labels: "mapStringString",
        _version: "version",
        _headers: "colonSeparatedMultimapStringString",
    }
    return names.get(kind, "string")


def config_fields(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as fields of KubeletConfig."""
    return {field: settings[name] for name, (field, *_) in FLAGS.items() if field}
