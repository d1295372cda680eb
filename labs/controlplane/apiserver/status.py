"""Refusals in Kubernetes' words: `metav1.Status` objects, raised as exceptions.

Wording and reasons mirror `k8s.io/apimachinery/pkg/api/errors` and `pkg/util/validation/field`; clients
decide by `reason` and people read `message`, so both are kept as they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labs.controlplane import klog
from labs.core.field import FieldError
from labs.golang import genericresponse

OPTIMISTIC_LOCK = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class APIError(Exception):
    """A request that ends in a Status other than success."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        #: Response headers that belong to this refusal.
        self.headers: dict[str, str] = {}

    def status(self) -> dict[str, Any]:
        """The Status object that is sent."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return {key: value for key, value in status.items() if value != ""}


class Overdue(APIError):
    """The request has taken as long as it may (`WithTimeoutForNonLongRunningRequests`).

    What is sent of it names no kind, so that clients say in words of their own that time is up.
    """

    def __init__(self) -> None:
        super().__init__(504, "Timeout", "Timeout: request did not complete within the allotted timeout", {})

    def status(self) -> dict[str, Any]:
        """The Status without its kind."""
        return {key: value for key, value in super().status().items() if key not in ("kind", "apiVersion")}


def invalid_object(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> APIError:
    """Validation found something: `Pod "web" is invalid: …`."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind_text = f"{kind}.{group}" if group else kind
    causes = [{"reason": e.kind, "message": e.body, "field": e.field} for e in errors]
    details = _details(name, group, kind, causes=causes)
    return APIError(422, "Invalid", f'{kind_text} "{name}" is invalid: {text}', details)


def not_found(group: str, resource: str, name: str) -> APIError:
    """There is no such object."""
    text = f'{_qualified(group, resource)} "{name}" not found'
    return APIError(404, "NotFound", text, _details(name, group, resource))


def already_exists(group: str, resource: str, name: str) -> APIError:
    """There is such an object already."""
    text = f'{_qualified(group, resource)} "{name}" already exists'
    return APIError(409, "AlreadyExists", text, _details(name, group, resource))


def conflict(group: str, resource: str, name: str, why: str = OPTIMISTIC_LOCK) -> APIError:
    """The object is not (any more) the one the request is about."""
    text = f'Operation cannot be fulfilled on {_qualified(group, resource)} "{name}": {why}'
    return APIError(409, "Conflict", text, _details(name, group, resource))


def forbidden(group: str, resource: str, name: str, why: str) -> APIError:
    """The request is understood and not allowed."""
    if not resource:
        return APIError(403, "Forbidden", f"forbidden: {why}", {})
    subject = f'{_qualified(group, resource)} "{name}"' if name else _qualified(group, resource)
    return APIError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(name, group, resource))


def unauthorized() -> APIError:
    """The request carries credentials, and they are not accepted."""
    return APIError(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> APIError:
    """The request cannot be read."""
    return APIError(400, "BadRequest", message)


def rejected() -> APIError:
    """A patch that does not fit the object."""
    return APIError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def too_many_operations(limit: int, count: int) -> APIError:
    """A JSON patch of more operations than are taken."""
    message = f"The allowed maximum operations in a JSON patch is {limit}, got {count}"
    return APIError(413, "RequestEntityTooLarge", f"Request entity too large: {message}", {})


def page_not_found() -> APIError:
    """A path that is served by nothing, or a kind that is not served."""
    return APIError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> APIError:
    """The resource is served, and not with this method."""
    message = "the server does not allow this method on the requested resource"
    return APIError(405, "MethodNotAllowed", message, {})


def not_watched(plural: str) -> APIError:
    """A kind of which nothing is stored."""
    message = f'watch is not supported on resources of kind "{plural}"'
    return APIError(405, "MethodNotAllowed", message, {"kind": plural})


def unsupported_media_type(accepted: Sequence[str]) -> APIError:
    """The body is in a format the server does not read."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    return APIError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def unknown_patch() -> APIError:
    """No kind of patch that the server knows, in go-restful's words."""
    return APIError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_represented(offered: Sequence[str]) -> APIError:
    """A path of which the client can read no form, in go-restful's words."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}"
    return APIError(406, "NotAcceptable", message, {})


def not_acceptable(accepted: Sequence[str]) -> APIError:
    """No format the client can read can be sent."""
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return APIError(406, "NotAcceptable", message)


def too_large(limit: int) -> APIError:
    """The body is longer than the server reads."""
    message = f"Request entity too large: limit is {limit}"
    return APIError(413, "RequestEntityTooLarge", message)


def expired(message: str) -> APIError:
    """The revision asked for is no longer kept: list again."""
    return APIError(410, "Expired", message)


def version_too_large(wanted: int, current: int) -> APIError:
    """The client has seen a later version than there is: the store is not the one it knew."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    error = APIError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})
    error.headers["Retry-After"] = "1"
    return error


def timeout() -> APIError:
    """The store did not answer within the time of a write (`finisher.FinishRequest`), or of a watch."""
    message = "Timeout: request did not complete within requested timeout - context deadline exceeded"
    return APIError(504, "Timeout", message, {})


def internal(message: str) -> APIError:
    """The server's own fault, or its store's."""
    details = {"causes": [{"message": message}]}
    return APIError(500, "InternalError", f"Internal error occurred: {message}", details)


def no_status(shown: str, message: str) -> APIError:
    """An error that is no Status is sent as one all the same, and told in the log (`ErrorToAPIStatus`).

    `shown` is what Go's `%#v` makes of it.
    """
    why = f"apiserver received an error that is not an metav1.Status: {shown}: {message}"
    klog.error("status.go:71", "Unhandled Error", err=why, logger="UnhandledError")
    return APIError(500, "", message)


def generic_response(code: int, text: str, resource: str, name: str) -> APIError:
    """Another server's refusal, handed on (`NewGenericServerResponse`); of a 403 its own `text`, too."""
    reason, message = genericresponse.reason_and_words(code, text)
    details = _details(name, "", resource)
    return APIError(code, reason, f"{message} ( {resource} {name})", details)


def other_name(name: str, wanted: str) -> APIError:
    """The object that was sent is not the one the request is about."""
    if not name:
        return bad_request(
            f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        )
    return bad_request(f"the name of the object ({name}) does not match the name on the URL ({wanted})")


def other_namespace() -> APIError:
    """The object that was sent says it is in another namespace than the request."""
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def unavailable(message: str) -> APIError:
    """Something the request needs cannot be reached now."""
    return APIError(503, "ServiceUnavailable", message)


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    fields = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in fields.items() if value}
