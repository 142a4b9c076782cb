"""The simulated home: the functions of the `smart_home` set.

A few things are seeded. Others are there once they are named, if their names are of a kind that
homes have: anyone's craft room may have lights, nobody's "Mars" does.
"""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime, timedelta

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import lexicons, spoken, times
from octoplan.devices.simulated.matching import best, between, has_word, pick, words
from octoplan.devices.simulated.store import Store

_LEXICON = {
    "light": lexicons.ROOMS,
    "lock": lexicons.ROOMS | lexicons.LOCKED,
    "cover": lexicons.COVERS,
    "speaker": lexicons.ROOMS | lexicons.SPEAKERS,
    "camera": lexicons.ROOMS | lexicons.CAMERAS,
    "zone": lexicons.PLANTS,
}
# Scene: what it is called, the mode the alarm goes to, and what the lights do.
_SCENES = (
    ("goodnight good night bedtime sleep deep calm nightcap lullaby", "armed_home", "off"),
    ("movie cinema film theatre tv popcorn", "", "on, 20 %"),
    ("morning wake up rise sunrise breakfast coffee", "disarmed", "on, 80 %"),
    ("away leaving leave vacation holiday nobody goodbye out travel", "armed_away", "off"),
    ("home arrival welcome arrive coming back", "disarmed", "on, 70 %"),
    ("party disco fiesta dance game celebration karaoke birthday", "", "on, purple"),
    ("sunset petal candlelight rainy afternoon wind down winding snow", "", "on, amber"),
    ("dinner romantic date candle cosy cozy evening soirée fika tea time hygge", "", "on, 40 %"),
    ("work focus reading study quiet hour homework office", "", "on, 100 %"),
    ("yoga relax spa meditation bath zen sunday lazy siesta nap rest", "", "on, 30 %"),
    ("cleaning clean reset bright everything monday", "", "on, 100 %"),
)
# Sensor: the words that mean it. "The smoke alarm's battery" is a battery, so that comes first.
_SENSORS = {
    "battery": words("battery charge ups"),
    "energy use": words("energy power electricity consumption use watt"),
    "temperature": words("temperature temp heat cold warm degree"),
    "humidity": words("humidity moisture damp"),
    "air quality": words("air quality co2 carbon dioxide pollen dust voc radon pm2"),
    "smoke": words("smoke fire gas monoxide co"),
    "motion": words("motion movement presence occupancy"),
    "light": words("light lux brightness"),
    "leak": words("leak flood water wet"),
}
_INDOOR_SENSORS = ("smoke", "leak", "air quality")
_APPLIANCES = {
    "washing machine": words("washing washer laundry"),
    "dryer": words("dryer tumble drier"),
    "dishwasher": words("dishwasher dish"),
    "oven": words("oven stove cooker"),
    "coffee maker": words("coffee espresso"),
}
_RUNS = {"washing machine": 105, "dryer": 90, "dishwasher": 130, "oven": 45, "coffee maker": 6}
_VACUUM_USE = 25  # percent of the battery for a room or floor
_LITRES_A_MINUTE = 2


class Home:
    """One public method a function of the `smart_home` set."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set_light(
        self, room: str, state: str, brightness: int | None = None, color: str = ""
    ) -> str:
        """The lights of a room, or all there are."""
        if color and not has_word(color, lexicons.COLORS):
            raise DeviceFailure(f"the lights cannot show {color}")
        level = f"{brightness} %" if brightness is not None else ""
        shown = ", ".join(part for part in (state, level, color) if part)
        if state == "off":
            shown = "off"
        if words(room) & words("everywhere all house home"):
            return self._set_all_lights(shown)
        thing = self._thing("light", room, f"no lights in {room}")
        return self._set(thing, shown, f"{thing['name']} lights")

    def set_thermostat(self, temperature: float, room: str = "") -> str:
        """Degrees Celsius from 5 to 30, or Fahrenheit from 41 to 86."""
        if self._store.get("climate mode") == "off":
            raise DeviceFailure("heating and cooling are off")
        if not (5 <= temperature <= 30 or 41 <= temperature <= 86):
            raise DeviceFailure("the thermostat goes from 5 to 30 °C (41 to 86 °F)")
        if room and not has_word(room, lexicons.ROOMS):
            raise DeviceFailure(f"no thermostat in {room}")
        unit = "°C" if temperature <= 30 else "°F"
        where = f"{room} thermostat" if room else "thermostat"
        value = f"{temperature:g} {unit}"
        self._store.put(where, value, where)
        return f"{where} {value}"

    def set_climate_mode(self, mode: str) -> str:
        """What heating and cooling do."""
        self._store.put("climate mode", mode, "climate mode")
        return f"climate mode {mode}"

    def set_lock(self, door: str, state: str) -> str:
        """Locks or unlocks a door."""
        thing = self._thing("lock", door, f"no lock on {door}", initially="locked")
        return self._set(thing, state, thing["name"])

    def set_cover(self, cover: str, position: str) -> str:
        """Opens or closes, or goes to a percentage."""
        share = re.fullmatch(r"\s*(\d{1,3}) ?(?:%|percent)?\s*", position)
        word = position.strip().lower()
        if share and int(share[1]) <= 100:
            state = f"{int(share[1])} % open"
        elif word in ("open", "closed", "half", "halfway", "half open"):
            state = "50 % open" if "half" in word else word
        else:
            raise DeviceFailure(f'there is no position "{position}": open, closed or a percentage')
        thing = self._thing("cover", cover, f"no blinds, curtains or door {cover}", "closed")
        return self._set(thing, state, thing["name"])

    def set_plug(self, appliance: str, state: str) -> str:
        """Any appliance may be on a smart plug."""
        if not re.search(r"[^\W\d_]{2}", appliance):
            raise DeviceFailure(f"no smart plug for {appliance}")
        thing = self._thing("plug", appliance, "", initially="off")
        return self._set(thing, state, thing["name"])

    def start_vacuum(self, room: str = "") -> str:
        """Cleans until the battery is nearly empty; the dock charges it."""
        if room and not has_word(room, lexicons.ROOMS):
            raise DeviceFailure(f"the vacuum does not know {room}")
        battery = int(self._store.get("vacuum battery"))
        if battery < _VACUUM_USE:
            raise DeviceFailure(f"the vacuum's battery is too low, {battery} %")
        self._store.put("vacuum battery", str(battery - _VACUUM_USE))
        where = room or "whole home"
        self._store.put("vacuum", f"cleaning the {where}", "vacuum")
        return f"vacuum cleaning the {where}"

    def dock_vacuum(self) -> str:
        """Back to the dock."""
        self._store.put("vacuum battery", "100")
        if self._store.put("vacuum", "docked", "vacuum") == "docked":
            return "the vacuum is in its dock"
        return "the vacuum is going back to its dock"

    def play_on_speaker(self, media: str, device: str) -> str:
        """On a speaker or TV that is on."""
        thing = self._thing("speaker", device, f'device "{device}" not found', "silent")
        self._set(thing, f"playing {media}", thing["name"])
        return f"playing {media} on {thing['name']}"

    def announce(self, message: str, room: str = "everywhere") -> str:
        """On the speakers of a room."""
        thing = self._thing("speaker", room, f"no speaker in {room}", "silent")
        self._need_working(thing)
        where = room if room == "everywhere" else f"in {room}"
        self._store.did(f'announced {where}: "{" ".join(message.split())[:60]}"')
        return f"announced {where}"

    def set_security_mode(self, mode: str) -> str:
        """Arms only a home whose doors are locked."""
        if mode == "armed_away":
            unlocked = self._store.row(
                "SELECT name FROM things WHERE kind = 'lock' AND state = 'unlocked'"
            )
            if unlocked:
                raise DeviceFailure(f"{unlocked['name']} is not locked")
        self._store.put("security", mode, "security")
        return f"security {mode.replace('_', ' ')}"

    def show_camera(self, camera: str) -> str:
        """What the camera sees, which changes every hour."""
        thing = self._thing("camera", camera, f"no camera at {camera}", initially="")
        self._need_working(thing)
        hour = self._store.now.strftime("%Y-%m-%d %H")
        sights = (
            "nobody in sight", "a cat passing by", "all quiet", "someone walking past",
            "nothing unusual", "the lights are on, nobody there",
        )  # fmt: skip
        return f"{thing['name']} camera: {thing['state'] or pick(sights, thing['name'], hour)}"

    def get_sensor(self, sensor: str, room: str = "") -> str:
        """A reading, which changes every hour."""
        asked = words(sensor)
        kind = max(_SENSORS, key=lambda name: len(asked & _SENSORS[name]))
        if not asked & _SENSORS[kind]:
            raise DeviceFailure(f"there is no {sensor} sensor")
        known = lexicons.ROOMS | _LEXICON["zone"] | lexicons.METERED
        outdoors = kind in _INDOOR_SENSORS and has_word(room, lexicons.OUTDOORS)
        if room and (outdoors or not has_word(room, known)):
            raise DeviceFailure(f"no {sensor} sensor in {room}")
        key = (sensor, room, self._store.now.strftime("%Y-%m-%d %H"))
        ago = self._store.now - timedelta(minutes=between(3, 240, *key))
        reading = {
            "temperature": f"{between(160, 235, *key) / 10} °C",
            "humidity": f"{between(35, 66, *key)} %",
            "air quality": f"good, {between(420, 950, *key)} ppm CO2",
            "smoke": "none detected",
            "motion": f"none since {ago:%H:%M}",
            "battery": f"{between(18, 99, *key)} %",
            "energy use": f"{between(2, 140, *key) / 100} kWh in the last hour",
            "light": f"{between(5, 800, *key)} lux",
            "leak": "none detected",
        }
        where = f"{room} {sensor}" if room else sensor
        return f"{where}: {reading[kind]}"

    def run_scene(self, scene: str) -> str:
        """A scene by any of its words; sets lights and alarm."""
        wanted = words(scene)
        wanted = wanted - words("night mode scene routine time") or wanted
        found = next((row for row in _SCENES if wanted & words(row[0])), None)
        if found is None:
            raise DeviceFailure(f"no scene named {scene}")
        _, mode, lights = found
        if mode:
            self.set_security_mode(mode)
        self._set_all_lights(lights)
        self._store.did(f"ran the scene {scene}")
        return f"scene {scene} is running"

    def water_plants(self, zone: str, duration: str = "10 minutes") -> str:
        """As long as there is water in the rain tank."""
        if not has_word(zone, _LEXICON["zone"]):
            raise DeviceFailure(f"no zone named {zone}")
        length = spoken.length(duration)
        if length is None or length <= timedelta():
            raise DeviceFailure(f'cannot tell how long "{duration}" is')
        litres = int(self._store.get("rain tank"))
        needed = max(1, round(length.total_seconds() / 60 * _LITRES_A_MINUTE))
        if needed > litres:
            raise DeviceFailure(f"the rain tank is too low: {litres} l left, {needed} l needed")
        self._store.put("rain tank", str(litres - needed))
        self._store.did(f"watered {zone} for {times.said_length(length)}")
        return f"watering {zone} for {times.said_length(length)}"

    def start_appliance(self, appliance: str, programme: str = "", start_time: str = "now") -> str:
        """One programme at a time."""
        name = next(
            (kind for kind, lexicon in _APPLIANCES.items() if has_word(appliance, lexicon)), ""
        )
        if not name:
            raise DeviceFailure(f"no appliance named {appliance}")
        thing = self._thing("appliance", name, "")
        now = self._store.now
        until = thing["state"].removeprefix("until ")
        if until != "ready" and datetime.fromisoformat(until) > now:
            until = times.said(datetime.fromisoformat(until))
            raise DeviceFailure(f"the {name} is already in use until {until}")
        self._need_working(thing)
        length = spoken.length(start_time)
        begins = now + length if length is not None else times.moment(start_time, now)
        ends = begins + timedelta(minutes=_RUNS[name])
        self._store.insert("things", "appliance", name, f"until {ends.isoformat(' ')}", "")
        what = f"{name} {programme}".strip()
        when = f"starts {times.said(begins)}" if begins > now else "started"
        self._store.did(f"{what} {when}")
        return f"{what} {when}, ends {ends:%H:%M}"

    def _thing(self, kind: str, name: str, missing: str, initially: str = "off") -> sqlite3.Row:
        """The thing of that name; a new one if homes have such things, else failure `missing`."""
        rows = self._store.rows("SELECT * FROM things WHERE kind = ?", kind)
        same = [row for row in rows if words(row["name"]) == words(name)]
        found = same or (
            best(name, [(row["name"], row) for row in rows]) if kind == "appliance" else []
        )
        if found:
            return found[0]
        if kind in _LEXICON and not has_word(name, _LEXICON[kind]):
            raise DeviceFailure(missing)
        self._store.insert("things", kind, name, initially, "")
        row = self._store.row("SELECT * FROM things WHERE kind = ? AND name = ?", kind, name)
        assert row is not None
        return row

    def _set_all_lights(self, state: str) -> str:
        self._store.rows("UPDATE things SET state = ? WHERE kind = 'light'", state)
        self._store.did(f"lights everywhere: {state}")
        return f"lights everywhere: {state}"

    def _need_working(self, thing: sqlite3.Row) -> None:
        if thing["fault"]:
            raise DeviceFailure(f"{thing['name']}: {thing['fault']}")

    def _set(self, thing: sqlite3.Row, state: str, shown: str) -> str:
        self._need_working(thing)
        self._store.insert("things", thing["kind"], thing["name"], state, "")
        self._store.changed(shown, thing["state"], state)
        return f"{shown}: {state}"
