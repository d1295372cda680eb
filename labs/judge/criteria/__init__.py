"""What can be judged: criteria by the name under which exercises ask for them, and the deeds they are about.

A criterion is a pure function of a case. It looks at what was recorded, never at the clock or the cluster.
"""

from labs.judge.criteria import answers, mirror, process  # noqa: F401 - they register themselves
from labs.judge.criteria._registry import CRITERIA, DEEDS, Judge, criterion, deed

__all__ = ["CRITERIA", "DEEDS", "Judge", "criterion", "deed"]
