"""What may go wrong while a submission is judged.

    LabsError
      Trouble          the machine, the lab or the judge failed; the student did not. Tried once more.
      NeedsAttention   a person has to look: no score is written, the batch goes on.

Neither is ever turned into a zero.
"""

from labs.errors import LabsError


class Trouble(LabsError):
    """This attempt says nothing about the student's work."""


class NeedsAttention(LabsError):
    """No attempt came to a verdict on this submission."""
