"""Experiments: trainings that differ in one thing, and a table and a picture of what came of them.

    octoplan experiment full-vs-lora

An experiment is a TOML file: the data, the settings that all runs share, and the runs. Each run is
written to ``experiments/results/NAME.json`` when it is done; started again, an experiment goes on
with the next one, and a training that was interrupted from its last checkpoint.
"""

import json
import os
import platform
import random
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from octoplan.data.held_out import without_held_out
from octoplan.evaluation.benchmark import sample as drawn_by
from octoplan.evaluation.evaluate import Octoplan, evaluate
from octoplan.evaluation.metrics import Mean, Score
from octoplan.evaluation.oracles import CallOracle, Oracle, PlanOracle
from octoplan.experiments import ultratool
from octoplan.experiments.sampled import SampledPlanner
from octoplan.functions import load_function_sets
from octoplan.models.adapters import Adapter, MergeMethod
from octoplan.models.bases import DEFAULT_BASE, find_base
from octoplan.plans import Example, Line, fingerprint, read_examples

if TYPE_CHECKING:
    from octoplan.training.train import Settings

_FOLDER = Path(__file__).parent

_WAYS = ("merge", "of", "route", "start", "best_of", "mistakes")
"""How a run comes from earlier ones; the fields of ``Run``."""

Told = Callable[[int, int, str], None]
"""Told of a run as it goes: what is done, of how much, and what is happening."""


class ExperimentError(ValueError):
    """An experiment that cannot be run; one line that says what to do."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Table):
    """A line of the table that others have published."""

    name: str
    scores: dict[str, float]
    prompt_tokens: float | None = None


class Run(_Table):
    """One line of an experiment's table.

    Attributes:
        name: what the table calls it; names are unique.
        paper: what the paper has for it, percent of plans.
        examples: how many training examples, drawn by the seed; all where left out.
        domains: learned and measured on the requests that need no other domain; any where empty.
        merge: the names of earlier runs whose adapters are merged, instead of training; measured
            on the domains of all of them, in equal shares.
        method: how they are merged (``octoplan.training.merge``).
        of: the name of an earlier run of all weights, whose difference from the base is taken as
            an adapter of the settings' rank, instead of training.
        route: the names of earlier runs, each of whose planners plans what is of its domain
            (``octoplan.routing``), instead of training.
        start: the name of an earlier run whose adapter is trained on, with its rank and alpha.
        best_of: the name of an earlier run whose planner writes ``samples`` plans for each request,
            one of which is taken (``octoplan.experiments.sampled``), instead of training.
        mistakes: the name of an earlier run whose planner plans ``examples`` training examples that
            it has not learned, and is trained on by its wrong plans (``Settings.mistakes``).
        seeds: it is run with each of them.
        settings: what differs from the experiment's settings.
    """

    name: str
    paper: float | None = None
    examples: int | None = None
    domains: tuple[str, ...] = ()
    merge: tuple[str, ...] = ()
    method: MergeMethod = "linear"
    of: str | None = None
    route: tuple[str, ...] = ()
    start: str | None = None
    best_of: str | None = None
    samples: int = Field(default=5, ge=2)
    mistakes: str | None = None
    seeds: tuple[int, ...] = (0,)
    settings: dict[str, Any] = {}

    @property
    def makes_adapter(self) -> bool:
        """Whether something is trained or merged; else planners of earlier runs are used."""
        return not (self.route or self.best_of)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the earlier runs that it is made of."""
        one = (self.of, self.start, self.best_of, self.mistakes)
        return (*self.merge, *self.route, *filter(None, one))


class Experiment(_Table):
    """An experiment, as its TOML file has it.

    Attributes:
        title: what it asks.
        paper: where the published figures stand.
        functions: the function sets, "all" or names; for *names* the file of the functions.
        data: training files; ``*`` stands for anything.
        validation: the files that the plans are measured on.
        measure: *plans* are measured with the action model that ships; *names* as
            ``octoplan.experiments.ultratool`` does.
        settings: training settings that all runs share (``octoplan.training.train.Settings``).
        published: the published lines that are no run of ours.
        runs: the lines of the table.
    """

    title: str
    paper: str
    functions: str
    data: tuple[str, ...]
    validation: tuple[str, ...]
    measure: Literal["plans", "names"] = "plans"
    settings: dict[str, Any]
    published: tuple[Published, ...] = ()
    runs: tuple[Run, ...]


class Result(_Table):
    """What came of one run with one seed.

    Attributes:
        examples: how many it learned from, or looked for mistakes in; none where adapters are
            merged or routed to.
        scores: by what they measure; the first is the one that the picture shows.
        prompt_tokens: how many the planner read for a request, on average.
    """

    run: str
    seed: int
    examples: int
    settings: dict[str, Any]
    date: str
    hardware: str
    training_seconds: float
    train_loss: float | None
    scores: dict[str, Score | Mean]
    prompt_tokens: float


class Results(BaseModel):
    """What an experiment's JSON file holds."""

    experiment: Experiment
    command: str
    bases: dict[str, str]
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
    names: set[str] = set()
    for run in experiment.runs:
        if run.name in names:
            raise ExperimentError(f"{path}: two runs have the same name; rename one")
        if unknown := set(run.parts) - names:
            raise ExperimentError(
                f"{path}: {run.name} is made of {min(unknown)!r}; name a run that stands before it"
            )
        ways = [way for way in _WAYS if getattr(run, way)]
        if len(ways) > 1:
            raise ExperimentError(f"{path}: {run.name} has {' and '.join(ways)}; give one of them")
        if {*run.parts} & {other.name for other in experiment.runs if not other.makes_adapter}:
            raise ExperimentError(f"{path}: {run.name} is made of a run without an adapter")
        if experiment.measure == "names" and (run.mistakes or not run.makes_adapter):
            raise ExperimentError(f"{path}: {run.name}: names are only learned, or merged")
        names.add(run.name)
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
        base: what to train, where a run's settings name no base of their own.
        sample: measure on so many validation examples, drawn by seed 0; on all where left out.
        only: the runs to do; all where left out.
        progress: told the run, steps done, steps in all, and what is happening.

    Raises:
        ExperimentError: see ``load_experiment``; a run of ``only`` is not there; or the results
            that are there were made with another base or other data.
        ValueError: a run's settings are wrong, or it cannot be trained.
    """
    experiment = load_experiment(name)
    if unknown := set(only) - {run.name for run in experiment.runs}:
        raise ExperimentError(f"{name} has no run {sorted(unknown)[0]!r}")
    stem = Path(name).stem
    bench = _Bench(experiment, base, sample, out / "work" / stem)
    path = out / f"{stem}.json"
    results = _resumed(
        path,
        Results(
            experiment=experiment,
            command=command,
            bases={name: find_base(name).digest for name in bench.bases()},
            data={name: file["sha256"] for name, file in fingerprint(bench.files).items()},
            sample=sample,
        ),
    )
    done = {(result.run, result.seed) for result in results.results}
    for run in experiment.runs:
        for seed in run.seeds:
            if (run.name, seed) in done or (only and run.name not in only):
                continue
            results.results.append(
                bench.result(run, seed, lambda *told, name=run.name: progress(name, *told))
            )
            out.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
            part.replace(path)
            write_table(results, path)
            bench.tidy(run, seed)
    bench.tidy()
    return results


def write_table(results: Results, path: Path) -> None:
    """Write the table and the picture beside the results' file."""
    from octoplan.experiments.table import picture, table

    path.with_suffix(".md").write_text(table(results), encoding="utf-8")
    picture(results, path.with_suffix(".png"))


def _resumed(path: Path, fresh: Results) -> Results:
    """The results that are there, if they are of the same thing; else the fresh, empty ones."""
    if not path.exists():
        return fresh
    try:
        found = Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ExperimentError(f"{path} holds no results; move it away") from error
    for name in ("bases", "data", "sample"):
        if getattr(found, name) != getattr(fresh, name):
            raise ExperimentError(f"{path} was made with another {name}; move it away")
    return fresh.model_copy(update={"results": found.results})


class _Bench:
    """What the runs of an experiment share: its data, and the folder in which they work.

    Args:
        base: trained where a run's settings name no other.
        sample: measure on so many examples; on all where None.
        work: where the adapters are while they are needed.
    """

    def __init__(self, experiment: Experiment, base: str, sample: int | None, work: Path) -> None:
        self.experiment = experiment
        self._base = base
        self._sample = sample
        self._work = work
        data, held_out = _files(experiment.data), _files(experiment.validation)
        self.files = [*data, *held_out]
        self._names = experiment.measure == "names"
        if self._names:
            (functions,) = _files([experiment.functions])
            self.files.append(functions)
            self._functions = ultratool.read_functions(functions)
            self._examples, self._validation = (
                [example for file in files for example in ultratool.read_requests(file)]
                for files in (data, held_out)
            )
        else:
            self._functions = load_function_sets(experiment.functions)
            self._examples = list(read_examples(data))
            self._validation = list(read_examples(held_out))

    def bases(self) -> list[str]:
        """The names of all bases that the runs train."""
        return sorted({self._settings(run, 0).base for run in self.experiment.runs})

    def result(self, run: Run, seed: int, told: Told) -> Result:
        """Train one planner, or merge some, and measure it."""
        made = [run] if run.makes_adapter else [self._named(name) for name in run.parts]
        adapters = [self._adapter(each, seed, told) for each in made]
        adapter = adapters[0]
        training = adapter / "training.json"
        trained = training.exists() and run.makes_adapter
        record = json.loads(training.read_text(encoding="utf-8")) if trained else {}
        base = self._settings(run, seed).base
        held_out = self._held_out(run)

        def measuring(done: int, total: int) -> None:
            told(done, total, "planning")

        if self._names:
            scores = ultratool.measure(adapter, self._functions, held_out, measuring)
        else:
            subject = Octoplan.load(None, planner=adapters)
            if run.best_of:
                subject.agent.planner = SampledPlanner.load(adapter, run.samples, subject.parallel)
            oracles: list[Oracle] = [PlanOracle(), CallOracle()]
            found = evaluate(subject, held_out, oracles, {}, measuring, alone=False)
            scores = dict(found.figures["all"])
        here = f"{os.cpu_count()} CPU cores, {platform.machine()}"
        return Result(
            run=run.name,
            seed=seed,
            examples=len(self._learned(run, seed)) if record else 0,
            settings=record.get("settings", {}),
            date=datetime.now(UTC).date().isoformat(),
            hardware=f"{record.get('hardware', here)}; measured on {here}",
            training_seconds=record.get("seconds", 0.0),
            train_loss=record.get("train_loss"),
            scores=scores,
            prompt_tokens=self._prompt_tokens(adapter, base, held_out),
        )

    def tidy(self, run: Run | None = None, seed: int = 0) -> None:
        """Remove a run's adapter if no other run merges it; without a run, all adapters."""
        if run is None:
            shutil.rmtree(self._work, ignore_errors=True)
        elif not any(run.name in other.parts for other in self.experiment.runs):
            shutil.rmtree(self._place(run, seed), ignore_errors=True)

    def _place(self, run: Run, seed: int) -> Path:
        return self._work / f"{re.sub(r'[^a-z0-9]+', '-', run.name.lower())}-{seed}"

    def _settings(self, run: Run, seed: int) -> "Settings":
        from octoplan.training.train import Settings

        given = {"base": self._base} | self.experiment.settings | run.settings
        if start := run.start or run.mistakes:
            given["start"] = str(self._place(self._named(start), seed))
            given["mistakes"] = run.mistakes is not None
        return Settings(**given, seed=seed)

    def _adapter(self, run: Run, seed: int, told: Told) -> Path:
        """The folder of a run's adapter; it is made if it is not there."""
        from octoplan.training.merge import merge
        from octoplan.training.train import train

        place = self._place(run, seed)
        if (place / "octoplan.json").exists():
            return place
        if run.merge:
            parts = [self._adapter(self._named(name), seed, told) for name in run.merge]
            place.mkdir(parents=True, exist_ok=True)
            told(0, len(parts), "merging")
            merge(parts, place, run.method)
            return place
        if run.of:
            from octoplan.training.difference import difference

            whole = self._adapter(self._named(run.of), seed, told)
            told(0, 1, "decomposing")
            difference(whole, place, self._settings(run, seed).rank)
            return place
        if run.start:
            self._adapter(self._named(run.start), seed, told)
        settings, learned = self._settings(run, seed), self._learned(run, seed)
        wrong = self._mistakes(run, seed, learned, told) if run.mistakes else None
        place.mkdir(parents=True, exist_ok=True)
        # Nothing reads the loss on the validation examples, and it takes a fifth of the time.
        train(
            settings,
            learned,
            self._validation,
            self._functions,
            place,
            told,
            {},
            wrong,
            measure_loss=False,
        )
        return place

    def _mistakes(
        self, run: Run, seed: int, examples: list[Example], told: Told
    ) -> dict[str, tuple[Line, ...]]:
        """The wrong plans for the examples of the planner that is to learn from them."""
        planner = self._adapter(self._named(str(run.mistakes)), seed, told)
        subject = Octoplan.load(None, planner=planner)

        def planning(done: int, total: int) -> None:
            told(done, total, "looking for mistakes")

        return evaluate(subject, examples, [PlanOracle()], {}, planning, alone=False).wrong_plans()

    def _named(self, name: str) -> Run:
        return next(run for run in self.experiment.runs if run.name == name)

    def _domains(self, run: Run) -> set[str]:
        return {*run.domains, *(d for name in run.parts for d in self._domains(self._named(name)))}

    def _within(self, run: Run, examples: list[Example]) -> list[Example]:
        domains = self._domains(run)
        return [e for e in examples if domains.issuperset(e.domains)] if domains else examples

    def _learned(self, run: Run, seed: int) -> list[Example]:
        """What a run learns from: drawn by the seed, nothing that is nearly held out."""
        examples = self._within(run, self._examples)
        if run.mistakes:
            known = {each.id for each in self._learned(self._named(run.mistakes), seed)}
            examples = [example for example in examples if example.id not in known]
        if run.examples is not None:
            if run.examples > len(examples):
                raise ExperimentError(
                    f"there are {len(examples)} training examples, fewer than {run.examples}"
                )
            examples = random.Random(seed).sample(examples, run.examples)
        return without_held_out(examples, self._validation)[0]

    def _held_out(self, run: Run) -> list[Example]:
        examples = self._within(run, self._validation)
        if self._sample is None or self._sample >= len(examples):
            return examples
        if self._domains(run):
            return drawn_by(examples, self._sample, 0, by=("domains",))
        return random.Random(0).sample(examples, self._sample)

    def _prompt_tokens(self, adapter: Path, base: str, held_out: Sequence[Example]) -> float:
        from octoplan.training.base import load_tokenizer

        planner = Adapter.load(adapter, "planner")
        tokenizer = load_tokenizer(find_base(base))
        prompts = [planner.planner_prompt(example.query) for example in held_out]
        return round(sum(map(len, tokenizer(prompts)["input_ids"])) / len(prompts), 1)


def _files(patterns: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        files = sorted(Path().glob(pattern))
        if not files:
            raise ExperimentError(f"there is no {pattern} here; run this in a checkout of octoplan")
        found += files
    return found
