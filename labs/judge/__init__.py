"""The judge: evidence -> criteria -> verdicts.

It runs outside the student's kernel, on the cluster's trusted socket: for `check("…")` in a notebook as
the supervisor's child (`python -m labs.judge`), for a grader or a test by the functions named here. The
same facts give the same verdict in all three.
"""

from labs.judge.asking import answer, hint, question
from labs.judge.attempts import rehearse, solve
from labs.judge.checking import check
from labs.judge.errors import ExerciseError, JudgeError
from labs.judge.exercise import Attempt, Criterion, Exercise, Option, Question, catalogue, load
from labs.judge.finding import Wait
from labs.judge.judging import judge
from labs.judge.live import follow, view
from labs.judge.setup import reset, start
from labs.judge.verdict import Ruling, Verdict

__all__ = [
    "Attempt",
    "Criterion",
    "Exercise",
    "ExerciseError",
    "JudgeError",
    "Option",
    "Question",
    "Ruling",
    "Verdict",
    "Wait",
    "answer",
    "catalogue",
    "check",
    "follow",
    "hint",
    "judge",
    "load",
    "question",
    "rehearse",
    "reset",
    "solve",
    "start",
    "view",
]
