"""How a command ended, as Kubernetes says it: the `Status` object on the error stream."""

import json
from typing import Any

#: How the message begins that says a command's exit code.
EXITED = "command terminated with non-zero exit code: "


def success() -> dict[str, Any]:
    return {"metadata": {}, "status": "Success"}


def exited(code: int) -> dict[str, Any]:
    """The command ended with `code`."""
    if code == 0:
        return success()
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"{EXITED}exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failed(message: str) -> dict[str, Any]:
    """It could not be run, or not to its end."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def exit_code(data: bytes) -> tuple[int, str]:
    """What the error stream said, in any version of the protocol: an exit code, and a message if it is not 0.

    1 stands for everything that is not the end of the command.
    """
    if not data:
        return 0, ""
    try:
        status: dict[str, Any] = json.loads(data)
    except ValueError:  # before version 4 it is a sentence
        return 1, data.decode("utf-8", "replace")
    if status.get("status") == "Success":
        return 0, ""
    message = str(status.get("message", ""))
    if status.get("reason") == "NonZeroExitCode":
        for cause in status.get("details", {}).get("causes", []):
            if cause.get("reason") == "ExitCode":
                return int(cause["message"]), message
    return 1, message
