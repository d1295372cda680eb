"""Write the tables of labs/controlplane/README.md from the code (a developer's tool).

python -m labs.controlplane.schemas.generate_reference
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from labs.controlplane.apiserver.options import FLAGS as SERVER_FLAGS
from labs.controlplane.apiserver.options import Options
from labs.controlplane.apiserver.resources import ALL_VERBS, RESOURCES, Resource
from labs.controlplane.controllermanager.options import FLAGS as MANAGER_FLAGS
from labs.controlplane.flags import FlagSet
from labs.controlplane.scheduler.options import FLAGS as SCHEDULER_FLAGS

HERE = Path(__file__).parent
PAGE = HERE.parent / "README.md"
_TABLE = re.compile(r"(?<=<!-- )(kinds|columns|flags) -->\n.*?(?=<!-- end -->)", re.DOTALL)
#: How a component asks for the value of a flag.
_ASKING = ("text", "switch", "number", "seconds", "words", "every", "is_given")
#: These look at flags and files, and change nothing else.
_JUDGES = (
    "apiserver/checks.py",
    "apiserver/files.py",
    "apiserver/options.py",
    "controllermanager/building.py",
    "controllermanager/checks.py",
    "controllermanager/configz.py",
    "serverflags.py",
)
_EVERYWHERE = ("serverflags.py", "tlsflags.py")
_SHARED = ("component", "client", *_EVERYWHERE)


def main() -> None:
    """Put the tables into the page."""
    PAGE.write_text(page(PAGE.read_text()))


def page(text: str) -> str:
    """The page with its tables as they should be."""
    tables = {"kinds": kinds, "columns": columns, "flags": flags}
    return _TABLE.sub(lambda match: f"{match[1]} -->\n{tables[match[1]]()}", text)


def kinds() -> str:
    """The kinds that are served, a line each."""
    heading = ("API version", "kind", "names", "verbs", "subresources", "field selectors")
    return _table(heading, (_kind(resource) for resource in RESOURCES))


def columns() -> str:
    """What `kubectl get` prints of each kind; in parentheses what `-o wide` adds."""
    known = json.loads((HERE / "columns.json").read_text())
    rows = []
    for resource in RESOURCES:
        found = known.get(f"{resource.group}/{resource.plural}", ())
        usual = [name for name, *_, priority in found if not priority]
        wide = [name for name, *_, priority in found if priority]
        shown = ", ".join(usual) + (f" ({', '.join(wide)})" if wide else "")
        if shown:
            rows.append((resource.plural + (f".{resource.group}" if resource.group else ""), shown))
    return _table(("kind", "columns"), rows)


def flags() -> str:
    """Which flags of each component change what it does, and which are read and judged alone."""
    own = {f.name.replace("_", "-") for f in fields(Options) if f.name != "flags"}
    components = (
        (SERVER_FLAGS, ("apiserver", *_EVERYWHERE), own),
        (MANAGER_FLAGS, ("controllermanager", *_SHARED), set[str]()),
        (SCHEDULER_FLAGS, ("scheduler", *_SHARED), set[str]()),
    )
    return _table(
        ("component", "flags with their effect", "checked and without effect", "only read"),
        (_flags(known, folders, effective) for known, folders, effective in components),
    )


def _flags(known: FlagSet, folders: Iterable[str], effective: set[str]) -> tuple[str, ...]:
    judged = set[str]()
    for folder in folders:
        place = HERE.parent / folder
        for module in [place] if place.is_file() else place.rglob("*.py"):
            found = set(_names(ast.parse(module.read_text())))
            if str(module.relative_to(HERE.parent)) in _JUDGES:
                judged |= found
            else:
                effective |= found
    names = sorted(known.flags)
    gone_by = [name for name in names if name in effective]
    checked = [name for name in names if name in judged and name not in effective]
    rest = len(names) - len(gone_by) - len(checked)
    return f"`{known.program}`", _code(gone_by), _code(checked), f"the other {rest}"


def _names(tree: ast.AST) -> Iterator[str]:
    """Texts that are names of flags: with a hyphen, or what is asked for by name."""
    for node in _outside_of_flag_sets(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "-" in node.value:
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if node.func.attr in _ASKING and isinstance(first, ast.Constant):
                yield str(first.value)


def _outside_of_flag_sets(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that say which flags there are."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "FlagSet.of"):
            yield node
            yield from _outside_of_flag_sets(node)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`--{name}`" for name in names)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text.replace("| " + " | ".join(["---"] * len(heading)) + " |", "|---" * len(heading) + "|") + "\n"


def _kind(resource: Resource) -> tuple[str, ...]:
    names = ", ".join((resource.plural, *resource.short))
    missing = [verb for verb in ALL_VERBS if verb not in resource.verbs]
    scope = "" if resource.namespaced else " (cluster)"
    return (
        resource.group_version,
        resource.kind + scope,
        names,
        "all" if not missing else "all but " + ", ".join(missing),
        ", ".join(sub.name for sub in resource.subresources),
        ", ".join(resource.selectable),
    )


if __name__ == "__main__":
    main()
