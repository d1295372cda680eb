"""`/metrics`: requests by verb, resource and code, in the Prometheus text format."""

from __future__ import annotations

from collections import Counter

from labs.controlplane.http import Response

from .context import Target


class Metrics:
    """Counts what is answered."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str, str, str, int]] = Counter()

    def count(self, target: Target, code: int) -> None:
        """Note an answered request."""
        key = (target.verb.upper(), target.group, target.version, target.resource, target.subresource, code)
        self._requests[key] += 1

    def exposition(self) -> Response:
        """The page."""
        name = "apiserver_request_total"
        lines = [
            f"# HELP {name} [STABLE] Counter of apiserver requests broken out for each verb, dry run "
            "value, group, "
            "version, resource, scope, component, and HTTP response code.",
            f"# TYPE {name} counter",
        ]
        for (verb, group, version, resource, sub, code), count in sorted(self._requests.items()):
            lines.append(
                f'{name}{{code="{code}",component="apiserver",group="{group}",resource="{resource}",'
                f'subresource="{sub}",verb="{verb}",version="{version}"}} {count}'
            )
        return Response(
            200,
            ("\n".join(lines) + "\n").encode(),
            {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
