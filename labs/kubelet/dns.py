"""What a pod's resolv.conf says, and what the pod is called in it (`pkg/kubelet/network/dns`)."""

from collections.abc import Iterable
from dataclasses import dataclass

from cri_api.v1 import api_pb2 as api

from labs.kubelet.pod.model import Pod

MAX_SERVERS, MAX_SEARCHES, MAX_SEARCH_LINE, MAX_SEARCH = 3, 32, 2048, 253
MAX_HOSTNAME = 63


class NoResolverError(Exception):
    """The node's resolv.conf cannot be read."""


@dataclass(frozen=True)
class Resolver:
    """Settings of one resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Resolver":
        """Servers add up, of the searches the last line counts, of an option the last value."""
        servers: list[str] = []
        searches: list[str] = []
        options: dict[str, str] = {}
        for line in text.splitlines():
            match line.split():
                case ["nameserver", address, *_]:
                    servers.append(address)
                case ["search", *domains]:
                    searches = [d.removesuffix(".") for d in domains if d != "."]
                case ["options", *settings]:
                    options |= {setting.partition(":")[0]: setting for setting in settings}
        return cls(tuple(servers), tuple(searches), tuple(options.values()))


@dataclass(frozen=True)
class ClusterDns:
    """`clusterDNS` and `clusterDomain`."""

    servers: tuple[str, ...] = ()
    domain: str = ""


def hostname_of(pod: Pod) -> str:
    """What `hostname` says in the pod: at most 63 characters."""
    name = pod.hostname or pod.name
    return name if len(name) <= MAX_HOSTNAME else name[:MAX_HOSTNAME].rstrip("-.")


def domain_of(pod: Pod, cluster_domain: str) -> str:
    """The domain of a pod with a `subdomain`, else ""."""
    subdomain = pod.object["spec"].get("subdomain")
    return f"{subdomain}.{pod.namespace}.svc.{cluster_domain}" if subdomain else ""


def _for_policy(pod: Pod, node: Resolver, cluster: ClusterDns) -> Resolver:
    if pod.dns_policy == "None":
        return Resolver()
    wants_cluster = pod.dns_policy == "ClusterFirstWithHostNet" or (
        pod.dns_policy == "ClusterFirst" and not pod.host_network
    )
    if not wants_cluster or not cluster.servers:
        return node
    domain = cluster.domain
    own = (f"{pod.namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
    return Resolver(cluster.servers, _unique((*own, *node.searches)), ("ndots:5",))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def pod_dns(pod: Pod, node: Resolver, cluster: ClusterDns) -> tuple[api.DNSConfig, list[str]]:
    """The pod's DNS settings, and what had to be left out, as the warnings of its events."""
    base = _for_policy(pod, node, cluster)
    own = pod.object["spec"].get("dnsConfig", {})
    options = {option.partition(":")[0]: option for option in base.options}
    for option in own.get("options", ()):
        name, value = option.get("name", ""), option.get("value")
        options[name] = f"{name}:{value}" if value else name
    servers = _unique((*base.servers, *own.get("nameservers", ())))
    searches = _unique((*base.searches, *own.get("searches", ())))
    warnings = []
    if len(servers) > MAX_SERVERS:
        servers = servers[:MAX_SERVERS]
        warnings.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver "
            f"line is: {' '.join(servers)}"
        )
    fitting = _fitting(searches)
    if fitting != searches:
        warnings.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line "
            f"is: {' '.join(fitting)}"
        )
    return api.DNSConfig(servers=servers, searches=fitting, options=options.values()), warnings


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(search for search in searches[:MAX_SEARCHES] if len(search) <= MAX_SEARCH)
    while len(" ".join(kept)) > MAX_SEARCH_LINE:
        kept = kept[:-1]
    return kept
