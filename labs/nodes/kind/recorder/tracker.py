"""What becomes of each sandbox and container, told once, from two sources that overlap and may be late.

A containerd event says at once that something has happened to an ID; a listing over CRI says who that is, and
makes good what was missed. Each ID only ever goes forward: created, started, ended, removed. What lies
between is told, too, when it was not seen.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from labs.nodes.kind.recorder.output import rfc3339


class Stage(IntEnum):
    """How far a sandbox or container has come."""

    NEW = 0
    CREATED = 1
    STARTED = 2
    ENDED = 3
    REMOVED = 4


#: The names of the stages in the evidence. A sandbox is Ready once it is there.
_SANDBOX = {
    Stage.CREATED: "SandboxCreated",
    Stage.ENDED: "SandboxStopped",
    Stage.REMOVED: "SandboxRemoved",
}
_CONTAINER = {
    Stage.CREATED: "ContainerCreated",
    Stage.STARTED: "ContainerStarted",
    Stage.ENDED: "ContainerExited",
    Stage.REMOVED: "ContainerRemoved",
}
_STAGES = {event: stage for names in (_SANDBOX, _CONTAINER) for stage, event in names.items()}


@dataclass(frozen=True)
class Exit:
    """How a container ended."""

    code: int
    at: float | None = None
    reason: str = ""

    def fields(self) -> dict[str, Any]:
        return {"exitCode": self.code, "reason": self.reason or ("Error" if self.code else "Completed")}


#: What containerd, too, says of a container whose end nobody saw.
UNKNOWN = Exit(255, None, "Unknown")


@dataclass(frozen=True)
class Thing:
    """A sandbox or container as a listing shows it; moments are in seconds since 1970."""

    id: str
    stage: Stage
    about: Mapping[str, Any]
    """What every record of it says: whose it is."""
    is_sandbox: bool = False
    created: float | None = None
    started: float | None = None
    exit: Exit | None = None

    @classmethod
    def recorded(cls, record: Mapping[str, Any]) -> "Thing":
        """The thing as it was when this record was made of it."""
        about = {
            name: value
            for name, value in record.items()
            if name in ("id", "sandbox", "pod", "container", "image", "attempt")
        }
        event = record["event"]
        exit = Exit(record["exitCode"], None, record.get("reason", "")) if "exitCode" in record else None
        return cls(record["id"], _STAGES[event], about, event in _SANDBOX.values(), exit=exit)


class Tracker:
    """Knows how far each thing is, and tells of each step."""

    def __init__(self, tell: Callable[..., None], recorded: Iterable[Mapping[str, Any]] = ()) -> None:
        """`recorded` is the last record that the evidence holds of each thing that may still be there."""
        self._tell = tell
        self._things = {thing.id: thing for thing in map(Thing.recorded, recorded)}
        self._removed: set[str] = set()

    def knows(self, id: str) -> bool:
        """Whether a listing has shown it."""
        return id in self._things

    def stage(self, id: str) -> Stage:
        """How far it is."""
        return self._things[id].stage if id in self._things else Stage.NEW

    def listed(self, things: Iterable[Thing]) -> None:
        """Take in a whole listing, sandboxes first: who is not in it any more has been removed."""
        seen = set()
        for thing in things:
            if thing.id in self._removed:  # the listing was under way, or the CRI is behind
                continue
            seen.add(thing.id)
            known = self._things.setdefault(thing.id, replace(thing, stage=Stage.NEW))
            about = {**known.about, **{name: value for name, value in thing.about.items() if value}}
            self._things[thing.id] = replace(
                thing, stage=known.stage, about=about, exit=known.exit or thing.exit
            )
            self._advance(thing.id, thing.stage, None)
        for id in list(self._things):
            if id not in seen:
                self.removed(id)

    def started(self, id: str, at: float) -> None:
        """Its process runs."""
        self._advance(id, Stage.STARTED, at)

    def ended(self, id: str, code: int, at: float) -> None:
        """Its process has ended."""
        thing = self._things.get(id)
        if thing is not None and thing.stage < Stage.ENDED:
            self._things[id] = replace(thing, exit=Exit(code, at))
            self._advance(id, Stage.ENDED, at)

    def removed(self, id: str, at: float | None = None) -> None:
        """It is forgotten."""
        if (thing := self._things.get(id)) is not None:
            if thing.stage == Stage.STARTED and thing.exit is None:
                self._things[id] = replace(thing, exit=UNKNOWN)
            self._advance(id, Stage.REMOVED, at)
            del self._things[id]
            self._removed.add(id)

    def _advance(self, id: str, stage: Stage, at: float | None) -> None:
        """Tell of every step from where it was to `stage`; nothing for one that is there already."""
        if (thing := self._things.get(id)) is None:
            return
        names = _SANDBOX if thing.is_sandbox else _CONTAINER
        for step in Stage:
            if thing.stage < step <= stage and step in names and not self._skipped(thing, step, stage):
                self._tell(**self._record(thing, names[step], step, at if step == stage else None))
        self._things[id] = replace(thing, stage=max(thing.stage, stage))

    @staticmethod
    def _skipped(thing: Thing, step: Stage, stage: Stage) -> bool:
        """A container can be removed that was never started: then there is no exit to tell of."""
        if thing.is_sandbox or step not in (Stage.STARTED, Stage.ENDED) or stage != Stage.REMOVED:
            return False
        return thing.stage < Stage.STARTED and thing.exit is None

    @staticmethod
    def _record(thing: Thing, event: str, step: Stage, at: float | None) -> dict[str, Any]:
        moments = {Stage.CREATED: thing.created, Stage.STARTED: thing.started}
        moments[Stage.ENDED] = thing.exit.at if thing.exit else None
        moment = at or moments.get(step)
        record = {"source": "runtime", **({"time": rfc3339(moment)} if moment else {}), "event": event}
        exited = thing.exit.fields() if thing.exit and not thing.is_sandbox and step >= Stage.ENDED else {}
        return {**record, **thing.about, **exited}
