"""Several devices as one: each call runs on the first that has its function.

device = JoinedDevice([PythonDevice("notes.py", notes), SimulatedDevice("phone.db")])
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from octoplan.devices import Device, DeviceFailure, UndoingDevice
from octoplan.functions import FunctionSet


class JoinedDevice:
    """Several devices as one.

    Args:
        devices: those before others stand in for them where both have a function; at most one of
            them can take back what it did.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = list(devices)
        self._of = {
            function.name: number
            for number, device in reversed(list(enumerate(devices)))
            for function in device.functions
        }
        self._last: int | None = None

    @property
    def functions(self) -> FunctionSet:
        """What any of them has."""
        sets = [
            FunctionSet(
                name=device.functions.name,
                functions=tuple(f for f in device.functions if self._of[f.name] == number),
            )
            for number, device in enumerate(self._devices)
        ]
        return reduce(or_, sets)

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """See ``Device``."""
        if function not in self._of:
            raise DeviceFailure(f"these devices have no function {function}")
        self._last = self._of[function]
        return self._devices[self._last].call(function, arguments)

    def changes(self) -> list[str]:
        """See ``Device``."""
        return [change for device in self._devices for change in device.changes()]

    def receipt(self) -> str | None:
        """See ``UndoingDevice``."""
        device = None if self._last is None else self._devices[self._last]
        return device.receipt() if isinstance(device, UndoingDevice) else None

    def undo(self, receipt: str) -> None:
        """See ``UndoingDevice``."""
        for device in self._devices:
            if isinstance(device, UndoingDevice):
                device.undo(receipt)
