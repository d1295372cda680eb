"""Create, read, update and delete of objects of any kind; mirrors `registry/generic/registry/store.go`.

Admission, the kind's strategy and storage meet here. Every update is repeated on a fresh copy until no
other writer came in between, unless the client named the version it means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from labs.core.field import FieldError, invalid

from . import managedfields, meta, propagation, status
from .admission import Admission
from .context import Context
from .resources import Resource
from .storage import AlreadyExists, Changed, Object, Storage, Stored

#: Makes the new object from the current one (None: it does not exist).
Change = Callable[[Object | None], Object]
GENERATED_NAME_ATTEMPTS = 8


@dataclass(frozen=True)
class Preconditions:
    """What must hold of the object for a deletion to be meant for it."""

    uid: str | None = None
    resource_version: str | None = None


@dataclass(frozen=True)
class Deletion:
    """A request to delete: how long the object may take to go, and which object is meant."""

    grace: int | None = None
    preconditions: Preconditions = Preconditions()
    #: What becomes of the dependents: "Orphan", "Background", "Foreground" or "" for the kind's default.
    propagation: str = ""


@dataclass(frozen=True)
class _Update:
    """What `Registry.update` is asked for."""

    name: str
    change: Change
    subresource: str
    partial: bool
    applied: bool


@dataclass(frozen=True)
class Registry:
    """Objects of all kinds."""

    storage: Storage
    admission: Admission
    _deleting: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary, init=False)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object of that name."""
        found = await self.storage.get(resource.key(namespace, name))
        if found is None:
            raise status.not_found(resource.group, resource.plural, name)
        return found.object

    # -- create
    async def create(
        self, ctx: Context, resource: Resource, namespace: str, obj: Object, *, applied: bool = False
    ) -> Object:
        """Store a new object, under a generated name if it asks for one.

        Who manages what is noted, unless the object was `applied` and says so itself.
        """
        metadata = obj.setdefault("metadata", {})
        _settle_namespace(resource, namespace, metadata)
        base = "" if metadata.get("name") else metadata.get("generateName", "")
        for attempt in range(GENERATED_NAME_ATTEMPTS):
            candidate = deepcopy(obj) if base else obj
            if base:
                candidate["metadata"]["name"] = meta.generated_name(base)
            try:
                return await self._create(ctx, resource, candidate, applied=applied)
            except AlreadyExists:
                if not base or attempt == GENERATED_NAME_ATTEMPTS - 1:
                    name = candidate["metadata"]["name"]
                    raise status.already_exists(resource.group, resource.plural, name) from None
        raise AssertionError("unreachable")

    async def _create(self, ctx: Context, resource: Resource, obj: Object, *, applied: bool) -> Object:
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise status.bad_request("resourceVersion should not be set on objects to be created")
        for part in (
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generation",
        ):
            metadata.pop(part, None)
        metadata["uid"] = meta.new_uid()
        metadata["creationTimestamp"] = meta.now()
        strategy = resource.strategy
        strategy.default(obj)
        if not applied:
            metadata.pop("managedFields", None)
            if managed := managedfields.updated(resource, None, obj, _manager(ctx, resource)):
                metadata["managedFields"] = managed
        await self.admission.create(ctx, resource, obj)
        ctx.warnings += strategy.deprecations(obj)
        strategy.prepare_create(obj)
        if errors := strategy.validate_create(obj):
            raise _invalid(resource, metadata.get("name", ""), errors)
        ctx.warnings += strategy.warnings(obj, None)
        await self.admission.created(resource, obj)
        if ctx.target.verb != "create":  # a PUT or an apply of what is not there
            ctx.permit("create")
        key = resource.key(metadata.get("namespace", ""), metadata["name"])
        if ctx.dry_run:
            if await self.storage.get(key) is not None:
                raise AlreadyExists
            return obj
        return (await self.storage.create(key, obj, expires=strategy.expires)).object

    # -- update
    async def update(
        self,
        ctx: Context,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change,
        *,
        subresource: str = "",
        partial: bool = False,
        applied: bool = False,
    ) -> tuple[Object, bool]:
        """Change an object; also tells whether it was created by this (for kinds where a PUT may).

        A `partial` change is laid over the object as it is: it names a version only if it says so itself.
        What is `applied` may create the object and tells itself who manages what.
        """
        update = _Update(name, change, subresource, partial, applied)
        key = resource.key(namespace, name)
        # What was written last is most often how it still is; who reads it to no avail reads again.
        current = None if ctx.dry_run else self.storage.recall(key)
        recalled = current is not None
        if not recalled:
            current = await self.storage.get(key)
        while True:
            if current is None:
                if not (applied or resource.strategy.create_on_update) or subresource:
                    raise status.not_found(resource.group, resource.plural, name)
                made = change(None)
                if not partial:
                    _check_uid(resource, key, name, made, {})
                    made["metadata"].pop("resourceVersion", None)
                return await self.create(ctx, resource, namespace, made, applied=applied), True
            try:
                return await self._updated(ctx, resource, current, update, recalled=recalled), False
            except Changed as changed:
                current = changed.current
            except status.APIError:
                if not recalled:
                    raise
                current = await self.storage.get(key)
            recalled = False

    async def _updated(
        self, ctx: Context, resource: Resource, current: Stored, update: _Update, *, recalled: bool
    ) -> Object:
        """The object after an update of what is `current`. Raises `Changed` when it is no more, and
        when there is nothing to write and it was only `recalled`."""
        old, key, name, partial = current.object, current.key, update.name, update.partial
        base = deepcopy(old)
        if partial:
            del base["metadata"]["resourceVersion"]
        new = update.change(base)
        if not partial:
            _check_uid(resource, key, name, new, old)
        pinned = _check_version(resource, name, new, current, partial=partial)
        _carry_over(new["metadata"], old["metadata"])
        if not update.subresource:
            resource.strategy.default(new)
        if not update.applied:
            _note_manager(ctx, resource, new, old, update.subresource)
        await self._review(ctx, resource, new, old, update.subresource)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if new == old or ctx.dry_run:
            if recalled:
                raise Changed(await self.storage.get(key))
            return new
        try:
            if _finished(new):
                await self.storage.delete(key, current.revision)
                return new
            expires = resource.strategy.expires
            return (await self.storage.update(key, new, current.revision, expires=expires)).object
        except Changed:
            if pinned:
                raise status.conflict(resource.group, resource.plural, name) from None
            raise

    async def _review(
        self, ctx: Context, resource: Resource, new: Object, old: Object, subresource: str
    ) -> None:
        strategy = resource.strategy
        if subresource in ("status", "approval"):
            strategy.prepare_status(new, old)
            await self.admission.update(ctx, resource, new, old, subresource)
            errors = strategy.validate_status(new, old)
        elif subresource == "ephemeralcontainers":
            errors = strategy.validate_ephemeral(new, old)
        elif subresource:
            errors = []
        else:
            await self.admission.update(ctx, resource, new, old, subresource)
            strategy.prepare_update(new, old)
            errors = strategy.validate_update(new, old)
        if errors:
            raise _invalid(resource, old["metadata"]["name"], errors)
        if not subresource:
            ctx.warnings += strategy.warnings(new, old)

    # -- delete
    async def delete(
        self, ctx: Context, resource: Resource, namespace: str, name: str, deletion: Deletion
    ) -> tuple[Object, bool]:
        """Delete an object, or mark it as going; also tells whether it is gone."""
        key = resource.key(namespace, name)
        # A forced delete marks and then removes; who answers to the mark with a delete finds nothing left.
        lock = self._deleting.setdefault(key, asyncio.Lock())
        async with lock:
            return await self._delete(ctx, resource, key, name, deletion)

    async def _delete(
        self, ctx: Context, resource: Resource, key: str, name: str, deletion: Deletion
    ) -> tuple[Object, bool]:
        current = await self.storage.get(key)
        await self.admission.delete(ctx, resource, name, current.object if current else None)
        while True:
            if current is None:
                raise status.not_found(resource.group, resource.plural, name)
            obj = deepcopy(current.object)
            _check_preconditions(resource, obj, deletion.preconditions)
            orphans = resource.strategy.orphans_dependents
            noted = propagation.set_finalizers(obj["metadata"], deletion.propagation, orphans=orphans)
            marked = _mark(resource, obj, deletion.grace) or noted
            stays = _stays(resource, obj, marked)
            try:
                if ctx.dry_run:
                    return obj, not stays
                if marked:
                    current = await self.storage.update(key, obj, current.revision)
                if stays:
                    return current.object, False
                revision = await self.storage.delete(key, current.revision)
            except Changed as changed:
                current = changed.current
                continue
            gone = current.object
            gone["metadata"]["resourceVersion"] = str(revision)
            return gone, True


def _check_uid(resource: Resource, key: str, name: str, new: Object, old: Object) -> None:
    """Raises a conflict when a client means another object of that name (`rest.UpdatedObjectInfo`)."""
    wanted, there = new.setdefault("metadata", {}).get("uid"), old.get("metadata", {}).get("uid", "")
    if wanted and wanted != there:
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {there}"
        )
        raise status.conflict(resource.group, resource.plural, name, why)


def _check_version(resource: Resource, name: str, new: Object, current: Stored, *, partial: bool) -> bool:
    """Whether the client named the version it changes. Raises a conflict when that is not the current one."""
    version = new.setdefault("metadata", {}).get("resourceVersion")
    if version == "0":  # whichever there is
        version = new["metadata"]["resourceVersion"] = ""
    if version:
        if version != str(current.revision):
            raise status.conflict(resource.group, resource.plural, name)
        return True
    if not (partial or resource.strategy.unconditional_update):
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise status.invalid_object(resource.group, resource.kind, name, [error])
    return False


def _settle_namespace(resource: Resource, namespace: str, metadata: dict[str, Any]) -> None:
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.setdefault("namespace", namespace) != namespace:
        raise status.other_namespace()


def _carry_over(new: dict[str, Any], old: dict[str, Any]) -> None:
    """What clients cannot change in metadata is as it was."""
    for part in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        if part in old:
            new[part] = old[part]
        else:
            new.pop(part, None)
    for part in ("uid", "name", "namespace"):
        if part in old:
            new.setdefault(part, old[part])
    new.pop("selfLink", None)
    for part in ("labels", "annotations", "finalizers", "ownerReferences"):
        if part in new and not new[part]:
            del new[part]


def _manager(ctx: Context, resource: Resource, subresource: str = "") -> managedfields.Manager:
    return managedfields.Manager(ctx.field_manager, managedfields.UPDATE, resource.group_version, subresource)


def _note_manager(ctx: Context, resource: Resource, new: Object, old: Object, subresource: str) -> None:
    """Whose change it is; what has no manager of its own (a binding, a finalizer) leaves that as it was."""
    metadata = new["metadata"]
    if subresource in ("", "status"):
        scaling = "scale" if ctx.target.subresource == "scale" else subresource
        manager = _manager(ctx, resource, scaling)
        metadata["managedFields"] = managedfields.updated(resource, old, new, manager)
    elif "managedFields" in old["metadata"]:
        metadata["managedFields"] = old["metadata"]["managedFields"]
    if not metadata.get("managedFields"):
        metadata.pop("managedFields", None)


def _finished(obj: Object) -> bool:
    """Whether an object that was going has nothing left to wait for."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace":
        return not obj["spec"].get("finalizers")
    return int(metadata.get("deletionGracePeriodSeconds", 0)) == 0


def _stays(resource: Resource, obj: Object, marked: bool) -> bool:
    metadata = obj["metadata"]
    if metadata.get("finalizers"):
        return True
    if resource.kind == "Namespace":
        return bool(obj["spec"].get("finalizers"))
    return int(metadata.get("deletionGracePeriodSeconds", 0)) > 0


def _mark(resource: Resource, obj: Object, asked: int | None) -> bool:
    """Note on the object that and when it goes; False when there is nothing (new) to note.

    Mirrors `rest.BeforeDelete`: a second deletion can only shorten the time.
    """
    metadata = obj["metadata"]
    grace = resource.strategy.grace_seconds(obj, asked)
    if grace is None:
        if "deletionTimestamp" in metadata or not (
            metadata.get("finalizers") or resource.kind == "Namespace"
        ):
            return False
        grace = 0
        if resource.kind == "Namespace":
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
            metadata["deletionTimestamp"] = meta.now()
            return True
    if "deletionTimestamp" in metadata:
        before = metadata.get("deletionGracePeriodSeconds", 0)
        if asked is None or grace >= before:
            return False
        until = meta.parse_time(metadata["deletionTimestamp"])
        moment = until or datetime.now(UTC)
        metadata["deletionTimestamp"] = meta.stamp(moment + timedelta(seconds=grace - before))
        metadata["deletionGracePeriodSeconds"] = grace
        return True
    metadata["deletionTimestamp"] = meta.stamp(datetime.now(UTC) + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation", 0) > 0:
        metadata["generation"] += 1
    return True


def _check_preconditions(resource: Resource, obj: Object, wanted: Preconditions) -> None:
    metadata = obj["metadata"]
    name, uid, version = metadata["name"], metadata["uid"], metadata["resourceVersion"]
    if wanted.uid is not None and wanted.uid != uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise status.conflict(resource.group, resource.kind, name, why)
    if wanted.resource_version is not None and wanted.resource_version != version:
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the "
            "ResourceVersion "
            f"in record ({version}). The object might have been modified"
        )
        raise status.conflict(resource.group, resource.kind, name, why)


def _invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> status.APIError:
    # Events of either group are the same objects, and the older group's for who refuses them
    group = "" if resource.kind == "Event" else resource.group
    return status.invalid_object(group, resource.kind, name, errors)
