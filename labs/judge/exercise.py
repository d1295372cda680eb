"""What an exercise is: a set-up, questions, criteria, hints, and attempts of which the score is known.

Exercises are written as YAML in `labs/exercises`, one file each, and read here into values. Who reads them
is always outside the student's reach: a kernel in the grading sandbox has neither the files nor this module.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from labs.judge._fields import Fields
from labs.judge.criteria import CRITERIA, DEEDS
from labs.judge.errors import ExerciseError

DIRECTORY = Path(__file__).parent.parent / "exercises"

Kind = Literal["prediction", "explanation"]
KINDS: dict[str, Kind] = {"prediction": "prediction", "explanation": "explanation"}


@dataclass(frozen=True)
class Option:
    """One answer to choose. The key names it for good; the order on the screen differs by student."""

    key: str
    text: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A prediction is asked before the deed, an explanation after it; that is also when answers count."""

    id: str
    kind: Kind
    text: str
    options: tuple[Option, ...]

    @property
    def right(self) -> str:
        """The key of the right answer."""
        return next(option.key for option in self.options if option.right)

    def shuffled(self, seed: str) -> tuple[Option, ...]:
        """The options in the order that belongs to this seed, the same each time."""
        options = list(self.options)
        random.Random(f"{seed}/{self.id}").shuffle(options)
        return tuple(options)


@dataclass(frozen=True)
class Criterion:
    """One thing that is judged: `judge` names the function in `labs.judge.criteria` that does it."""

    id: str
    judge: str
    points: int
    passed: str
    failed: str
    expected: str
    hint: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """A way to work on the exercise: predictions, a shell script on the node, then the other answers.

    `late` are predictions given after the script; `score` is what the attempt must get, `why` the reason.
    """

    id: str
    answers: Mapping[str, str]
    script: str
    score: int
    why: str = ""
    late: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exercise:
    """All there is to know about one exercise."""

    id: str
    title: str
    minutes: int
    pod: str
    deed: str
    manifests: Mapping[str, str]
    questions: tuple[Question, ...]
    criteria: tuple[Criterion, ...]
    hints: tuple[str, ...]
    solution: Attempt
    wrong: tuple[Attempt, ...]

    def mirror(self, node: str) -> str:
        """The name of its static pod on that node, and of the mirror: the manifest's, a dash, the node's."""
        return f"{self.pod}-{node.lower()}"

    def told(self, text: str, node: str) -> str:
        """A text of the exercise as it reads on that node."""
        return text.replace("{mirror}", self.mirror(node))

    @property
    def points(self) -> int:
        """The full score."""
        return sum(criterion.points for criterion in self.criteria)

    def question(self, id: str) -> Question:
        """The question of that name, or an error that lists the names there are."""
        for question in self.questions:
            if question.id == id:
                return question
        names = ", ".join(question.id for question in self.questions)
        raise ExerciseError(f"exercise {self.id} has no question {id!r}; it asks: {names}")


@functools.cache
def load(id: str) -> Exercise:
    """The exercise of that name; `ExerciseError` when there is none or its file is wrong."""
    path = DIRECTORY / f"{id}.yaml"
    if id not in names():
        raise ExerciseError(f"there is no exercise {id!r}; there are: {', '.join(names())}")
    return parse(path.read_text(encoding="utf-8"), source=path.name)


def names() -> tuple[str, ...]:
    """The names of all exercises, sorted."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.yaml")))


def catalogue() -> tuple[Exercise, ...]:
    """All exercises, sorted by name."""
    return tuple(load(name) for name in names())


def parse(text: str, *, source: str) -> Exercise:
    """Read one exercise file; `source` names it in errors."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ExerciseError(f"{source}: not YAML: {reason}") from error
    fields = Fields(document, source=source)
    questions = tuple(_question(entry) for entry in fields.each("questions"))
    criteria = tuple(_criterion(entry, questions) for entry in fields.each("criteria"))
    full = sum(criterion.points for criterion in criteria)
    exercise = Exercise(
        id=fields.text("id"),
        title=fields.text("title"),
        minutes=fields.number("minutes", least=1),
        pod=fields.text("pod"),
        deed=fields.choice("deed", frozenset(DEEDS)),
        manifests=_manifests(fields),
        questions=questions,
        criteria=criteria,
        hints=fields.lines("hints"),
        solution=_attempt(fields.one("solution"), questions, full, reference=True),
        wrong=tuple(_attempt(entry, questions, full) for entry in fields.each("wrong")),
    )
    if f"{exercise.id}.yaml" != source:
        raise fields.error("id", f"is {exercise.id!r}, but the file is called {source}")
    if len(exercise.hints) != 3:
        raise fields.error("hints", f"expected three, found {len(exercise.hints)}")
    if len(exercise.wrong) < 2:
        raise fields.error("wrong", "expected at least two wrong solutions")
    _unique(fields, "questions", [question.id for question in questions])
    _unique(fields, "criteria", [criterion.id for criterion in criteria])
    _unique(fields, "wrong", [attempt.id for attempt in exercise.wrong])
    fields.done()
    return exercise


def _question(fields: Fields) -> Question:
    kind = KINDS[fields.choice("kind", frozenset(KINDS))]
    options = tuple(_option(entry) for entry in fields.each("options"))
    question = Question(fields.text("id"), kind, fields.text("text"), options)
    if sum(option.right for option in options) != 1:
        raise fields.error("options", "expected exactly one with `right: true`")
    _unique(fields, "options", [option.key for option in options])
    fields.done()
    return question


def _option(fields: Fields) -> Option:
    option = Option(fields.text("key"), fields.text("text"), fields.flag("right"))
    fields.done()
    return option


def _criterion(fields: Fields, questions: tuple[Question, ...]) -> Criterion:
    criterion = Criterion(
        id=fields.text("id"),
        judge=fields.choice("judge", frozenset(CRITERIA)),
        points=fields.number("points", least=1),
        passed=fields.text("passed"),
        failed=fields.text("failed"),
        expected=fields.text("expected"),
        hint=fields.text("hint"),
        parameters=fields.texts("with", optional=True),
    )
    wanted = CRITERIA[criterion.judge].parameters
    if set(criterion.parameters) != set(wanted):
        listed = ", ".join(wanted) or "no parameters"
        raise fields.error("with", f"{criterion.judge} takes {listed}")
    asked = criterion.parameters.get("question")
    if asked is not None and asked not in {question.id for question in questions}:
        raise fields.error("with.question", f"there is no question {asked!r}")
    fields.done()
    return criterion


def _attempt(
    fields: Fields, questions: tuple[Question, ...], full: int, *, reference: bool = False
) -> Attempt:
    attempt = Attempt(
        id="solution" if reference else fields.text("id"),
        answers=fields.texts("answers", optional=True),
        script=fields.text("script"),
        score=full if reference else fields.number("score"),
        why="" if reference else fields.text("why"),
        late={} if reference else fields.texts("late", optional=True),
    )
    keys = {question.id: {option.key for option in question.options} for question in questions}
    for name, choice in [*attempt.answers.items(), *attempt.late.items()]:
        if choice not in keys.get(name, ()):
            raise fields.error("answers", f"question {name!r} has no option {choice!r}")
    if not reference and attempt.score >= full:
        raise fields.error("score", f"a wrong solution gets less than the full {full} points")
    fields.done()
    return attempt


def _manifests(fields: Fields) -> dict[str, str]:
    manifests = fields.texts("manifests")
    for name in manifests:
        if "/" in name or name.startswith("."):
            raise fields.error("manifests", f"{name!r} is no file name that the kubelet reads")
    return manifests


def _unique(fields: Fields, key: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise fields.error(key, f"used twice: {', '.join(twice)}")
