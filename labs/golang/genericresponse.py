"""A server's answer that is no Status, in client-go's words (`NewGenericServerResponse` of apimachinery)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from labs.golang.quoting import quote

#: The reason that goes with a code, and what is said of it.
_WORDS = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: (
        "TooManyRequests",
        "the server has received too many requests and has asked us to try again later",
    ),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "the server was unable to return a response in the time allotted, "
        "but may still be processing the request",
    ),
}
_RESOURCE = re.compile(
    r"/(?:api/[^/]+|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/[^/]+(?=/))?/(?P<plural>[^/?]+)"
    r"(?:/(?P<name>[^/?]+))?"
)


def reason_and_words(code: int, text: str) -> tuple[str, str]:
    """The reason and the message, to which the resource is still to be added; of a 403 its own `text`."""
    if code == 403:
        return "Forbidden", text
    if code in _WORDS:
        return _WORDS[code]
    if code >= 500:
        why = f"an error on the server ({quote(text)}) has prevented the request from succeeding"
        return "InternalError", why
    return "", f"the server responded with the status code {code} but did not return more information"


def refusal(method: str, path: str, code: int, body: bytes) -> tuple[str, str]:
    """Reason and message of a refusal that a request to the API server met."""
    reason, words = reason_and_words(code, body.decode(errors="replace").strip() or "unknown")
    found = _RESOURCE.match(path)
    if found is None:
        return reason, words
    group, name = found["group"], found["name"]
    resource = f"{found['plural']}.{group}" if group else found["plural"]
    named = f"{resource} {unquote(name)}" if name else resource
    return reason, f"{words} ({method.lower()} {named})"
