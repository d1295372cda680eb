"""What may go wrong while a submission is judged.

    LabsError
      TroubleError          the machine, the lab or the judge failed, not the student; tried once more
      NeedsAttentionError   a person has to look: no score is written, the batch goes on

Neither is ever turned into a zero.
"""

from labs.errors import LabsError


class TroubleError(LabsError):
    """This attempt says nothing about the student's work."""


class NeedsAttentionError(LabsError):
    """No attempt came to a verdict on this submission."""
