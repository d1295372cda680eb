"""The patterns of `--cors-allowed-origins`, judged as the real server does; nobody is answered by them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HELP = (
    "List of allowed origins for CORS, comma separated. An allowed origin can be a regular expression to "
    "support subdomain matching. If this list is empty CORS will not be enabled. Please ensure each "
    "expression matches the entire hostname by anchoring to the start with '^' or including the '//' prefix, "
    "and by anchoring to the end with '$' or including the ':' port separator suffix. Examples of valid "
    "expressions are '//example\\.com(:|$)' and '^https://example\\.com(:|$)'"
)
#: Go's words for what Python's `re` finds wrong first.
_WORDS = {
    "nothing to repeat": "missing argument to repetition operator",
    "multiple repeat": "invalid nested repetition operator",
    "unterminated character set": "missing closing ]",
    "missing ), unterminated subpattern": "missing closing )",
    "unbalanced parenthesis": "unexpected )",
}
_OPERATORS = re.compile(r"[*+?]+|\{[^}]*\}")


def faults(patterns: Iterable[str]) -> Iterable[str]:
    """`validateCorsAllowedOriginList`: each has to hold on to both ends of the host."""
    for pattern in patterns:
        why = _syntax(pattern)
        starts, ends = any(p in pattern for p in ("^", "//")), any(p in pattern for p in ("$", ":"))
        if not why and not (starts and ends):
            why = "regular expression does not pin to start/end of host in the origin header"
        if why:
            yield f"--cors-allowed-origins has an invalid regular expression: {why}, help: {_HELP}"


def _syntax(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        at = error.pos or 0
        words = _WORDS.get(error.msg, error.msg)
        shown = pattern
        if words.endswith("operator"):
            at -= words.startswith("invalid nested")
            found = _OPERATORS.match(pattern, at)
            shown = found[0] if found else pattern[at:]
        elif words == "missing closing ]":
            shown = pattern[at:]
        return f"error parsing regexp: {words}: `{shown}`"
    return ""
