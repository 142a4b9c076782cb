"""Experiments: read from TOML, resumed, and told as a table and a picture."""

import json
from pathlib import Path
from typing import Any

import pytest

from octoplan.evaluation.metrics import score
from octoplan.experiments import ultratool
from octoplan.experiments.experiment import (
    ExperimentError,
    Result,
    Results,
    experiments,
    load_experiment,
    run_experiment,
)
from octoplan.experiments.table import picture, table
from octoplan.training.train import Settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", experiments())
def test_the_experiments_that_ship_can_be_run(name: str) -> None:
    experiment = load_experiment(name)
    for run in experiment.runs:
        assert Settings(**experiment.settings | run.settings).role == "planner"
    if experiment.measure == "plans":  # the data of others do not ship
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
    lines += ["[[runs]]", 'name = "rank 4"', 'of = "all weights"', "settings = { rank = 4 }"]
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
    assert seen == {"all weights", "rank 4"}
    assert [result.run for result in both.results] == ["LoRA", "all weights", "rank 4"]
    assert both.results[0] == first.results[0]
    assert all(result.scores["plan"].n == 2 for result in both.results)
    assert {path.suffix for path in out.iterdir() if path.is_file()} == {".json", ".md", ".png"}
    assert Results.model_validate_json((out / "small.json").read_bytes()) == both
    with pytest.raises(ExperimentError, match="made with another sample"):
        run_experiment(str(path), out, "test", sample=1)
    (tmp_path / "train.jsonl").write_text((tmp_path / "validation.jsonl").read_text("utf-8"))
    with pytest.raises(ExperimentError, match="made with another data"):
        run_experiment(str(path), out, "test")


@pytest.mark.slow
def test_adapters_of_two_domains_are_merged_routed_to_mended_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = []
    for domain in ("android", "ecommerce"):
        found = (ROOT / "data/train" / f"{domain}_a.jsonl").read_text("utf-8").splitlines()
        lines += found[:6]
    path = small(tmp_path, functions='"android,ecommerce"')
    (tmp_path / "train.jsonl").write_text("\n".join(lines[::2]) + "\n", "utf-8")
    (tmp_path / "validation.jsonl").write_text("\n".join(lines[1::6]) + "\n", "utf-8")
    text = path.read_text("utf-8").partition("[[runs]]")[0]
    for domain in ("android", "ecommerce"):
        text += f"[[runs]]\nname = '{domain}'\ndomains = ['{domain}']\nsettings = {{ rank = 4 }}\n"
    text = text.replace("name = 'android'\n", "name = 'android'\nexamples = 2\n")
    text += "[[runs]]\nname = 'both'\nmerge = ['android', 'ecommerce']\nmethod = 'cat'\n"
    text += "[[runs]]\nname = 'apart'\nroute = ['android', 'ecommerce']\n"
    text += "[[runs]]\nname = 'mended'\nmistakes = 'android'\nexamples = 1\n"
    text += "[[runs]]\nname = 'sampled'\nbest_of = 'android'\nsamples = 2\n"
    text += "[[runs]]\nname = 'repaired'\nstart = 'both'\nexamples = 2\n"
    path.write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "results"
    run_experiment(str(path), out, "test", only=["android"])
    # The part that was measured before is made again: its adapter is gone.
    found = run_experiment(str(path), out, "test")
    measured = {result.run: result.scores["plan"].n for result in found.results}
    apart = {"android": 1, "ecommerce": 1, "mended": 1, "sampled": 1}
    shares = apart | {"both": 2, "apart": 2, "repaired": 2}
    assert measured == shares
    learned = {result.run: result.examples for result in found.results}
    names = ("android", "apart", "mended", "sampled", "repaired")
    assert [learned[name] for name in names] == [2, 0, 1, 0, 2]
    assert not (out / "work").exists() or not any((out / "work").iterdir())


@pytest.mark.slow
def test_ultratools_names_are_learned_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = [{"id": name, "desc": name} for name in ("clock_alarm_set", "file_write")]
    (tmp_path / "functions.json").write_text(json.dumps(functions))
    requests = {"train": "Save item {} in a file, then wake me", "validation": "Note: {}; alarm!"}
    for split, count in (("train", 4), ("validation", 2)):
        entries = [
            {
                "id": f"{split}{number}",
                "query": requests[split].format(number),
                "functions": ["file_write", "clock_alarm_set"],
            }
            for number in range(count)
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, entries)))
    path = tmp_path / "names.toml"
    path.write_text(
        """
title = "Names"
paper = "None"
functions = "functions.json"
data = ["train.jsonl"]
validation = ["validation.jsonl"]
measure = "names"
settings = { role = "planner", epochs = 1, batch_size = 4, augment = false, rank = 4 }
[[published]]
name = "A large one"
scores = { accuracy = 28.2 }
prompt_tokens = 8700
[[runs]]
name = "ours"
"""
    )
    monkeypatch.chdir(tmp_path)
    found = run_experiment("names.toml", tmp_path / "results", "test")
    (result,) = found.results
    assert set(result.scores) == {"n-F1", "l-F1", "accuracy", "hallucinated"}
    assert result.scores["hallucinated"] == score([False, False])
    assert 10 < result.prompt_tokens < 60
    assert "| A large one |  |  | 28.2 % |  |  | 8,700 |" in table(found)
    (tmp_path / "train.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ValueError, match="holds no requests of UltraTool"):
        run_experiment("names.toml", tmp_path / "other", "test")


def test_ultratools_scores() -> None:
    gold, ours = ["a", "b", "c"], ["a", "b", "d"]
    assert ultratool.f1(set(gold), set(ours)) == pytest.approx(2 / 3)
    assert ultratool.links(gold) == {("a", "b"), ("b", "c")}
    assert ultratool.f1(ultratool.links(gold), ultratool.links(ours)) == pytest.approx(1 / 2)
    assert ultratool.f1(set(gold), set()) == 0
    assert ultratool.in_words("file_write") == "File write"


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


def test_only_runs_that_stand_before_are_merged(tmp_path: Path) -> None:
    path = small(tmp_path)
    path.write_text(path.read_text("utf-8") + "[[runs]]\nname = 'both'\nmerge = ['LoRA', 'x']\n")
    with pytest.raises(ExperimentError, match="made of 'x'"):
        load_experiment(str(path))


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
            scores={
                "plan": score([True] * right + [False] * (10 - right)),
                "call": score([False] * 10),
            },
            prompt_tokens=41.5,
        )
        for seed, right in enumerate((4, 6))
    ]
    found = Results(
        experiment=experiment, command="…", bases={"b": ""}, data={}, sample=None, results=results
    )
    text = table(found)
    assert "| 100, augmented | 78.1 % | 50.0 % [29.9, 70.1] (40.0, 60.0) | 0.0 % [" in text
    assert "| 20 | 42 | 100 | 0, 1 | 1.0 |" in text
    assert "250, augmented" not in text
    picture(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    again = Results.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.results[1].scores["plan"] == score([True] * 6 + [False] * 4)
