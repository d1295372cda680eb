"""What the instructor reads: scores from the gradebook, the reasons for them from the record."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.table import Table

from grader.course import Course
from grader.record import Verdict


def report(course: Course) -> dict[str, Any]:
    """The document of `grader report --json`."""
    exercises: dict[str, list[Verdict]] = {}
    attention: dict[str, str] = {}
    for who, latest in course.record.latest(course.assignment).items():
        if isinstance(latest, str):
            attention[who.student] = latest
        else:
            exercises.setdefault(who.student, []).extend(latest.verdicts.values())
    return {
        "assignment": course.assignment,
        "max": course.max_score(),
        "submissions": [
            {
                "student": one.student,
                "score": None if one.student in attention else one.score,
                "needs_attention": attention.get(one.student),
                "exercises": [] if one.student in attention else exercises.get(one.student, []),
            }
            for one in course.scores()
        ],
    }


def table(document: dict[str, Any], expected: dict[str, float] | None = None) -> Table:
    """For a terminal: a line for each student, a column for each exercise."""
    names = _exercises(document)
    result = Table(title=f"{document['assignment']}, {document['max']:g} points")
    result.add_column("student", no_wrap=True)
    for name in names:
        result.add_column(name, justify="right", overflow="fold")
    result.add_column("score", justify="right", style="bold")
    if expected is not None:
        result.add_column("expected", justify="right")
    result.add_column("")
    for one in document["submissions"]:
        by_name = {verdict["exercise"]: verdict for verdict in one["exercises"]}
        cells = [f"{by_name[name]['points']:g}" if name in by_name else "–" for name in names]
        score = "–" if one["score"] is None else f"{one['score']:g}"
        remark = f"needs attention: {one['needs_attention']}" if one["needs_attention"] else ""
        wanted = [] if expected is None else [f"{expected[one['student']]:g}"]
        if expected is not None and one["score"] != expected[one["student"]]:
            remark = remark or "differs"
        result.add_row(one["student"], *cells, score, *wanted, remark, style="red" if remark else None)
    return result


def as_csv(document: dict[str, Any]) -> str:
    """For a spreadsheet or another gradebook: a line for each student."""
    names = _exercises(document)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "score", "max", *names, "needs_attention"])
    for one in document["submissions"]:
        points = {verdict["exercise"]: verdict["points"] for verdict in one["exercises"]}
        score = "" if one["score"] is None else one["score"]
        row = [one["student"], score, document["max"], *(points.get(name, "") for name in names)]
        writer.writerow([*row, one["needs_attention"] or ""])
    return text.getvalue()


def _exercises(document: dict[str, Any]) -> list[str]:
    """The exercises, in the order of the notebooks."""
    names = [verdict["exercise"] for one in document["submissions"] for verdict in one["exercises"]]
    return list(dict.fromkeys(names))
