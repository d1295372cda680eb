"""Errors of crictl, worded as the real one's; printed like its log lines."""

from labs.errors import LabsError


class CrictlError(LabsError):
    """The command failed; the message is what the real crictl says."""


def code_name(code: str) -> str:
    """gRPC's status code as Go spells it: NOT_FOUND is NotFound."""
    return "".join(word.title() for word in code.split("_"))
