"""The command ``octoplan``: one command a verb.

    octoplan run "set the brightness to 80 and text Grandma that I'm on my way"
    octoplan plan --input requests.jsonl --output plans.jsonl
    octoplan --help

What a user can mend ends in one line on stderr and exit code 2; a request that failed on the device
in exit code 1; Ctrl-C in 130. Only what a command needs is imported, when it runs.
"""

import hashlib
import io
import shlex
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from octoplan import __version__
from octoplan.models.bases import BASES, DEFAULT_BASE, BaseError, find_base

if TYPE_CHECKING:
    from octoplan.agent import Agent
    from octoplan.devices import Device
    from octoplan.functions import FunctionSet
    from octoplan.plans import Example, Step


class CommandError(Exception):
    """What a command was given cannot be used; one line that says what to do."""


class _Commands(TyperGroup):
    """The commands; what goes wrong in one, and can be mended, is told in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("stopped; nothing more was done", err=True)
            raise typer.Exit(130) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            typer.echo(f"error: {message}", err=True)
            raise typer.Exit(2) from error


def _message(error: Exception) -> str | None:
    """What to tell of an expected error; None for an unexpected one."""
    from octoplan.devices import DeviceError
    from octoplan.functions import FunctionError
    from octoplan.models.adapters import AdapterError
    from octoplan.models.engine import EngineError
    from octoplan.planner import RequestError
    from octoplan.plans import PlanError, one_line

    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}; check the path")
    of_models = (RequestError, BaseError, AdapterError, EngineError)
    expected = (CommandError, FunctionError, PlanError, DeviceError, OSError, *of_models)
    return one_line(str(error)) if isinstance(error, expected) else None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog='[b]Example:[/] octoplan run "turn on do not disturb and set an alarm for 7 am"',
)

Request = Annotated[str | None, typer.Argument(metavar="REQUEST", help="What is to be done.")]
Base = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="The base: a name, or the path of a .gguf file.")
]
PlannerFolder = Annotated[
    Path | None,
    typer.Option("--planner", metavar="DIR", help="The planner adapter, if not the shipped one."),
]
ActionFolder = Annotated[
    Path | None,
    typer.Option("--action", metavar="DIR", help="The action adapter, if not the shipped one."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores where left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON value to stdout.")]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help='Requests instead of one: a line of {"id": …, "query": …} each; - is stdin.',
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="FILE", help="Where the answers to --input go; - or none is stdout."
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"octoplan {__version__}")
        raise typer.Exit()


@app.callback()
def octoplan(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Carry out requests on a device, offline: plan, act, observe."""


@app.command(
    no_args_is_help=True,
    epilog='[b]Example:[/] octoplan run "book a table for two and text Ana" --device phone.db',
)
def run(
    request: Request = None,
    device: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The simulated device, an SQLite file that is kept between runs; "
            "a new one in memory, for every request, where left out.",
        ),
    ] = None,
    base: Base = DEFAULT_BASE,
    planner: PlannerFolder = None,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
    requests: Input = None,
    output: Output = None,
) -> None:
    """Carry out a request on the simulated phone and home.

    Exit code 1 means that a step failed on the device.
    """
    from rich.console import Console

    from octoplan.agent import Run
    from octoplan.batch import answer_all, read_requests
    from octoplan.devices.simulated import SimulatedDevice
    from octoplan.display import show_run, tell_answer, tell_run, write_json

    _one_of(request, requests, output)
    path = device or ":memory:"
    if requests is not None:
        lines = read_requests(requests, output)
        with _load(base, planner, action, threads) as agent:

            def answer(query: str) -> dict[str, Any]:
                with SimulatedDevice(path) as agent.device:
                    return tell_answer(agent.run(query))

            answer_all(lines, output, answer)
    if request is not None:
        this = Run(request)
        with (
            SimulatedDevice(path) as opened,
            _load(base, planner, action, threads, opened) as agent,
            closing(agent.stream(request, this)) as events,
        ):
            if as_json:
                deque(events, maxlen=0)
                typer.echo(write_json(tell_run(this), indent=2))
            else:
                show_run(events, this, Console(highlight=False))
        if this.ended is not None and this.ended.status == "failed":
            raise typer.Exit(1)


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan plan --input requests.jsonl --output plans.jsonl",
)
def plan(
    request: Request = None,
    base: Base = DEFAULT_BASE,
    planner: PlannerFolder = None,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
    requests: Input = None,
    output: Output = None,
) -> None:
    """Plan a request and turn each step into a call, without carrying anything out."""
    from rich.console import Console

    from octoplan.batch import answer_all, read_requests
    from octoplan.display import show_plan, tell_plan, write_json

    _one_of(request, requests, output)
    if requests is not None:
        lines = read_requests(requests, output)
        with _load(base, planner, action, threads) as agent:
            answer_all(lines, output, lambda query: tell_plan(agent.plan(query)))
    if request is not None:
        with _load(base, planner, action, threads) as agent, _status("planning"):
            this = agent.plan(request)
        if as_json:
            typer.echo(write_json({"request": request} | tell_plan(this), indent=2))
        else:
            show_plan(this, Console(highlight=False))


@app.command(
    no_args_is_help=True,
    epilog='[b]Example:[/] octoplan act "Email it to Bob" --earlier "Find the sales report"',
)
def act(
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step's text.")],
    earlier: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="A step before it; give it again for each, in order."),
    ] = None,
    base: Base = DEFAULT_BASE,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Turn one step into one call."""
    from octoplan.action import ActionModel
    from octoplan.display import write_call, write_json
    from octoplan.models.adapters import Adapter, shipped_adapter
    from octoplan.models.llamacpp import LlamaCpp

    steps = [_step(text) for text in (*(earlier or ()), step)]
    adapter = Adapter.load(action or shipped_adapter("action"), "action")
    with _status("loading the model"):
        model = ActionModel(LlamaCpp(find_base(base), [adapter], threads), adapter)
    for number, this in enumerate(steps):
        made = model.act(this.text, steps[:number])
        if made.call is None:
            raise CommandError(f"no call for {this.text!r}: {'; '.join(made.problems)}")
        steps[number] = this.model_copy(update=made.call.model_dump())
    assert made.call is not None
    if as_json:
        numbers = {"confidence": round(made.confidence, 4), "seconds": round(made.seconds, 3)}
        typer.echo(write_json(steps[-1].model_dump() | numbers, indent=2))
    else:
        typer.echo(f"{write_call(made.call)}  ({made.seconds:.2f} s, {made.confidence:.0%})")


@app.command(epilog="[b]Example:[/] octoplan functions android my_functions.py")
def functions(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SET|FILE", help="A set that ships, a .json or .py file, or all."),
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
    epochs: Annotated[int | None, typer.Option(min=1, help="How often to learn the data.")] = None,
    augment: Annotated[
        bool | None, typer.Option(help="Swap values and join requests, anew in each epoch.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="For the order of the data.")] = None,
) -> None:
    """Fine-tune the planner or the action model on your own data.

    What is left out, from --method on, is as for the adapters that ship. Started again after an
    interruption, with the same settings, it goes on from its last checkpoint.
    """
    from octoplan.functions import load_function_sets

    known = load_function_sets(function_sets)
    examples, data_files = _examples(data)
    held_out, validation_files = _examples(validation or [])
    _check_data(examples, held_out, known)
    if out.exists() and {path.name for path in out.iterdir()} - {"checkpoints"}:
        raise CommandError(f"{out} is not empty; name another folder, or move it away")
    find_base(base)
    chosen: dict[str, Any] = dict(
        role=role, base=base, method=method, rank=rank, alpha=alpha, lr=lr
    )
    chosen |= dict(epochs=epochs, augment=augment, batch_size=batch_size, seed=seed)
    chosen["start"] = start and str(start)
    provenance = {
        "command": shlex.join(["octoplan", *sys.argv[1:]]),
        "data": data_files | validation_files,
    }
    left_out = _train(chosen, examples, held_out, known, out, provenance)
    if left_out:
        typer.echo(f"not learned, nearly the same as held-out data: {', '.join(left_out)}")
    typer.echo(f"wrote the {role} adapter to {out}")


# ---------------------------------------------------------------- requests and answers


def _status(text: str) -> Any:
    """A spinner on stderr, where that is a terminal."""
    from rich.console import Console

    return Console(stderr=True).status(text)


def _load(
    base: str,
    planner: Path | None,
    action: Path | None,
    threads: int | None,
    device: "Device | None" = None,
) -> "Agent":
    from octoplan.agent import Agent

    with _status("loading the models"):
        return Agent.load(base, planner, action, device, threads)


def _step(text: str) -> "Step":
    from pydantic import ValidationError

    from octoplan.planner import MAX_REQUEST, RequestError
    from octoplan.plans import PlanError, Step

    if len(text) > MAX_REQUEST:
        raise RequestError(f"a step has at most {MAX_REQUEST} characters, not {len(text)}")
    try:
        return Step(text=text)
    except ValidationError as error:
        problem = error.errors()[0]["ctx"]["error"]
        raise PlanError(f"{problem}; say what is to be done, in a few words") from error


def _one_of(request: str | None, requests: str | None, output: str | None) -> None:
    if (request is None) == (requests is None):
        raise typer.BadParameter("give either a REQUEST or --input FILE")
    if output is not None and requests is None:
        raise typer.BadParameter("--output goes with --input")


# ---------------------------------------------------------------- models and training


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


def _examples(paths: Sequence[Path]) -> tuple[list["Example"], dict[str, Any]]:
    """All examples of some files and folders, and what each file is (for the adapter's card)."""
    from octoplan.plans import read_examples

    examples: list[Example] = []
    files: dict[str, Any] = {}
    for given in paths:
        for path in sorted(given.glob("*.jsonl")) or [given]:
            read = list(read_examples([path]))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            files[str(path)] = {"sha256": digest, "examples": len(read)}
            examples += read
    return examples, files


def _check_data(
    examples: Sequence["Example"], validation: Sequence["Example"], known: "FunctionSet"
) -> None:
    from octoplan.plans import PlanError, Step

    for example in (*examples, *validation):
        lines = [*example.steps, *(line for branch in example.branches for line in branch.steps)]
        for line in lines:
            if isinstance(line, Step) and line.function and line.function not in known:
                raise PlanError(
                    f"{example.id}: there is no function {line.function!r} in {known.name}; "
                    "correct the data, or give the functions it uses with --functions"
                )


def _train(
    chosen: dict[str, Any],
    examples: list["Example"],
    validation: list["Example"],
    known: "FunctionSet",
    out: Path,
    provenance: dict[str, Any],
) -> list[str]:
    """Train, with a progress bar; the ids of the examples that were left out."""
    from pydantic import ValidationError
    from rich.console import Console
    from rich.progress import Progress

    with _status("loading PyTorch"):
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
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_interactive) as progress:
        task = progress.add_task("loading the base", total=None)

        def show(done: int, total: int, text: str) -> None:
            progress.update(task, completed=done, total=total, description=text or "training")

        try:
            record = fine_tune(settings, examples, validation, known, out, show, provenance)
        except ValueError as error:
            raise CommandError(f"cannot train: {error}") from error
    left_out: list[str] = record["left_out"]
    return left_out


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="octoplan")


if __name__ == "__main__":
    main()
