"""Times and periods as people say them, resolved against a clock: "half past six on Friday".

The time of day is read here, the day by `dates`, the length of time by `spoken`. All datetimes are
naive local time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated.dates import days
from octoplan.devices.simulated.spoken import DAY, MONTH, MONTHS, WEEKDAYS, in_digits, length, tidy

# Longest names first: "half past noon" must not be read as "half past" and "noon".
_NAMED_HOURS = {"noon": 12, "midday": 12, "midnight": 24, "lunchtime": 12.5, "lunch": 12.5}
_NAMED_HOURS |= {"dawn": 6, "sunrise": 6.5, "breakfast": 8, "dusk": 20.5, "sunset": 20}
# Part of the day: its hours, and the earliest that an hour said without am or pm means in it.
_PARTS = {"morning": (6, 12, 0), "afternoon": (12, 18, 12), "evening": (18, 24, 15)}
_PARTS |= {"tonight": (18, 24, 15), "night": (18, 24, 15)}


class _Clock(NamedTuple):
    """A time of day: its hour and minute, and whether a.m., p.m. or a 24-hour clock was said."""

    hour: int
    minute: int
    sure: bool


def span(phrase: str, now: datetime, earliest: int = 7) -> tuple[datetime, datetime]:
    """Start and end of the day, period or moment named; a moment ends when it starts.

    `earliest` settles hours said without am or pm: they lie within the twelve hours from it on.
    Raises DeviceFailure when the phrase names no time.
    """
    try:
        found = _span(in_digits(phrase), now, earliest)
    except (OverflowError, ValueError):
        found = None
    if found is None:
        raise DeviceFailure(f'cannot tell when "{phrase}" is')
    return found


def moment(phrase: str, now: datetime, earliest: int = 7) -> datetime:
    """The moment named, at or after `now`: 9:00 of a day alone, a believable hour of a part of it.

    Raises DeviceFailure when the phrase names no time, or one that has passed.
    """
    start, end = span(phrase, now, earliest)
    if end - start >= DAY:
        start += timedelta(hours=9) if start.hour == 0 else timedelta()
    else:
        start += (end - start) / 3
    if start < now and end > now:
        start = now
    if start < now:
        raise DeviceFailure(f"{phrase} has passed")
    return start


def day(phrase: str | None, now: datetime) -> date:
    """The (first) day named; today when none is."""
    return span(phrase, now)[0].date() if phrase else now.date()


def last_day(phrase: str | None, first: date, now: datetime) -> date | None:
    """The day that a stay from `first` on ends, from a day or a length in nights or days."""
    if not phrase:
        return None
    stay = length(phrase)
    try:
        if stay is not None:
            return first + max(stay, DAY)
        end = span(phrase, now)[0].date()
        if end <= first:  # "the 3rd", "Sunday": the first one after the stay begins
            end = span(phrase, datetime.combine(first, time()) + DAY)[0].date()
    except OverflowError:
        end = first
    if not first < end < first + 300 * DAY:
        raise DeviceFailure(f"{phrase} is not after {said_day(first)}")
    return end


def said_day(when: date) -> str:
    """A day as people write it: "Fri 8 May"."""
    return f"{when:%a} {when.day} {when:%b}"


def said(when: datetime) -> str:
    """A moment as people write it: "Fri 8 May 15:00"."""
    return f"{said_day(when)} {when:%H:%M}"


def said_length(span: timedelta) -> str:
    """A length as people write it: "1 h 15 min", "90 s"."""
    seconds = round(span.total_seconds())
    if seconds < 120 and seconds % 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(
        f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number
    )


def _span(text: str, now: datetime, earliest: int) -> tuple[datetime, datetime] | None:
    if text in ("now", "right now", "right away", "immediately", "at once", "asap"):
        return now, now
    in_a_while = length(text) if text.startswith("in ") else None
    if in_a_while is not None and in_a_while < DAY:
        return now + in_a_while, now + in_a_while
    if between := _range(text, now, earliest):
        return between
    if match := re.fullmatch(r"(?:the )?rest of (.+)|through to (.+)|until (.+)", text):
        until = _span(match[1] or match[2] or match[3], now, earliest)
        return (now, until[1]) if until else None

    text, part = _take_part(text)
    text, clock = _take_clock(text)
    period = days(text, now) if text else None
    if text and period is None:
        return None
    if clock:
        at = _at(clock, period[0] if period else None, part, now, earliest)
        return at, at
    if part:
        start, end, _ = _PARTS[part]
        midnight = datetime.combine(period[0] if period else now.date(), time())
        return midnight + timedelta(hours=start), midnight + timedelta(hours=end)
    if period is None:
        return None
    return datetime.combine(period[0], time()), datetime.combine(period[1], time())


def _range(text: str, now: datetime, earliest: int) -> tuple[datetime, datetime] | None:
    match = re.fullmatch(
        r"between (.+) and (.+)|(?:from )?(.+?) (?:to|until|till|and|-) (.+)|(\d+)-(\d+ .+)", text
    )
    if not match:
        return None
    first, second = (group for group in match.groups() if group)
    clock = re.fullmatch(r"(?:.* )?(?:\d+|quarter) to \d+\b.*", text)
    if clock and not re.search(MONTH, second):
        return None  # "quarter to 7" is a time of day
    # "between 2 and 4 this afternoon", "the 3rd and the 9th of August": the end says the rest.
    if re.fullmatch(r"(?:the )?\d+(?:th)?", first) and (
        rest := re.search(r"\d(?:th)?( .+)", second)
    ):
        first += rest[1]
    start = _span(first, now, earliest)
    end = _span(second, max(now, start[0] - timedelta(minutes=1)), earliest) if start else None
    return (start[0], end[1]) if start and end and start[0] <= end[1] else None


def _take_part(text: str) -> tuple[str, str | None]:
    """The text without the part of the day that it names, and that part."""
    match = re.search(
        r"(?:\b(?:in|at|of|on) )?(?:\b(this|the) )?\b(" + "|".join(_PARTS) + r")\b", text
    )
    if not match:
        return text, None
    today = "today" if match[1] == "this" or match[2] == "tonight" else ""
    if today and re.search(r"\b(?:today|tomorrow)\b", text):
        today = ""
    rest = f"{text[: match.start()]} {today} {text[match.end() :]}"
    return tidy(rest), match[2]


def _take_clock(text: str) -> tuple[str, _Clock | None]:
    """The text without the time of day that it names, and that time."""
    for pattern, read in _CLOCKS:
        match = pattern.search(text)
        clock = read(match) if match else None
        if match and clock:
            return tidy(f"{text[: match.start()]} {text[match.end() :]}"), clock
    return text, None


def _digital(match: re.Match[str]) -> _Clock | None:
    said = match.groupdict()
    hour, minute, half = int(said["h"]), int(said.get("m") or 0), said.get("half")
    if minute > 59 or hour > (12 if half else 24):
        return None
    if half:
        return _Clock(hour % 12 + (12 if half == "pm" else 0), minute, True)
    return _Clock(hour, minute, hour == 0 or hour > 12 or match["h"].startswith("0"))


def _spoken(match: re.Match[str]) -> _Clock | None:
    named = _NAMED_HOURS.get(match["h"])
    hour = int(named) if named else int(match["h"])
    said = match["n"]
    minutes = {"half": 30, "quarter": 15}.get(said) or int(re.sub(r"\D", "", said))
    if hour > 24 or minutes > 59:
        return None
    total = hour * 60 + (-minutes if match.groupdict().get("way") == "to" else minutes)
    half = match["half"]
    if half:
        total = total % 720 + (720 if half == "pm" else 0)
    return _Clock(*divmod(total % 1440, 60), bool(named or half) or hour > 12)


def _named(match: re.Match[str]) -> _Clock:
    hours = _NAMED_HOURS[match[1]]
    return _Clock(int(hours), round(hours % 1 * 60), True)


_HALF = r"(?: ?(?P<half>am|pm)\b)?"
_NAMES = "|".join(_NAMED_HOURS)
_NOT_DATE = r"(?![\d/.:-]|th\b| (?:of\b|" + "|".join(MONTHS) + r"))"
_DAY_WORD = rf"(?:today|tomorrow|tonight|this|on|{'|'.join(WEEKDAYS)})"
_CLOCKS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], _Clock | None]]] = [
    (
        re.compile(
            rf"(?P<n>half|quarter|\d{{1,2}})(?: minutes)? (?P<way>past|to) "
            rf"(?P<h>\d{{1,2}}|{_NAMES})\b{_HALF}"
        ),
        _spoken,
    ),
    (re.compile(rf"\b(?P<n>half) (?P<h>\d{{1,2}})\b{_HALF}"), _spoken),
    (re.compile(rf"(?<![\d.])(?P<h>\d{{1,2}})[:.](?P<m>\d\d)(?::\d\d)?(?![\d.]){_HALF}"), _digital),
    (re.compile(r"\b(?P<h>\d{1,2})(?: (?P<m>\d\d))? ?(?P<half>am|pm)\b"), _digital),
    (re.compile(rf"\b(?:this )?({_NAMES})\b"), _named),
    (re.compile(rf"\b(?P<h>\d{{1,2}}) (?P<m>[0-5]\d)\b{_NOT_DATE}"), _digital),
    (re.compile(r"\b(?P<h>\d{1,2}) ?(?:o'clock|sharp|h)\b"), _digital),
    (re.compile(rf"(?:\b(?:at|from|by) |, ?)(?P<h>\d{{1,2}})\b{_NOT_DATE}"), _digital),
    (re.compile(rf"^(?P<h>\d{{1,2}})(?= {_DAY_WORD}\b)"), _digital),
    (re.compile(r"(?:(?<=day )|(?<=row ))(?P<h>\d{1,2})$"), _digital),
    (re.compile(r"^(?P<h>\d{1,2})$"), _digital),
]  # fmt: skip


def _at(clock: _Clock, on: date | None, part: str | None, now: datetime, earliest: int) -> datetime:
    """The moment when the clock shows this time on that day, or next when no day is named."""
    hour = clock.hour
    midnight = datetime.combine(on or now.date(), time())
    if not clock.sure:
        if part or on:
            earliest = _PARTS[part][2] if part else earliest
            hour = earliest + (hour - earliest) % 12
        elif midnight + timedelta(hours=hour, minutes=clock.minute) < now:
            hour += 12
    at = midnight + timedelta(hours=hour, minutes=clock.minute)
    if at < now and on == now.date() and not clock.sure and not part and at + 12 * DAY / 24 >= now:
        return at + DAY / 2 if (at + DAY / 2).date() == on else at
    return at + DAY if at < now and on is None else at
