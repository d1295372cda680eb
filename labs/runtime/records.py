"""What the runtime remembers of sandboxes and containers, as files: it may be killed at any moment.

    <root>/sandboxes/<id>/{config.pb,state.json,hostname,hosts,resolv.conf,shm/}
    <root>/containers/<id>/{config.pb,state.json,upper/,work/}

`config.pb` is the CRI message that made it, `state.json` what has become of it. A directory without
`state.json` was never finished and is cleared away at the next start.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from cri_api.v1 import api_pb2 as cri

from labs.runtime.errors import NotFoundError

#: By this label the kubelet asks for what it has, again and again: its values are an index.
POD_UID = "io.kubernetes.pod.uid"


@dataclass
class Sandbox:
    """A pod's sandbox."""

    id: str
    config: Any
    directory: Path
    created_at: int = 0
    ready: bool = True
    #: The pause process, as the node numbers it; 0 once it has ended.
    pid: int = 0
    ip: str = ""
    #: It has a cable to the bridge, and its address is taken.
    networked: bool = False
    runtime_handler: str = ""

    @cached_property
    def name(self) -> str:
        """containerd's name of a sandbox; no two may have the same."""
        of = self.config.metadata
        return f"{of.name}_{of.namespace}_{of.uid}_{of.attempt}"

    @property
    def namespaces(self) -> Any:
        return self.config.linux.security_context.namespace_options

    @property
    def host_network(self) -> bool:
        return bool(self.namespaces.network == cri.NODE)

    @property
    def state(self) -> Any:
        return cri.SANDBOX_READY if self.ready else cri.SANDBOX_NOTREADY


@dataclass
class Container:
    """A container."""

    id: str
    config: Any
    directory: Path
    sandbox_id: str = ""
    #: As the client asked for it, or the best name of what it asked for.
    image_name: str = ""
    image_id: str = ""
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    #: The container's own process 1, as the node numbers it; 0 when it does not run.
    pid: int = 0
    log_path: str = ""
    #: What it was started with, for `exec` in it.
    argv: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    #: Whom it runs as: uid, gid, further groups.
    user: list[int] = field(default_factory=lambda: [0, 0])
    #: It was found above its memory limit, and killed for that.
    out_of_memory: bool = False
    #: It holds a connection to the cluster's evidence: nobody else may look into it.
    evidence: bool = False

    @property
    def state(self) -> Any:
        if self.finished_at:
            return cri.CONTAINER_EXITED
        return cri.CONTAINER_RUNNING if self.started_at else cri.CONTAINER_CREATED

    @property
    def running(self) -> bool:
        return bool(self.state == cri.CONTAINER_RUNNING)


Record = TypeVar("Record", Sandbox, Container)


def state_name(state: Any) -> str:
    """CONTAINER_RUNNING and the like."""
    return str(cri.ContainerState.Name(state))


class Records(Generic[Record]):
    """All records of one kind, in memory and on disk."""

    def __init__(
        self, directory: Path, kind: str, new: Callable[..., Record], config: Callable[[], Any]
    ) -> None:
        self.directory = directory
        self._kind = kind
        self._new: Callable[..., Record] = new
        self._config = config
        self._records: dict[str, Record] = {}
        self._by_pod: defaultdict[str, dict[str, Record]] = defaultdict(dict)
        directory.mkdir(parents=True, exist_ok=True)

    def load(self) -> None:
        """Read what a former runtime left."""
        for directory in self.directory.iterdir():
            state = directory / "state.json"
            if not state.exists():
                shutil.rmtree(directory)
                continue
            config = self._config()
            config.ParseFromString((directory / "config.pb").read_bytes())
            record = self._new(config=config, directory=directory, **json.loads(state.read_text()))
            self._remember(record)

    def _remember(self, record: Record) -> None:
        self._records[record.id] = record
        self._by_pod[record.config.labels.get(POD_UID, "")][record.id] = record

    def directory_of(self, identity: str) -> Path:
        return self.directory / identity

    def add(self, record: Record) -> None:
        """Remember a new record; its directory exists."""
        (record.directory / "config.pb").write_bytes(record.config.SerializeToString())
        self.save(record)
        self._remember(record)

    def save(self, record: Record) -> None:
        """Write what has become of `record`, wholly or not at all."""
        state = {
            each.name: getattr(record, each.name)
            for each in fields(record)
            if each.name not in ("config", "directory")
        }
        new = record.directory / "state.json.new"
        new.write_text(json.dumps(state))
        new.replace(record.directory / "state.json")

    def save_config(self, record: Record) -> None:
        """Write the config of `record` again: something in it was updated."""
        new = record.directory / "config.pb.new"
        new.write_bytes(record.config.SerializeToString())
        new.replace(record.directory / "config.pb")

    def remove(self, record: Record) -> None:
        """Forget `record`, files and all."""
        if self._records.pop(record.id, None) is not None:
            uid = record.config.labels.get(POD_UID, "")
            del self._by_pod[uid][record.id]
            if not self._by_pod[uid]:
                del self._by_pod[uid]
        (record.directory / "state.json").unlink(missing_ok=True)
        shutil.rmtree(record.directory)

    def get(self, identity: str) -> Record:
        """By id or by a beginning of it that is nobody else's; `NotFoundError` otherwise."""
        record = self.find(identity)
        if record is None:
            raise NotFoundError.of(self._kind, identity)
        return record

    def find(self, identity: str) -> Record | None:
        if identity in self._records:
            return self._records[identity]
        matching = [each for key, each in self._records.items() if identity and key.startswith(identity)]
        return matching[0] if len(matching) == 1 else None

    def having(self, labels: Mapping[str, str]) -> Iterable[Record]:
        """Those that have all of `labels`."""
        among = self._by_pod.get(labels[POD_UID], {}) if POD_UID in labels else self._records
        wanted = dict(labels)
        if not wanted:
            return list(among.values())
        return [each for each in among.values() if wanted.items() <= dict(each.config.labels).items()]

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))
