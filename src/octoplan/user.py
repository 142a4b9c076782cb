"""The user, as a run knows them: who permits calls, answers questions and approves a doubtful plan.

The command line's is in ``octoplan.cli.requests``; ``Unattended`` is where nobody is there.
"""

from typing import Protocol

from octoplan.functions import Function
from octoplan.plans import Call


class User(Protocol):
    """Whoever a run is for."""

    def permit(self, function: Function, call: Call, doubt: str | None) -> str | None:
        """Decide whether a call may run: None, or why not.

        Args:
            doubt: why the call may not be what the request asks for (``octoplan.bounds``); who has
                nobody to ask does not permit it then.
        """
        ...

    def inquire(self, question: str) -> str | None:
        """Answer a question of the plan; None where there is no answer."""
        ...

    def approve(self, confidence: float) -> str | None:
        """Decide whether a plan this likely to be right (0 to 1) is carried out: None, or why not.

        Asked of every plan that has a confidence and that no larger model has made.
        """
        ...


class Unattended:
    """Nobody is there: what the request calls for is done, and nothing is asked."""

    def permit(self, function: Function, call: Call, doubt: str | None) -> str | None:
        """See ``User``."""
        return doubt

    def inquire(self, question: str) -> str | None:
        """See ``User``."""
        return None

    def approve(self, confidence: float) -> str | None:
        """See ``User``."""
        return None
