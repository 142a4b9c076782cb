"""A device that is given so much time to answer, and no more.

    with TimedDevice(lambda: MyDevice("10.0.0.7"), seconds=30) as device:
        agent.device = device

The device works in a thread of its own, and is made there too. A call that does not come back may
still be carried out, so it is neither repeated nor counted as failed: the run stops, its record
says that the call is under way, and ``octoplan resume`` asks about it.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

from octoplan.devices import Device, DeviceError
from octoplan.functions import FunctionSet

T = TypeVar("T")


class TimedDevice:
    """A device whose calls end, at the latest with a DeviceError.

    Args:
        make: makes the device.
        seconds: how long a call may take.

    Raises:
        DeviceError: the device could not be made in that time.
        Exception: whatever ``make`` raises.
    """

    def __init__(self, make: Callable[[], Device], seconds: float) -> None:
        self._seconds = seconds
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hangs = False
        threading.Thread(target=self._work, daemon=True).start()
        self._device = self._within("start", make)

    @property
    def functions(self) -> FunctionSet:
        """See ``Device``."""
        return self._device.functions

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """See ``Device``."""
        return self._within(function, lambda: self._device.call(function, arguments))

    def changes(self) -> list[str]:
        """See ``Device``."""
        return self._within("tell its changes", self._device.changes)

    def close(self) -> None:
        """Let the thread end, once it has done what it is doing."""
        self._jobs.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _within(self, what: str, job: Callable[[], T]) -> T:
        if self._hangs:
            raise DeviceError("the device hangs in an earlier call; start it again")
        came: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                came.put((job(), None))
            except BaseException as error:  # it belongs to the caller's thread
                came.put((None, error))

        self._jobs.put(work)
        try:
            result, error = came.get(timeout=self._seconds)
        except queue.Empty:
            self._hangs = True
            raise DeviceError(
                f"the device did not answer in {self._seconds:g} s ({what}); "
                "see what it has done, then octoplan resume"
            ) from None
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error, it is job's
