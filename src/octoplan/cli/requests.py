"""The commands that carry requests out: ``octoplan run``, ``plan`` and ``act``.

octoplan run "set the brightness to 80 and text Grandma that I'm on my way"
octoplan plan --input requests.jsonl --output plans.jsonl
octoplan act "Email it to Bob" --earlier "Find the sales report"
"""

from collections import deque
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octoplan.cli.app import (
    ActionFolder,
    AgentNames,
    AsJson,
    BaseOf,
    CommandError,
    Config,
    Confirmation,
    JournalFile,
    Models,
    NoInput,
    PlannerFolder,
    Ray,
    Threads,
    Yes,
    app,
    models_of,
    needs,
    policy_of,
    status,
    workers_of,
)

if TYPE_CHECKING:
    from octoplan.agent import Agent
    from octoplan.devices import Device
    from octoplan.display import RunDisplay
    from octoplan.functions import Function
    from octoplan.journal import Journal, Record
    from octoplan.plans import Call, Step
    from octoplan.policy import Policy
    from octoplan.run import Run

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
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would happen: all is done to a copy in memory."),
    ] = False,
    yes: Yes = False,
    no_input: NoInput = False,
    confirm: Confirmation = None,
    config: Config = None,
    journal: JournalFile = None,
    base: BaseOf = None,
    agent_names: AgentNames = None,
    planner: PlannerFolder = None,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
    requests: Input = None,
    output: Output = None,
) -> None:
    """Carry out a request on the simulated phone and home.

    Calls that send, buy, book, cancel or the like are asked about first. Exit code 1 means that a
    step failed on the device or was declined; octoplan resume goes on with such a run.
    """
    from octoplan.batch import Asked, answer_all, read_requests
    from octoplan.devices.simulated import SimulatedDevice
    from octoplan.display import tell_answer
    from octoplan.packages import devices_of
    from octoplan.plans import PlanError
    from octoplan.run import Run

    _one_of(request, requests, output)
    policy = policy_of(config, confirm)
    yes = yes or dry_run
    path = device or ":memory:"
    models = models_of(agent_names, planner, action)
    lines = None if requests is None else read_requests(requests, output)
    with ExitStack() as opened:
        if dry_run:
            opened.callback(typer.echo, "a dry run: nothing was done", err=True)
        joined = opened.enter_context(devices_of(models.packages, dry_run))
        records = None if dry_run else opened.enter_context(open_journal(journal))

        def begun(query: str) -> "AbstractContextManager[Record | None]":
            return nullcontext() if records is None else records.begin(query, device)

        if lines is not None:
            agent = opened.enter_context(load_agent(base, models, threads, None, policy))

            def answer(asked: Asked) -> dict[str, Any]:
                if asked.branch is not None:
                    raise PlanError("octoplan run begins anew; plan on with octoplan plan")
                query = asked.query
                with SimulatedDevice(path, copy=dry_run) as simulated, begun(query) as record:
                    agent.device = joined(simulated)
                    policy.check(agent.device.functions)
                    return tell_answer(agent.run(query, record, CommandUser(policy, yes, record)))

            answer_all(lines, output, answer)
        if request is not None:
            simulated = opened.enter_context(SimulatedDevice(path, copy=dry_run))
            there = joined(simulated)
            policy.check(there.functions)
            agent = opened.enter_context(load_agent(base, models, threads, there, policy))
            record = opened.enter_context(begun(request))
            carry_out(agent, Run(request, record), policy, yes, no_input, as_json)


class CommandUser:
    """The user of the command line: applies a policy, and asks whoever is at the terminal.

    Args:
        yes: whether destructive calls and doubtful plans are let pass without being asked about.
        record: where decisions are recorded.
        display: asks the person; None where there is nobody to ask.
    """

    def __init__(
        self,
        policy: "Policy",
        yes: bool,
        record: "Record | None",
        display: "RunDisplay | None" = None,
    ) -> None:
        self._policy = policy
        self._yes = yes
        self._record = record
        self._display = display

    def permit(self, function: "Function", call: "Call", doubt: str | None) -> str | None:
        """See ``octoplan.user.User``."""
        from octoplan.display import write_call

        verdict = self._policy.verdict(function)
        if verdict == "refuse":
            return f"{function.name} is on the deny list"
        # What a result may have led to is nobody's decision but the person's.
        if doubt is None and (verdict == "run" or self._yes):
            return None
        if self._display is None:
            how = "use a terminal, or say it as a new request" if doubt else "give --yes"
            return f"{doubt or f'{function.name} needs a yes'}; {how}"
        question = f"{write_call(call)}: do it?"
        return self._confirm(question if doubt is None else f"{doubt}. {question}")

    def inquire(self, question: str) -> str | None:
        """See ``octoplan.user.User``."""
        return None if self._display is None else self._display.inquire(question)

    def approve(self, confidence: float) -> str | None:
        """See ``octoplan.user.User``."""
        asked = self._policy.confirm != "never" and confidence < self._policy.sure
        if self._yes or not asked:
            return None
        doubt = f"the plan is only {confidence:.0%} likely to be right"
        if self._display is None:
            return f"{doubt}; give --yes, or say it differently"
        return self._confirm(f"{doubt}. Carry it out?")

    def _confirm(self, question: str) -> str | None:
        assert self._display is not None
        allowed = self._display.confirm(question)
        if self._record is not None:
            self._record.decided(question, "yes" if allowed else "no")
        return None if allowed else "you said no"


def carry_out(
    agent: "Agent", run: "Run", policy: "Policy", yes: bool, no_input: bool, as_json: bool
) -> None:
    """Carry a run out, or go on with it, and show it; exit with 1 if it failed or was declined."""
    from rich.console import Console

    from octoplan.display import RunDisplay, tell_run, write_json

    display = RunDisplay(Console(highlight=False))
    asks = display.has_a_person and not as_json and not no_input
    user = CommandUser(policy, yes, run.record, display if asks else None)
    with closing(agent.stream(run, user)) as events:
        if as_json:
            deque(events, maxlen=0)
            typer.echo(write_json(tell_run(run), indent=2))
        else:
            display.show(events, run)
    assert run.ended is not None
    left = run.ended.status in ("failed", "declined", "asks")
    if left and run.record is not None and is_there(run.record):
        typer.echo(f"go on with: octoplan resume {run.record.id}", err=True)
    if run.ended.status in ("failed", "declined") or run.failure is not None:
        raise typer.Exit(1)


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan plan --input requests.jsonl --output plans.jsonl",
)
def plan(
    request: Request = None,
    base: BaseOf = None,
    agent_names: AgentNames = None,
    planner: PlannerFolder = None,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
    requests: Input = None,
    output: Output = None,
    ray: Ray = None,
) -> None:
    """Plan a request and turn each step into a call, without carrying anything out."""
    from rich.console import Console

    from octoplan.batch import answer_all, read_requests
    from octoplan.display import show_plan, tell_plan, write_json

    _one_of(request, requests, output)
    if ray is not None and requests is None:
        raise typer.BadParameter("--ray goes with --input")
    models = models_of(agent_names, planner, action)
    if requests is not None:
        lines = read_requests(requests, output)
        with workers_of(ray) as workers, load_agent(base, models, threads) as agent:
            answer_all(lines, output, lambda asked: tell_plan(agent.plan(*asked)), workers)
    if request is not None:
        with load_agent(base, models, threads) as agent, status("planning"):
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
    base: BaseOf = None,
    agent_names: AgentNames = None,
    action: ActionFolder = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Turn one step into one call."""
    from octoplan.display import write_call, write_json
    from octoplan.loading import load_action

    steps = [_step(text) for text in (*(earlier or ()), step)]
    with status("loading the model"):
        model = load_action(base, models_of(agent_names, None, action).action, threads)
    for number, this in enumerate(steps):
        made = model.act(this.text, steps[:number])
        if made.call is None:
            raise CommandError(f"no call for {this.text!r}: {'; '.join(made.problems)}")
        steps[number] = this.model_copy(update=made.call.model_dump())
    assert made.call is not None
    if as_json:
        numbers = {"probability": round(made.probability, 4), "seconds": round(made.seconds, 3)}
        typer.echo(write_json(steps[-1].model_dump() | numbers, indent=2))
    else:
        typer.echo(
            f"{write_call(made.call)}  ({made.seconds:.2f} s, probability {made.probability:.0%})"
        )


def load_agent(
    base: str | None,
    models: Models,
    threads: int | None,
    device: "Device | None" = None,
    policy: "Policy | None" = None,
) -> "Agent":
    """The agent, its models loaded; by the policy, it may hand requests on to a larger one."""
    from octoplan.agent import Agent

    with status("loading the models"):
        agent = Agent.load(base, models.planner, models.action, device, threads)
    if policy is not None and policy.larger is not None:
        needs("openai", extra="evaluate")
        from octoplan.models.prompted import Endpoint, PromptedModel

        endpoint = Endpoint(policy.larger.model, policy.larger.url)
        agent.larger = PromptedModel(endpoint, agent.planner.functions)
        agent.sure = policy.sure
    return agent


def open_journal(path: Path | None) -> "Journal":
    """The journal at the path, or the user's own."""
    from octoplan.journal import Journal, default_journal

    return Journal(path or default_journal())


def is_there(record: "Record") -> bool:
    """Whether what a run did is still there: not if it called a device in memory."""
    from octoplan.devices.simulated import SimulatedDevice

    if record.device:
        return Path(record.device).exists()
    with SimulatedDevice() as simulated:
        return not any(call.function in simulated.functions for call in record.calls.values())


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
