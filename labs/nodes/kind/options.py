"""How a node's container is run: the options of `kind create cluster`, as the body of a create request.

Pure data, so that it can be laid beside kind's source (`commonArgs`, `runArgsForNode` and `getProxyEnv` in
kind's pkg/cluster/internal/providers/docker/provision.go). Docker's own command line turns kind's flags into
such a body; the SDK's `containers.run` knows no words for two of its fields, so the body is made here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
ROLE_LABEL = "io.x-k8s.kind.role"
CONTROL_PLANE_ROLE, WORKER_ROLE = "control-plane", "worker"
#: Ours: the directory of the cluster that the container belongs to.
DIRECTORY_LABEL = "io.cks-labs.directory"

#: The port of the API server in a node.
API_PORT = 6443
LOOPBACK = "127.0.0.1"
MODULES = "/lib/modules"

POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/16"
#: What pods reach by a service's name is never asked of a proxy.
SERVICE_DOMAINS = (".svc", ".svc.cluster", ".svc.cluster.local")

#: Storage drivers and backing file systems that want the host's device mapper.
_MAPPED_DRIVERS = ("btrfs", "zfs", "devicemapper")
_MAPPED_FILESYSTEMS = ("btrfs", "zfs", "xfs")

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

Body = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """What kind asks the daemon's `docker info` before it decides on options."""

    rootless: bool = False
    userns_remap: bool = False
    storage_driver: str = "overlay2"
    backing_filesystem: str = "extfs"
    has_modules: bool = True
    """Whether the daemon's machine has /lib/modules: Docker would make an empty one there."""

    @property
    def wants_device_mapper(self) -> bool:
        return not self.rootless and (
            self.storage_driver in _MAPPED_DRIVERS or self.backing_filesystem in _MAPPED_FILESYSTEMS
        )


@dataclass(frozen=True)
class NodeOptions:
    """One node's container."""

    cluster: str
    name: str
    image: str
    network: str
    port: int | None
    """Of 127.0.0.1 on the daemon's machine, for the API; chosen by us, so that it survives restarts.

    None for a worker, which has no API server.
    """
    host: Host = field(default_factory=Host)
    proxies: Mapping[str, str] = field(default_factory=dict)
    """See `proxy_environment`."""
    snapshotter: str | None = None
    """$KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER, for the entrypoint of kind's image."""
    directory: str | None = None
    """The cluster's directory; None leaves the label out."""

    def body(self) -> Body:
        """The body of `POST /containers/create`, with the fields that kind's flags become."""
        here = {"HostIp": LOOPBACK, "HostPort": str(self.port)}
        published = {f"{API_PORT}/tcp": [here]} if self.port is not None else {}
        environment = dict(self.proxies)
        if self.port is not None:
            environment["KUBECONFIG"] = "/etc/kubernetes/admin.conf"
        if self.snapshotter is not None:
            environment["KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER"] = self.snapshotter
        role = CONTROL_PLANE_ROLE if self.port is not None else WORKER_ROLE
        labels = {CLUSTER_LABEL: self.cluster, ROLE_LABEL: role}
        if self.directory is not None:
            labels[DIRECTORY_LABEL] = self.directory
        return {
            "Image": self.image,
            "Hostname": self.name,
            "Labels": labels,
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Tty": True,
            "ExposedPorts": {port: {} for port in published},
            "Volumes": {"/var": {}},
            "HostConfig": {
                "NetworkMode": self.network,
                "Privileged": True,
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
                "Tmpfs": {"/tmp": "", "/run": ""},
                "Binds": self._binds(),
                "PortBindings": published,
                "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1},
                "Init": False,
                "CgroupnsMode": "private",
                "UsernsMode": "host" if self.host.userns_remap else "",
                "Devices": [_device("/dev/fuse")] if self.host.rootless else [],
            },
        }

    def unprivileged_body(self) -> Body:
        """The same for a daemon that cannot give every capability, and so refuses `Privileged`.

        What `Privileged` does besides is asked for piece by piece: capabilities (without CAP_SYS_RESOURCE,
        the one such daemons lack), all devices, nothing of /proc and /sys masked or read-only. The cgroup
        mounts stay read-only: the node's entrypoint remounts them.
        """
        body = self.body()
        host: Body = body["HostConfig"]
        host["Privileged"] = False
        host["CapAdd"] = ["ALL"]
        host["CapDrop"] = ["SYS_RESOURCE"]
        host["MaskedPaths"] = []
        host["ReadonlyPaths"] = []
        host["DeviceCgroupRules"] = ["a *:* rwm"]
        return body

    def _binds(self) -> list[str]:
        binds = [f"{MODULES}:{MODULES}:ro"] if self.host.has_modules else []
        if self.host.wants_device_mapper:
            binds.append("/dev/mapper:/dev/mapper")
        return binds


def _device(path: str) -> dict[str, str]:
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


def proxy_environment(
    environment: Mapping[str, str],
    docker_config: Mapping[str, str],
    subnets: Iterable[str],
    nodes: Iterable[str],
) -> dict[str, str]:
    """The proxy variables of a node, in both spellings; empty where no proxy is set.

    The person's own come first; `docker_config` (the "proxies" of Docker's configuration file) fills in what
    is missing, unless an HTTP proxy is set in `environment`: then it is not looked at. `subnets` are the
    node network's.
    """
    own = {
        name: value for name in _PROXIES if (value := environment.get(name) or environment.get(name.lower()))
    }
    chosen = dict(own)
    if not {"HTTP_PROXY", "HTTPS_PROXY"} & own.keys():
        chosen = {**{name: docker_config[name] for name in _PROXIES if docker_config.get(name)}, **own}
    if not chosen:
        return {}
    # the order of kind's NO_PROXY: networks of nodes, the person's, services and pods, node names, domains
    without = [*subnets]
    if "NO_PROXY" in chosen:
        without.append(chosen["NO_PROXY"])
    chosen["NO_PROXY"] = ",".join([*without, SERVICE_SUBNET, POD_SUBNET, *nodes, *SERVICE_DOMAINS])
    return {spelling: value for name, value in chosen.items() for spelling in (name, name.lower())}
