"""What every test of the kubelet asks beside its own question: that it says nothing a kubelet never says.

Lines of the journal and events are Kubernetes' own, to the letter. `journal.txt` and `events.txt` list them;
a test in which another is said fails, whatever it asks.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.kubelet import klog
from labs.kubelet.events import EventRecorder


def sayings(file: str) -> re.Pattern[str]:
    """What matches each line of a list, an … standing for any text."""
    lines = Path(__file__).with_name(file).read_text().splitlines()
    said = [line for line in lines if line and not line.startswith("#")]
    return re.compile("|".join(re.escape(line).replace("…", ".*") for line in said), re.DOTALL)


JOURNAL, EVENTS = sayings("journal.txt"), sayings("events.txt")


@pytest.fixture(autouse=True)
def lines_are_a_kubelets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those that -v would bring, too."""
    strange = []
    info, error, plain = klog.info, klog.error, klog.plain

    def heard(severity: str, where: str, text: str, fields: dict[str, object]) -> None:
        said = " ".join((severity, where, text, *fields))
        if not JOURNAL.fullmatch(said) or None in fields.values():
            strange.append((said, fields))

    def on_info(where: str, message: str, /, *, v: int = 0, **fields: object) -> None:
        heard(f"I{v or ''}", where, f'"{message}"', fields)
        info(where, message, v=v, **fields)

    def on_error(where: str, message: str, err: object = None, /, **fields: object) -> None:
        heard("E", where, f'"{message}"', ({} if err is None else {"err": err}) | fields)
        error(where, message, err, **fields)

    def on_plain(severity: str, where: str, text: str) -> None:
        heard(severity, where, text, {})
        plain(severity, where, text)

    monkeypatch.setattr(klog, "info", on_info)
    monkeypatch.setattr(klog, "error", on_error)
    monkeypatch.setattr(klog, "plain", on_plain)
    yield
    assert strange == []


@pytest.fixture(autouse=True)
def events_are_a_kubelets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    strange = []
    record = EventRecorder._record

    def on_event(
        self: EventRecorder, namespace: str, about: dict[str, str], kind: str, reason: str, message: str
    ) -> None:
        if not EVENTS.fullmatch(f"{kind} {reason} {message}"):
            strange.append((kind, reason, message))
        record(self, namespace, about, kind, reason, message)

    monkeypatch.setattr(EventRecorder, "_record", on_event)
    yield
    assert strange == []
