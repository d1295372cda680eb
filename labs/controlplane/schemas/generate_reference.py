"""Write the tables of labs/controlplane/README.md from the code (a developer's tool).

python -m labs.controlplane.schemas.generate_reference
"""

from __future__ import annotations

import re
from pathlib import Path

from labs.controlplane.apiserver.resources import ALL_VERBS, RESOURCES, Resource

PAGE = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(?<=<!-- kinds -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main() -> None:
    """Put the table of kinds into the page."""
    PAGE.write_text(page(PAGE.read_text()))


def page(text: str) -> str:
    """The page with the table as it should be."""
    return _TABLE.sub(lambda _: table(), text)


def table() -> str:
    """The kinds that are served, a line each."""
    lines = [
        "| API version | kind | names | verbs | subresources | field selectors |",
        "|---|---|---|---|---|---|",
        *(_line(resource) for resource in RESOURCES),
    ]
    return "\n".join(lines) + "\n"


def _line(resource: Resource) -> str:
    names = ", ".join((resource.plural, *resource.short))
    missing = [verb for verb in ALL_VERBS if verb not in resource.verbs]
    verbs = "all" if not missing else "all but " + ", ".join(missing)
    scope = "" if resource.namespaced else " (cluster)"
    cells = (
        resource.group_version,
        resource.kind + scope,
        names,
        verbs,
        ", ".join(sub.name for sub in resource.subresources),
        ", ".join(resource.selectable),
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
