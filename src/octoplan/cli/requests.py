"""The commands that carry requests out: ``octoplan run``, ``plan`` and ``act``.

octoplan run "set the brightness to 80 and text Grandma that I'm on my way"
octoplan plan --input requests.jsonl --output plans.jsonl
octoplan act "Email it to Bob" --earlier "Find the sales report"
"""

from collections import deque
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octoplan.cli.app import (
    ActionFolder,
    AsJson,
    Base,
    CommandError,
    PlannerFolder,
    Threads,
    app,
    status,
)
from octoplan.models.bases import DEFAULT_BASE

if TYPE_CHECKING:
    from octoplan.agent import Agent
    from octoplan.devices import Device
    from octoplan.plans import Step

Request = Annotated[str | None, typer.Argument(metavar="REQUEST", help="What is to be done.")]
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
        with _load(base, planner, action, threads) as agent, status("planning"):
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
    from octoplan.models.llamacpp import load_engines

    steps = [_step(text) for text in (*(earlier or ()), step)]
    adapter = Adapter.load(action or shipped_adapter("action"), "action")
    with status("loading the model"):
        model = ActionModel(load_engines(base, [adapter], threads)[0], adapter)
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


def _load(
    base: str,
    planner: Path | None,
    action: Path | None,
    threads: int | None,
    device: "Device | None" = None,
) -> "Agent":
    from octoplan.agent import Agent

    with status("loading the models"):
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
