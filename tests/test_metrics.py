"""The metrics: which plans and calls count as right, and the interval of their share."""

from typing import Any

import pytest

from octoplan.evaluation.metrics import (
    Score,
    calls_right,
    mean,
    normalised,
    outline,
    plan_right,
    same_call,
    score,
    wilson,
)
from octoplan.plans import Ask, Call, Cannot, Done, Line, Step, Wait


def step(function: str | None, **arguments: Any) -> Step:
    return Step(text="Do it", function=function, arguments=arguments)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Living  Room!", "living room", True),
        ("a cup of tea", "cup of the tea", True),
        ("Don't", "dont", True),
        ("$1", "1", False),
        ("café", "cafe", False),
        ("7 am", "7am", False),
        (3, 3.0, True),
        (3, "3", False),
        (True, 1, True),
        (True, "true", False),
        (True, False, False),
    ],
)
def test_values_are_compared_by_what_they_say(one: Any, other: Any, same: bool) -> None:
    assert (normalised(one) == normalised(other)) is same


GOLD = Call(function="f", arguments={"room": "the kitchen", "level": 3})


@pytest.mark.parametrize(
    ("predicted", "same"),
    [
        (GOLD, True),
        (Call(function="f", arguments={"level": 3.0, "room": "Kitchen."}), True),
        (Call(function="g", arguments=GOLD.arguments), False),
        (Call(function="f", arguments={"room": "the kitchen"}), False),
        (Call(function="f", arguments=GOLD.arguments | {"more": 1}), False),
        (Call(function="f", arguments={"room": "the kitchen", "level": 4}), False),
        (None, False),
    ],
)
def test_calls_are_the_same_by_function_and_arguments(predicted: Call | None, same: bool) -> None:
    assert same_call(predicted, GOLD) is same
    assert same_call(GOLD, predicted) is same


PLAN: list[Line] = [step("f", room="hall"), Cannot(cannot="sing"), step("g"), Wait(wait=True)]


@pytest.mark.parametrize(
    ("predicted", "plan", "calls"),
    [
        (PLAN, True, True),
        (
            [step("f", room="The hall"), Cannot(cannot="dance"), step("g"), Wait(wait=True)],
            True,
            True,
        ),
        ([step("f", room="attic"), Cannot(cannot="sing"), step("g"), Wait(wait=True)], True, False),
        ([step("f", room="hall"), step("g"), Cannot(cannot="sing"), Wait(wait=True)], False, False),
        (
            [step("f", room="hall"), Cannot(cannot="sing"), step(None), Wait(wait=True)],
            False,
            False,
        ),
        ([step("f", room="hall"), Ask(ask="Sing?"), step("g"), Wait(wait=True)], False, False),
        ([*PLAN, Done(done=True)], False, False),
        (PLAN[:-1], False, False),
        ([], False, False),
    ],
)
def test_a_plan_is_right_in_its_functions_then_in_its_calls(
    predicted: list[Line], plan: bool, calls: bool
) -> None:
    assert plan_right(predicted, PLAN) is plan
    assert calls_right(predicted, PLAN) is calls


def test_an_outline_names_functions_and_kinds() -> None:
    assert outline([*PLAN, step(None), Ask(ask="Why?"), Done(done=True)]) == [
        *("f", "cannot", "g", "wait", "unreadable", "ask", "done")
    ]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 0, 0, 1),
        # Newcombe (1998, Statistics in Medicine 17), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1),
    ],
)
def test_wilson_gives_the_published_intervals(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("verdicts", "percent", "interval"),
    [
        ([], None, (0, 100)),
        ([True, False], 50, (9.5, 90.5)),
        ([True] * 20, 100, (83.9, 100)),
    ],
)
def test_a_score_is_a_share_with_its_interval(
    verdicts: list[bool], percent: float | None, interval: tuple[float, float]
) -> None:
    assert score(verdicts) == Score(
        right=sum(verdicts), n=len(verdicts), percent=percent, interval=interval
    )


def test_a_mean_has_students_interval() -> None:
    # 0.5 ± 2.776 · 0.3536 / √5, by the table of t for four degrees of freedom.
    found = mean([0, 0.25, 0.5, 0.75, 1])
    assert (found.n, found.percent) == (5, 50.0)
    assert found.interval == pytest.approx((50 - 49.1, 50 + 49.1), abs=0.05)
    assert mean([1.0, 1.0]).interval == (100, 100)
    assert mean([0.3]).interval == (0, 100)
