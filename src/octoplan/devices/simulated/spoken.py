"""Numbers and lengths of time as people say them: "forty five", "an hour and a quarter"."""

from __future__ import annotations

import re
from datetime import timedelta

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60}
_TENS |= {"seventy": 70, "eighty": 80, "ninety": 90}
_ORDINALS = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
]  # fmt: skip
_CARDINAL = {word: number for number, word in enumerate(_ONES)} | _TENS
_ORDINAL = {word: number for number, word in enumerate(_ORDINALS, 1)} | {"thirtieth": 30}
_NUMBER_WORDS = re.compile(
    rf"\b(?:(?P<ten>{'|'.join(_TENS)})[ -])?(?P<one>{'|'.join(_ONES[1:10] + _ORDINALS[:9])})\b"
    rf"|\b(?P<other>{'|'.join([*_ONES[10:], _ONES[0], *_TENS, *_ORDINALS[9:], 'thirtieth'])})\b"
)

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
]  # fmt: skip
WEEKDAY = rf"(?P<weekday>{'|'.join(WEEKDAYS)})"
MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_FULL_NAMES = re.compile(
    r"\b(?:(?P<day>mon|tue|tues|wed|weds|thu|thur|thurs|fri|sat|sun)"
    r"|(?P<month>jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec))\b\.?"
)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "n": 86400, "w": 604800, "f": 1209600}
_UNIT = (
    r"(?:(?P<f>fortnights?)|(?P<w>weeks?|wks?)|(?P<d>days?)|(?P<n>nights?)|(?P<h>hours?|hrs?|h)"
    r"|(?P<mo>months?)|(?P<m>minutes?|mins?|min|m)|(?P<s>seconds?|secs?|s))\b"
)
_LENGTH = re.compile(rf"(?P<number>\d+(?:\.\d+)?)[ -]?(?P<half>and a half )?{_UNIT}")


def length(phrase: str) -> timedelta | None:
    """The length that a phrase such as "an hour and a quarter" or "two nights" names, if any."""
    text = in_digits(phrase)
    if re.fullmatch(r"(?:the |coming )*fortnight", text):
        return 2 * WEEK
    rest = _LENGTH.sub("", text)
    if re.sub(r"\b(?:and|for|in|about)\b|[, ]", "", rest) or text == rest:
        return None
    seconds = 0.0
    for match in _LENGTH.finditer(text):
        unit = next(name for name in ("mo", *_SECONDS) if match[name])
        number = float(match["number"]) + (0.5 if match["half"] else 0)
        seconds += number * (30 * 86400 if unit == "mo" else _SECONDS[unit])
    return timedelta(seconds=seconds) if seconds < 100 * 366 * 86400 else None


def in_digits(phrase: str) -> str:
    """The phrase in lower case, with digits for number words and full names of days and months."""

    def digits(match: re.Match[str]) -> str:
        word = match["one"] or match["other"]
        ten = _TENS.get(match["ten"] or "", 0)
        if word in _CARDINAL:
            return str(ten + _CARDINAL[word])
        return f"{ten + _ORDINAL[word]}th"

    def full(match: re.Match[str]) -> str:
        names = WEEKDAYS if match["day"] else MONTHS
        return next(name for name in names if name.startswith(match[0].rstrip(".")[:3]))

    text = phrase[:200].lower().replace("’", "'").replace("–", "-").strip(" .!?")
    text = re.sub(r"\b(?:a |an )?quarter of an hour\b", "15 minutes", text)
    text = re.sub(r"\ba quarter (?=past|to)", "quarter ", text)
    text = re.sub(r"\bhalf an hour\b|\bhalf[ -]hour\b", "30 minutes", text)
    text = re.sub(r"\bhalf a minute\b", "30 seconds", text)
    text = re.sub(r"\b(hours?|minutes?) and a (quarter|half)\b", r"\1 \2", text)
    text = re.sub(
        r"\b(\d+|an?|one|two|three|four|five|six) (hour|minute)s? (quarter|half)\b",
        lambda m: (
            f"{m[1]} {m[2]} {15 if m[3] == 'quarter' else 30} "
            + ("minutes" if m[2] == "hour" else "seconds")
        ),
        text,
    )
    text = re.sub(r"(?<=\d )second\b", "seconds", text)
    text = _NUMBER_WORDS.sub(digits, text)
    text = re.sub(r"(?<=\d )2th\b", "seconds", text)  # "forty five second" is a length
    text = re.sub(r"\b(an?) (?=hour|minute|second|week|fortnight|day|month)", "1 ", text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd)\b", "th", text)
    text = re.sub(r"\b(?:arvo)\b", "afternoon", text)
    text = re.sub(r"\b([ap])\.m\b\.?", r"\1m", text)
    return _FULL_NAMES.sub(full, text)


_TIDY = re.compile(
    r"^(?:(?:on|at|from|of|in|by|the)\b|[ ,])+|(?:\b(?:on|at|from|by|sharp|the|of)|[ ,])+$"
)


def tidy(text: str) -> str:
    """The text without the small words and commas at its ends."""
    text = re.sub(r"\s+", " ", text)
    return _TIDY.sub("", text.strip())
