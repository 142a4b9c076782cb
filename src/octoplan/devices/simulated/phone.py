"""The simulated phone: the functions of the `android` set."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime, timedelta

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import lexicons, spoken, times
from octoplan.devices.simulated.matching import (
    best,
    between,
    chance,
    code,
    fold,
    has_word,
    pick,
    subject,
    words,
)
from octoplan.devices.simulated.store import Store

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(
    r"(?:ext(?:ension)?\.? ?\d{2,6}|\+?\d[\d ()./-]{4,20}\d)(?!\w)|^\s*\d{2,6}\s*$", re.IGNORECASE
)


class Phone:
    """One public method a function of the `android` set."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take_photo(self, camera: str) -> str:
        """A new file among the photos."""
        return self._picture("/Photos/IMG", f"photo by the {camera} camera", "took a photo")

    def take_screenshot(self) -> str:
        """A new file among the screenshots."""
        return self._picture("/Photos/Screenshots/Screenshot", "screenshot", "took a screenshot")

    def get_trending_news(self, query: str, language: str = "English") -> str:
        """Three headlines that depend on the topic and the day."""
        self._store.go_online()
        topic = query.strip() or "today"
        key = (topic, self._store.now.date())
        heads = [
            pick(("{}: what we know so far", "{}: five things to know today"), "a", *key),
            pick(("New figures on {} surprise experts", "Calls for action on {} grow"), "b", *key),
            pick(("Why {} matters now", "{}: how it affects you"), "c", *key),
        ]
        spoken = "" if fold(language) == "english" else f" ({language})"
        found = [
            f'"{_capital(head.format(topic))}"{spoken} https://news.example/{code(5, head, topic)}'
            for head in heads
        ]
        return "; ".join(found)

    def get_weather_forecast(self, location: str, date: str = "today") -> str:
        """Weather for each day, at most seven, that depends on place and day alone."""
        self._store.go_online()
        start, end = times.span(date, self._store.now)
        if end < self._store.now:
            raise DeviceFailure(f"{date} has passed")
        days = max(1, min(7, -(-(end - start) // spoken.DAY)))
        if start.date() - self._store.now.date() > timedelta(days=14):
            sky, low, high = _weather(location, start)
            return (
                f"{location}, {times.said_day(start)}: too far ahead for a forecast; "
                f"usual for the season: {sky}, {low} to {high} °C"
            )
        lines = []
        for ahead in range(days):
            day = start + ahead * spoken.DAY
            sky, low, high = _weather(location, day)
            lines.append(f"{times.said_day(day)}: {sky}, {low} to {high} °C")
        return f"{location}, " + "; ".join(lines)

    def send_email(
        self, recipient: str, title: str = "", content: str = "", attachment: str = ""
    ) -> str:
        """To an address, a contact with an address, or a group."""
        self._store.go_online()
        to = self._addressee(recipient)
        file = (self._file(attachment) or _short(attachment)) if attachment else ""
        self._store.insert(
            "sent", "e-mail", to, title, content, file, self._store.now.isoformat(" ")
        )
        about = f', subject "{title}"' if title else ""
        about += f" (attachment {file})" if file else ""
        self._store.did(f"sent e-mail to {to}{about}")
        return f"e-mail sent to {to}{about}"

    def search_youtube_videos(self, query: str) -> str:
        """Three videos whose titles hold the query."""
        self._store.go_online()
        topic = query.strip() or "music"
        forms = ("{}: the complete guide", "{} in 10 minutes", "{} for beginners", "{} (live)")
        start = chance(topic) % len(forms)
        lines = []
        for number in range(3):
            head = forms[(start + number) % len(forms)].format(_capital(topic))
            clock = f"{between(2, 25, head)}:{between(0, 59, 's', head):02}"
            lines.append(f'"{head}" ({clock}) https://youtu.be/{code(8, head)}')
        return "; ".join(lines)

    def find_route_google_maps(
        self, destination: str, origin: str = "current location", mode: str = "driving"
    ) -> str:
        """A distance that depends on the two places, and the time it takes at the mode's speed."""
        self._store.go_online()
        destination, origin = subject(destination), subject(origin)
        if not re.search(r"\w\w", destination):
            raise DeviceFailure(f'place "{destination}" not found')
        if fold(destination) == fold(origin):
            raise DeviceFailure("start and destination are the same")
        low, high, speed = {
            "driving": (4, 160, 68), "walking": (1, 6, 5), "bicycling": (2, 25, 16),
            "transit": (3, 60, 32),
        }[mode]  # fmt: skip
        first, second = sorted((fold(origin), fold(destination)))
        km = between(low * 10, high * 10, first, second, mode) / 10
        time = times.said_length(timedelta(minutes=round(km / speed * 60) + 2))
        via = pick(("the ring road", "the N11", "the river", "the town centre"), first, second)
        by = {"driving": "by car", "walking": "on foot", "bicycling": "by bicycle"}
        how = by.get(mode, "by bus and train")
        return f"{origin} to {destination} {how}: {km} km, {time} via {via}"

    def send_text_message(self, contact_name: str, message: str) -> str:
        """To a contact with a number, a group, or a number."""
        dialled = _dialled(contact_name)
        if dialled:
            to = dialled[0]
        elif self._is_group(contact_name):
            to = contact_name
        else:
            contact = self._contact(contact_name)
            if not contact["phone"]:
                raise DeviceFailure(f"{contact['name']} has no mobile number saved")
            to = contact["name"]
        self._store.insert("sent", "text", to, "", message, "", self._store.now.isoformat(" "))
        self._store.did(f'texted {to}: "{_short(message)}"')
        return f"message sent to {to}"

    def make_phone_call(self, recipient: str) -> str:
        """Calls the number in the text, a contact, or a business that is on the map."""
        dialled = _dialled(recipient)
        if dialled:
            who, phone = dialled
        else:
            try:
                contact = self._contact(recipient)
                who, phone = contact["name"], contact["phone"]
            except DeviceFailure:
                if not has_word(recipient, lexicons.BUSINESSES):
                    raise
                who, phone = recipient, f"+353 1 555 {between(1000, 9999, recipient)}"
            if not phone:
                raise DeviceFailure(f"{who} has no phone number saved")
        self._store.insert("sent", "call", who, "", phone, "", self._store.now.isoformat(" "))
        self._store.did(f"called {who}")
        return f"calling {who}" + (f", {phone}" if phone != who else "")

    def create_contact(self, name: str, phone_number: str) -> str:
        """A new row in the address book."""
        if self._store.row("SELECT 1 FROM contacts WHERE name = ? COLLATE NOCASE", name):
            raise DeviceFailure(f"{name} is already in the contacts")
        if not re.search(r"\d", spoken.in_digits(phone_number)):
            raise DeviceFailure(f'"{phone_number}" is not a phone number')
        self._store.insert("contacts", name, phone_number, None, "")
        self._store.did(f"added contact {name}, {phone_number}")
        return f"{name}, {phone_number}"

    def find_contact(self, name: str) -> str:
        """Name, number and address of the contact."""
        contact = self._contact(name)
        return ", ".join(
            contact[column] for column in ("name", "phone", "email") if contact[column]
        )

    def set_timer_alarm(self, time: str, label: str = "") -> str:
        """A countdown when a length is said, else an alarm."""
        length, now = spoken.length(time), self._store.now
        named = f' "{label}"' if label else ""
        if length is not None:
            if not timedelta() < length <= spoken.DAY:
                raise DeviceFailure("a timer runs from 1 second to 24 hours")
            kind, at, shown = "timer", now + length, times.said_length(length)
            done = f"timer{named} of {shown} started, rings at {at:%H:%M}"
        else:
            kind, at = "alarm", times.moment(time, now, earliest=4)
            shown = times.said(at)
            done = f"alarm{named} set for {shown}"
        self._store.insert("alerts", kind, at.isoformat(" "), label)
        self._store.did(f"set {kind}{named}: {shown}")
        return done

    def create_calendar_event(
        self, title: str, start_time: str, end_time: str = "", location: str = ""
    ) -> str:
        """An event of an hour when no end is said; of all day when no time of day is."""
        now = self._store.now
        start, end = times.span(start_time, now)
        all_day = end - start >= spoken.DAY
        if not all_day:
            start = times.moment(start_time, now)
            end = start + timedelta(hours=1)
        if end_time:
            length = spoken.length(end_time)
            if length is not None:
                end = start + length
            else:
                end = times.span(end_time, start, earliest=start.hour)[0]
                if end.date() == start.date() and end < start:
                    end += spoken.DAY / 2
            if end <= start:
                raise DeviceFailure(f"the end, {end_time}, is not after the start")
        self._store.insert("events", title, start.isoformat(" "), end.isoformat(" "), location)
        when = times.said_day(start) if all_day else f"{times.said(start)} to {end:%H:%M}"
        where = f", {location}" if location else ""
        self._store.did(f"added calendar event {title}, {when}{where}")
        return f"{title}, {when}{where}"

    def get_calendar_events(self, date: str) -> str:
        """The events of the day or period, a line for each day that has some."""
        start, end = times.span(date, self._store.now)
        if start == end:
            end = start + timedelta(hours=1)
        rows = self._store.rows(
            "SELECT * FROM events WHERE end > ? AND start < ? ORDER BY start",
            start.isoformat(" "), end.isoformat(" "),
        )  # fmt: skip
        if not rows:
            return f"no events {date}"
        days: dict[str, list[str]] = {}
        for row in rows:
            begins, ends = (datetime.fromisoformat(row[column]) for column in ("start", "end"))
            clock = "all day" if ends - begins >= spoken.DAY else f"{begins:%H:%M}"
            where = f", {row['place']}" if row["place"] else ""
            days.setdefault(times.said_day(begins), []).append(f"{clock} {row['title']}{where}")
        return "\n".join(f"{day}: {'; '.join(events)}" for day, events in days.items())

    def set_reminder(self, text: str, time: str) -> str:
        """A reminder at a time, or after a length."""
        length, now = spoken.length(time), self._store.now
        at = now + length if length is not None else times.moment(time, now)
        self._store.insert("alerts", "reminder", at.isoformat(" "), text)
        self._store.did(f'set reminder "{text}" for {times.said(at)}')
        return f'reminder "{text}" set for {times.said(at)}'

    def set_volume(self, level: int, volume_type: str) -> str:
        """One of three volumes."""
        self._store.put(f"{volume_type} volume", str(level), f"{volume_type} volume")
        return f"{volume_type} volume {level}"

    def set_screen_brightness(self, percent: int) -> str:
        """The screen's brightness."""
        self._store.put("screen brightness", f"{percent} %", "screen brightness")
        return f"screen brightness {percent} %"

    def connect_bluetooth_device(self, device_name: str) -> str:
        """Connects what is near: what was seeded so, and anything of a kind that people carry."""
        if self._store.get("bluetooth") != "on":
            raise DeviceFailure("Bluetooth is off")
        gadgets = [(row["name"], row) for row in self._store.rows("SELECT * FROM gadgets")]
        known = best(device_name, gadgets)
        name = known[0]["name"] if known else device_name
        state = known[0]["state"] if known else "in range"
        if not known and not has_word(device_name, lexicons.BLUETOOTH):
            raise DeviceFailure(f"no Bluetooth device named {device_name} found")
        if state not in ("in range", "connected"):
            raise DeviceFailure(f"{name} is {state}")
        self._store.insert("gadgets", name, "connected")
        self._store.changed(f"Bluetooth, {name}", state, "connected")
        return f"connected to {name}"

    def set_wifi(self, enabled: bool) -> str:
        """Wi-Fi; what needs the internet fails while it is off."""
        return self._switch("wifi", "Wi-Fi", enabled)

    def set_do_not_disturb(self, enabled: bool) -> str:
        """Do Not Disturb."""
        return self._switch("do not disturb", "Do Not Disturb", enabled)

    def find_document(self, query: str) -> str:
        """The path of the document that fits best."""
        found = self._file(query)
        if found is None:
            raise DeviceFailure(f'no document matches "{query}"')
        return found

    def print_document(self, document: str, copies: int = 1) -> str:
        """Prints, as long as there is paper: a sheet a copy."""
        self._store.go_online()
        name = _short(self._file(document) or document)
        paper = int(self._store.get("paper"))
        if copies > paper:
            raise DeviceFailure(f"printer is out of paper: {paper} sheets left, {copies} needed")
        self._store.put("paper", str(paper - copies))
        sheets = "1 copy" if copies == 1 else f"{copies} copies"
        self._store.did(f"printed {sheets} of {name}")
        return f"printed {sheets} of {name}"

    def create_note(self, content: str, title: str = "") -> str:
        """A new note, named by its first words when it has no title."""
        title = title or _short(content, 40)
        self._store.insert("notes", title, content, self._store.now.isoformat(" "))
        self._store.did(f'saved note "{title}"')
        return f'note "{title}" saved'

    def play_music(self, query: str) -> str:
        """Streams any music there is."""
        self._store.go_online()
        self._store.put("music", query, "music playing")
        return f"playing {query}"

    def open_app(self, app_name: str) -> str:
        """Opens an app that is installed."""
        wanted = words(app_name) - words("app application")
        if not wanted or not wanted & lexicons.APPS:
            raise DeviceFailure(f"{app_name} is not installed")
        self._store.put("app", app_name, "open app")
        return f"{app_name} is open"

    def _picture(self, stem: str, about: str, done: str) -> str:
        number = self._store.count("files") + 1
        path = f"{stem}_{self._store.now:%Y%m%d_%H%M%S}_{number}.jpg"
        self._store.insert("files", path, about)
        self._store.did(f"{done}, {path}")
        return path

    def _switch(self, setting: str, shown: str, enabled: bool) -> str:
        state = "on" if enabled else "off"
        self._store.put(setting, state, shown)
        return f"{shown} is {state}"

    def _contact(self, name: str) -> sqlite3.Row:
        """The contact of that name or role ("my sister", "the dentist")."""
        name = subject(name)
        rows = self._store.rows("SELECT * FROM contacts")
        exact = [row for row in rows if fold(row["name"]) == fold(name)]
        wanted = words(name)
        roles = [row for row in rows if wanted and wanted <= words(row["also"])]
        found = exact or roles[:1] or best(name.split(",")[0], [(row["name"], row) for row in rows])
        if len(found) > 1:
            names = " and ".join(row["name"] for row in found)
            raise DeviceFailure(f"{len(found)} contacts named {name}: {names}")
        if not found:
            raise DeviceFailure(f"no contact named {name}")
        return found[0]

    def _is_group(self, name: str) -> bool:
        return has_word(name, lexicons.GROUPS)

    def _addressee(self, recipient: str) -> str:
        address = _EMAIL.search(recipient)
        if address:
            return address[0]
        try:
            contact = self._contact(recipient)
        except DeviceFailure:
            if self._is_group(recipient):
                return recipient
            raise
        if not contact["email"]:
            raise DeviceFailure(f"{contact['name']} has no email address saved")
        return str(contact["name"])

    def _file(self, query: str) -> str | None:
        """The path of a file, by path, name or words.

        What is not seeded is found too if it is of a kind that people keep as documents.
        """
        if query.startswith("/"):
            if self._store.row("SELECT 1 FROM files WHERE path = ?", query):
                return query
            raise DeviceFailure(f"there is no file {query}")
        rows = self._store.rows("SELECT * FROM files WHERE path NOT LIKE '/Photos/%'")
        options = [(f"{row['about']} {row['path'].split('/')[-1]}", row["path"]) for row in rows]
        wanted = words(query)
        if wanted <= words("document file paper it"):
            return None
        found = best(query, options)
        if found:
            return str(found[0])
        if not wanted & lexicons.DOCUMENTS or len(query) > 120:
            return None
        name = re.sub(r"[^\w.]+", "_", fold(query)).strip("_")
        path = f"/Documents/{name}" + ("" if re.search(r"\.\w{2,4}$", name) else ".pdf")
        self._store.insert("files", path, query)
        return path


def _dialled(text: str) -> tuple[str, str] | None:
    """Whom and which number a text says, if it holds a number: itself, or a found contact."""
    number = _PHONE.search(text)
    if number is None:
        return None
    return text[: number.start()].strip(" ,:(") or number[0], number[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _weather(place: str, day: datetime) -> tuple[str, int, int]:
    """Sky, lowest and highest temperature in °C; colder around January."""
    key = (place, day.date())
    warmth = 10 - abs(day.month - 7) * 2 + between(-4, 4, "warmth", place)
    high = 12 + warmth + between(-3, 3, "high", *key)
    skies = ("sunny", "a few clouds", "overcast", "showers", "rain", "rain and wind", "dry")
    sky = pick(skies, "sky", *key)
    if high < 1 and "rain" in sky:
        sky = "snow"
    return sky, high - between(5, 9, "low", *key), high
