"""What can go wrong between a request to the judge and a verdict.

LabsError
└── JudgeError            the lab is not in a state in which this can be done
    └── ExerciseError     an exercise file is wrong, or there is none of that name
"""

from labs.errors import LabsError


class JudgeError(LabsError):
    """The request cannot be met now: not started, the lab is down, the set-up did not come up."""


class ExerciseError(JudgeError):
    """An exercise that does not exist, or a file under `labs/exercises` that does not say what it must."""
