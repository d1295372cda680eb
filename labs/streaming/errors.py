"""What can go wrong between the two ends of a stream."""

from labs.errors import LabsError


class StreamingError(LabsError):
    """The other side broke the protocol, or is gone."""


class RefusedError(StreamingError):
    """A request was not upgraded: `code` and the message are the server's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
