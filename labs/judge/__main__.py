"""`python -m labs.judge --cluster NAME VERB`: what the supervisor runs for each request about an exercise.

Arguments come as one JSON object on stdin. Each line on stdout is a JSON object: any number of
`{"progress": …}`, then one `{"result": …}`. What is wrong is said in one line on stderr, with exit status 1
(2 when the call itself is wrong).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from labs import judge
from labs.cluster import Cluster
from labs.errors import LabsError, UsageError
from labs.judge.finding import Wait

Arguments = Mapping[str, Any]


def _start(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    exercise = judge.load(_text(arguments, "exercise"))
    judge.start(cluster, exercise.id, progress=_progress(arguments))
    return {
        "exercise": exercise.id,
        "title": exercise.title,
        "minutes": exercise.minutes,
        "max": exercise.points,
    }


def _check(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    on_wait = _say_wait if arguments.get("follow") else None
    return judge.check(cluster, _text(arguments, "exercise"), on_wait=on_wait).to_json()


def _question(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    return judge.question(cluster, _text(arguments, "exercise"), _text(arguments, "question"))


def _answer(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    exercise, question = _text(arguments, "exercise"), _text(arguments, "question")
    return judge.answer(cluster, exercise, question, _text(arguments, "choice"))


def _hint(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    return judge.hint(cluster, _text(arguments, "exercise"))


def _view(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    pod = _text(arguments, "pod")
    if not arguments.get("follow"):
        return judge.view(cluster, pod)
    for document in judge.follow(cluster, pod):  # until whoever asked has gone
        _line(progress=document)
    return {}


def _solve(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    on_wait = _say_wait if arguments.get("follow") else None
    exercise = _text(arguments, "exercise")
    return judge.solve(cluster, exercise, progress=_progress(arguments), on_wait=on_wait).to_json()


def _reset(cluster: Cluster, arguments: Arguments) -> dict[str, Any]:
    exercise = _text(arguments, "exercise")
    judge.reset(cluster, exercise, progress=_progress(arguments))
    return {"exercise": exercise}


def _list(_: Cluster, __: Arguments) -> dict[str, Any]:
    return {
        "exercises": [
            {"id": one.id, "title": one.title, "minutes": one.minutes, "max": one.points}
            for one in judge.catalogue()
        ]
    }


VERBS: dict[str, Callable[[Cluster, Arguments], dict[str, Any]]] = {
    "answer": _answer,
    "check": _check,
    "hint": _hint,
    "list": _list,
    "question": _question,
    "reset": _reset,
    "solve": _solve,
    "start": _start,
    "view": _view,
}


def main() -> int:
    """Do one request; returns the exit status."""
    parser = argparse.ArgumentParser(prog="labs.judge", description=__doc__)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("verb", choices=sorted(VERBS))
    options = parser.parse_args()
    try:
        cluster = Cluster.find(options.cluster)
        _line(result=VERBS[options.verb](cluster, _read_arguments()))
    except LabsError as error:
        print(error, file=sys.stderr)
        return error.status
    except BrokenPipeError:  # whoever asked has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read_arguments() -> Arguments:
    text = sys.stdin.read().strip()
    try:
        arguments = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"the arguments on stdin are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise UsageError("the arguments on stdin must be one JSON object")
    return arguments


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(f"the request needs {name!r}, a text")
    return value


def _progress(arguments: Arguments) -> Callable[[str], None] | None:
    if not arguments.get("follow"):
        return None
    return lambda sentence: _line(progress={"doing": sentence})


def _say_wait(wait: Wait, left: float) -> None:
    _line(progress={"doing": f"waiting for {wait.what}", "seconds_left": round(max(left, 0.0))})


def _line(**document: Any) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    sys.exit(main())
