"""What validation finds, in the API's words (`apimachinery/pkg/util/validation/field`)."""

import json
import re
from collections.abc import Iterable

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{SUBDOMAIN.pattern}')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


class Findings(list[str]):
    """What is wrong so far."""

    def required(self, path: str, detail: str = "") -> None:
        self.append(f"{path}: Required value" + (f": {detail}" if detail else ""))

    def invalid(self, path: str, value: object, detail: str) -> None:
        shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self.append(f"{path}: Invalid value: {shown}: {detail}")

    def unsupported(self, path: str, value: str, supported: Iterable[str]) -> None:
        names = ", ".join(json.dumps(s) for s in supported)
        self.append(f"{path}: Unsupported value: {json.dumps(value)}: supported values: {names}")

    def forbidden(self, path: str, detail: str) -> None:
        self.append(f"{path}: Forbidden: {detail}")

    def duplicate(self, path: str, value: str) -> None:
        self.append(f"{path}: Duplicate value: {json.dumps(value)}")

    def not_found(self, path: str, value: str, detail: str = "") -> None:
        self.append(f"{path}: Not found: {json.dumps(value)}" + (f": {detail}" if detail else ""))

    def subdomain(self, path: str, value: str) -> None:
        """A DNS subdomain."""
        if not SUBDOMAIN.fullmatch(value):
            self.invalid(path, value, SUBDOMAIN_TEXT)

    def label(self, path: str, value: str) -> None:
        """A required DNS label."""
        if not value:
            self.required(path)
        elif len(value) > 63:
            self.invalid(path, value, "must be no more than 63 characters")
        elif not DNS_LABEL.fullmatch(value):
            self.invalid(path, value, "must not contain dots" if SUBDOMAIN.fullmatch(value) else LABEL_TEXT)

    def between(self, path: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self.invalid(path, value, f"must be between {low} and {high}, inclusive")

    def not_negative(self, path: str, value: int) -> None:
        if value < 0:
            self.invalid(path, value, "must be greater than or equal to 0")
