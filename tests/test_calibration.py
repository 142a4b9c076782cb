"""Calibration: confidence becomes the share of right answers, and says which to hand on."""

import random
import shutil
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.confidence import CALIBRATION_FILE, Calibration, Curve
from octoplan.evaluation.calibration import calibrate, reliability
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter


def test_overconfidence_is_mended() -> None:
    rng = random.Random(0)
    true = [rng.random() for _ in range(2000)]
    right = [rng.random() < probability for probability in true]
    found = reliability([probability**0.25 for probability in true], right)
    assert found.error > 0.2
    assert found.calibrated_error < 0.05
    assert [b.n for b in found.bins] == [200] * 10
    assert found.handed_on[0].right == pytest.approx(sum(right) / 2000)
    assert found.handed_on[0].caught == 0
    assert all(
        a.right < b.right and a.caught < b.caught
        for a, b in zip(found.handed_on, found.handed_on[1:], strict=False)
    )


def test_confidence_that_says_nothing_catches_no_more_than_its_share() -> None:
    rng = random.Random(0)
    confidences = [rng.random() for _ in range(4000)]
    found = reliability(confidences, [rng.random() < 0.7 for _ in confidences])
    assert found.calibrated_error < 0.05
    assert found.handed_on[-1].caught == pytest.approx(0.5, abs=0.05)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_a_curve_rises_and_stays_a_probability(answers: list[tuple[float, bool]]) -> None:
    curve = calibrate([c for c, _ in answers], [r for _, r in answers])
    values = [curve(step / 20) for step in range(21)]
    assert all(0 <= value <= 1 for value in values)
    assert values == sorted(values)


@given(st.lists(st.booleans(), min_size=10))
def test_all_answers_stand_in_one_bin(right: list[bool]) -> None:
    found = reliability([0.5] * len(right), right)
    assert sum(b.n for b in found.bins) == found.n == len(right)
    assert 0 <= found.calibrated_error <= 1


def test_a_curve_joins_its_points() -> None:
    curve = Curve(given=(0.2, 0.4, 0.4, 0.8), right=(0.5, 0.6, 0.7, 0.9))
    assert [curve(p) for p in (0, 0.2, 0.8, 1)] == [0.5, 0.5, 0.9, 0.9]
    assert curve(0.3) == pytest.approx(0.55)
    assert curve(0.6) == pytest.approx(0.8)
    assert Curve(given=(0.5,), right=(0.7,))(0.1) == 0.7


def test_a_broken_calibration_is_said(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("{}", "utf-8")
    with pytest.raises(AdapterError, match="is no calibration"):
        Calibration.load(path)


def test_a_calibration_is_of_two_models_and_stands_beside_them(tmp_path: Path) -> None:
    roles: tuple[Literal["planner", "action"], ...] = ("planner", "action")
    for role in roles:
        shutil.copytree(shipped_adapter(role), tmp_path / role)
    planner, action = (Adapter.load(tmp_path / role, role) for role in roles)
    assert Calibration.of(planner, action) is None
    shutil.copy(shipped_adapter("planner").parent / CALIBRATION_FILE, tmp_path)
    found = Calibration.of(planner, action)
    assert found is not None and 0 < found.call(0.1) < found.call(0.9) < 1
    with action.gguf.open("ab") as file:  # another model
        file.write(b".")
    assert Calibration.of(planner, action) is None
