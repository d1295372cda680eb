"""CRI messages for a pod's sandbox and containers (`kuberuntime_{sandbox,container}.go`, `labels.go`).

Pure but for the mounts, which `volumes` has made. Labels and annotations are the real kubelet's, so that
crictl, log collectors and a restarted kubelet find what they look for.
"""

import json
from collections.abc import Iterable, Mapping

from cri_api.v1 import api_pb2 as api

from labs.kubelet import runtime_status as names
from labs.kubelet.dns import hostname_of
from labs.kubelet.downward import expand
from labs.kubelet.images import Image
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.resources import Machine, container_resources, sandbox_resources
from labs.kubelet.volumes import BoundMount

MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
PROTOCOLS = {"TCP": api.TCP, "UDP": api.UDP, "SCTP": api.SCTP}
PROPAGATION = {
    "None": api.PROPAGATION_PRIVATE,
    "HostToContainer": api.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": api.PROPAGATION_BIDIRECTIONAL,
}
PRE_STOP = "io.kubernetes.container.preStopHandler"


def pod_labels(pod: Pod) -> dict[str, str]:
    """What every object of a pod carries in the runtime."""
    return {names.POD_NAME: pod.name, names.POD_NAMESPACE: pod.namespace, names.POD_UID: pod.uid}


def log_directory(logs: str, pod: Pod) -> str:
    return f"{logs}/{pod.namespace}_{pod.name}_{pod.uid}"


def _seccomp(profile: Mapping[str, str] | None) -> api.SecurityProfile:
    match profile:
        case {"type": "RuntimeDefault"}:
            return api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault)
        case {"type": "Localhost", "localhostProfile": local}:
            path = f"/var/lib/kubelet/seccomp/{local}"
            return api.SecurityProfile(profile_type=api.SecurityProfile.Localhost, localhost_ref=path)
    return api.SecurityProfile(profile_type=api.SecurityProfile.Unconfined)


def _namespaces(pod: Pod) -> api.NamespaceOption:
    shared = pod.object["spec"].get("shareProcessNamespace")
    return api.NamespaceOption(
        network=api.NODE if pod.host_network else api.POD,
        pid=api.NODE if pod.host_pid else api.POD if shared else api.CONTAINER,
        ipc=api.NODE if pod.host_ipc else api.POD,
        userns_options=api.UserNamespace(mode=api.NODE),
    )


def _groups(pod: Pod) -> list[int]:
    """`fsGroup` and `supplementalGroups`: every process of the pod is in them."""
    security = pod.security
    own = [security["fsGroup"]] if "fsGroup" in security else []
    return [*own, *security.get("supplementalGroups", ())]


def sandbox_config(
    pod: Pod, attempt: int, logs: str, cgroup_parent: str, dns: api.DNSConfig, machine: Machine
) -> api.PodSandboxConfig:
    """The sandbox of one attempt."""
    ports = [
        api.PortMapping(
            protocol=PROTOCOLS[p["protocol"]],
            container_port=p["containerPort"],
            host_port=p.get("hostPort", 0),
            host_ip=p.get("hostIP", ""),
        )
        for c in pod.containers
        for p in c.ports
    ]
    security = api.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(pod),
        seccomp=_seccomp({"type": "RuntimeDefault"}),
        privileged=any(c.security.get("privileged") for c in pod.all_containers),
        supplemental_groups=_groups(pod),
    )
    if "runAsUser" in pod.security:
        security.run_as_user.value = pod.security["runAsUser"]
    if "runAsGroup" in pod.security:
        security.run_as_group.value = pod.security["runAsGroup"]
    return api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name=pod.name, uid=pod.uid, namespace=pod.namespace, attempt=attempt),
        hostname="" if pod.host_network else hostname_of(pod),
        log_directory=log_directory(logs, pod),
        dns_config=dns,
        port_mappings=ports,
        labels={**pod.labels, **pod_labels(pod)},
        annotations=dict(pod.annotations),
        linux=api.LinuxPodSandboxConfig(
            cgroup_parent=cgroup_parent,
            security_context=security,
            sysctls={s["name"]: s.get("value", "") for s in pod.security.get("sysctls", ())},
            overhead=api.LinuxContainerResources(),
            resources=sandbox_resources(pod, machine),
        ),
    )


def container_annotations(pod: Pod, container: Container, restart_count: int) -> dict[str, str]:
    """What the kubelet reads back after its own restart."""
    annotations = {
        names.CONTAINER_HASH: container.hash,
        names.RESTART_COUNT: str(restart_count),
        names.TERMINATION_PATH: container.termination_message_path,
        names.TERMINATION_POLICY: container.termination_message_policy,
        names.GRACE_PERIOD: str(pod.grace_period),
    }
    if container.pre_stop is not None:
        annotations[PRE_STOP] = json.dumps(container.lifecycle["preStop"], separators=(",", ":"))
    if container.ports:
        ports = [
            {k: p[k] for k in ("name", "hostPort", "containerPort", "protocol", "hostIP") if p.get(k)}
            for p in container.ports
        ]
        annotations[names.PORTS] = json.dumps(ports, separators=(",", ":"))
    return annotations


def _apparmor(profile: Mapping[str, str] | None) -> api.SecurityProfile | None:
    if profile is None:
        return None
    kind = api.SecurityProfile.ProfileType.Value(profile.get("type", "RuntimeDefault"))
    return api.SecurityProfile(profile_type=kind, localhost_ref=profile.get("localhostProfile", ""))


def _security(
    pod: Pod, container: Container, image: Image, seccomp_default: bool
) -> api.LinuxContainerSecurityContext:
    """`determineEffectiveSecurityContext`: the container's settings over the pod's, the image's user last."""
    own = container.security
    settings = {**pod.security, **own}
    capabilities = own.get("capabilities", {})
    visible = own.get("procMount") == "Unmasked"
    context = api.LinuxContainerSecurityContext(
        capabilities=api.Capability(
            add_capabilities=capabilities.get("add", ()), drop_capabilities=capabilities.get("drop", ())
        )
        if "capabilities" in own
        else None,
        privileged=bool(own.get("privileged")),
        namespace_options=_namespaces(pod),
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        supplemental_groups=_groups(pod),
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        masked_paths=() if visible else MASKED_PATHS,
        readonly_paths=() if visible else READONLY_PATHS,
        seccomp=_seccomp(
            settings.get("seccompProfile") or ({"type": "RuntimeDefault"} if seccomp_default else None)
        ),
        apparmor=_apparmor(settings.get("appArmorProfile")),
    )
    if "runAsUser" in settings:
        context.run_as_user.value = settings["runAsUser"]
    elif image.user_name:
        context.run_as_username = image.user_name
    else:
        context.run_as_user.value = image.user
    if "runAsGroup" in settings:
        context.run_as_group.value = settings["runAsGroup"]
    return context


class ConfigError(Exception):
    """A container that may not be made as it is configured."""


def verify_non_root(pod: Pod, container: Container, image: Image) -> None:
    """Raise ConfigError where `runAsNonRoot` is asked for and root, or who knows who, would run."""
    settings = {**pod.security, **container.security}
    if not settings.get("runAsNonRoot"):
        return
    where = f'(pod: "{pod.described}", container: {container.name})'
    if "runAsUser" in settings:
        if settings["runAsUser"] == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    elif image.user_name:
        who = f"image has non-numeric user ({image.user_name})"
        raise ConfigError(f"container has runAsNonRoot and {who}, cannot verify user is non-root {where}")
    elif image.user == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def container_config(
    pod: Pod,
    container: Container,
    restart_count: int,
    image: Image,
    mounts: Iterable[BoundMount],
    env: Mapping[str, str],
    oom: int,
    machine: Machine,
    seccomp_default: bool,
) -> api.ContainerConfig:
    """One generation of a container."""
    return api.ContainerConfig(
        metadata=api.ContainerMetadata(name=container.name, attempt=restart_count),
        image=api.ImageSpec(image=image.id, user_specified_image=container.image),
        command=[expand(word, env) for word in container.command],
        args=[expand(word, env) for word in container.args],
        working_dir=container.working_dir,
        envs=[api.KeyValue(key=k, value=v) for k, v in env.items()],
        mounts=[
            api.Mount(
                host_path=m.host_path,
                container_path=m.container_path,
                readonly=m.read_only,
                propagation=PROPAGATION[m.propagation],
            )
            for m in mounts
        ],
        labels={**pod_labels(pod), names.CONTAINER_NAME: container.name},
        annotations=container_annotations(pod, container, restart_count),
        log_path=f"{container.name}/{restart_count}.log",
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        linux=api.LinuxContainerConfig(
            resources=container_resources(container, oom, machine),
            security_context=_security(pod, container, image, seccomp_default),
        ),
    )
