"""What decides whether a plan is right: the oracles, behind one interface.

- *exact*: the same functions in the same order with the same arguments, after normalisation;
- *lenient*: the same, but free text may differ in wording;
- *execute*: both plans are run on fresh copies of the device, and leave the same state and results;
- *judge* (``octoplan.evaluation.judge``): a large model decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from octoplan.plans import Line


@dataclass(frozen=True)
class Verdict:
    """What an oracle says of one plan.

    Attributes:
        right: whether the plan is right; None where the oracle could not tell.
        reason: why, in a few words.
    """

    right: bool | None
    reason: str = ""


class Oracle(Protocol):
    """Decides whether a plan is right."""

    name: str

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """Judge ``predicted``, the plan with its calls that a model made of ``request``."""
        ...
