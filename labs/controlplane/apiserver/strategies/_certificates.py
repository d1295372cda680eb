"""Requests for certificates."""

from __future__ import annotations

from labs.core.field import FieldError, Findings

from ..validation.signing_requests import check_signing_request
from ._base import Object, Strategy


class CertificateSigningRequestStrategy(Strategy):
    """What is asked for never changes; whether it is granted is said in the status."""

    has_status = True

    def name_faults(self, name: str) -> list[str]:
        return []

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_signing_request(found, obj["spec"])
        return found

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        new["spec"] = old["spec"]
