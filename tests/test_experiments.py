"""Experiments: read from TOML, resumed, and told as a table and a picture."""

import json
from pathlib import Path
from typing import Any

import pytest

from octoplan.evaluation.metrics import score
from octoplan.experiments.experiment import (
    ExperimentError,
    Result,
    Results,
    experiments,
    load_experiment,
    picture,
    run_experiment,
    table,
)
from octoplan.training.train import Settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", experiments())
def test_the_experiments_that_ship_can_be_run(name: str) -> None:
    experiment = load_experiment(name)
    for run in experiment.runs:
        assert Settings(**experiment.settings | run.settings).role == "planner"
    for pattern in (*experiment.data, *experiment.validation):
        assert list(ROOT.glob(pattern))


def small(tmp_path: Path, **changes: Any) -> Path:
    """An experiment of two short runs on six examples."""
    for split, count in (("train", 6), ("validation", 2)):
        lines = (ROOT / "data" / split / "android_a.jsonl").read_text("utf-8").splitlines()
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines[:count]) + "\n", "utf-8")
    fields = {
        "title": '"Small"',
        "paper": '"None"',
        "functions": '"android"',
        "data": '["train.jsonl"]',
        "validation": '["validation.jsonl"]',
        "settings": '{ role = "planner", epochs = 1, batch_size = 6, augment = false }',
    }
    lines = [f"{name} = {value}" for name, value in (fields | changes).items()]
    lines += ["[[runs]]", 'name = "LoRA"', "paper = 85.1", "settings = { rank = 4 }"]
    lines += ["[[runs]]", 'name = "all weights"', 'settings = { method = "full", lr = 1e-5 }']
    path = tmp_path / "small.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.slow
def test_an_experiment_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small(tmp_path)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "results"
    first = run_experiment(str(path), out, "test", only=["LoRA"])
    assert [result.run for result in first.results] == ["LoRA"]
    seen: set[str] = set()
    both = run_experiment(str(path), out, "test", progress=lambda run, *_: seen.add(run))
    assert seen == {"all weights"}
    assert [result.run for result in both.results] == ["LoRA", "all weights"]
    assert both.results[0] == first.results[0]
    assert all(result.plan.n == 2 for result in both.results)
    assert {path.suffix for path in out.iterdir() if path.is_file()} == {".json", ".md", ".png"}
    assert Results.model_validate_json((out / "small.json").read_bytes()) == both
    with pytest.raises(ExperimentError, match="made with another sample"):
        run_experiment(str(path), out, "test", sample=1)
    (tmp_path / "train.jsonl").write_text((tmp_path / "validation.jsonl").read_text("utf-8"))
    with pytest.raises(ExperimentError, match="made with another data"):
        run_experiment(str(path), out, "test")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"title": "3"}, "title"),
        ({"colour": '"red"'}, "colour"),
        ({"title": "'"}, "is not TOML"),
        ({"data": '["no*.jsonl"]'}, "there is no no"),
        ({"settings": '{ role = "dancer" }'}, "role"),
    ],
)
def test_what_is_no_experiment_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], problem: str
) -> None:
    path = small(tmp_path, **changes)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=problem):
        run_experiment(str(path), tmp_path / "out", "test")
    with pytest.raises(ExperimentError, match="there is no experiment"):
        load_experiment("nothing")
    assert not (tmp_path / "out").exists()


def test_the_table_stands_beside_the_papers_and_pools_the_seeds(tmp_path: Path) -> None:
    experiment = load_experiment("dataset-size")
    results = [
        Result(
            run="100, augmented",
            seed=seed,
            examples=100,
            settings={},
            date="2026-01-01",
            hardware="…",
            training_seconds=60,
            train_loss=1,
            plan=score([True] * right + [False] * (10 - right)),
            call=score([False] * 10),
        )
        for seed, right in enumerate((4, 6))
    ]
    found = Results(
        experiment=experiment, command="…", base={"b": ""}, data={}, sample=None, results=results
    )
    text = table(found)
    assert "| 100, augmented | 78.1 % | 50.0 % [29.9, 70.1] (40.0, 60.0) | 0.0 % [" in text
    assert "| 20 | 100 | 0, 1 | 1.0 |" in text
    assert "250, augmented" not in text
    picture(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(found.model_dump_json())["results"][1]["plan"]["right"] == 6
