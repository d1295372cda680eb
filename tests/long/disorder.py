"""A directory of manifests in disorder, and what the kubelet must make of it in the end.

`Disorder` invents file operations as people and editors do them, as lines of shell to run in the directory,
and keeps a model of what lies there: which pod each file is, if it is one. Nothing it does depends on time.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from shlex import quote

FILES = [*(f"{letter}.yaml" for letter in "abcdefgh"), "a.yaml.bak", "b.yaml~", "c.json", "d", ".e.yaml.swp"]
PODS = [f"soak{number}" for number in range(8)]
#: Beside the directory and on the same file system: what links lead to, and where drafts are written.
OUTSIDE = "../soak"
GARBAGE = [
    "",
    "\t",
    "kind: Pod\nmetadata:\n\tname: tab\n",
    "null",
    "[]",
    "{",
    "%PDF-1.4",
    "a: &a [*a]",
    "\x00\x01\x02",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: Not_A_Name}\nspec: {containers: []}\n",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: secret}\nspec: {serviceAccountName: x, containers: []}\n",
]
LABEL = "soak"


def manifest(pod: str, version: str) -> str:
    """A pod that says which version of its manifest it is; one line, so that any part of it is no pod."""
    container = {"name": "main", "image": "busybox:1.36", "command": ["sleep", "100000"]}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "labels": {LABEL: version}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        }
    )


@dataclass(frozen=True)
class File:
    """What lies under one name: a pod and its version, or nothing the kubelet can use."""

    pod: str = ""
    version: str = ""
    link: bool = False


@dataclass
class Disorder:
    """A sequence of operations that a seed determines."""

    seed: int
    files: dict[str, File] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def prepare(self) -> str:
        """To be run once: what links will lead to."""
        lines = [f"mkdir -p {OUTSIDE}"]
        lines += [f"printf %s {quote(manifest(pod, 'linked'))} > {OUTSIDE}/{pod}" for pod in PODS]
        return "\n".join(lines)

    def step(self) -> str:
        """The next operation as a line of shell."""
        self._count += 1
        operations = [
            self._create, self._create, self._edit, self._edit, self._move_in, self._rename, self._rename,
            self._delete, self._delete, self._truncate, self._chmod, self._symlink, self._garbage,
        ]  # fmt: skip
        while True:
            line = self._random.choice(operations)()
            if line is not None:
                return line

    def clear(self) -> str:
        """Take everything away."""
        self.files.clear()
        return "rm -f " + " ".join(quote(name) for name in FILES)

    def expected(self) -> dict[str, str]:
        """Pod to version, as a scan finds them: of several files with one pod the last by name counts."""
        seen = sorted(item for item in self.files.items() if not item[0].startswith("."))
        return {file.pod: file.version for _, file in seen if file.pod}

    def _any(self, *, links: bool = True, there: bool = True) -> str | None:
        names = [
            name
            for name in FILES
            if (name in self.files) == there and (links or not self.files.get(name, File()).link)
        ]
        return self._random.choice(names) if names else None

    def _written(self, name: str) -> tuple[str, str]:
        """A new pod in the model; its manifest's text, quoted, and the file's name."""
        pod, version = self._random.choice(PODS), f"v{self._count}"
        self.files[name] = File(pod, version)
        return quote(manifest(pod, version)), quote(name)

    def _create(self) -> str | None:
        name = self._any(there=False)
        return None if name is None else "printf %s {} > {}".format(*self._written(name))

    def _edit(self) -> str | None:
        name = self._any(links=False)
        return None if name is None else "printf %s {} > {}".format(*self._written(name))

    def _move_in(self) -> str | None:
        text, name = self._written(self._random.choice(FILES))
        return f"printf %s {text} > {OUTSIDE}/draft && mv -f {OUTSIDE}/draft {name}"

    def _rename(self) -> str | None:
        old, new = self._any(), self._random.choice(FILES)
        if old is None or old == new:
            return None
        self.files[new] = self.files.pop(old)
        return f"mv -f {quote(old)} {quote(new)}"

    def _delete(self) -> str | None:
        name = self._any()
        if name is None:
            return None
        del self.files[name]
        return f"rm -f {quote(name)}"

    def _truncate(self) -> str | None:
        name = self._any(links=False)
        if name is None:
            return None
        self.files[name] = File()
        return f"truncate -s {self._random.randrange(40)} {quote(name)}"

    def _chmod(self) -> str | None:
        name = self._any(links=False)
        return None if name is None else f"chmod {self._random.choice(['600', '640', '644'])} {quote(name)}"

    def _symlink(self) -> str | None:
        pod = self._random.choice([*PODS, "nothing"])
        name = self._random.choice(FILES)
        self.files[name] = File(pod, "linked", link=True) if pod in PODS else File(link=True)
        return f"ln -sfn {OUTSIDE}/{pod} {quote(name)}"

    def _garbage(self) -> str | None:
        name = self._random.choice(FILES)
        self.files[name] = File()
        text = self._random.choice(GARBAGE).replace("\\", "\\\\").replace("\x00", "\\0")
        return f"rm -f {quote(name)}; printf {quote(text.replace('%', '%%'))} > {quote(name)}"
