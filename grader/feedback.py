"""A verdict as a student reads it below the graded cell, in the notebook and in nbgrader's feedback page."""

from __future__ import annotations

from html import escape

from nbformat import NotebookNode, v4

from grader.record import CriterionVerdict, Verdict

_WORDS = {True: ("passed", "#1a7f37"), False: ("failed", "#b42318"), None: ("not judged", "#8a6100")}
_CELL = "padding:4px 10px;text-align:left;vertical-align:top;border-top:1px solid #ddd"


def output(verdict: Verdict) -> NotebookNode:
    """The verdict as an output of its cell."""
    return v4.new_output("display_data", data={"text/html": as_html(verdict), "text/plain": as_text(verdict)})


def as_text(verdict: Verdict) -> str:
    """One line for the exercise, one to three for each criterion."""
    lines = [headline(verdict)]
    for criterion in verdict["criteria"]:
        word, _ = _WORDS[criterion["passed"]]
        lines.append(f"  {word:10} {points(criterion)}  {criterion['id']}: {criterion['rationale']}")
        if criterion["passed"] is not True:
            lines.append(f"             seen: {criterion['seen']}")
            if criterion["hint"]:
                lines.append(f"             hint: {criterion['hint']}")
    return "\n".join(lines)


def as_html(verdict: Verdict) -> str:
    """The same as a table. Everything that comes from the lab is escaped: a student may have named it."""
    rows = "".join(_row(criterion) for criterion in verdict["criteria"])
    head = "".join(
        f'<th style="{_CELL}">{title}</th>' for title in ("Criterion", "", "Points", "What was seen")
    )
    return (
        f'<div class="cks-labs-verdict"><b>{escape(headline(verdict))}</b>'
        f'<table style="border-collapse:collapse;margin-top:4px"><tr>{head}</tr>{rows}</table></div>'
    )


def headline(verdict: Verdict) -> str:
    """Exercise and score."""
    return f"{verdict['exercise']}: {verdict['points']:g} of {verdict['max']:g} points"


def points(criterion: CriterionVerdict) -> str:
    """What a criterion earned, of what it could."""
    return f"{criterion['points']:g}/{criterion['max']:g}"


def _row(criterion: CriterionVerdict) -> str:
    word, colour = _WORDS[criterion["passed"]]
    seen = escape(criterion["seen"])
    if criterion["passed"] is not True and criterion["hint"]:
        seen += f"<br><i>Hint: {escape(criterion['hint'])}</i>"
    cells = [
        f"<b>{escape(criterion['id'])}</b><br>{escape(criterion['rationale'])}",
        f'<span style="color:{colour}">{word}</span>',
        points(criterion),
        seen,
    ]
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
