"""containerd's own event stream: `containerd.services.events.v1.Events/Subscribe`, on the socket of the CRI.

The few messages of it that matter are described here, field numbers as in containerd's `api/services/events`
and `api/events`; they are the same in containerd 1.x and 2.x.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

#: The namespace in which the CRI keeps its containers.
NAMESPACE = "k8s.io"
_METHOD = "/containerd.services.events.v1.Events/Subscribe"

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _NUMBER, _MESSAGE = _Field.TYPE_STRING, _Field.TYPE_UINT32, _Field.TYPE_MESSAGE
_TIME, _ANY = ".google.protobuf.Timestamp", ".google.protobuf.Any"

#: Of each message: name, number and type of the fields, and the type's name where it is a message.
_MESSAGES: dict[str, tuple[tuple[str, int, Any, str], ...]] = {
    "Envelope": (
        ("timestamp", 1, _MESSAGE, _TIME),
        ("namespace", 2, _STRING, ""),
        ("topic", 3, _STRING, ""),
        ("event", 4, _MESSAGE, _ANY),
    ),
    "Filter": (("filter", 1, _STRING, ""),),
    "About": (("id", 1, _STRING, ""),),  # how ContainerCreate, ContainerDelete and TaskStart begin
    "TaskExit": (
        ("id", 1, _STRING, ""),
        ("process", 2, _STRING, ""),
        ("status", 4, _NUMBER, ""),
        ("at", 5, _MESSAGE, _TIME),
    ),
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="cks_labs/containerd.proto", package="cks_labs")
    file.syntax = "proto3"
    for module in (any_pb2, timestamp_pb2):
        file.dependency.append(module.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, type_name in fields:
            message.field.add(
                name=field, number=number, type=kind, type_name=type_name or None, label=_Field.LABEL_OPTIONAL
            )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"cks_labs.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()


@dataclass(frozen=True)
class Happening:
    """One event. `status` is that of an exit, of which `process` is the exec's ID, or the container's own."""

    topic: str
    id: str
    at: float
    process: str = ""
    status: int = 0


def decode(data: bytes) -> Happening | None:
    """The event in an envelope; None when it is not of the CRI's containers."""
    envelope = _CLASSES["Envelope"].FromString(data)
    if envelope.namespace != NAMESPACE or not envelope.topic.startswith(("/containers/", "/tasks/")):
        return None
    at = envelope.timestamp.ToNanoseconds() / 1e9
    if envelope.topic == "/tasks/exit":
        exit = _CLASSES["TaskExit"].FromString(envelope.event.value)
        ended = exit.at.ToNanoseconds() / 1e9
        return Happening(envelope.topic, exit.id, ended or at, exit.process, exit.status)
    return Happening(envelope.topic, _CLASSES["About"].FromString(envelope.event.value).id, at)


async def happenings(channel: grpc.aio.Channel) -> AsyncIterator[Happening]:
    """The events from now on. `grpc.aio.AioRpcError` when containerd goes away."""
    subscribe = channel.unary_stream(
        _METHOD, request_serializer=lambda request: request.SerializeToString(), response_deserializer=decode
    )
    stream = subscribe(_CLASSES["Filter"](filter=f"namespace=={NAMESPACE}"))
    try:
        async for happening in stream:
            if happening is not None:
                yield happening
    finally:
        stream.cancel()
