"""A pod as the kubelet works with it: frozen values read off a decoded and defaulted Pod object.

`Pod.object` keeps the whole object, because the mirror pod is made of it; everything that decides what
runs reads the typed fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from labs.core.qos import qos_class
from labs.kubelet.pod.identity import HASH_ANNOTATION, MIRROR_ANNOTATION, SOURCE_ANNOTATION, container_hash

CRITICAL_PRIORITY = 2_000_000_000
TERMINAL_PHASES = ("Failed", "Succeeded")


@dataclass(frozen=True)
class HttpGet:
    path: str
    port: int | str
    scheme: str
    host: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, action: Mapping[str, Any]) -> Self:
        headers = tuple((h["name"], h.get("value", "")) for h in action.get("httpHeaders", ()))
        return cls(action["path"], action["port"], action["scheme"], action.get("host", ""), headers)


@dataclass(frozen=True)
class Exec:
    command: tuple[str, ...]


@dataclass(frozen=True)
class TcpSocket:
    port: int | str
    host: str


@dataclass(frozen=True)
class Grpc:
    port: int
    service: str


@dataclass(frozen=True)
class Sleep:
    seconds: int


Action = HttpGet | Exec | TcpSocket | Grpc | Sleep


def action_of(handler: Mapping[str, Any]) -> Action | None:
    """What a probe or a hook does; None when it names nothing this kubelet can do."""
    if "httpGet" in handler:
        return HttpGet.of(handler["httpGet"])
    if "exec" in handler:
        return Exec(tuple(handler["exec"].get("command", ())))
    if "tcpSocket" in handler:
        return TcpSocket(handler["tcpSocket"]["port"], handler["tcpSocket"].get("host", ""))
    if "grpc" in handler:
        return Grpc(handler["grpc"]["port"], handler["grpc"]["service"])
    if "sleep" in handler:
        return Sleep(handler["sleep"].get("seconds", 0))
    return None


@dataclass(frozen=True)
class Probe:
    """`startup`, `liveness` or `readiness` of one container."""

    kind: str
    action: Action
    initial_delay: int
    timeout: int
    period: int
    success_threshold: int
    failure_threshold: int
    grace_period: int | None

    @classmethod
    def of(cls, kind: str, probe: Mapping[str, Any] | None) -> Self | None:
        action = action_of(probe) if probe else None
        if probe is None or action is None:
            return None
        return cls(
            kind,
            action,
            probe.get("initialDelaySeconds", 0),
            probe["timeoutSeconds"],
            probe["periodSeconds"],
            probe["successThreshold"],
            probe["failureThreshold"],
            probe.get("terminationGracePeriodSeconds"),
        )


@dataclass(frozen=True)
class Mount:
    name: str
    path: str
    read_only: bool
    sub_path: str
    sub_path_expr: str
    propagation: str


@dataclass(frozen=True)
class Container:
    name: str
    image: str
    pull_policy: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    working_dir: str
    mounts: tuple[Mount, ...]
    probes: tuple[Probe, ...]
    pre_stop: Action | None
    post_start: Action | None
    lifecycle: Mapping[str, Any]
    termination_message_path: str
    termination_message_policy: str
    restart_policy: str
    restart_rules: tuple[Mapping[str, Any], ...]
    env: tuple[Mapping[str, Any], ...]
    env_from: tuple[Mapping[str, Any], ...]
    ports: tuple[Mapping[str, Any], ...]
    resources: Mapping[str, Any]
    security: Mapping[str, Any]
    tty: bool
    stdin: bool
    stdin_once: bool
    #: What an in-place update compares (`pickFieldsToHash`: name and image).
    hash: str

    @classmethod
    def of(cls, c: Mapping[str, Any]) -> Self:
        probes = (Probe.of(k, c.get(f"{k}Probe")) for k in ("startup", "liveness", "readiness"))
        hooks = c.get("lifecycle", {})
        return cls(
            c["name"],
            c["image"],
            c["imagePullPolicy"],
            tuple(c.get("command", ())),
            tuple(c.get("args", ())),
            c.get("workingDir", ""),
            tuple(
                Mount(
                    m["name"],
                    m["mountPath"],
                    bool(m.get("readOnly")),
                    m.get("subPath", ""),
                    m.get("subPathExpr", ""),
                    m.get("mountPropagation", "None"),
                )
                for m in c.get("volumeMounts", ())
            ),
            tuple(p for p in probes if p),
            action_of(hooks.get("preStop", {})),
            action_of(hooks.get("postStart", {})),
            hooks,
            c["terminationMessagePath"],
            c["terminationMessagePolicy"],
            c.get("restartPolicy", ""),
            tuple(c.get("restartPolicyRules", ())),
            tuple(c.get("env", ())),
            tuple(c.get("envFrom", ())),
            tuple(c.get("ports", ())),
            c["resources"],
            c.get("securityContext", {}),
            bool(c.get("tty")),
            bool(c.get("stdin")),
            bool(c.get("stdinOnce")),
            container_hash(c["name"], c["image"]),
        )

    @property
    def is_sidecar(self) -> bool:
        """Of an init container: it runs on beside the containers (`restartPolicy: Always`)."""
        return self.restart_policy == "Always"

    def probe(self, kind: str) -> Probe | None:
        """The container's probe of one kind."""
        return next((p for p in self.probes if p.kind == kind), None)


@dataclass(frozen=True)
class Volume:
    """`kind` is the source's field name (`hostPath`, `emptyDir`, …), `source` its settings."""

    name: str
    kind: str
    source: Mapping[str, Any]

    @classmethod
    def of(cls, volume: Mapping[str, Any]) -> Self:
        kind = next(k for k in volume if k != "name")
        return cls(volume["name"], kind, volume[kind])


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    restart_policy: str
    grace_period: int
    host_network: bool
    host_pid: bool
    host_ipc: bool
    hostname: str
    dns_policy: str
    security: Mapping[str, Any]
    host_aliases: tuple[Mapping[str, Any], ...]
    object: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Self:
        """The typed view of a complete Pod object."""
        metadata, spec = obj["metadata"], obj["spec"]
        return cls(
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            metadata.get("labels", {}),
            metadata.get("annotations", {}),
            tuple(map(Container.of, spec["containers"])),
            tuple(map(Container.of, spec.get("initContainers", ()))),
            tuple(map(Volume.of, spec.get("volumes", ()))),
            spec["restartPolicy"],
            spec["terminationGracePeriodSeconds"],
            bool(spec.get("hostNetwork")),
            bool(spec.get("hostPID")),
            bool(spec.get("hostIPC")),
            spec.get("hostname", ""),
            spec["dnsPolicy"],
            spec["securityContext"],
            tuple(spec.get("hostAliases", ())),
            obj,
        )

    @property
    def full_name(self) -> str:
        """`name_namespace`: what a static pod and its mirror share."""
        return f"{self.name}_{self.namespace}"

    @property
    def ref(self) -> str:
        """`namespace/name`, as log lines name a pod."""
        return f"{self.namespace}/{self.name}"

    @property
    def described(self) -> str:
        """`name_namespace(uid)`, as messages to people name a pod."""
        return f"{self.name}_{self.namespace}({self.uid})"

    @property
    def source(self) -> str:
        return self.annotations.get(SOURCE_ANNOTATION, "api")

    @property
    def config_hash(self) -> str:
        return self.annotations.get(HASH_ANNOTATION, "")

    @property
    def is_static(self) -> bool:
        return self.source != "api"

    @property
    def is_mirror(self) -> bool:
        return MIRROR_ANNOTATION in self.annotations

    @property
    def qos_class(self) -> str:
        return qos_class(self.object["spec"])

    @property
    def is_critical(self) -> bool:
        """`IsCriticalPod`: others make room for it."""
        return self.is_static or (self.priority or 0) >= CRITICAL_PRIORITY

    @property
    def runtime_class(self) -> str:
        """Empty for the runtime's own choice."""
        return str(self.object["spec"].get("runtimeClassName") or "")

    @property
    def priority(self) -> int | None:
        value: int | None = self.object["spec"].get("priority")
        return value

    @property
    def generation(self) -> int | None:
        """Of the API's object; a static pod has none."""
        return None if self.is_static else self.object["metadata"].get("generation")

    @property
    def created(self) -> str:
        """When the API made it; sorts. Static pods come first."""
        return "" if self.is_static else self.object["metadata"].get("creationTimestamp", "")

    @property
    def is_deleted(self) -> bool:
        """Whether the API wants the pod gone."""
        return "deletionTimestamp" in self.object["metadata"]

    @property
    def is_over(self) -> bool:
        """Whether the API shows a phase that nothing leads out of."""
        return (self.object.get("status") or {}).get("phase") in TERMINAL_PHASES

    @property
    def kill_grace(self) -> int:
        """Seconds to stop in: what the API's deletion says, else what the spec says; at least one."""
        deletion: int | None = self.object["metadata"].get("deletionGracePeriodSeconds")
        return max(1, deletion or self.grace_period)

    @property
    def container_names(self) -> tuple[str, ...]:
        """The ordinary containers'."""
        return tuple(c.name for c in self.containers)

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """Init containers, then the others."""
        return (*self.init_containers, *self.containers)

    def container(self, name: str) -> Container | None:
        """The init or ordinary container of this name."""
        return next((c for c in self.all_containers if c.name == name), None)
