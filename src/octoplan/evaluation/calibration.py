"""How far a model's confidence can be believed, and what it is good for."""

import math
from collections.abc import Sequence

from pydantic import BaseModel

from octoplan.confidence import Curve

FEWEST = 50
"""Of fewer answers, calibration says nothing."""

_BINS = 10
_FOLDS = 5


class Bin(BaseModel):
    """Answers of about the same confidence: its mean, the share that is right, how many."""

    confidence: float
    right: float
    n: int


class HandedOn(BaseModel):
    """What is left when the least certain answers are handed on to somebody who knows better.

    Attributes:
        share: how many are handed on, 0 to 1.
        right: the share of right ones among the rest.
        caught: the share of all wrong ones that are handed on.
    """

    share: float
    right: float
    caught: float


class Reliability(BaseModel):
    """How confidence and being right go together.

    Attributes:
        error: the expected calibration error (Naeini et al., AAAI 2015; ten bins of equal number)
            of the model's own probability.
        calibrated_error: that of the calibrated one, each fifth calibrated on the others.
        bins: the calibrated ones, the least confident first.
        handed_on: for several shares.
    """

    n: int
    error: float
    calibrated_error: float
    bins: tuple[Bin, ...]
    handed_on: tuple[HandedOn, ...]


def calibrate(confidences: Sequence[float], right: Sequence[bool]) -> Curve:
    """The rising curve that fits best, by isotonic regression (Zadrozny and Elkan, KDD 2002).

    Shares are smoothed by Laplace's rule of succession: a few right answers are no certainty.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    order = np.argsort(confidences, kind="stable")
    given = np.asarray(confidences, dtype=float)[order]
    fitted = isotonic_regression(np.asarray(right, dtype=float)[order])
    edges = list(zip(fitted.blocks, fitted.blocks[1:], strict=False))
    smoothed = [((b - a) * fitted.x[a] + 1) / (b - a + 2) for a, b in edges]
    return Curve(
        given=tuple(float(given[a:b].mean()) for a, b in edges),
        right=tuple(map(float, np.maximum.accumulate(smoothed))),
    )


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> Reliability:
    """Measure it on some answers; of fewer than ``FEWEST`` it says little."""
    n = len(right)
    calibrated = [0.0] * n
    for fold in range(_FOLDS):
        rest = [place for place in range(n) if place % _FOLDS != fold]
        curve = calibrate([confidences[p] for p in rest], [right[p] for p in rest])
        for place in range(fold, n, _FOLDS):
            calibrated[place] = curve(confidences[place])
    bins = _bins(calibrated, right)
    return Reliability(
        n=n,
        error=_error(_bins(confidences, right)),
        calibrated_error=_error(bins),
        bins=tuple(bins),
        handed_on=tuple(_handed_on(confidences, right, s / 20) for s in range(0, 11)),
    )


def _bins(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    order = sorted(range(len(right)), key=lambda place: confidences[place])
    edges = [round(len(order) * edge / _BINS) for edge in range(_BINS + 1)]
    found = [order[a:b] for a, b in zip(edges, edges[1:], strict=False) if b > a]
    return [
        Bin(
            confidence=math.fsum(confidences[p] for p in places) / len(places),
            right=sum(right[p] for p in places) / len(places),
            n=len(places),
        )
        for places in found
    ]


def _error(bins: Sequence[Bin]) -> float:
    total = sum(b.n for b in bins)
    return math.fsum(b.n * abs(b.confidence - b.right) for b in bins) / total


def _handed_on(confidences: Sequence[float], right: Sequence[bool], share: float) -> HandedOn:
    order = sorted(range(len(right)), key=lambda place: confidences[place])
    cut = round(share * len(order))
    kept = [right[place] for place in order[cut:]]
    wrong = len(right) - sum(right)
    return HandedOn(
        share=share,
        right=sum(kept) / len(kept),
        caught=(wrong - (len(kept) - sum(kept))) / wrong if wrong else 0.0,
    )
