"""Requests about objects, verb by verb: from HTTP to the registry and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from labs.controlplane.http import Response
from labs.core.field import forbidden, invalid

from . import (
    applying,
    codec,
    continuation,
    deleting,
    events,
    patch_requests,
    request_options,
    scale,
    schema,
    selectors,
    status,
)
from .answers import STREAMED, check_accepted
from .component_statuses import PLURAL, ComponentStatuses
from .context import Context
from .registry import Registry
from .representation import negotiate
from .resources import Resource
from .watches import Watches

Object = dict[str, Any]


class Handlers:
    """The verbs."""

    def __init__(self, registry: Registry, watches: Watches, components: ComponentStatuses) -> None:
        self._registry = registry
        self._components = components
        self._watches = watches
        self._verbs = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def serve(self, ctx: Context, resource: Resource) -> Response:
        """Answer a request about a resource or its status."""
        handler = self._verbs.get(ctx.target.verb)
        if handler is None or (not ctx.target.subresource and ctx.target.verb not in resource.verbs):
            watched = ctx.target.verb == "watch" and "list" in resource.verbs
            raise status.not_watched(resource.plural) if watched else status.method_not_allowed()
        if ctx.request.method == "HEAD" or (ctx.target.verb in ("update", "patch") and not ctx.target.name):
            raise status.method_not_allowed()
        streamed = STREAMED if ctx.target.verb in ("list", "watch") else ()
        check_accepted(ctx.request, (*codec.JSON_TYPES, *streamed))
        return await handler(ctx, resource)

    # -- reading
    async def _get(self, ctx: Context, resource: Resource) -> Response:
        if resource.plural == PLURAL:
            return self._answer(ctx, resource, 200, await self._components.get(ctx.target.name))
        obj = await self._registry.get(resource, ctx.target.namespace, ctx.target.name)
        return self._answer(ctx, resource, 200, obj)

    async def _list(self, ctx: Context, resource: Resource) -> Response:
        request, namespace = ctx.request, ctx.target.namespace
        request_options.check_list(request, watch=False)
        representation = negotiate(request)
        keep = _selection(ctx, resource)
        if resource.plural == PLURAL:
            found = [each for each in await self._components.all() if keep is None or keep(each)]
            return codec.respond(200, representation.many(resource, found, {}))
        limit = max(0, request_options.integer(request.argument("limit")))
        if request.argument("resourceVersion") == "0":
            limit = 0  # the real server has all at hand then, in its cache
        prefix = resource.key_prefix(namespace)
        revision, start = continuation.decode(request.argument("continue"), prefix)
        wanted = int(request.argument("resourceVersion") or 0)
        exact = request.argument("resourceVersionMatch") == "Exact"
        revision = wanted if exact else revision
        if revision >= 1 << 63:  # etcd counts in signed numbers
            raise status.version_too_large(revision, await self._registry.storage.revision())
        objects: list[Object] = []
        while True:
            page = await self._registry.storage.list(
                prefix, limit=limit, start_key=start, revision=revision, exact=exact
            )
            shown = (_shown(resource, stored.object) for stored in page.items)
            objects += [obj for obj in shown if keep is None or keep(obj)]
            if wanted > page.revision:
                raise status.version_too_large(wanted, page.revision)
            revision, start = page.revision, page.next_key
            if start is None or len(objects) >= limit:
                break
        metadata: Object = {"resourceVersion": str(page.revision)}
        if start is not None:
            metadata["continue"] = continuation.encode(page.revision, start, prefix)
            if keep is None:
                metadata["remainingItemCount"] = page.remaining
        listed = representation.many(resource, objects, metadata)
        ctx.response_object = listed
        return codec.respond(200, listed)

    async def _watch(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_list(ctx.request, watch=True)
        return await self._watches.open(
            ctx, resource, negotiate(ctx.request, streamed=True), _selection(ctx, resource)
        )

    # -- writing
    async def _create(self, ctx: Context, resource: Resource) -> Response:
        if ctx.target.name:
            raise status.method_not_allowed()
        request_options.check_write(ctx.request, "create")
        obj = codec.read_object(ctx.request, resource.kind)
        ctx.request_object = deepcopy(obj)
        obj = self._decoded(ctx, resource, obj)
        created = await self._registry.create(ctx, resource, ctx.target.namespace, obj)
        return self._answer(ctx, resource, 201, created)

    async def _update(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_write(ctx.request, "update")
        shape = _shape(ctx, resource)
        obj = codec.read_object(ctx.request, shape.kind)
        ctx.request_object = deepcopy(obj)
        obj = self._decoded(ctx, shape, obj)
        _check_name(ctx, obj)
        if obj["metadata"].get("namespace", ctx.target.namespace) != ctx.target.namespace:
            raise status.other_namespace()
        if ctx.target.subresource == "scale":
            return await self._change(ctx, resource, _scaling(resource, obj), partial=True)
        return await self._change(ctx, resource, lambda _: deepcopy(obj), partial=False)

    async def _patch(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_write(ctx.request, "patch")
        kind = codec.content_type(ctx.request)
        if kind not in codec.PATCH_TYPES:
            raise status.unknown_patch()
        if kind == applying.CONTENT_TYPE:
            return await self._apply(ctx, resource)
        if ctx.request.argument("force"):
            error = forbidden("force", "may not be specified for non-apply patch")
            raise status.invalid_object("meta.k8s.io", "PatchOptions", "", [error])
        return await self._change(ctx, resource, self._patching(ctx, resource, kind), partial=True)

    async def _apply(self, ctx: Context, resource: Resource) -> Response:
        """Server-side apply."""
        config = applying.configuration(ctx, resource)
        ctx.request_object = config
        target = ctx.target

        def change(current: Object | None) -> Object:
            obj = applying.applied(ctx, resource, current, config)
            decoded = self._decoded(ctx, resource, obj, patched=config)
            _check_name(ctx, decoded)
            return decoded

        obj, created = await self._registry.update(
            *(ctx, resource, target.namespace, target.name, change),
            subresource=target.subresource,
            partial=True,
            applied=True,
        )
        return self._answer(ctx, resource, 201 if created else 200, obj)

    def _patching(self, ctx: Context, resource: Resource, kind: str) -> Callable[[Object | None], Object]:
        def apply(current: Object | None) -> Object:
            if current is None:
                raise status.not_found(resource.group, resource.plural, ctx.target.name)
            shape = _shape(ctx, resource)
            # read only here: what is not there is missed before the patch is found wrong
            ctx.request_object, patch = patch_requests.read(kind, ctx.request.body, shape.schema)
            wanted = patch(scale.view(current) if shape is scale.SCALE else _shown(resource, current))
            obj = self._decoded(ctx, shape, wanted, patched=ctx.request_object)
            _check_name(ctx, obj)
            return scale.applied(resource, current, obj) if shape is scale.SCALE else obj

        return apply

    async def _change(
        self, ctx: Context, resource: Resource, change: Callable[[Object | None], Object], *, partial: bool
    ) -> Response:
        target = ctx.target
        # A scale is a change of the object itself.
        subresource = "" if target.subresource == "scale" else target.subresource
        obj, created = await self._registry.update(
            ctx, resource, target.namespace, target.name, change, subresource=subresource, partial=partial
        )
        return self._answer(ctx, resource, 201 if created else 200, obj)

    async def _delete(self, ctx: Context, resource: Resource) -> Response:
        deletion = deleting.options(ctx)
        target = ctx.target
        obj, gone = await self._registry.delete(ctx, resource, target.namespace, target.name, deletion)
        if resource.strategy.returns_deleted or not gone:
            return self._answer(ctx, resource, 200, obj)
        details = {
            "name": target.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": obj["metadata"]["uid"],
        }
        success = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        }
        return codec.respond(200, success)

    async def _delete_collection(self, ctx: Context, resource: Resource) -> Response:
        deletion = deleting.options(ctx)
        keep = _selection(ctx, resource)
        page = await self._registry.storage.list(resource.key_prefix(ctx.target.namespace))
        deleted = []
        for stored in page.items:
            shown = _shown(resource, stored.object)
            if keep is not None and not keep(shown):
                continue
            metadata = stored.object["metadata"]
            try:
                obj, _ = await self._registry.delete(
                    ctx, resource, metadata.get("namespace", ""), metadata["name"], deletion
                )
            except status.APIError as error:
                if error.code != 404:
                    raise
            else:
                deleted.append(_shown(resource, obj))
        listed = negotiate(ctx.request).many(resource, deleted, {"resourceVersion": str(page.revision)})
        ctx.response_object = listed
        return codec.respond(200, listed)

    # -- between HTTP and the registry
    def _answer(self, ctx: Context, resource: Resource, code: int, obj: Object) -> Response:
        shape = _shape(ctx, resource)
        shown = scale.view(obj) if shape is scale.SCALE else _shown(resource, obj)
        ctx.response_object = shown
        return codec.respond(code, negotiate(ctx.request).one(shape, shown))

    def _decoded(self, ctx: Context, resource: Resource, obj: Object, *, patched: Any = None) -> Object:
        """A client's object as the kind has it; what it does not know is dropped, told of or refused."""
        group_version = resource.group_version
        kind, version = obj.setdefault("kind", resource.kind), obj.setdefault("apiVersion", group_version)
        if (kind, version) != (resource.kind, group_version):
            why = codec.unknown_conversion(kind, version, resource.kind, resource.group or "core")
            if patched is None:
                raise status.bad_request(why)
            raise status.invalid_object("", "", "", [invalid("patch", _text(obj), why)])
        where = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        # What was patched is named whole in a refusal, so it is kept as it was before anything was dropped.
        strict = ctx.request.argument("fieldValidation") == "Strict"
        whole = _text(obj) if patched is not None and strict else None
        try:
            unknown = schema.prune(obj, resource.schema)
        except schema.DecodeError as error:
            if patched is None:
                raise status.bad_request(f"{where}: {error}") from error
            if codec.content_type(ctx.request) == applying.CONTENT_TYPE:
                raise applying.unconverted(patched, error.converted) from error
            fault = invalid("patch", _text(obj), str(error))
            raise status.invalid_object("", "", "", [fault]) from error
        if unknown:
            self._complain(ctx, where, [f'unknown field "{path}"' for path in unknown], whole)
        return events.to_core(obj) if resource.group == "events.k8s.io" else obj

    def _complain(self, ctx: Context, where: str, complaints: list[str], patched: str | None) -> None:
        mode = ctx.request.argument("fieldValidation", "Warn")
        if mode == "Strict":
            text = f"strict decoding error: {', '.join(complaints)}"
            if patched is None:
                raise status.bad_request(f"{where}: {text}")
            error = invalid("patch", patched, text)
            raise status.invalid_object("", "", "", [error])
        if mode == "Warn":
            ctx.warnings += complaints


def _check_name(ctx: Context, obj: Object) -> None:
    name = obj.setdefault("metadata", {}).get("name", "")
    if name != ctx.target.name:
        raise status.other_name(name, ctx.target.name)


def _text(obj: Object) -> str:
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False)


def _shape(ctx: Context, resource: Resource) -> Resource:
    """The kind that is sent and answered: that of the resource, or a Scale."""
    return scale.SCALE if ctx.target.subresource == "scale" else resource


def _scaling(resource: Resource, wanted: Object) -> Callable[[Object | None], Object]:
    def apply(current: Object | None) -> Object:
        if current is None:
            raise status.not_found(resource.group, resource.plural, wanted["metadata"]["name"])
        return scale.applied(resource, current, wanted)

    return apply


def _shown(resource: Resource, obj: Object) -> Object:
    return events.from_core(obj) if resource.group == "events.k8s.io" else obj


def _selection(ctx: Context, resource: Resource) -> selectors.Predicate | None:
    request = ctx.request
    by_label = selectors.label_selector(request.argument("labelSelector"))
    by_field = selectors.field_selector(request.argument("fieldSelector"), resource)
    tests = [test for test in (by_label, by_field) if test is not None]
    if ctx.target.name:
        name = ctx.target.name
        tests.append(lambda obj: obj["metadata"]["name"] == name)
    return (lambda obj: all(test(obj) for test in tests)) if tests else None
