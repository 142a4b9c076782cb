"""Experiments: trainings that differ in one thing, and a table and a picture of what came of them.

    octoplan experiment full-vs-lora

An experiment is a TOML file: the data, the settings that all runs share, and the runs. Each run is
written to ``experiments/results/NAME.json`` when it is done; started again, an experiment goes on
with the next one, and a training that was interrupted from its last checkpoint.
"""

import json
import math
import os
import platform
import random
import re
import shutil
import statistics
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.evaluation.evaluate import Octoplan, evaluate, fingerprint
from octoplan.evaluation.metrics import Score, score
from octoplan.evaluation.oracles import CallOracle, PlanOracle
from octoplan.functions import load_function_sets
from octoplan.models.bases import DEFAULT_BASE, find_base
from octoplan.plans import Example, read_examples

_FOLDER = Path(__file__).parent


class ExperimentError(ValueError):
    """An experiment that cannot be run; one line that says what to do."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Table):
    """One line of an experiment's table.

    Attributes:
        name: what the table calls it; names are unique.
        paper: what the paper has for it, percent of plans.
        examples: how many training examples, drawn by the seed; all where left out.
        seeds: it is run with each of them.
        settings: what differs from the experiment's settings.
    """

    name: str
    paper: float | None = None
    examples: int | None = None
    seeds: tuple[int, ...] = (0,)
    settings: dict[str, Any] = {}


class Experiment(_Table):
    """An experiment, as its TOML file has it.

    Attributes:
        title: what it asks.
        paper: where the published figures stand.
        functions: the function sets, "all" or names.
        data: training files; ``*`` stands for anything.
        validation: the files that the plans are measured on.
        settings: training settings that all runs share (``octoplan.training.train.Settings``).
        runs: the lines of the table.
    """

    title: str
    paper: str
    functions: str
    data: tuple[str, ...]
    validation: tuple[str, ...]
    settings: dict[str, Any]
    runs: tuple[Run, ...]


class Result(_Table):
    """What came of one run with one seed."""

    run: str
    seed: int
    examples: int
    settings: dict[str, Any]
    date: str
    hardware: str
    training_seconds: float
    train_loss: float
    plan: Score
    call: Score


class Results(BaseModel):
    """What an experiment's JSON file holds."""

    experiment: Experiment
    command: str
    base: dict[str, str]
    data: dict[str, str]
    sample: int | None
    results: list[Result] = []


def experiments() -> list[str]:
    """The names of the experiments that ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_experiment(name: str) -> Experiment:
    """Read an experiment by its name, or from a TOML file.

    Raises:
        ExperimentError: there is none, or its file is not one.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(experiments())
        raise ExperimentError(f"there is no experiment {name}; there are {known}, or give a .toml")
    try:
        experiment = Experiment.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ExperimentError(f"{path}: {place}: {first['msg']}") from error
    names = [run.name for run in experiment.runs]
    if len(set(names)) < len(names):
        raise ExperimentError(f"{path}: two runs have the same name; rename one")
    return experiment


def run_experiment(
    name: str,
    out: Path,
    command: str,
    base: str = DEFAULT_BASE,
    sample: int | None = None,
    only: Sequence[str] = (),
    progress: Callable[[str, int, int, str], None] = lambda *_: None,
) -> Results:
    """Do what is left of an experiment, and write its results after every run.

    Args:
        name: see ``load_experiment``.
        out: the folder of the results.
        command: what the results shall say they were made by.
        base: what to train.
        sample: measure on so many validation examples, drawn by seed 0; on all where left out.
        only: the runs to do; all where left out.
        progress: told the run, steps done, steps in all, and what is happening.

    Raises:
        ExperimentError: see ``load_experiment``; a run of ``only`` is not there; or the results
            that are there were made with another base or other data.
        ValueError: a run's settings are wrong, or it cannot be trained.
    """
    from octoplan.training.train import Settings

    experiment = load_experiment(name)
    if unknown := set(only) - {run.name for run in experiment.runs}:
        raise ExperimentError(f"{name} has no run {sorted(unknown)[0]!r}")
    data, held_out = _files(experiment.data), _files(experiment.validation)
    validation = list(read_examples(held_out))
    if sample is not None and sample < len(validation):
        validation = random.Random(0).sample(validation, sample)
    stem = Path(name).stem
    path = out / f"{stem}.json"
    results = _resumed(
        path,
        Results(
            experiment=experiment,
            command=command,
            base={base: find_base(base).digest},
            data=fingerprint([*data, *held_out]),
            sample=sample,
        ),
    )
    done = {(result.run, result.seed) for result in results.results}
    for run in experiment.runs:
        for seed in run.seeds:
            if (run.name, seed) in done or (only and run.name not in only):
                continue
            settings = Settings(**experiment.settings | run.settings, base=base, seed=seed)
            examples = _drawn(list(read_examples(data)), run.examples, seed)
            work = out / "work" / stem / f"{re.sub(r'[^a-z0-9]+', '-', run.name.lower())}-{seed}"
            results.results.append(
                _result(run, settings, examples, validation, experiment.functions, work, progress)
            )
            out.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
            part.replace(path)
            path.with_suffix(".md").write_text(table(results), encoding="utf-8")
            picture(results, path.with_suffix(".png"))
            shutil.rmtree(work)
    return results


def _files(patterns: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        files = sorted(Path().glob(pattern))
        if not files:
            raise ExperimentError(f"there is no {pattern} here; run this in a checkout of octoplan")
        found += files
    return found


def _resumed(path: Path, fresh: Results) -> Results:
    """The results that are there, if they are of the same thing; else the fresh, empty ones."""
    if not path.exists():
        return fresh
    try:
        found = Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ExperimentError(f"{path} holds no results; move it away") from error
    for name in ("base", "data", "sample"):
        if getattr(found, name) != getattr(fresh, name):
            raise ExperimentError(f"{path} was made with another {name}; move it away")
    return fresh.model_copy(update={"results": found.results})


def _drawn(examples: list[Example], n: int | None, seed: int) -> list[Example]:
    if n is None:
        return examples
    if n > len(examples):
        raise ExperimentError(f"there are {len(examples)} training examples, fewer than {n}")
    return random.Random(seed).sample(examples, n)


def _result(
    run: Run,
    settings: Any,
    examples: list[Example],
    validation: list[Example],
    functions: str,
    work: Path,
    progress: Callable[[str, int, int, str], None],
) -> Result:
    """Train one planner and measure it, with the action model that ships."""
    from octoplan.training.train import train

    def told(done: int, total: int, text: str) -> None:
        progress(run.name, done, total, text)

    if not (work / "octoplan.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        known = load_function_sets(functions)
        train(settings, examples, validation, known, work, told, {})
    record = json.loads((work / "training.json").read_text(encoding="utf-8"))
    subject = Octoplan.load(settings.base, planner=work)
    started = time.monotonic()
    found = evaluate(
        subject,
        validation,
        [PlanOracle(), CallOracle()],
        {},
        lambda done, total: told(done, total, f"plans ({time.monotonic() - started:.0f} s)"),
    )
    return Result(
        run=run.name,
        seed=settings.seed,
        examples=len(examples),
        settings=record["settings"],
        date=datetime.now(UTC).date().isoformat(),
        hardware=record["hardware"] + f"; measured on {os.cpu_count()} cores, {platform.machine()}",
        training_seconds=record["seconds"],
        train_loss=record["train_loss"],
        plan=found.figures["all"]["plan"],
        call=found.figures["all"]["call"],
    )


# ---------------------------------------------------------------- the table and the picture


def _rows(results: Results) -> list[tuple[Run, list[Result]]]:
    by_run = [
        (run, [result for result in results.results if result.run == run.name])
        for run in results.experiment.runs
    ]
    return [(run, found) for run, found in by_run if found]


def _pooled(scores: Sequence[Score]) -> Score:
    """The scores of several seeds as one."""
    right, n = sum(s.right for s in scores), sum(s.n for s in scores)
    return score([True] * right + [False] * (n - right))


def table(results: Results) -> str:
    """The table in Markdown, beside the paper's figures."""
    experiment = results.experiment
    lines = [
        f"# {experiment.title}",
        "",
        f"Published: {experiment.paper}. Ours: {', '.join(results.base)}; the share of plans that "
        "are right by the exact oracle, with Wilson's 95 % interval (over all seeds together).",
        "",
        "| run | published | plan | call | n | examples | seeds | minutes each |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run, found in _rows(results):
        plan, call = _pooled([r.plan for r in found]), _pooled([r.call for r in found])
        spread = ", ".join(f"{r.plan.percent:.1f}" for r in found) if len(found) > 1 else ""
        minutes = statistics.mean(r.training_seconds for r in found) / 60
        lines.append(
            f"| {run.name} | {'–' if run.paper is None else f'{run.paper:.1f} %'} "
            f"| {plan}{f' ({spread})' if spread else ''} | {call} | {plan.n} "
            f"| {found[0].examples} | {', '.join(str(r.seed) for r in found)} | {minutes:.1f} |"
        )
    return "\n".join(lines) + "\n"


def picture(results: Results, path: Path) -> None:
    """The table as bars with their intervals, and the published figures as marks."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = _rows(results)
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.45 * len(rows)))
    for place, (run, found) in enumerate(rows):
        plan = _pooled([r.plan for r in found])
        share = plan.percent or 0.0
        errors = [[share - plan.interval[0]], [plan.interval[1] - share]]
        axes.barh(place, share, 0.6, color="tab:blue", xerr=errors, capsize=3)
        if run.paper is not None:
            axes.plot(run.paper, place, "D", color="tab:orange")
    axes.plot(math.nan, math.nan, "D", color="tab:orange", label="published")
    axes.set_yticks(range(len(rows)), [run.name for run, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("right plans, %")
    axes.set_title(results.experiment.title)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
