"""Merging a cluster's kubeconfig into a person's own, and taking it out again, by kubectl's rules.

The file is the first of $KUBECONFIG that exists, else its last, else ~/.kube/config; while it is changed it
is locked as client-go locks it. Entries of the same name are replaced, all others kept.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from labs.errors import LabsError
from labs.nodes.files import make_directory, write_file

Document = dict[str, Any]

#: The lists of a kubeconfig that have named entries.
_LISTS = ("clusters", "contexts", "users")


class KubeconfigError(LabsError):
    """The person's kubeconfig cannot be read or changed."""


def renamed(document: Document, name: str) -> Document:
    """A kubeconfig of one cluster with `name` for its cluster, its user and its context, as kind does it."""
    (cluster,), (user,) = document["clusters"], document["users"]
    return document | {
        "clusters": [cluster | {"name": name}],
        "users": [user | {"name": name}],
        "contexts": [{"context": {"cluster": name, "user": name}, "name": name}],
        "current-context": name,
    }


def merged(existing: Document, added: Document) -> Document:
    """`existing` with the entries of `added`, whose context becomes the current one."""
    lists = {key: [*_without(existing, key, names_of(added, key)), *(added.get(key) or ())] for key in _LISTS}
    head = {"apiVersion": "v1", "kind": "Config"}
    return {**head, **existing, **lists, "current-context": added["current-context"]}


def removed(existing: Document, taken: Document) -> Document:
    """`existing` without the entries of `taken`; no context is current when it was among them."""
    lists = {key: _without(existing, key, names_of(taken, key)) for key in _LISTS}
    current = existing.get("current-context", "")
    gone = current in names_of(taken, "contexts")
    return {**existing, **lists, "current-context": "" if gone else current}


def names_of(document: Document, key: str) -> set[str]:
    """The names of the entries in one of the lists."""
    return {entry["name"] for entry in document.get(key) or ()}


def person_path(environment: Mapping[str, str]) -> Path:
    """The kubeconfig that kubectl would write a new entry into."""
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return next((path for path in listed if path.is_file()), listed[-1])
    return Path(environment.get("HOME") or Path.home()) / ".kube/config"


def merge(source: Path, target: Path) -> str:
    """Merge the kubeconfig `source` into `target`; the context that is current then."""
    added = _read(source)
    with _locked(target):
        _write(target, merged(_read(target), added))
    return str(added["current-context"])


def unmerge(source: Path, target: Path) -> None:
    """Take the entries of `source` out of `target`, as far as they are there."""
    if not target.exists():
        return
    with _locked(target):
        before = _read(target)
        if (after := removed(before, _read(source))) != before:
            _write(target, after)


def _without(document: Document, key: str, names: set[str]) -> list[Any]:
    return [entry for entry in document.get(key) or () if entry["name"] not in names]


def _read(path: Path) -> Document:
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise KubeconfigError(f"{path} cannot be read: {reason}; mend it, or set KUBECONFIG") from None
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path} is no kubeconfig: mend it, or set KUBECONFIG to another file")
    return document


def _write(path: Path, document: Document) -> None:
    """Replace the file at once, by one that only its owner may read; a link stays one."""
    target = path.resolve()
    draft = write_file(target.with_name(f"{target.name}.new"), yaml.safe_dump(document), 0o600)
    draft.rename(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f"{path.name}.lock")
    try:
        if not path.parent.is_dir():
            make_directory(path.parent)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0))
    except FileExistsError:
        raise KubeconfigError(f"{path} is being changed by another program: if not, delete {lock}") from None
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be changed: {error.strerror}; set KUBECONFIG") from None
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()
