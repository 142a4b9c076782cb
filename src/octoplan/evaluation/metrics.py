"""When a plan or a call is right, and how sure a share of right ones is."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from octoplan.functions import FunctionSet
from octoplan.plans import Call, Line, Step, kind

_ARTICLES = {"a", "an", "the"}


def normalised(value: Any) -> Any:
    """A value as the exact oracle compares it.

    Numbers by value; text in lower case, without punctuation and articles.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    words = re.sub(r"[^\w\s$]", "", str(value).lower()).split()
    return " ".join(word for word in words if word not in _ARTICLES)


ALIKE = 70
"""From this likeness on (0 to 100), two wordings count as the same to the lenient oracle."""


def similar_call(predicted: Call | None, gold: Call | None, functions: FunctionSet) -> bool:
    """Whether both are the same function with arguments that say the same in like words.

    Two free texts are alike when they hold the same numbers and either one's words are all among
    the other's, or RapidFuzz's ``token_sort_ratio`` of them is ``ALIKE`` or more. All else, values
    that a schema lists and ``$k`` among it, must be the same.
    """
    if predicted is None or gold is None or predicted.function != gold.function:
        return False
    if predicted.arguments.keys() != gold.arguments.keys():
        return False
    schemas = functions[gold.function].parameters["properties"]
    return all(
        normalised(value) == normalised(gold.arguments[name])
        or ("enum" not in schemas[name] and _alike(value, gold.arguments[name]))
        for name, value in predicted.arguments.items()
    )


def _alike(ours: Any, theirs: Any) -> bool:
    from rapidfuzz import fuzz

    if not isinstance(ours, str) or not isinstance(theirs, str):
        return False
    if ours.startswith("$") or theirs.startswith("$"):
        return False
    ours, theirs = normalised(ours), normalised(theirs)
    words, others = set(ours.split()), set(theirs.split())
    if not words or not others or re.findall(r"\d+", ours) != re.findall(r"\d+", theirs):
        return False
    contained = words <= others or others <= words
    return contained or fuzz.token_sort_ratio(ours, theirs) >= ALIKE


def same_call(predicted: Call | None, gold: Call | None) -> bool:
    """Whether both are the same function with the same arguments, after normalisation."""
    if predicted is None or gold is None or predicted.function != gold.function:
        return False
    if predicted.arguments.keys() != gold.arguments.keys():
        return False
    return all(
        normalised(value) == normalised(gold.arguments[name])
        for name, value in predicted.arguments.items()
    )


def outline(lines: Iterable[Line]) -> list[str]:
    """The sequence of functions; a line that is no step is named by its kind."""
    return [
        (line.function or "unreadable") if isinstance(line, Step) else kind(line) for line in lines
    ]


def plan_right(predicted: Sequence[Line], gold: Sequence[Line]) -> bool:
    """Whether the sequence of functions is right."""
    return outline(predicted) == outline(gold)


def calls_right(
    predicted: Sequence[Line],
    gold: Sequence[Line],
    same: Callable[[Call | None, Call | None], bool] = same_call,
) -> bool:
    """Whether the plan is right and every call is the ``same`` as the gold plan's."""
    return plan_right(predicted, gold) and all(
        same(ours.call, theirs.call)
        for ours, theirs in zip(predicted, gold, strict=True)
        if isinstance(ours, Step) and isinstance(theirs, Step)
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson, 1927, JASA 22), as shares from 0 to 1."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


class Score(BaseModel):
    """How many are right, of how many; percent (None of none) and its 95 % interval."""

    right: int
    n: int
    percent: float | None
    interval: tuple[float, float]

    def __str__(self) -> str:
        if self.percent is None:
            return "–"
        return f"{self.percent:.1f} % [{self.interval[0]:.1f}, {self.interval[1]:.1f}]"


def score(verdicts: Sequence[bool]) -> Score:
    """The share of right ones."""
    right, n = sum(verdicts), len(verdicts)
    low, high = wilson(right, n)
    return Score(
        right=right,
        n=n,
        percent=round(100 * right / n, 1) if n else None,
        interval=(round(100 * low, 1), round(100 * high, 1)),
    )


class Mean(BaseModel):
    """A mean of shares, such as F1 over requests: of how many, percent, and its 95 % interval."""

    n: int
    percent: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.percent:.1f} % [{self.interval[0]:.1f}, {self.interval[1]:.1f}]"


def mean(shares: Sequence[float]) -> Mean:
    """The mean of at least one share from 0 to 1; the interval by Student's t."""
    from scipy.stats import sem, t

    n = len(shares)
    average = sum(shares) / n
    half = t.ppf(0.975, n - 1) * sem(shares) if n > 1 else 1.0
    low, high = max(0.0, average - half), min(1.0, average + half)
    return Mean(
        n=n,
        percent=round(100 * average, 1),
        interval=(round(100 * float(low), 1), round(100 * float(high), 1)),
    )


class Difference(BaseModel):
    """Two results over the same requests, compared by McNemar's exact test.

    Attributes:
        n: requests that both have.
        only_first, only_second: requests that only this one got right.
        p_value: how likely so uneven a split is, or a more uneven one, if the two are equally good.
    """

    n: int
    first: Score
    second: Score
    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """Compare two results, request by request (McNemar, 1947; exact, by the binomial test)."""
    from scipy.stats import binomtest

    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    split = only_first + only_second
    return Difference(
        n=len(pairs),
        first=score(first),
        second=score(second),
        only_first=only_first,
        only_second=only_second,
        p_value=float(binomtest(only_first, split).pvalue) if split else 1.0,
    )
