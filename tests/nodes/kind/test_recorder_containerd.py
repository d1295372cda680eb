"""containerd's events, as they come over the wire."""

from __future__ import annotations

from labs.nodes.kind.recorder.containerd import Happening, decode

ID = "d613e9f3a41a0e20ff3504665fcf0f0b298bc609c63223987408a1516e06bbfd"


def field(number: int, value: bytes | str | int) -> bytes:
    """A field of a protobuf message; numbers below 128 only."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    length = bytes([len(data) & 127 | 128, len(data) >> 7]) if len(data) > 127 else bytes([len(data)])
    return bytes([number << 3 | 2]) + length + data


def envelope(topic: str, kind: str, event: bytes, namespace: str = "k8s.io") -> bytes:
    wrapped = field(1, f"containerd.events.{kind}") + field(2, event)
    return field(1, field(1, 100)) + field(2, namespace) + field(3, topic) + field(4, wrapped)


def test_the_start_of_a_task_names_its_container() -> None:
    start = field(1, ID) + field(2, 42)

    assert decode(envelope("/tasks/start", "TaskStart", start)) == Happening("/tasks/start", ID, 100.0)


def test_the_exit_of_a_task_says_whose_process_ended_how_and_when() -> None:
    exited = field(1, ID) + field(2, ID) + field(3, 42) + field(4, 3) + field(5, field(1, 99))

    assert decode(envelope("/tasks/exit", "TaskExit", exited)) == Happening("/tasks/exit", ID, 99.0, ID, 3)


def test_a_created_and_a_deleted_container_are_named() -> None:
    for topic, kind in (("/containers/create", "ContainerCreate"), ("/containers/delete", "ContainerDelete")):
        happening = decode(envelope(topic, kind, field(1, ID)))

        assert happening is not None
        assert (happening.topic, happening.id) == (topic, ID)


def test_other_namespaces_and_topics_are_nobodys_business() -> None:
    assert decode(envelope("/tasks/start", "TaskStart", field(1, ID), namespace="moby")) is None
    assert decode(envelope("/images/create", "ImageCreate", field(1, "busybox"))) is None
