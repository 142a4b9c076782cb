"""Days and periods as people say them: "next Friday", "the 13th", "the first week of August".

`dateparser` reads the dates. This module reads what it does not know or gets wrong, as measured on
a few thousand requests: weekdays with "next" or "week", days of the month, holidays, periods.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from octoplan.devices.simulated.spoken import (
    DAY,
    MONTH,
    MONTHS,
    WEEK,
    WEEKDAY,
    WEEKDAYS,
    length,
    tidy,
)

Period = tuple[date, date]  # the first day, and the day after the last

_DATED_HOLIDAYS = {
    "new year": (1, 1), "new year's day": (1, 1), "waitangi day": (2, 6),
    "valentine's day": (2, 14), "st patrick's day": (3, 17), "labour day": (5, 1),
    "labor day": (5, 1), "may day": (5, 1), "midsummer's eve": (6, 23), "midsummer": (6, 24),
    "halloween": (10, 31), "christmas eve": (12, 24), "xmas eve": (12, 24), "christmas": (12, 25),
    "christmas day": (12, 25), "xmas": (12, 25), "boxing day": (12, 26), "hogmanay": (12, 31),
    "new year's eve": (12, 31),
}  # fmt: skip
_EASTER_HOLIDAYS = {
    "carnival": -48, "carnival monday": -48, "ash wednesday": -46, "palm sunday": -7,
    "maundy thursday": -3, "good friday": -2, "easter": 0, "easter sunday": 0,
    "easter monday": 1, "ascension day": 39, "whitsun": 49, "whit monday": 50,
}  # fmt: skip


def days(text: str, now: datetime) -> Period | None:
    """The day or period that a text names, in small letters and digits, if it names one."""
    today = now.date()
    text = tidy(text)
    for pattern, read in _PERIODS:
        match = re.fullmatch(pattern, text)
        period = read(match, now) if match else None
        if period:
            return period
    known = _holiday(text, today)
    if known is None and re.search(r"\d|[a-z]{3}", text):
        known = _parsed(re.sub(rf"^{WEEKDAY},? (?:the )?(?=\d)", "", text), now)
    return (known, known + DAY) if known else None


def _parsed(text: str, now: datetime) -> date | None:
    """The date by dateparser, imported here because it is slow to import."""
    import dateparser

    settings = {"RELATIVE_BASE": now, "PREFER_DATES_FROM": "future", "DATE_ORDER": "DMY"}
    if re.match(r"\d{4}-", text):
        settings["DATE_ORDER"] = "YMD"
    try:
        found = dateparser.parse(text, languages=["en"], settings=settings)
    except Exception:  # dateparser lets errors of many kinds through on odd text
        return None
    if found is None or abs(found.year - now.year) > 20:
        return None
    if f"{found:%m%d}" == f"{now:%m%d}" and str(found.year) not in text:
        return now.date()  # dateparser takes today's date without a year for next year's
    return found.date()


def _holiday(text: str, today: date) -> date | None:
    """The next such holiday."""
    from dateutil.easter import easter  # dateparser brings it; imported with it

    for year in (today.year, today.year + 1):
        if text in _DATED_HOLIDAYS:
            found = date(year, *_DATED_HOLIDAYS[text])
        elif text in _EASTER_HOLIDAYS:
            found = easter(year) + timedelta(days=_EASTER_HOLIDAYS[text])
        else:
            return None
        if found >= today:
            return found
    return None


def _one_day(match: re.Match[str], now: datetime) -> Period | None:
    """A day of the month, with its weekday if said: "the 21st", "Friday the 13th"."""
    wanted, weekday = int(match["n"]), match["weekday"]
    for ahead in range(8 * 366 if weekday else 62):
        found = now.date() + ahead * DAY
        if found.day == wanted and (not weekday or WEEKDAYS[found.weekday()] == weekday):
            return found, found + DAY
    return None


def _weekday(match: re.Match[str], now: datetime) -> Period:
    """ "Friday", "next Friday" (of next week), "Friday week", "Friday in 2 weeks"."""
    today = now.date()
    ahead = (WEEKDAYS.index(match["weekday"]) - today.weekday() - 1) % 7 + 1
    weeks = match["weeks"]
    if weeks:
        ahead += 7 * (min(int(match["n"]), 500) - 1 if match["n"] else 1)
    elif match["which"] == "next" and today.weekday() + ahead < 7:
        ahead += 7
    found = today + ahead * DAY
    return found, found + DAY


def _month_of(match: re.Match[str], now: datetime) -> Period:
    """The month named: "July", "this month", "next month"."""
    first = now.date().replace(day=1)
    if match["month"]:
        number = MONTHS.index(match["month"]) + 1
        first = date(first.year + (number < first.month), number, 1)
    elif match["nextmonth"]:
        first = (first + 31 * DAY).replace(day=1)
    return first, (first + 31 * DAY).replace(day=1)


def _of_month(match: re.Match[str], now: datetime) -> Period | None:
    """ "the second Monday in August", "the last week of May", "the 1st of next month"."""
    first, end = _month_of(match, now)
    last = match["nth"] == "last"
    nth = 1 if last or not match["nth"] else int(match["nth"][:-2])
    unit = match["unit"]
    if unit in WEEKDAYS:
        days = [first + n * DAY for n in range((end - first).days)]
        days = [d for d in days if WEEKDAYS[d.weekday()] == unit]
        if nth > len(days):
            return None
        found = days[-1] if last else days[nth - 1]
        if found < now.date() and match["month"]:
            return _of_month(match, datetime.combine(end, time()))
        return found, found + DAY
    if unit in ("week", "weekend"):
        start = end - WEEK if last else first + (nth - 1) * WEEK
        monday = start - start.weekday() * DAY
        return (monday, monday + WEEK) if unit == "week" else (monday + 5 * DAY, monday + WEEK)
    if unit in ("start", "beginning"):
        return first, first + 3 * DAY
    if unit == "end" or last:
        return end - (DAY if unit == "day" else 3 * DAY), end
    found = first + (nth - 1) * DAY
    return (found, found + DAY) if found < end else None


def _week(match: re.Match[str], now: datetime) -> Period | None:
    """ "this week", "next weekend", "the week of the 16th", "week 32", "Easter weekend"."""
    today = now.date()
    if match["n"]:
        year = today.year + (int(match["n"]) < today.isocalendar().week)
        monday = date.fromisocalendar(year, int(match["n"]), 1)
    elif match["of"] or match["holiday"]:
        inside = days(match["of"] or match["holiday"], now)
        if inside is None:
            return None
        monday = inside[0] - inside[0].weekday() * DAY
    else:
        monday = today - today.weekday() * DAY
        later = match["which"] in ("next", "coming") and not (
            match["end"] and match["which"] != "next"
        )
        monday += WEEK if later else timedelta()
    return (monday + 5 * DAY, monday + WEEK) if match["end"] else (monday, monday + WEEK)


def _coming(match: re.Match[str], now: datetime) -> Period | None:
    """ "the next five days", "the coming fortnight"."""
    ahead = length(match[1])
    return (now.date(), now.date() + ahead) if ahead and ahead >= DAY else None


def _today(match: re.Match[str], now: datetime) -> Period:
    ahead = {"today": 0, "tomorrow": 1}.get(match[1], 2)
    found = now.date() + ahead * DAY
    return found, found + DAY


_NEXT_MONTH = "(?P<nextmonth>next month)"
_UNITS = f"(?P<unit>week|weekend|day|start|beginning|end|{'|'.join(WEEKDAYS)})"
_PERIODS: list[tuple[str, Callable[[re.Match[str], datetime], Period | None]]] = [
    (r"(today|tomorrow|day after tomorrow)(?:,? the \d+th)?", _today),
    (rf"(?:{WEEKDAY},? )?(?:the )?(?P<n>\d{{1,2}})th", _one_day),
    (rf"{WEEKDAY} (?P<n>\d{{1,2}})", _one_day),
    (
        rf"(?:(?P<which>this|next|coming) )?{WEEKDAY}(?P<weeks> week| in (?P<n>\d+) weeks?)?",
        _weekday,
    ),
    (rf"(?:month of )?(?:{MONTH}|{_NEXT_MONTH}|this month)", _month_of),
    (
        rf"(?:(?P<nth>last|\d+th) )?{_UNITS} (?:of|in) "
        rf"(?:{MONTH}|{_NEXT_MONTH}|(?:the|this) month)",
        _of_month,
    ),
    (
        rf"(?P<nth>\d+th)(?P<unit>)(?P<month>(?!))? of (?:{_NEXT_MONTH}|(?:the|this) month)",
        _of_month,
    ),
    (
        r"(?:(?P<which>this|next|coming) |(?P<holiday>[a-z]+) )?week(?P<end>end)?"
        r"(?: (?P<n>\d{1,2})| of (?P<of>.+))?",
        _week,
    ),
    (r"(?:next|coming) (.+)", _coming),
]  # fmt: skip
