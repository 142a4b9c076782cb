"""Runs that are killed at random moments: nothing is done twice, nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "crash.py"


@pytest.mark.slow
def test_killed_runs_end_with_every_call_made_once(tmp_path: Path) -> None:
    out = tmp_path / "crash.json"
    subprocess.run([sys.executable, PATH, "--runs", "40", "--seed", "1", "--out", out], check=True)
    found = json.loads(out.read_text("utf-8"))
    assert found["kills"] >= 40 and found["kills_with_a_call_under_way"]
    assert (found["calls_made_twice"], found["calls_lost"]) == (0, 0)
    assert found["runs_that_did_not_end_well"] == 0
