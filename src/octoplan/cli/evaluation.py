"""The commands that measure: ``octoplan evaluate``, ``benchmark`` and ``experiment``.

octoplan evaluate data/validation --out results/mine
octoplan evaluate --compare results/a results/b
octoplan benchmark data/validation --against data/train
octoplan experiment full-vs-lora --sample 100
"""

import random
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octoplan.cli.app import (
    ActionFolder,
    AsJson,
    Base,
    BaseOf,
    CommandError,
    PlannerFolder,
    Ray,
    Threads,
    app,
    check_data,
    examples_of,
    needs,
    progress_bar,
    status,
    workers_of,
)
from octoplan.models.bases import DEFAULT_BASE

if TYPE_CHECKING:
    from octoplan.evaluation.benchmark import Report
    from octoplan.evaluation.evaluate import Evaluation, Subject
    from octoplan.evaluation.oracles import Oracle
    from octoplan.functions import FunctionSet

_PARALLEL = 4

Data = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE|DIR", help="Data files, or folders of them.")
]
Functions = Annotated[
    str, typer.Option("--functions", metavar="all|NAME|FILE", help="The functions of the data.")
]


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan evaluate data/validation --sample 100 --out results/mine",
)
def evaluate(
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where evaluation.json, .md and .html go; a new folder."),
    ] = None,
    base: BaseOf = None,
    planner: PlannerFolder = None,
    action: ActionFolder = None,
    threads: Threads = None,
    function_sets: Functions = "all",
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many examples, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For the sample.")] = 0,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Evaluate a large model instead, behind this OpenAI-compatible endpoint; "
            "the key is read from OPENAI_API_KEY.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The large model's name there.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Let a large model behind this endpoint judge as well."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's name there.")] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FILE",
            help="Write how sure these models may be of their answers, as measured here.",
        ),
    ] = None,
    compared: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="DIR DIR",
            help="Test whether two evaluations differ (McNemar), instead of making one.",
        ),
    ] = None,
    ray: Ray = None,
    as_json: AsJson = False,
) -> None:
    """Measure a planner and an action model on data files, by several oracles.

    What is right is decided by the sequence of functions, by every argument, by arguments that say
    the same in other words, by carrying both plans out on the simulated device, and by a judge.
    """
    from octoplan.display import write_json

    needs("datasketch", "matplotlib", "openai", "rapidfuzz", "scipy", extra="evaluate")
    if compared is not None:
        _compare(compared, as_json)
        return
    if not data:
        raise typer.BadParameter("give data to evaluate on, or --compare DIR DIR")
    if (server is None) != (model is None) or (judge is None) != (judge_model is None):
        raise typer.BadParameter("--server goes with --model, and --judge with --judge-model")
    if out is None and not as_json:
        raise typer.BadParameter("say where the results go with --out DIR, or give --json")
    if calibration is not None and server is not None:
        raise typer.BadParameter("--calibrate is for octoplan's own models; leave --server out")
    if calibration is not None and max(len(planner or ()), len(action or ())) > 1:
        raise typer.BadParameter("--calibrate is for one planner and one action model")
    if out is not None and out.exists():
        raise CommandError(f"{out} exists; name another folder, or move it away")
    from octoplan.evaluation import calibration as calibrating
    from octoplan.evaluation.evaluate import Octoplan
    from octoplan.evaluation.evaluate import evaluate as put_to
    from octoplan.evaluation.report import write
    from octoplan.functions import load_function_sets

    known = load_function_sets(function_sets)
    examples, files = examples_of(data)
    check_data(examples, (), known)
    if sample is not None and sample < len(examples):
        examples = random.Random(seed).sample(examples, sample)
    if calibration is not None and len(examples) < calibrating.FEWEST:
        raise CommandError(f"a calibration takes {calibrating.FEWEST} examples; give more data")
    subject: Subject
    if server is not None and model is not None:
        subject, named = _large_model(model, server, known)
    else:
        with status("loading the models"):
            subject = Octoplan.load(base, planner, action, threads, _PARALLEL)
        named = subject.named
    about: dict[str, Any] = {
        "command": shlex.join(["octoplan", *sys.argv[1:]]),
        "subject": named,
        "data": {name: file["sha256"] for name, file in files.items()},
        "sample": f"{len(examples)} examples" + ("" if sample is None else f", seed {seed}"),
    }
    with workers_of(ray) as workers, progress_bar("evaluating") as show:
        judged_by = _oracles(known, judge, judge_model)
        made = put_to(subject, examples, judged_by, about, show, workers=workers)
    if calibration is not None:
        assert isinstance(subject, Octoplan)
        found = subject.calibration(made)
        calibration.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if out is not None:
        write(made, out)
    if as_json:
        typer.echo(write_json(made.model_dump(mode="json"), indent=2))
    else:
        _show(made, out)


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan benchmark data/validation --against data/train",
)
def benchmark(
    data: Annotated[list[Path], typer.Argument(metavar="FILE|DIR", help="The benchmark's files.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE|DIR", help="Training data, which it must not be alike to."),
    ] = None,
    function_sets: Functions = "all",
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many, spread over steps and domains, to --out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the sample goes; a new file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For the sample.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Check a benchmark: its rules, the order of its plans, duplicates; or draw a sample of it.

    A fault is no error: what is found is told, and the exit code is 0.
    """
    from octoplan.display import write_json
    from octoplan.evaluation.benchmark import report
    from octoplan.evaluation.benchmark import sample as draw
    from octoplan.functions import load_function_sets
    from octoplan.plans import write_example

    needs("datasketch", "matplotlib", "openai", "rapidfuzz", "scipy", extra="evaluate")
    if (sample is None) != (out is None):
        raise typer.BadParameter("--sample N goes with --out FILE")
    if out is not None and out.exists():
        raise CommandError(f"{out} exists; name another file, or move it away")
    known = load_function_sets(function_sets)
    examples, _ = examples_of(data)
    training, _ = examples_of(against or [])
    if sample is not None and out is not None:
        drawn = draw(examples, sample, seed)
        lines = [f"{write_example(example)}\n" for example in drawn]
        out.write_text("".join(lines), encoding="utf-8")
        typer.echo(f"wrote {len(drawn)} examples to {out}")
        return
    with status("checking"):
        found = report(examples, known, training)
    if as_json:
        typer.echo(write_json(found.model_dump(), indent=2))
    else:
        _show_benchmark(found)


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan experiment full-vs-lora --sample 100",
)
def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="An experiment that ships, or a TOML file.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = Path(
        "experiments/results"
    ),
    base: Base = DEFAULT_BASE,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Measure on so many validation examples.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--run", help="Do this run only; may be given again.")
    ] = None,
) -> None:
    """Train and measure what a table of the paper compares; started again, it goes on.

    Each run is written to NAME.json, .md and .png in the folder of the results as it is done. Run
    it in a checkout of octoplan, whose data it takes.
    """
    from octoplan.experiments.experiment import run_experiment
    from octoplan.experiments.table import table

    needs("datasketch", "matplotlib", "openai", "rapidfuzz", "scipy", extra="evaluate")
    needs("trl", extra="train")
    command = shlex.join(["octoplan", *sys.argv[1:]])
    with progress_bar("reading the data") as bar:

        def show(run: str, done: int, total: int, text: str) -> None:
            bar(done, total, f"{run}: {text}")

        try:
            results = run_experiment(name, out, command, base, sample, only or (), show)
        except ValueError as error:
            raise CommandError(str(error)) from error
    typer.echo(table(results))
    typer.echo(f"wrote {out / Path(name).stem}.json, .md and .png")


def _show_benchmark(found: "Report") -> None:
    from rich.console import Console

    from octoplan.plans import one_line

    console = Console(highlight=False, markup=False, soft_wrap=True)
    unused = [name for name, count in found.functions.items() if not count]
    for title, counts in (
        ("steps", found.steps),
        ("domains", found.domains),
        ("lines", found.lines),
    ):
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        console.print(f"{title}: {told}")
    for id_, faults in found.faults.items():
        for fault in faults:
            console.print(f"fault in {id_}: {one_line(fault)}")
    for title, pairs in (("alike", found.duplicates), ("in training", found.in_training)):
        for pair in pairs:
            likeness = "the same" if pair.exact else f"{pair.likeness:.2f}"
            console.print(f"{title} ({likeness}): {' and '.join(pair.ids)}: {pair.requests[0]}")
    console.print(
        f"{found.examples} examples, {len(found.faults)} with faults, {len(found.duplicates)} "
        f"alike to another, {len(found.in_training)} to one in training; "
        f"functions that are never called: {', '.join(unused) or 'none'}"
    )


def _large_model(
    model: str, server: str, functions: "FunctionSet"
) -> tuple["Subject", dict[str, str]]:
    from octoplan.evaluation.evaluate import LargeModel
    from octoplan.models.prompted import Endpoint, PromptedModel

    subject = LargeModel(PromptedModel(Endpoint(model, server), functions), _PARALLEL)
    return subject, {"model": model, "server": server}


def _oracles(
    functions: "FunctionSet", judge: str | None, judge_model: str | None
) -> list["Oracle"]:
    from octoplan.evaluation.oracles import oracles_of

    oracles = oracles_of(functions)
    if judge is not None and judge_model is not None:
        from octoplan.evaluation.judge import Judge
        from octoplan.models.prompted import Endpoint

        oracles.append(Judge(Endpoint(judge_model, judge), functions))
    return oracles


def _show(made: "Evaluation", out: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    oracles = list(dict.fromkeys(name for scores in made.figures.values() for name in scores))
    table = Table("requests", "n", *oracles, box=None)
    for group, scores in made.figures.items():
        count = max(score.n for score in scores.values())
        cells = (str(scores[name]) if name in scores else "" for name in oracles)
        table.add_row(group, str(count), *cells)
    Console(highlight=False).print(table)
    if out is not None:
        typer.echo(f"wrote {out / 'evaluation.html'}, .md and .json")


def _compare(folders: tuple[Path, Path], as_json: bool) -> None:
    from octoplan.display import write_json
    from octoplan.evaluation.evaluate import Evaluation, EvaluationError
    from octoplan.evaluation.report import ReportError, compare

    try:
        first, second = (Evaluation.load(folder) for folder in folders)
        found = compare(first, second)
    except (EvaluationError, ReportError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        dumped = {name: difference.model_dump() for name, difference in found.items()}
        typer.echo(write_json(dumped, indent=2))
        return
    for name, difference in found.items():
        surely = "differ" if difference.p_value < 0.05 else "do not surely differ"
        typer.echo(
            f"{name}: {difference.first} and {difference.second} of {difference.n}; "
            f"only the first right {difference.only_first}, only the second "
            f"{difference.only_second}; p = {difference.p_value:.3g}: they {surely}"
        )
