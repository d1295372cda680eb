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
#: Go's words for what Python's `re` finds wrong first, and what of the pattern is shown.
_WORDS = (
    (r"nothing to repeat", "missing argument to repetition operator", r"[*+?]|\{[^}]*\}"),
    (r"multiple repeat", "invalid nested repetition operator", r"(?:[*+?]|\{[^}]*\})+"),
    (r"unterminated character set", "missing closing ]", r".*"),
    (r"bad character range .*", "invalid character class range", r"[^]]*"),
    (r"bad escape \(end of pattern\)", "trailing backslash at end of expression", r""),
    (r"bad escape .*", "invalid escape sequence", r"\\."),
)
_OPERATOR = re.compile(r"(?:[*+?]|\{[^}]*\})$")


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
        return f"error parsing regexp: {_told(pattern, error.msg, error.pos or 0)}"
    return ""


def _told(pattern: str, why: str, at: int) -> str:
    if why == "missing ), unterminated subpattern":
        return f"missing closing ): `{pattern}`"
    if why.startswith("unknown extension"):
        return f"invalid named capture: `{pattern[at - 1 :]}`"
    if why == "unbalanced parenthesis":
        return f"unexpected ): `{pattern}`"
    for python, go, shown in _WORDS:
        if re.fullmatch(python, why):
            if why == "multiple repeat" and (before := _OPERATOR.search(pattern[:at])):
                at = before.start()
            found = re.compile(shown).match(pattern, at)
            return f"{go}: `{found[0] if found else pattern[at:]}`"
    return f"{why}: `{pattern[at:]}`"
