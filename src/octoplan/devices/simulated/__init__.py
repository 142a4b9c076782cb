"""A simulated phone and home: all 87 functions of the five sets, over one SQLite file.

    with SimulatedDevice("device.db") as device:
        device.call("set_screen_brightness", {"percent": 80})  # "screen brightness 80 %"
        device.changes()  # ["screen brightness: 60 % → 80 %"]

It is generous where reality would be (a shop sells nearly everything, any city has hotels) and
fails where reality does: nobody of that name, printer out of paper, order already shipped. The
same calls on a new device at the same time give the same results.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache, reduce
from operator import or_
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated.home import Home
from octoplan.devices.simulated.phone import Phone
from octoplan.devices.simulated.shop import Shop
from octoplan.devices.simulated.store import Store
from octoplan.devices.simulated.streaming import Streaming
from octoplan.devices.simulated.travel import Travel
from octoplan.functions import FunctionSet, load_function_set

__all__ = ["SimulatedDevice"]

# Each domain's class has one public method for each function of its set, of the same name.
_DOMAINS = {
    "android": Phone,
    "ecommerce": Shop,
    "video_streaming": Streaming,
    "travel": Travel,
    "smart_home": Home,
}


# What can be taken back: settings and lists of one's own, and what a home is set to. Not what has
# reached others (messages, orders, bookings) or has happened (calls, prints, watering).
_UNDOABLE = """
    set_volume set_screen_brightness connect_bluetooth_device set_wifi set_do_not_disturb
    create_contact set_timer_alarm create_calendar_event set_reminder create_note
    add_to_cart remove_from_cart add_to_wishlist apply_coupon set_price_alert
    set_playback_speed set_subtitles set_audio_language set_video_quality seek_to
    add_to_watchlist remove_from_watchlist rate_title switch_profile download_title
    set_light set_thermostat set_climate_mode set_cover set_plug
"""
# The world's own facts, made up when they are first asked for.
_FACTS = ("products", "titles")


@cache
def _function_sets() -> tuple[FunctionSet, ...]:
    return tuple(load_function_set(name) for name in _DOMAINS)


class SimulatedDevice:
    """A device that is a file: made and seeded if it does not exist, else as it was left.

    Args:
        path: The file; ":memory:" for a device that is gone when it is closed.
        now: What the device's clock shows all the time, in local time; the real time if left out.
        copy: Whether calls run on a copy in memory, so that the file stays as it is.

    Raises DeviceError if the file cannot be used.
    """

    def __init__(
        self, path: str | Path = ":memory:", *, now: datetime | None = None, copy: bool = False
    ) -> None:
        self._store = Store(path, now, copy)
        self._receipt: str | None = None
        self._run: dict[str, Callable[..., str]] = {}
        for functions, domain in zip(_function_sets(), _DOMAINS.values(), strict=True):
            here = domain(self._store)
            self._run |= {function.name: getattr(here, function.name) for function in functions}

    @property
    def functions(self) -> FunctionSet:
        """The union of the five sets."""
        return reduce(or_, _function_sets())

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """Carry out one call; if it fails, it changes nothing.

        Raises DeviceFailure when the call cannot be carried out, DeviceError when the file can no
        longer be used.
        """
        if function not in self._run:
            raise DeviceFailure(f"this device has no function {function}")
        # Half of a surrogate pair, as JSON can hold, is no text that SQLite or a person could read.
        readable = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        self._receipt = None
        with self._store.transaction():
            result = self._run[function](**readable)
        if function in _UNDOABLE.split():
            touched = [row for row in self._store.touched() if row[0] not in _FACTS]
            self._receipt = json.dumps(touched)
        return result

    def receipt(self) -> str | None:
        """See `UndoingDevice`."""
        return self._receipt

    def undo(self, receipt: str) -> None:
        """See `UndoingDevice`."""
        with self._store.transaction():
            self._store.restore(json.loads(receipt))

    def changes(self) -> list[str]:
        """What the calls since opening have changed, in plain words."""
        return self._store.changes()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()
