"""What is shown in a cell, as HTML and as plain text. Pure functions: documents in, text out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"

Document = Mapping[str, Any]

_MARKS = {True: ("yes", "✓", "passed"), False: ("no", "✗", "not yet"), None: ("unknown", "?", "not judged")}


@functools.cache
def stylesheet() -> str:
    """The stylesheet that cards carry along, since an output cell has no other."""
    return (STATIC / "labs.css").read_text(encoding="utf-8")


class Page:
    """Something to display: HTML where that can be shown, plain text elsewhere."""

    def __init__(self, html: str, text: str) -> None:
        self._html = html
        self._text = text

    def _repr_html_(self) -> str:
        return f"<style>{stylesheet()}</style>\n{self._html}"

    def __repr__(self) -> str:
        return self._text


def line(sentence: str) -> Page:
    """One neutral sentence. `…` marks code in it."""
    return Page(
        f'<div class="cks-labs"><div class="line" role="status">{inline(sentence)}</div></div>', sentence
    )


def verdict(document: Document) -> Page:
    """The verdict on an exercise: a card with a row for each criterion."""
    points, most = document["points"], document["max"]
    rows = "\n".join(_criterion(one) for one in document["criteria"])
    share = round(100 * points / most) if most else 0
    title = escape(document["exercise"])
    html = f"""<div class="cks-labs cks-verdict" role="group" aria-label="{title}: {points} of {most} points">
<header><strong>{title}</strong><span class="right">{points} / {most} points</span></header>
<div class="bar" aria-hidden="true"><div style="width: {share}%"></div></div>
<ul class="criteria">
{rows}
</ul>
</div>"""
    text = [f"{document['exercise']}: {points} / {most} points"]
    for one in document["criteria"]:
        text += _criterion_lines(one)
    return Page(html, "\n".join(text))


def hint(document: Document) -> Page:
    """A hint, and how many there are."""
    count = f"Hint {document['number']} of {document['of']}"
    html = f"""<div class="cks-labs"><div class="line">
<span class="faint">{count}</span> {inline(document["hint"])}</div></div>"""
    return Page(html, f"{count}: {document['hint']}")


def question(document: Document, choice: str | None, note: str) -> Page:
    """A question as it reads where nothing can be clicked."""
    rows, lines = [], [document["text"]]
    for one in document["options"]:
        chosen = one["key"] == choice
        state = " checked" if chosen else ""
        rows.append(
            f'<label class="option"><input type="radio" disabled{state}><span>{inline(one["text"])}</span>'
            f'<span class="key">{escape(one["key"])}</span></label>'
        )
        lines.append(f"  ({'x' if chosen else ' '}) {one['key']}: {one['text']}")
    html = f"""<div class="cks-labs cks-question"><fieldset><legend>{inline(document["text"])}</legend>
{"".join(rows)}</fieldset><footer>{inline(note)}</footer></div>"""
    return Page(html, "\n".join([*lines, note]))


def view(document: Document) -> Page:
    """A pod in three places, as it was when the cell ran."""
    pod = document["api"]["pod"]
    files = [
        {"file": one["path"], "image": one["image"], "sha256": one["sha256"][:12]} for one in document["file"]
    ]
    runtime = [
        {"container": one["id"][:13], "image": one["image"], "state": one["state"]}
        for one in document["runtime"]
    ]
    api = [] if pod is None else [{key: pod[key] for key in ("name", "image", "uid", "phase")}]
    columns = (("The file says", files), ("The runtime runs", runtime), ("The API claims", api))
    sections = "".join(f"<section><h4>{title}</h4>{_groups(groups)}</section>" for title, groups in columns)
    title = escape(document["mirror"])
    html = f"""<div class="cks-labs cks-live still"><header><strong>{title}</strong>
<span class="right"><span class="pulse" aria-hidden="true"></span>as it was when this cell ran</span></header>
<div class="columns">{sections}</div></div>"""
    text = [document["mirror"]]
    for name, groups in columns:
        facts = ("; ".join(f"{key} {value}" for key, value in group.items()) for group in groups)
        text.append(f"  {name}: " + (" | ".join(facts) or "nothing"))
    return Page(html, "\n".join(text))


def inline(text: str) -> str:
    """Escaped text with `code` marked up."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _criterion(one: Document) -> str:
    kind, mark, word = _MARKS[one["passed"]]
    details = "".join(f"<dt>{name}</dt><dd>{inline(text)}</dd>" for name, text in _details(one))
    return (
        f'<li class="{kind}"><span class="mark" role="img" aria-label="{word}">{mark}</span>'
        f"<span>{inline(one['rationale'])}</span>"
        f'<span class="points">{one["points"]} / {one["max"]}</span><dl>{details}</dl></li>'
    )


def _criterion_lines(one: Document) -> Iterable[str]:
    _, mark, _ = _MARKS[one["passed"]]
    yield f"  {mark} {one['rationale']}  ({one['points']}/{one['max']})"
    for name, text in _details(one):
        yield f"      {name}: {text}"


def _details(one: Document) -> list[tuple[str, str]]:
    details = [("seen", one["seen"])]
    if one["passed"] is False:
        details += [("expected", one["expected"]), ("hint", one["hint"])]
    return [(name, text) for name, text in details if text]


def _groups(groups: list[dict[str, str]]) -> str:
    if not groups:
        return '<p class="none">nothing</p>'
    return "".join(
        "<dl>" + "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in group.items()) + "</dl>"
        for group in groups
    )
