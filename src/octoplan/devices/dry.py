"""A device that carries nothing out, for dry runs: each call is only told."""

from typing import Any

from octoplan.devices import DeviceFailure
from octoplan.functions import FunctionSet


class DryDevice:
    """Answers for functions, and does nothing.

    Args:
        functions: what can be called.
    """

    def __init__(self, functions: FunctionSet) -> None:
        self.functions = functions

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """See ``Device``."""
        if function not in self.functions:
            raise DeviceFailure(f"this device has no function {function}")
        return "not done: a dry run"

    def changes(self) -> list[str]:
        """See ``Device``: nothing."""
        return []
