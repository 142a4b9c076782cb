"""Where calls run: the interface that every device has, and the ways it can fail.

A device offers functions and carries out one call at a time. It answers in plain words, because
its answers are read by people and by the planner alike.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from octoplan.functions import FunctionSet
from octoplan.plans import Call

__all__ = ["Device", "DeviceError", "DeviceFailure", "UndoingDevice"]


class DeviceFailure(Exception):
    """One call could not be carried out, and why in plain words: "no contact named Bob".

    Attributes:
        remedy: a call after which it may work, where the device knows one; the words alone are
            never a reason to make a call.
    """

    def __init__(self, reason: str, remedy: Call | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


class DeviceError(Exception):
    """The device itself cannot be used. The message is one line that says what to do."""


class Device(Protocol):
    """Something that carries out calls."""

    @property
    def functions(self) -> FunctionSet:
        """The functions that can be called."""
        ...

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """Carry out one call, its arguments valid by the function's schema.

        Returns the result as a plain line of text, or a few. Raises DeviceFailure when this call
        cannot be carried out, DeviceError when no call can.
        """
        ...

    def changes(self) -> list[str]:
        """What the calls so far have changed, in plain words: "screen brightness: 60 % → 80 %"."""
        ...


@runtime_checkable
class UndoingDevice(Device, Protocol):
    """A device that can take back some of what it did."""

    def receipt(self) -> str | None:
        """What undoes the last call that was carried out; None where nothing can."""
        ...

    def undo(self, receipt: str) -> None:
        """Take back the call of the receipt.

        Raises DeviceFailure, and changes nothing, when what it changed has changed since.
        """
        ...
