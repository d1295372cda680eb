"""The "info" of verbose answers: JSON in the shape that `crictl inspect`, `inspectp` and `info` show."""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict

from labs.runtime import cni
from labs.runtime.capabilities import granted
from labs.runtime.cni import Configuration
from labs.runtime.images import Image
from labs.runtime.records import Container, Sandbox

_RUNTIME_TYPE = "io.containerd.runc.v2"
_PREFIX = "io.kubernetes.cri"


def _config(message: Any) -> dict[str, Any]:
    """As Go's JSON encoder writes it: the message's field names, numbers for enums, nothing that is empty."""
    config: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, use_integers_for_enums=True
    )
    return config


def _info(document: dict[str, Any]) -> dict[str, str]:
    return {"info": json.dumps(document)}


def of_sandbox(sandbox: Sandbox) -> dict[str, str]:
    of = sandbox.config.metadata
    own = [kind for kind, shared in _sandbox_namespaces(sandbox).items() if not shared]
    return _info(
        {
            "pid": sandbox.pid,
            "processStatus": "running" if sandbox.ready else "deleted",
            "netNamespaceClosed": not sandbox.ready,
            "image": "registry.k8s.io/pause:3.10",
            "snapshotKey": sandbox.id,
            "snapshotter": "overlayfs",
            "runtimeHandler": sandbox.runtime_handler,
            "runtimeType": _RUNTIME_TYPE,
            "runtimeOptions": None,
            "config": _config(sandbox.config),
            "runtimeSpec": {
                "ociVersion": "1.0.2-dev",
                "process": {"args": ["/pause"], "cwd": "/"},
                "root": {"path": "rootfs", "readonly": True},
                "hostname": sandbox.config.hostname,
                "annotations": {
                    f"{_PREFIX}.container-type": "sandbox",
                    f"{_PREFIX}.sandbox-id": sandbox.id,
                    f"{_PREFIX}.sandbox-log-directory": sandbox.config.log_directory,
                    f"{_PREFIX}.sandbox-name": of.name,
                    f"{_PREFIX}.sandbox-namespace": of.namespace,
                    f"{_PREFIX}.sandbox-uid": of.uid,
                },
                "linux": {"namespaces": [{"type": kind} for kind in own]},
            },
            "cniResult": _cni_result(sandbox),
        }
    )


def _sandbox_namespaces(sandbox: Sandbox) -> dict[str, bool]:
    """Kind, in the words of the OCI, to: is it the node's?"""
    return {
        "pid": False,
        "ipc": sandbox.namespaces.ipc == 2,
        "uts": sandbox.host_network,
        "mount": False,
        "network": sandbox.host_network,
        "user": False,
    }


def _cni_result(sandbox: Sandbox) -> dict[str, Any] | None:
    if not sandbox.ip:
        return None
    return {"Interfaces": {"eth0": {"IPConfigs": [{"IP": sandbox.ip}]}}, "Routes": [{"dst": "0.0.0.0/0"}]}


def of_container(container: Container, sandbox: Sandbox | None) -> dict[str, str]:
    return _info(
        {
            "sandboxID": container.sandbox_id,
            "pid": container.pid,
            "removing": False,
            "snapshotKey": container.id,
            "snapshotter": "overlayfs",
            "runtimeType": _RUNTIME_TYPE,
            "runtimeOptions": None,
            "config": _config(container.config),
            "runtimeSpec": _spec(container, sandbox),
        }
    )


def _spec(container: Container, sandbox: Sandbox | None) -> dict[str, Any]:
    security = container.config.linux.security_context
    of = sandbox.config.metadata if sandbox else None
    names = [f"CAP_{name}" for name in granted(security)]
    pause = sandbox.pid if sandbox else 0
    joined = {"ipc": "ipc", "uts": "uts", "network": "net", "user": "user"}
    shared = _sandbox_namespaces(sandbox) if sandbox else {}
    return {
        "ociVersion": "1.0.2-dev",
        "process": {
            "user": {
                "uid": container.user[0],
                "gid": container.user[1],
                "additionalGids": container.user[2:] or [0],
            },
            "args": container.argv,
            "env": [f"{name}={value}" for name, value in container.environment.items()],
            "cwd": container.config.working_dir or "/",
            "capabilities": {"bounding": names, "effective": names, "permitted": names},
            "oomScoreAdj": container.config.linux.resources.oom_score_adj,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {
                "destination": mount.container_path,
                "type": "bind",
                "source": mount.host_path,
                "options": ["rbind", "rprivate", "ro" if mount.readonly else "rw"],
            }
            for mount in container.config.mounts
        ],
        "annotations": {
            f"{_PREFIX}.container-name": container.config.metadata.name,
            f"{_PREFIX}.container-type": "container",
            f"{_PREFIX}.image-name": container.image_name,
            f"{_PREFIX}.sandbox-id": container.sandbox_id,
            f"{_PREFIX}.sandbox-name": of.name if of else "",
            f"{_PREFIX}.sandbox-namespace": of.namespace if of else "",
            f"{_PREFIX}.sandbox-uid": of.uid if of else "",
        },
        "linux": {
            "namespaces": [
                {"type": "pid"},
                {"type": "mount"},
                *(
                    {"type": kind, "path": f"/proc/{pause}/ns/{file}"}
                    for kind, file in joined.items()
                    if not shared.get(kind, True)
                ),
            ],
            "maskedPaths": list(security.masked_paths),
            "readonlyPaths": list(security.readonly_paths),
        },
    }


def of_image(image: Image) -> dict[str, str]:
    return _info(
        {
            "imageSpec": {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Env": [f"{name}={value}" for name, value in image.env.items()],
                    "Entrypoint": list(image.entrypoint),
                    "Cmd": list(image.cmd),
                    "WorkingDir": image.working_dir,
                    "User": image.user,
                    "StopSignal": image.stop_signal,
                    "ExposedPorts": {f"{port}/tcp": {} for port in image.ports},
                },
            }
        }
    )


def of_runtime(network: Configuration | None) -> dict[str, str]:
    """For `crictl info`: what is true of this runtime among the things that containerd tells."""
    configuration = {
        "containerd": {
            "snapshotter": "overlayfs",
            "defaultRuntimeName": "runc",
            "runtimes": {"runc": {"runtimeType": _RUNTIME_TYPE}},
        },
        "cni": {"binDir": "/opt/cni/bin", "confDir": cni.DIRECTORY, "maxConfNum": 1},
        "sandboxImage": "registry.k8s.io/pause:3.10",
        "containerdEndpoint": "/run/containerd/containerd.sock",
        "systemdCgroup": False,
        "disableCgroup": True,
    }
    told = {"config": json.dumps(configuration), "lastCNILoadStatus": "OK"}
    if network is None:
        told["lastCNILoadStatus"] = (
            f"cni config load failed: no network config found in {cni.DIRECTORY}: {cni.NOT_INITIALIZED}: "
            "failed to load cni config"
        )
        return told
    plugins = [{"Network": plugin} for plugin in network.document.get("plugins", [network.document])]
    known = {"IFName": "eth0", "Config": {"Name": network.name, "Plugins": plugins}}
    return told | {"cniconfig": json.dumps({"Networks": [known]})}
