"""What all kinds do unless they say otherwise; mirrors `k8s.io/apiserver/pkg/registry/rest`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

from labs.core import names
from labs.core.field import FieldError
from labs.core.validation.metadata import validate_metadata

from ..meta import validate_metadata_update

Object = dict[str, Any]


class Strategy:
    """A kind without peculiarities: no status of its own, no generation, deleted at once."""

    #: Status is written only by the status subresource.
    has_status = False
    #: What the status is before any controller has told it.
    initial_status: ClassVar[Object] = {}
    #: Every change of what is wanted counts up `metadata.generation`.
    counts_generations = False
    #: PUT without a resourceVersion overwrites whatever is there.
    unconditional_update = True
    #: PUT of an object that does not exist creates it.
    create_on_update = False
    #: What every object of the kind shows, set or not: nobody manages it as long as it is this.
    blank: ClassVar[Object] = {}
    #: Deleting answers with the object instead of a Status.
    returns_deleted = False
    #: A deletion that does not say otherwise lets the object's dependents live.
    orphans_dependents = False
    #: Finalizers need no domain, whoever knows them.
    any_finalizer = False
    #: Objects go by themselves after a while.
    expires = False

    def name_faults(self, name: str) -> list[str]:
        """What keeps a name from being one of the kind."""
        return names.subdomain_faults(name)

    def validate_metadata(self, metadata: Object) -> list[FieldError]:
        """Everything wrong with an object's metadata."""
        return validate_metadata(metadata, self.name_faults, any_finalizer=self.any_finalizer)

    def default(self, obj: Object) -> None:
        """Fill in what the client left to the API's defaults."""

    def prepare_create(self, obj: Object) -> None:
        """Drop what a client cannot set at creation, set what the API itself decides."""
        if self.has_status:
            obj["status"] = deepcopy(self.initial_status)
        if self.counts_generations:
            obj["metadata"]["generation"] = 1

    def validate_create(self, obj: Object) -> list[FieldError]:
        """Everything wrong with a new object."""
        return self.validate_metadata(obj["metadata"]) + self.validate(obj)

    def validate(self, obj: Object) -> list[FieldError]:
        """Everything wrong with the object itself, new or changed."""
        return []

    def deprecations(self, obj: Object) -> list[str]:
        """What a client is told of a new object before it is judged."""
        return []

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """What a client is told of an object that is taken; `old` is None for a new one."""
        return []

    def prepare_update(self, new: Object, old: Object) -> None:
        """Undo what an update of the main resource cannot change."""
        if self.has_status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)
        if self.counts_generations and _wanted(new) != _wanted(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        """Everything wrong with this change."""
        return (
            validate_metadata_update(new["metadata"], old["metadata"])
            + self.validate_metadata(new["metadata"])
            + self.validate(new)
        )

    def prepare_status(self, new: Object, old: Object) -> None:
        """Undo what an update of the status subresource cannot change: all but the status."""
        for part in list(new):
            if part not in ("metadata", "status", "kind", "apiVersion"):
                del new[part]
        new.update({part: value for part, value in old.items() if part not in ("metadata", "status")})
        new["status"] = {**deepcopy(self.initial_status), **(new.get("status") or {})}

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        """Everything wrong with this change of status."""
        return validate_metadata_update(new["metadata"], old["metadata"])

    def validate_ephemeral(self, new: Object, old: Object) -> list[FieldError]:
        """Everything wrong with this change of a pod's ephemeral containers; all else stays as it was."""
        raise NotImplementedError

    def grace_seconds(self, obj: Object, asked: int | None) -> int | None:
        """How long a deletion takes; None when there is nothing to wait for, ever."""
        return None


def _wanted(obj: Object) -> Object:
    return {part: value for part, value in obj.items() if part not in ("metadata", "status")}


PLAIN = Strategy()
