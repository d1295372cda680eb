"""Named checks behind `/healthz`, `/livez` and `/readyz`, answered as `apiserver/pkg/server/healthz` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .serving import Request, Response, not_found

#: What is wrong, or nothing.
Check = Callable[[], str]


def ok() -> str:
    """The check that never fails: `ping`."""
    return ""


class Health:
    """The endpoints and the checks of each, in the order they are told."""

    def __init__(self, endpoints: Mapping[str, Mapping[str, Check]]) -> None:
        self._endpoints = endpoints

    @property
    def paths(self) -> list[str]:
        """The endpoints."""
        return [f"/{endpoint}" for endpoint in self._endpoints]

    def answers(self, path: str) -> bool:
        """Whether a path is one of the endpoints, or one check of them."""
        return path.strip("/").partition("/")[0] in self._endpoints

    def answer(self, request: Request) -> Response:
        """`ok`, or with `?verbose` each check; 500 when one fails. `/livez/NAME` asks for one."""
        endpoint, _, single = request.path.strip("/").partition("/")
        checks = self._endpoints[endpoint]
        if single:
            if single not in checks:
                return not_found()
            checks = {single: checks[single]}
        excluded = {name for names in request.query.get("exclude", ()) for name in names.split(",")}
        lines, failed = [], False
        for name, check in checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif check():
                failed = True
                lines.append(f"[-]{name} failed: reason withheld")
            else:
                lines.append(f"[+]{name} ok")
        if failed:
            lines.append(f"{endpoint} check failed")
            return Response(500, ("\n".join(lines) + "\n").encode())
        if "verbose" in request.query and not single:
            lines.append(f"{endpoint} check passed")
            return Response(200, ("\n".join(lines) + "\n").encode())
        return Response(200, b"ok")
