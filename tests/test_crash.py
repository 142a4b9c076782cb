"""Runs that are killed at random moments: nothing is done twice, nothing is lost."""

import importlib.util
import random
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "crash.py"


@pytest.mark.slow
def test_killed_runs_end_with_every_call_made_once(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("crash", PATH)
    assert spec is not None and spec.loader is not None
    crash = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(crash)
    rng = random.Random(1)
    kills = in_calls = 0
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed, in_a_call, left, status = crash.crash(folder, rng)
        kills += killed
        in_calls += in_a_call
        assert (left, status) == (crash.DONE, "done")
    assert kills > 20 and in_calls  # else the kills came too early or too late to test anything
