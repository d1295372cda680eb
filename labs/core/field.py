"""What is wrong with single fields, in the API's words (`apimachinery/pkg/util/validation/field`)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from labs.core import names
from labs.golang.quoting import quote


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field; `kind` is the reason that a Status has for it."""

    kind: str
    field: str
    body: str

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def required(field: str, detail: str = "") -> FieldError:
    """A field that must be given is missing or empty."""
    return FieldError("FieldValueRequired", field, _body("Required value", detail))


def invalid(field: str, value: object, detail: str = "") -> FieldError:
    """A value that the field cannot have."""
    return FieldError("FieldValueInvalid", field, _body(f"Invalid value: {_show(value)}", detail))


def not_supported(field: str, value: object, choices: Iterable[object]) -> FieldError:
    """A value outside of a fixed set."""
    listed = ", ".join(_show(choice) for choice in choices)
    return FieldError(
        "FieldValueNotSupported", field, f"Unsupported value: {_show(value)}: supported values: {listed}"
    )


def duplicate(field: str, value: object, detail: str = "") -> FieldError:
    """A value that another element of the list has already."""
    return FieldError("FieldValueDuplicate", field, _body(f"Duplicate value: {_show(value)}", detail))


def not_found(field: str, value: object, detail: str = "") -> FieldError:
    """A reference to something that does not exist."""
    return FieldError("FieldValueNotFound", field, _body(f"Not found: {_show(value)}", detail))


def forbidden(field: str, detail: str) -> FieldError:
    """A value that may not be set, or changed, here."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def too_long(field: str, limit: int) -> FieldError:
    """More than so many bytes."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    """More than so many items."""
    return FieldError("FieldValueTooMany", field, f"Too many: {count}: must have at most {limit} items")


def _body(words: str, detail: str) -> str:
    return f"{words}: {detail}" if detail else words


def _show(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Findings(list[FieldError]):
    """What is wrong so far, in the order in which it was found."""

    def required(self, path: str, detail: str = "") -> None:
        self.append(required(path, detail))

    def invalid(self, path: str, value: object, detail: str = "") -> None:
        self.append(invalid(path, value, detail))

    def not_supported(self, path: str, value: object, choices: Iterable[object]) -> None:
        self.append(not_supported(path, value, choices))

    def duplicate(self, path: str, value: object, detail: str = "") -> None:
        self.append(duplicate(path, value, detail))

    def not_found(self, path: str, value: object, detail: str = "") -> None:
        self.append(not_found(path, value, detail))

    def forbidden(self, path: str, detail: str) -> None:
        self.append(forbidden(path, detail))

    def too_long(self, path: str, limit: int) -> None:
        self.append(too_long(path, limit))

    def too_many(self, path: str, count: int, limit: int) -> None:
        self.append(too_many(path, count, limit))

    def faults(self, path: str, value: str, faults: Iterable[str]) -> None:
        """A value that is none of its field's for several reasons."""
        self.extend(invalid(path, value, fault) for fault in faults)

    def choice(self, path: str, value: str, choices: tuple[str, ...]) -> None:
        """One of several, and given."""
        if not value:
            self.required(path)
        elif value not in choices:
            self.not_supported(path, value, choices)

    def subdomain(self, path: str, value: str) -> None:
        """A DNS subdomain."""
        self.faults(path, value, names.subdomain_faults(value))

    def label(self, path: str, value: str) -> None:
        """A DNS label."""
        self.faults(path, value, names.label_faults(value))

    def required_label(self, path: str, value: str) -> None:
        """A DNS label that must be given."""
        if value:
            self.label(path, value)
        else:
            self.required(path)

    def qualified_name(self, path: str, value: str) -> None:
        """A name that may have a domain before it: a label's key, a condition's type."""
        self.faults(path, value, names.qualified_name_faults(value))

    def prefixed_path(self, path: str, text: str) -> None:
        """A domain and a path in it (`IsDomainPrefixedPath`)."""
        domain, _, rest = text.partition("/")
        if not text:
            self.required(path)
        elif not domain or not rest:
            self.invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
        else:
            self.subdomain(path, domain)
            self.faults(path, rest, names.http_path_faults(rest))

    def ip(self, path: str, value: str) -> None:
        """An IP address."""
        self.faults(path, value, names.ip_faults(value))

    def between(self, path: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self.invalid(path, value, f"must be between {low} and {high}, inclusive")

    def not_negative(self, path: str, value: int) -> None:
        if value < 0:
            self.invalid(path, value, "must be greater than or equal to 0")
