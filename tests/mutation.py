"""Ask of some mutants of the kubelet's semantics, drawn by lot, whether the tests would notice them.

mutmut makes the mutants (`[tool.mutmut]` in pyproject.toml) and runs each through the tests that reach it;
all of them take hours. A sample of 400 tells the share that is killed to some three in a hundred. Mutants
that mypy refuses are left out of the lot: `make lint` would never let them come as far as the tests.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

MUTANTS = Path("mutants")
TYPE_CHECK = ("-m", "mypy", "--output", "json", "--no-warn-unused-ignores", "labs/kubelet")
#: What mutmut's exit codes stand for; a mutant that makes tests hang or crash is noticed.
KILLED, SURVIVED, UNTESTED = "killed", "survived", "reached by no test"


def main() -> None:
    """Draw, run and count."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=400, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    generate(asked.processes)
    every = sorted(name for results in stored().values() for name in results)
    refused = refused_by_types()
    rest = [name for name in every if name not in refused]
    chosen = random.Random(asked.seed).sample(rest, min(asked.sample, len(rest)))
    print(f"{len(every)} mutants, {len(refused)} refused by mypy; {len(chosen)} drawn with seed {asked.seed}")
    mutmut = Path(sys.executable).with_name("mutmut")
    subprocess.run([mutmut, "run", "--max-children", str(asked.processes), *chosen], check=True)
    report(chosen)


def generate(processes: int) -> None:
    """Bring `mutants/` up to date, as `mutmut run` does before it runs anything."""
    from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants, setup_source_paths

    MUTANTS.mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(processes)


def stored() -> dict[Path, dict[str, int | None]]:
    """Each changed file's mutants, with the exit code of the tests where they ran."""
    found = MUTANTS.rglob("*.py.meta")
    return {path: json.loads(path.read_text())["exit_code_by_key"] for path in sorted(found)}


def refused_by_types() -> set[str]:
    """The mutants that `mypy --strict` finds an error in which the unchanged function has not."""
    command = [str(Path(sys.executable).absolute()), *TYPE_CHECK]
    lines = subprocess.run(command, cwd=MUTANTS, capture_output=True, text=True, check=False).stdout
    errors: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for error in map(json.loads, filter(None, lines.splitlines())):
        if error["severity"] == "error":
            errors[error["file"]].append((error["line"], error["message"]))
    return {name for file, found in errors.items() for name in _refused_in(file, found)}


def _refused_in(file: str, errors: list[tuple[int, str]]) -> Iterator[str]:
    owner: dict[int, str] = {}
    for node in ast.walk(ast.parse((MUTANTS / file).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            owner |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.name)
    found = {(owner[line], message) for line, message in errors if line in owner}
    for name, message in found:
        function = name.rpartition("__mutmut_")[0]
        if (f"{function}__mutmut_orig", message) not in found:
            yield f"{file.removesuffix('.py').replace('/', '.')}.{name}"


def verdict(code: int | None) -> str:
    """What an exit code of mutmut's says."""
    return {0: SURVIVED, 33: UNTESTED, 5: UNTESTED, None: "not run", 2: "not run"}.get(code, KILLED)


def report(chosen: list[str]) -> None:
    """Print what became of the mutants, the worst modules and the survivors' names."""
    codes = {name: code for results in stored().values() for name, code in results.items()}
    verdicts = {name: verdict(codes[name]) for name in chosen}
    count = Counter(verdicts.values())
    ran = count[KILLED] + count[SURVIVED] + count[UNTESTED]
    alive = sorted(name for name, said in verdicts.items() if said in {SURVIVED, UNTESTED})
    for name in alive:
        print(f"{verdicts[name]}: {name}")
    for module, number in Counter(name.rpartition(".")[0] for name in alive).most_common():
        print(f"{number:4} left in {module}")
    print(", ".join(f"{number} {said}" for said, number in sorted(count.items())))
    print(f"score {100 * count[KILLED] / max(ran, 1):.1f} % of {ran}")


if __name__ == "__main__":
    main()
