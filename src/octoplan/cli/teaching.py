"""The commands that teach an agent functions of one's own: ``octoplan learn`` and ``generate``.

octoplan learn my.py --teacher http://127.0.0.1:8080/v1 --model qwen3-32b -o my_agent
octoplan learn my.py --data my.jsonl -o my_agent
octoplan generate my.py --teacher http://127.0.0.1:8080/v1 --model qwen3-32b --out drafts.jsonl
"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octoplan.cli.app import Base, CommandError, Ray, app, needs, progress_bar, status, workers_of
from octoplan.models.bases import DEFAULT_BASE, find_base

EXAMPLES = 1000
"""So many examples a teacher writes where nothing else is said."""

if TYPE_CHECKING:
    from octoplan.data.generate import Progress
    from octoplan.functions import FunctionSet

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FUNCTIONS...", help="Sets that ship, .py, .json or .yaml files, MCP servers."
    ),
]
TeacherName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="The teacher's name on its server.")
]
TeacherUrl = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="URL",
        help="An OpenAI-compatible server; OPENAI_BASE_URL where left out.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, help="So many questions under way at once.")]
PerMinute = Annotated[int | None, typer.Option(min=1, help="At most so many questions a minute.")]
Prompts = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Holds a generate.md or variety.toml of your own, or both."),
]
Price = Annotated[
    tuple[float, float],
    typer.Option(metavar="IN OUT", help="What a million tokens cost, read and written."),
]


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan generate my_functions.py "
    "--teacher http://127.0.0.1:8080/v1 --model qwen3-32b --out drafts.jsonl",
)
def generate(
    sources: Sources,
    model: TeacherName,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the examples go, JSONL.")],
    url: TeacherUrl = None,
    examples: Annotated[
        int | None, typer.Option(min=1, help="So many examples in all; 1000 if left out.")
    ] = None,
    per_function: Annotated[
        int | None, typer.Option(min=1, help="Or about so many that use each function.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws what is asked for.")] = 0,
    concurrency: Concurrency = 8,
    per_minute: PerMinute = None,
    prompts: Prompts = None,
    price: Price = (0, 0),
    ray: Ray = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompts; nothing is asked.")
    ] = False,
) -> None:
    """Have a large teacher model write training examples for functions.

    Started again after an interruption, the same command goes on where it stopped; nothing that
    was answered is asked again. The key is OPENAI_API_KEY. See octoplan validate for what comes
    next.
    """
    needs("openai", "faker", "pyrate_limiter", extra="teach")
    from octoplan.data.orders import MEAN_STEPS

    if examples is not None and per_function is not None:
        raise typer.BadParameter("give either --examples or --per-function")
    functions, domains = _functions(sources)
    if per_function is not None:
        examples = -(-per_function * len(functions) // MEAN_STEPS)
    wanted = examples or EXAMPLES
    if dry_run:
        _show_prompts(functions, seed, prompts, wanted)
        return
    options: dict[str, Any] = dict(
        seed=seed, concurrency=concurrency, per_minute=per_minute, prompts=prompts
    )
    with workers_of(ray) as workers:
        options["workers"] = workers
        found = _generate(functions, domains, model, url, out, wanted, price, options)
    typer.echo(f"wrote {found.written} examples to {out}; {_counted(found, price)}")


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan learn my_functions.py --data my.jsonl -o my_agent",
)
def learn(
    sources: Sources,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The agent package.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Examples of your own; may be given again."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="A teacher that is to write examples."),
    ] = None,
    url: TeacherUrl = None,
    examples: Annotated[
        int, typer.Option(min=1, help="So many examples of the teacher.")
    ] = EXAMPLES,
    held_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Examples to evaluate on; a tenth of the others if left out."
        ),
    ] = None,
    base: Base = DEFAULT_BASE,
    concurrency: Concurrency = 8,
    per_minute: PerMinute = None,
    prompts: Prompts = None,
    price: Price = (0, 0),
    validate: Annotated[
        bool, typer.Option(help="Keep only examples that hold to the rules.")
    ] = True,
    evaluate: Annotated[bool, typer.Option(help="Measure on the held-out examples.")] = True,
) -> None:
    """Teach an agent functions of your own: examples, training, scores, and a package of it all.

    The examples are written by a teacher (--teacher and --model), or yours (--data), or both; the
    teacher, where there is one, judges them too. Started again, the same command goes on where it
    stopped, and does again only what more examples or other functions ask for.
    """
    if not data and model is None:
        raise typer.BadParameter("give a teacher (--teacher URL --model NAME), or --data FILE")
    functions, domains = _functions(sources)
    code = [Path(source) for source in sources if source.endswith(".py")]
    servers = [source for source in sources if source.startswith(("mcp:", "http:", "https:"))]
    if len([*code, *servers]) > 1:
        raise CommandError(
            "a package has one Python file or MCP server that carries its calls out; make one of "
            "them, or an agent of each (octoplan agents add)"
        )
    needs("datasketch", "matplotlib", "openai", "rapidfuzz", "scipy", extra="evaluate")
    needs("trl", extra="train")
    find_base(base)
    files, judge = list(data or ()), None
    if model is not None:
        needs("faker", "pyrate_limiter", extra="teach")
        from octoplan.evaluation.judge import ExampleJudge
        from octoplan.models.prompted import Endpoint

        options = dict(concurrency=concurrency, per_minute=per_minute, prompts=prompts)
        drafts = out / "work" / "drafts.jsonl"
        found = _generate(functions, domains, model, url, drafts, examples, price, options)
        typer.echo(f"{found.written} examples generated; {_counted(found, price)}")
        files.append(drafts)
        judge = ExampleJudge(Endpoint(model, url, retries=6), functions)
    with status("loading PyTorch"):
        from octoplan.learn import Lesson
        from octoplan.learn import learn as taught
    lesson = Lesson(
        functions=functions,
        out=out,
        data=files,
        held_out=held_out,
        code=code[0] if code else None,
        server=servers[0] if servers else None,
        base=base,
        judge=judge,
        command=shlex.join(["octoplan", *sys.argv[1:]]),
        validate=validate,
        evaluate=evaluate,
    )
    try:
        with progress_bar("reading the examples") as show:
            made = taught(lesson, show)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if made is not None:
        for oracle, score in made.figures["all"].items():
            typer.echo(f"{oracle}: {score}")
    typer.echo(f'wrote {out}; try: octoplan run --agent {out} "…"')


def _functions(sources: list[str]) -> tuple["FunctionSet", dict[str, str]]:
    """The functions of all sources, and the domain of each."""
    from functools import reduce
    from operator import or_

    from octoplan.functions import load_function_set

    sets = [load_function_set(source) for source in sources]
    return reduce(or_, sets), {function.name: each.name for each in sets for function in each}


def _generate(
    functions: "FunctionSet",
    domains: dict[str, str],
    model: str,
    url: str | None,
    out: Path,
    examples: int,
    price: tuple[float, float],
    options: dict[str, Any],
) -> "Progress":
    """Have the teacher write examples, with a progress bar."""
    from octoplan.data.generate import generate as teach
    from octoplan.data.orders import GenerateError
    from octoplan.models.prompted import Endpoint

    teacher = Endpoint(model, url, retries=6)
    try:
        with _Live(price) as live:
            return teach(
                functions, teacher, out, examples, domains=domains, progress=live.show, **options
            )
    except GenerateError as error:
        raise CommandError(str(error)) from error


def _show_prompts(functions: "FunctionSet", seed: int, prompts: Path | None, examples: int) -> None:
    """Show the prompts of the first questions."""
    from itertools import islice

    from octoplan.data.orders import BATCH, GenerateError, orders, question

    questions = -(-examples // BATCH)
    try:
        for order in islice(orders(functions, seed, prompts), min(3, questions)):
            typer.echo(question(order, functions, prompts))
            typer.echo("=" * 80)
    except GenerateError as error:
        raise CommandError(str(error)) from error
    typer.echo(f"{questions} questions would be asked; nothing was", err=True)


def _counted(progress: "Progress", price: tuple[float, float]) -> str:
    """What was read and written, and what it cost."""
    tokens = (progress.prompt_tokens, progress.completion_tokens)
    told = f"{tokens[0]:,} tokens read, {tokens[1]:,} written"
    if any(price):
        cost = sum(count * each / 1e6 for count, each in zip(tokens, price, strict=True))
        told += f", cost {cost:.2f}"
    if progress.unread:
        told += f"; {progress.unread} could not be read"
    if progress.unanswered:
        told += f"; {progress.unanswered} questions had no answer"
    return told


class _Live:
    """A progress bar on stderr, where that is a terminal, with tokens and cost."""

    def __init__(self, price: tuple[float, float]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._price = price
        self._bar = Progress(*columns, console=console, disable=not console.is_interactive)

    def __enter__(self) -> "_Live":
        self._bar.start()
        self._task = self._bar.add_task("asking", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: "Progress") -> None:
        """Show how far it is."""
        self._bar.update(
            self._task,
            completed=progress.written,
            total=progress.wanted,
            description=_counted(progress, self._price),
        )
