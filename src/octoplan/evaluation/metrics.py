"""When a plan or a call is right, and how sure a share of right ones is."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

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


def calls_right(predicted: Sequence[Line], gold: Sequence[Line]) -> bool:
    """Whether the plan is right and every argument of every call too."""
    return plan_right(predicted, gold) and all(
        same_call(ours.call, theirs.call)
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


def score(verdicts: Sequence[bool]) -> dict[str, Any]:
    """How many are right: ``right``, ``n``, and percent with its 95 % interval."""
    right, n = sum(verdicts), len(verdicts)
    low, high = wilson(right, n)
    return {
        "right": right,
        "n": n,
        "percent": round(100 * right / n, 1) if n else None,
        "interval": [round(100 * low, 1), round(100 * high, 1)],
    }
