"""Errors of CRI calls: each class is a gRPC status code, each message worded as containerd words it."""

import grpc

from labs.errors import LabsError

_START = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process"
)


class CriError(LabsError):
    """A call that failed; `code` is what the client sees: Unknown where containerd has no better one, too."""

    code = grpc.StatusCode.UNKNOWN


class NotFoundError(CriError):
    """There is no such sandbox, container or image."""

    code = grpc.StatusCode.NOT_FOUND

    @classmethod
    def of(cls, kind: str, identity: str) -> "NotFoundError":
        return cls(f'an error occurred when try to find {kind} "{identity}": not found')


class InvalidArgumentError(CriError):
    """The request makes no sense, whatever the state."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class TimedOutError(CriError):
    """What was asked for took longer than allowed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class UnsupportedError(CriError):
    """This runtime does not do it (yet)."""

    code = grpc.StatusCode.UNIMPLEMENTED


class StartError(CriError):
    """The container's process could not be started; worded as containerd and runc do together."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{_START}: {reason}: unknown")
