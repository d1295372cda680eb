"""What a client says it reads: the Accept header."""

from __future__ import annotations


def clauses(accept: str) -> list[dict[str, str]]:
    """The media types of the header with their parameters, in the client's order; a type's own key is ""."""
    result = []
    for clause in accept.split(","):
        kind, *parameters = (part.strip() for part in clause.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        result.append({"": kind, **{key: value for key, _, value in pairs}})
    return result
