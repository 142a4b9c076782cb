"""What all commands share: the application, its errors, and the options that many take.

What a user can mend ends in one line on stderr and exit code 2; a request that failed on the device
in exit code 1; Ctrl-C in 130. Only what a command needs is imported, when it runs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args

import typer
from typer.core import TyperGroup

from octoplan import __version__
from octoplan.models.bases import BaseError
from octoplan.training.processes import is_first, processes

if TYPE_CHECKING:
    from octoplan.functions import FunctionSet
    from octoplan.loading import Folders
    from octoplan.packages import Package
    from octoplan.plans import Example
    from octoplan.policy import Policy
    from octoplan.workers import Workers


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
    from octoplan.journal import JournalError
    from octoplan.models.adapters import AdapterError
    from octoplan.models.engine import EngineError
    from octoplan.planner import RequestError
    from octoplan.plans import PlanError, one_line
    from octoplan.policy import PolicyError

    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}; check the path")
    of_models = (RequestError, BaseError, AdapterError, EngineError)
    of_runs = (PlanError, DeviceError, JournalError, PolicyError)
    expected = (CommandError, FunctionError, OSError, *of_runs, *of_models)
    return one_line(str(error)) if isinstance(error, expected) else None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog='[b]Example:[/] octoplan run "turn on do not disturb and set an alarm for 7 am"',
)

Base = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="The base: a name, or the path of a .gguf file.")
]
BaseOf = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="NAME|FILE",
        help="The base, if not the one that the adapters name: a name, or the path of a .gguf "
        "file.",
    ),
]
PlannerFolder = Annotated[
    list[Path] | None,
    typer.Option(
        "--planner",
        metavar="DIR",
        help="The planner adapter, if not the shipped one. Given again, each plans what is of its "
        "domain.",
    ),
]
ActionFolder = Annotated[
    list[Path] | None,
    typer.Option(
        "--action",
        metavar="DIR",
        help="The action adapter, if not the shipped one. Given again, each reads its steps.",
    ),
]
AgentNames = Annotated[
    list[str] | None,
    typer.Option(
        "--agent",
        metavar="NAME|DIR",
        help="An agent package, instead of the one that ships with those that are installed; may "
        "be given again.",
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores where left out.")]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal", metavar="FILE", help="Where runs are recorded, if not in your state folder."
    ),
]
Confirmation = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        metavar="always|destructive|never",
        help="Which calls are asked about; destructive ones where neither this nor the config "
        "file says.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Make destructive calls too without being asked.")
]
NoInput = Annotated[
    bool,
    typer.Option("--no-input", help="Ask nothing: a run that has a question ends with it."),
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The policy, if not config.toml in your config folder."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="HOST:PORT|auto|local",
        help="Let the machines of a Ray cluster do it: the one there, the one that this machine "
        "belongs to, or one of this machine alone.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON value to stdout.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"octoplan {__version__}")
        raise typer.Exit()


@app.callback()
def octoplan(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Carry out requests on a device, offline: plan, act, observe."""
    if processes() > 1 and context.invoked_subcommand != "train":
        raise CommandError("only octoplan train runs in several processes; start this one alone")


def policy_of(config: Path | None, confirm: str | None) -> "Policy":
    """The policy of the config file, with what the command line says instead."""
    from octoplan.policy import Confirm, Policy

    policy = Policy.load(config)
    if confirm is not None:
        if confirm not in get_args(Confirm):
            raise typer.BadParameter("--confirm takes always, destructive or never")
        policy = policy.model_copy(update={"confirm": confirm})
    return policy


class Models(NamedTuple):
    """The models that a command was told to use.

    Attributes:
        planner, action: the folders of their adapters; what ships where None.
        packages: the agent packages that they are of, if they are.
    """

    planner: "Folders" = None
    action: "Folders" = None
    packages: tuple["Package", ...] = ()


def models_of(
    agents: list[str] | None, planner: list[Path] | None, action: list[Path] | None
) -> Models:
    """The agent packages that are given, or the adapters; else all packages that there are."""
    from octoplan.packages import find_packages, installed_names

    if planner or action:
        if agents:
            raise typer.BadParameter("give either --agent, or --planner and --action")
        return Models(planner, action)
    if not agents and not installed_names():
        return Models()
    packages = find_packages(agents or ())
    return Models(
        [package.planner.folder for package in packages],
        [package.action.folder for package in packages],
        tuple(packages),
    )


def needs(*packages: str, extra: str) -> None:
    """Make sure that the packages of an extra are installed."""
    for package in packages:
        if find_spec(package) is None:
            raise CommandError(f"{package} is missing: pip install 'octoplan[{extra}]'")


@contextmanager
def workers_of(ray: str | None) -> "Iterator[Workers]":
    """The machines of a Ray cluster, which is left afterwards; threads of this process if none."""
    from octoplan.workers import THREADS, Cluster

    if ray is None:
        yield THREADS
        return
    needs("ray", "pyarrow", "pandas", extra="ray")
    with status("joining the Ray cluster"):
        cluster = Cluster(ray)
    with cluster:
        yield cluster


def status(text: str) -> Any:
    """A spinner on stderr, where that is a terminal."""
    from rich.console import Console

    return Console(stderr=True).status(text)


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[..., None]]:
    """A bar on stderr, where that is a terminal; yields ``show(done, total, text)``.

    Args:
        text: what is under way at first.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not (console.is_interactive and is_first())) as bar:
        task = bar.add_task(text, total=None)

        def show(done: int, total: int, text: str = text) -> None:
            bar.update(task, completed=done, total=total, description=text)

        yield show


def examples_of(paths: Sequence[Path]) -> tuple[list["Example"], dict[str, Any]]:
    """All examples of some files and folders, and what each file is (for the adapter's card)."""
    from octoplan.plans import fingerprint, read_examples

    return list(read_examples(paths)), fingerprint(paths)


def check_data(
    examples: Sequence["Example"], validation: Sequence["Example"], known: "FunctionSet"
) -> None:
    """Make sure that all functions of the data are known."""
    from octoplan.plans import PlanError, Step

    for example in (*examples, *validation):
        lines = [*example.steps, *(line for branch in example.branches for line in branch.steps)]
        for line in lines:
            if isinstance(line, Step) and line.function and line.function not in known:
                raise PlanError(
                    f"{example.id}: there is no function {line.function!r} in {known.name}; "
                    "correct the data, or give the functions it uses with --functions"
                )
