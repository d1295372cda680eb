"""Requests about objects, verb by verb: from HTTP to the registry and back."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from labs.controlplane.http import Response

from . import applying, codec, events, propagation, request_options, scale, schema, selectors, status
from .context import Context
from .patching import PatchError, json_patch, merge_patch, strategic_merge
from .registry import Deletion, Preconditions, Registry
from .representation import negotiate
from .resources import Resource
from .watches import Watches

Object = dict[str, Any]


class Handlers:
    """The verbs."""

    def __init__(self, registry: Registry, watches: Watches) -> None:
        self._registry = registry
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
            raise status.method_not_allowed()
        return await handler(ctx, resource)

    # -- reading
    async def _get(self, ctx: Context, resource: Resource) -> Response:
        obj = await self._registry.get(resource, ctx.target.namespace, ctx.target.name)
        return self._answer(ctx, resource, 200, obj)

    async def _list(self, ctx: Context, resource: Resource) -> Response:
        request, namespace = ctx.request, ctx.target.namespace
        request_options.check_list(request, watch=False)
        representation = negotiate(request)
        keep = _selection(ctx, resource)
        limit = max(0, _integer(request.argument("limit")))
        prefix = resource.key_prefix(namespace)
        revision, start = _continued(request.argument("continue"), prefix)
        wanted = _integer(request.argument("resourceVersion"))
        exact = request.argument("resourceVersionMatch") == "Exact"
        revision = wanted if exact else revision
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
            metadata["continue"] = _continuation(page.revision, start, prefix)
            if keep is None:
                metadata["remainingItemCount"] = page.remaining
        listed = representation.many(resource, objects, metadata)
        ctx.response_object = listed
        return codec.respond(200, listed)

    async def _watch(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_list(ctx.request, watch=True)
        return await self._watches.open(ctx, resource, negotiate(ctx.request), _selection(ctx, resource))

    # -- writing
    async def _create(self, ctx: Context, resource: Resource) -> Response:
        if ctx.target.name:
            raise status.method_not_allowed()
        request_options.check_write(ctx.request, "create")
        obj = codec.read_object(ctx.request)
        ctx.request_object = deepcopy(obj)
        obj = self._decoded(ctx, resource, obj)
        created = await self._registry.create(ctx, resource, ctx.target.namespace, obj)
        return self._answer(ctx, resource, 201, created)

    async def _update(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_write(ctx.request, "update")
        obj = codec.read_object(ctx.request)
        ctx.request_object = deepcopy(obj)
        obj = self._decoded(ctx, _shape(ctx, resource), obj)
        name = obj.setdefault("metadata", {}).get("name", "")
        if name != ctx.target.name:
            raise status.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({ctx.target.name})"
            )
        if ctx.target.subresource == "scale":
            return await self._change(ctx, resource, _scaling(resource, obj), partial=True)
        return await self._change(ctx, resource, lambda _: deepcopy(obj), partial=False)

    async def _patch(self, ctx: Context, resource: Resource) -> Response:
        request_options.check_write(ctx.request, "patch")
        kind = codec.content_type(ctx.request)
        if kind not in codec.PATCH_TYPES:
            raise status.unsupported_media_type(codec.PATCH_TYPES)
        if kind == applying.CONTENT_TYPE:
            return await self._apply(ctx, resource)
        if ctx.request.argument("force"):
            error = status.forbidden_field("force", "may not be specified for non-apply patch")
            raise status.invalid_object("meta.k8s.io", "PatchOptions", "", [error])
        patch = codec.parse(ctx.request.body, kind)
        if kind == "application/json-patch+json" and not isinstance(patch, list):
            raise status.bad_request(
                "error decoding patch: json: cannot unmarshal object into Go value of type "
                "[]handlers.jsonPatchOp"
            )
        ctx.request_object = patch
        return await self._change(ctx, resource, self._patching(ctx, resource, kind, patch), partial=True)

    async def _apply(self, ctx: Context, resource: Resource) -> Response:
        """Server-side apply."""
        config = applying.configuration(ctx, resource)
        ctx.request_object = config
        target = ctx.target

        def change(current: Object | None) -> Object:
            obj = applying.applied(ctx, resource, current, config)
            return self._decoded(ctx, resource, obj, patched=config)

        obj, created = await self._registry.update(
            *(ctx, resource, target.namespace, target.name, change),
            subresource=target.subresource,
            partial=True,
            applied=True,
        )
        return self._answer(ctx, resource, 201 if created else 200, obj)

    def _patching(
        self, ctx: Context, resource: Resource, kind: str, patch: Any
    ) -> Callable[[Object | None], Object]:
        def apply(current: Object | None) -> Object:
            if current is None:
                raise status.not_found(resource.group, resource.plural, ctx.target.name)
            shape = _shape(ctx, resource)
            base = scale.view(current) if shape is scale.SCALE else _shown(resource, current)
            try:
                if kind == "application/json-patch+json":
                    patched = json_patch(base, patch)
                elif kind == "application/merge-patch+json":
                    patched = merge_patch(base, codec.as_object(patch))
                else:
                    patched = strategic_merge(base, codec.as_object(patch), shape.schema)
            except PatchError as error:
                raise status.rejected() from error
            wanted = codec.as_object(patched)
            name = (wanted.get("metadata") or {}).get("name", ctx.target.name)
            if name != ctx.target.name:
                raise status.bad_request(
                    f"the name of the object ({name}) does not match the name on the URL ({ctx.target.name})"
                )
            obj = self._decoded(ctx, shape, wanted, patched=patch)
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
        deletion = _deletion(ctx)
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
        deletion = _deletion(ctx)
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
            raise status.bad_request(
                f'{kind} in version "{version}" cannot be handled as a {resource.kind}: converting '
                f"({version}.{kind}) to ({resource.group or 'core'}.{resource.kind}): unknown conversion"
            )
        where = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        # What was patched is named whole in a refusal, so it is kept as it was before anything was dropped.
        strict = ctx.request.argument("fieldValidation") == "Strict"
        whole = _text(obj) if patched is not None and strict else None
        try:
            unknown = schema.prune(obj, resource.schema)
        except schema.DecodeError as error:
            if patched is not None:
                fault = status.invalid("patch", _text(obj), str(error))
                raise status.invalid_object("", "", "", [fault]) from error
            raise status.bad_request(f"{where}: {error}") from error
        if unknown:
            self._complain(ctx, where, [f'unknown field "{path}"' for path in unknown], whole)
        return events.to_core(obj) if resource.group == "events.k8s.io" else obj

    def _complain(self, ctx: Context, where: str, complaints: list[str], patched: str | None) -> None:
        mode = ctx.request.argument("fieldValidation", "Warn")
        if mode == "Strict":
            text = f"strict decoding error: {', '.join(complaints)}"
            if patched is None:
                raise status.bad_request(f"{where}: {text}")
            error = status.invalid("patch", patched, text)
            raise status.invalid_object("", "", "", [error])
        if mode == "Warn":
            ctx.warnings += complaints


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


def _integer(text: str) -> int:
    try:
        return int(text) if text else 0
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _continuation(revision: int, key: str, prefix: str) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": key.removeprefix(prefix)}
    return urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).decode().rstrip("=")


def _continued(token: str, prefix: str) -> tuple[int, str | None]:
    if not token:
        return 0, None
    try:
        value = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(value["rv"]), prefix + str(value["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise status.bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def _deletion(ctx: Context) -> Deletion:
    """The options of a deletion: from the body if there is one, else from the query."""
    request = ctx.request
    options: Object = codec.read_object(request) if request.body else {}
    ctx.request_object = {**options, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal"}
    grace = options.get("gracePeriodSeconds")
    if grace is None and request.argument("gracePeriodSeconds"):
        grace = _integer(request.argument("gracePeriodSeconds"))
    if options.get("dryRun"):
        request.query["dryRun"] = list(options["dryRun"])
    wanted = options.get("preconditions") or {}
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise status.bad_request(
            "json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
        )
    for name in ("propagationPolicy", "orphanDependents"):
        if name not in options and name in request.query:
            value = request.argument(name)
            options[name] = value if name == "propagationPolicy" else request.flag(name)
    policy = propagation.policy_of(options)
    return Deletion(grace, Preconditions(wanted.get("uid"), wanted.get("resourceVersion")), policy)
