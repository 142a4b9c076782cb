"""The commands around models: ``octoplan functions``, ``models``, ``train`` and ``merge``.

octoplan functions android my_functions.py
octoplan train planner --data data/train --validation data/validation --out my_planner
"""

import random
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from octoplan.cli.app import (
    ActionFolder,
    AsJson,
    Base,
    CommandError,
    app,
    check_data,
    examples_of,
    needs,
    progress_bar,
    status,
)
from octoplan.models.adapters import Adapter, MergeMethod
from octoplan.models.bases import BASES, DEFAULT_BASE, BaseError, find_base
from octoplan.training.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from octoplan.functions import FunctionSet
    from octoplan.plans import Example, Line


@app.command(epilog="[b]Example:[/] octoplan functions android my_functions.py")
def functions(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET|FILE",
            help="Sets that ship, .py, .json or .yaml files, MCP servers, or all.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the function sets, or the functions of some; a file is checked as it is read.

    With --json they are written in the OpenAI tools format.
    """
    from rich.console import Console

    from octoplan.display import show_function_sets, show_functions, write_json
    from octoplan.functions import load_function_set, load_function_sets, shipped_function_sets

    console = Console(highlight=False)
    if as_json:
        typer.echo(write_json(load_function_sets(",".join(sources or ["all"])).to_openai(), 2))
    elif sources:
        show_functions(load_function_sets(",".join(sources)), console)
    else:
        show_function_sets(map(load_function_set, shipped_function_sets()), console)


@app.command(epilog="[b]Example:[/] octoplan models --json")
def models(as_json: AsJson = False) -> None:
    """List the bases by name and the adapters that ship: what is installed, where, how large."""
    from rich.console import Console

    from octoplan.display import show_models, write_json

    found = {
        "bases": [_base(name) for name in BASES],
        "adapters": [_adapter("planner"), _adapter("action")],
    }
    if as_json:
        typer.echo(write_json(found, indent=2))
    else:
        show_models(found, Console(highlight=False))


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan train planner --data data/train --validation data/validation "
    "--out my_planner",
)
def train(
    role: Annotated[
        Literal["planner", "action"], typer.Argument(help="Which model to make of the base.")
    ],
    data: Annotated[
        list[Path], typer.Option(metavar="FILE|DIR", help="What to learn; may be given again.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the adapter goes.")],
    validation: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE|DIR", help="What to measure the loss on; may be given again."),
    ] = None,
    function_sets: Annotated[
        str,
        typer.Option("--functions", metavar="all|NAME|FILE", help="The functions of the data."),
    ] = "all",
    base: Base = DEFAULT_BASE,
    method: Annotated[
        Literal["lora", "full"] | None, typer.Option(help="LoRA, or all weights.")
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="LoRA's rank.")] = None,
    alpha: Annotated[float | None, typer.Option(help="LoRA's alpha.")] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate.")] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An adapter to train on from.")
    ] = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="What octoplan evaluate wrote of the planner --start on examples of --data: it "
            "learns to prefer their plans to its own wrong ones.",
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="An action model to be merged with; may be given again."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often to learn the data.")] = None,
    augment: Annotated[
        bool | None, typer.Option(help="Swap values and join requests, anew in each epoch.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="For the order of the data.")] = None,
) -> None:
    """Fine-tune the planner or the action model on your own data.

    What is left out, from --method on, suits a planner. Started again after an interruption, with
    the same settings, it goes on from its last checkpoint.
    """
    from octoplan.functions import load_function_sets

    known = load_function_sets(function_sets)
    examples, data_files = examples_of(data)
    held_out, validation_files = examples_of(validation or [])
    check_data(examples, held_out, known)
    if out.exists() and {path.name for path in out.iterdir()} - {"checkpoints"}:
        raise CommandError(f"{out} is not empty; name another folder, or move it away")
    find_base(base)
    chosen: dict[str, Any] = dict(
        role=role, base=base, method=method, rank=rank, alpha=alpha, lr=lr
    )
    chosen |= dict(epochs=epochs, augment=augment, batch_size=batch_size, seed=seed)
    chosen |= dict(start=start and str(start), beside=[str(each) for each in beside or ()])
    chosen |= dict(mistakes=mistakes is not None)
    provenance = {
        "command": shlex.join(["octoplan", *sys.argv[1:]]),
        "data": data_files | validation_files,
    }
    wrong = _wrong_plans(mistakes, start) if mistakes else None
    left_out = _train(chosen, examples, held_out, known, out, provenance, wrong)
    if not is_first():
        return
    if left_out:
        typer.echo(f"not learned, nearly the same as held-out data: {', '.join(left_out)}")
    typer.echo(f"wrote the {role} adapter to {out}")


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan merge my/android my/travel --out my/both --method cat",
)
def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="The adapters: two or more of one role.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the merged adapter goes.")],
    method: Annotated[
        MergeMethod, typer.Option(help="How: cat adds them exactly; the others are PEFT's.")
    ] = "cat",
    weight: Annotated[
        list[float] | None,
        typer.Option(help="A part's weight; give one for each, in order. Equal where left out."),
    ] = None,
    density: Annotated[
        float, typer.Option(min=0, max=1, help="The share of values that is kept.")
    ] = 0.5,
    search: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Choose method and weights by what is right on these examples; may be given "
            "again.",
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="So many examples of --search, drawn at random.")
    ] = 100,
    action: ActionFolder = None,
) -> None:
    """Merge adapters into one that knows the functions of all of them.

    Action models can be merged if none was trained with another's functional tokens: see --beside
    of octoplan train.
    """
    from octoplan.plans import read_examples

    if len(parts) < 2:
        raise typer.BadParameter("give the folders of two adapters or more")
    if weight and len(weight) != len(parts):
        raise typer.BadParameter(f"{len(parts)} adapters, but {len(weight)} weights")
    if out.exists() and any(out.iterdir()):
        raise CommandError(f"{out} is not empty; name another folder, or move it away")
    needs("trl", extra="train")
    with status("loading PyTorch"):
        from octoplan.training.merge import merge as merged
        from octoplan.training.merge import search as best_of
    if search:
        needs("openai", "scipy", extra="evaluate")
        found = list(read_examples(search))
        examples = random.Random(0).sample(found, min(sample, len(found)))
        with status("merging and measuring"):
            for tried in best_of(parts, out, examples, action):
                weights = ", ".join(f"{each:g}" for each in tried.weights)
                typer.echo(f"{tried.method} ({weights}): {tried.right}")
    else:
        with status("merging"):
            merged(parts, out, method, weight, density)
    typer.echo(f"wrote the merged adapter to {out}")


def _base(name: str) -> dict[str, Any]:
    path, problem = None, None
    try:
        path = find_base(name).gguf
    except BaseError as error:
        problem = str(error)
    return {
        "name": name,
        "description": BASES[name].description,
        "installed": path is not None,
        "path": path and str(path),
        "size": path and path.stat().st_size,
        "problem": problem,
    }


def _adapter(role: Literal["planner", "action"]) -> dict[str, Any]:
    from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter

    found: dict[str, Any] = dict.fromkeys(("path", "functions", "base", "size", "problem"))
    try:
        adapter = Adapter.load(shipped_adapter(role), role)
        found |= {"path": str(adapter.folder), "base": adapter.base}
        found |= {"functions": len(adapter.functions), "size": adapter.gguf.stat().st_size}
    except AdapterError as error:
        found["problem"] = str(error)
    except OSError as error:
        found["problem"] = f"{error.filename}: {error.strerror}; install octoplan again"
    return {"role": role} | found


def _wrong_plans(path: Path, start: Path | None) -> "Mapping[str, Sequence[Line]]":
    """The wrong plans of an evaluation, which must be of the planner to train on from."""
    needs("scipy", extra="evaluate")
    from octoplan.evaluation.evaluate import Evaluation, EvaluationError

    if start is None:
        raise CommandError("--mistakes are those of a planner; name it with --start")
    try:
        found = Evaluation.load(path)
    except EvaluationError as error:
        raise CommandError(str(error)) from error
    if Adapter.load(start, "planner").digest not in found.about["subject"].values():
        raise CommandError(f"{path} is of another planner than {start}; evaluate this one")
    return found.wrong_plans()


def _train(
    chosen: dict[str, Any],
    examples: list["Example"],
    validation: list["Example"],
    known: "FunctionSet",
    out: Path,
    provenance: dict[str, Any],
    wrong: "Mapping[str, Sequence[Line]] | None",
) -> list[str]:
    """Train, with a progress bar; the ids of the examples that were left out."""
    from pydantic import ValidationError

    with status("loading PyTorch"):
        try:
            from octoplan.training.train import Settings
            from octoplan.training.train import train as fine_tune
        except ModuleNotFoundError as error:
            needed = "training needs more packages: pip install 'octoplan[train]'"
            raise CommandError(needed) from error
    try:
        settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}: " if first["loc"] else ""
        raise CommandError(option + first["msg"].removeprefix("Value error, ")) from error
    with progress_bar("loading the base") as show:
        try:
            record = fine_tune(settings, examples, validation, known, out, show, provenance, wrong)
        except ValueError as error:
            raise CommandError(f"cannot train: {error}") from error
    left_out: list[str] = record["left_out"]
    return left_out
