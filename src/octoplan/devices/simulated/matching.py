"""How the simulated device reads words: fuzzy look-up, invented content, earlier results.

Content that is invented depends on nothing but the query, so that the same question always gets
the same answer.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "’": "'"})
_SMALL_WORDS = re.compile(
    "a|an|the|my|our|your|his|her|their|its|of|for|from|in|on|at|to|with|and|or|by|is|it|that|this"
    "|these|those|me|us|some|any|all|please|named|called|one"
)


def fold(text: str) -> str:
    """The text in lower case and without accents."""
    text = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def words(text: str) -> frozenset[str]:
    """The words of a text that tell it from others, folded and in the singular."""
    found = re.findall(r"\w+", re.sub(r"'s\b|'", "", fold(text)).replace("_", " "))
    plain = [word for word in found if not _SMALL_WORDS.fullmatch(word)] or found
    return frozenset(_singular(word) for word in plain)


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 5 and word.endswith("oes"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word


def best(query: str, options: Iterable[tuple[str, _T]], share: float = 1.0) -> list[_T]:
    """The options whose words fit the query's best: one, several that fit alike, or none.

    An option fits when at least `share` of the words of the shorter of the two are in the other.
    """
    wanted = words(query)
    top, found = 0.0, []
    for text, option in options:
        has = words(text)
        common = len(wanted & has)
        shorter = min(len(wanted), len(has))
        if not common or common < share * shorter:
            continue
        score = common / len(wanted | has) + (fold(text) == fold(query))
        if score > top:
            top, found = score, [option]
        elif score == top:
            found.append(option)
    return found


def has_word(text: str, lexicon: frozenset[str]) -> bool:
    """Whether a word of the text is in the lexicon."""
    return any(word in lexicon for word in words(text))


def chance(*key: Any) -> int:
    """A large number that depends on the key alone, and looks random."""
    return zlib.crc32("\x1f".join(fold(str(part)) for part in key).encode("utf-8", "replace"))


def pick(options: Sequence[_T], *key: Any) -> _T:
    """One of the options, chosen by the key alone."""
    return options[chance(*key) % len(options)]


def between(low: int, high: int, *key: Any) -> int:
    """A whole number from low to high, chosen by the key alone."""
    return low + chance(*key) % (high - low + 1)


def code(letters: int, *key: Any) -> str:
    """A reference of letters and digits, without ones that are easily confused."""
    return "".join(pick("ABCDEFGHJKLMNPQRTUVWXYZ23456789", place, *key) for place in range(letters))


def subject(text: str) -> str:
    """What a text is about: itself, or the first thing named in an earlier call's result.

    Results begin with what they are about: "Kobo Libra: 4.4 of 5 …", "Kobo Libra €149; …",
    "Paddington (2014); …", "booked Hotel Rosso, …".
    """
    first = re.split(r"[;\n]", text, maxsplit=1)[0]
    first = re.sub(r"^added (?=\S)", "", first)
    first = re.sub(r"^booked (.+?), .*", r"\1", first)
    first = re.split(r" €\d| \(\d{4}[,)]|: (?=\d|our shop|rated)|, rating ", first, maxsplit=1)[0]
    return " ".join(first.split()).strip(" .,:") or text.strip() or text
