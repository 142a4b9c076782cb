"""The commands over the journal: ``octoplan runs``, ``show``, ``resume`` and ``undo``.

octoplan runs
octoplan show 12
octoplan resume 12
octoplan undo 12
"""

from typing import TYPE_CHECKING, Annotated

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
    NoInput,
    PlannerFolder,
    Threads,
    Yes,
    app,
    models_of,
    policy_of,
)
from octoplan.cli.requests import carry_out, is_there, load_agent, open_journal

if TYPE_CHECKING:
    from octoplan.devices import Device
    from octoplan.journal import Record

Number = Annotated[int, typer.Argument(metavar="RUN", help="The run's number in octoplan runs.")]


@app.command(epilog="[b]Example:[/] octoplan runs -n 50")
def runs(
    limit: Annotated[int, typer.Option("-n", min=1, help="At most so many.")] = 20,
    journal: JournalFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, and how they ended."""
    from dataclasses import asdict

    from rich.console import Console

    from octoplan.display import show_runs, write_json

    with open_journal(journal) as records:
        found = records.runs(limit)
    if as_json:
        told = [asdict(run) | {"started": run.started.isoformat()} for run in found]
        typer.echo(write_json(told, indent=2))
    else:
        show_runs(found, Console(highlight=False))


@app.command(no_args_is_help=True, epilog="[b]Example:[/] octoplan show 12")
def show(number: Number, journal: JournalFile = None, as_json: AsJson = False) -> None:
    """Show all that happened in a run: plan, calls, results, decisions, its end."""
    from rich.console import Console

    from octoplan.display import show_record, tell_record, write_json

    with open_journal(journal) as records:
        record = records.read(number)
    if as_json:
        typer.echo(write_json(tell_record(record), indent=2))
    else:
        show_record(record, Console(highlight=False))


@app.command(no_args_is_help=True, epilog="[b]Example:[/] octoplan resume 12")
def resume(
    number: Number,
    interrupted: Annotated[
        str | None,
        typer.Option(
            metavar="again|done",
            help="What to do with a call that was under way when the run was interrupted, and "
            "that must not be made twice: make it again, or count it as done.",
        ),
    ] = None,
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
) -> None:
    """Go on with a run that was interrupted, failed, was declined or asks something.

    What is done stays done.
    """
    from octoplan.devices.simulated import SimulatedDevice
    from octoplan.packages import devices_of
    from octoplan.run import Run

    if interrupted not in (None, "again", "done"):
        raise typer.BadParameter("--interrupted takes again or done")
    policy = policy_of(config, confirm)
    models = models_of(agent_names, planner, action)
    with open_journal(journal) as records, records.take(number) as record:
        if record.status not in (None, "failed", "declined", "asks"):
            raise CommandError(f"run {number} has ended ({record.status}: {record.message})")
        with (
            SimulatedDevice(_device_file(record)) as simulated,
            devices_of(models.packages) as joined,
        ):
            device = joined(simulated)
            policy.check(device.functions)
            _settle(record, device, interrupted, as_json)
            with load_agent(base, models, threads, device, policy) as agent:
                carry_out(agent, Run.of(record), policy, yes, no_input, as_json)


@app.command(no_args_is_help=True, epilog="[b]Example:[/] octoplan undo 12")
def undo(number: Number, journal: JournalFile = None) -> None:
    """Take a run's calls back, the last one first, as far as the device can.

    What was sent, booked or bought stays so, and is named. Exit code 1 means that a call could not
    be undone because what it changed has changed again since.
    """
    from octoplan.devices import DeviceFailure
    from octoplan.devices.simulated import SimulatedDevice
    from octoplan.display import write_call

    with open_journal(journal) as records, records.take(number) as record:
        done = [k for k, result in record.results.items() if not result.failed]
        left = sorted(set(done) - record.undone, reverse=True)
        if not left:
            raise CommandError(f"run {number} has done nothing that is left to undo")
        failed = False
        with SimulatedDevice(_device_file(record)) as device:
            for step in left:
                call, receipt = record.calls[step], record.results[step].receipt
                told = f"{step} {write_call(call)}"
                known = call.function in device.functions
                if known and device.functions[call.function].hints.read_only:
                    continue
                if receipt is None:
                    typer.echo(f"{told}: cannot be undone")
                    continue
                try:
                    device.undo(receipt)
                except DeviceFailure as failure:
                    failed = True
                    typer.echo(f"{told}: not undone, {failure}")
                    continue
                record.undid(step)
                typer.echo(f"{told}: undone")
        if record.undone:
            record.ended("undone", f"{len(record.undone)} of {len(done)} calls undone")
    if failed:
        raise typer.Exit(1)


def _device_file(record: "Record") -> str:
    if is_there(record):
        return record.device or ":memory:"
    if record.device:
        raise CommandError(f"the device {record.device} of run {record.id} is gone; bring it back")
    raise CommandError(
        f"run {record.id} was on a device in memory, which is gone; make the request again"
    )


def _settle(record: "Record", device: "Device", interrupted: str | None, as_json: bool) -> None:
    """Decide about the call that was under way when the run was interrupted.

    It is made again if that does no harm; if it might, the user says what to do.
    """
    from rich.console import Console

    from octoplan.display import RunDisplay, write_call
    from octoplan.run import UNKNOWN

    under_way = record.calls.keys() - record.results.keys()
    for step in under_way:
        call = record.calls[step]
        hints = device.functions[call.function].hints
        if hints.read_only or hints.idempotent:
            continue
        display = RunDisplay(Console(highlight=False))
        question = f"{write_call(call)} may have been done when the run was interrupted"
        answer = interrupted
        if answer is None:
            if as_json or not display.has_a_person:
                raise CommandError(f"{question}; say --interrupted again, or --interrupted done")
            answer = "again" if display.confirm(f"{question}. Do it again?") else "done"
        record.decided(question, answer)
        if answer == "done":
            record.came(step, UNKNOWN, failed=False)
