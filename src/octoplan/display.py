"""How the command line shows things: a run as it goes, a plan, the functions, the models.

    octoplan run "set the brightness to 80 and text Grandma that I'm on my way"

On a terminal a run is drawn anew several times a second; elsewhere it is told in plain lines. All
text that comes from outside (requests, files, devices) is made printable first and is never read
as Rich's markup.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.prompt import Confirm, Prompt
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from octoplan.functions import Function, FunctionSet
from octoplan.journal import Entry, Record, Summary
from octoplan.plans import Call, Line, Step, one_line, write_line
from octoplan.run import Answered, Called, Ended, Event, HandedOn, Observation, Run

_STATUS_STYLE = {"done": "bold green", "failed": "bold red"}


def write_call(call: Call) -> str:
    """The call as people write it: ``send_email(recipient="Bob", attachment=$1)``."""
    arguments = ", ".join(f"{name}={_value(value)}" for name, value in call.arguments.items())
    return one_line(f"{call.function}({arguments})")


def _value(value: Any) -> str:
    reference = isinstance(value, str) and value.startswith("$") and value[1:].isdecimal()
    return value if reference else json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------- a run


class RunView:
    """A run on the terminal: its steps with marks, calls, results and times, then its end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.over = False
        """Whether nothing is under way any more."""
        self._seconds: dict[int, float] = {}
        self._spinner = Spinner("dots", style="cyan")

    def hear(self, event: Event) -> None:
        """Note how long a step has taken; all else is read from the run."""
        if isinstance(event, Called | Observation):
            self._seconds[event.number] = self._seconds.get(event.number, 0.0) + event.seconds

    def __rich__(self) -> RenderableType:
        rows = Table.grid(padding=(0, 1))
        rows.add_column(width=1)
        rows.add_column(justify="right")
        rows.add_column(overflow="fold")
        number = 0
        for line in self.run.lines:
            if isinstance(line, Step):
                number += 1
                rows.add_row(self._mark(number), f"{number}.", self._step(number, line))
            else:
                rows.add_row("", "", Text(write_line(line), "yellow"))
        if not self.over and (not self.run.rounds or number == len(self.run.observations)):
            rows.add_row(self._spinner, "", Text("planning", "dim"))
        return Group(rows, *self._end())

    def _mark(self, number: int) -> RenderableType:
        observations = self.run.observations
        if number <= len(observations):
            failed = observations[number - 1].failed
            return Text("✗", "bold red") if failed else Text("✓", "bold green")
        under_way = self.run.rounds and not self.over and number == len(observations) + 1
        return self._spinner if under_way else Text("·", "dim")

    def _step(self, number: int, step: Step) -> Text:
        text = Text(step.text)
        if step.call is not None:
            text.append("\n" + write_call(step.call), "cyan")
        if number <= len(self.run.observations):
            observation = self.run.observations[number - 1]
            if number in self._seconds:  # else it was done before the run was interrupted
                text.append(f"  {self._seconds[number]:.2f} s", "dim")
            for line in observation.result.splitlines():
                text.append("\n" + one_line(line), "red" if observation.failed else "dim")
        return text

    def _end(self) -> Iterable[Text]:
        ended = self.run.ended
        if ended is None:
            return
        yield Text()
        if self.run.handed_on:
            yield Text(f"  planned by {one_line(self.run.handed_on)}", "dim")
        for change in self.run.changes:
            yield Text.assemble(("  changed  ", "dim"), one_line(change))
        style = _STATUS_STYLE.get(ended.status, "bold yellow")
        message = (one_line(ended.message), style)
        yield Text.assemble(message, (f"  {_summary(self.run)}", "dim"))


class RunDisplay:
    """Shows a run while its events come: live on a terminal, in plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    @property
    def has_a_person(self) -> bool:
        """Whether somebody is there who can be asked."""
        return self._console.is_interactive and sys.stdin.isatty()

    def show(self, events: Iterable[Event], run: Run) -> None:
        """Show the run until its events end."""
        if not self._console.is_interactive:
            _tell(events, run)
            return
        view = RunView(run)
        with Live(view, console=self._console, refresh_per_second=12) as self._live:
            try:
                for event in events:
                    view.hear(event)
            finally:
                view.over = True
                self._live = None

    def confirm(self, question: str) -> bool:
        """Ask the person at the terminal for a yes or no; no answer is no."""
        with self._paused():
            try:
                return Confirm.ask(Text(question, "bold"), console=self._console, default=False)
            except EOFError:
                return False

    def inquire(self, question: str) -> str | None:
        """Ask the person at the terminal a question of the plan; None where there is no answer."""
        with self._paused():
            try:
                return Prompt.ask(Text(one_line(question), "bold"), console=self._console) or None
            except EOFError:
                return None

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """The run stands still while something is asked below it."""
        live = self._live
        if live is not None:
            live.stop()
        try:
            yield
        finally:
            if live is not None:
                live.start()


def _tell(events: Iterable[Event], run: Run) -> None:
    for event in events:
        match event:
            case Step():
                # By its place in the plan: after planning on, steps that were dropped do not count.
                steps = [line for line in run.planning.lines if isinstance(line, Step)]
                number = next(n for n, line in enumerate(steps, start=1) if line is event)
                print(f"{number}. {event.text}", flush=True)
            case Called():
                if event.step.call is not None:
                    print(f"{event.number} → {write_call(event.step.call)}", flush=True)
            case Observation():
                mark = "✗" if event.failed else "✓"
                result = one_line(event.result)
                print(f"{event.number} {mark} {result}  ({event.seconds:.2f} s)", flush=True)
            case HandedOn(model, problem):
                what = f"cannot use its answer: {problem}" if problem else "its plan:"
                print(one_line(f"not sure, asked {model}; {what}"), flush=True)
            case Answered():
                print(f"answer: {event.answer}", flush=True)
            case Ended():
                pass
            case _:
                print(write_line(event), flush=True)
    for change in run.changes:
        print(f"changed: {one_line(change)}")
    if run.ended is not None:
        print(f"{run.ended.status}: {one_line(run.ended.message)}  ({_summary(run)})", flush=True)


def show_plan(run: Run, console: Console) -> None:
    """Show a plan with its calls."""
    for text in _plan_lines(run.lines):
        console.print(text, soft_wrap=True)
    console.print(Text(_summary(run), "dim"))


def _plan_lines(lines: Iterable[Line]) -> Iterable[Text]:
    number = 0
    for line in lines:
        if not isinstance(line, Step):
            yield Text(write_line(line), "yellow")
            continue
        number += 1
        yield Text(f"{number}. {line.text}")
        if line.call is not None:
            yield Text(f"   {write_call(line.call)}", "cyan")


def _summary(run: Run) -> str:
    sure = "" if run.confidence is None else f", confidence {run.confidence:.0%}"
    return f"{run.seconds:.1f} s{sure}"


# ---------------------------------------------------------------- the journal


def show_runs(runs: Iterable[Summary], console: Console) -> None:
    """Show a table of runs."""
    table = _table("Run", "When", "", "Request")
    for run in runs:
        when = run.started.astimezone().strftime("%Y-%m-%d %H:%M")
        status = Text(run.status, _STATUS_STYLE.get(run.status, "bold yellow"))
        table.add_row(Text(str(run.id), "bold"), when, status, Text(one_line(run.request)))
    console.print(table)


def show_record(record: Record, console: Console) -> None:
    """Show all that the journal has of a run, in order."""
    console.print(Text(one_line(record.request), "bold"), soft_wrap=True)
    place = record.device or "a device in memory"
    console.print(Text(f"run {record.id}, on {place}", "dim"), soft_wrap=True)
    for entry in record.entries:
        at = Text(entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], "dim")
        console.print(at, Text(one_line(_entry(entry))), soft_wrap=True)


def _entry(entry: Entry) -> str:
    content = entry.content
    match entry.kind:
        case "plan":
            lines = [line.get("text") or json.dumps(line) for line in content["lines"]]
            return f"plan: {'; '.join(lines) or 'empty'}"
        case "call":
            return f"{content['step']} → {write_call(Call.model_validate(content['call']))}"
        case "result":
            return f"{content['step']} {'✗' if content['failed'] else '✓'} {content['result']}"
        case "answer":
            return f"asked: {content['question']} {content['answer']}"
        case "decision":
            return f"asked: {content['question']} {content['answer']}"
        case "undone":
            return f"{content['step']} undone"
        case _:
            return f"{content['status']}: {content['message']}"


def tell_record(record: Record) -> dict[str, Any]:
    """A run in the journal, with all its entries."""
    entries = [
        {"at": entry.at.isoformat(), "kind": entry.kind} | entry.content for entry in record.entries
    ]
    return {
        "run": record.id,
        "request": record.request,
        "device": record.device or None,
        "started": record.started.isoformat(),
        "status": record.status,
        "message": record.message,
        "entries": entries,
    }


# ---------------------------------------------------------------- tables


def show_function_sets(sets: Iterable[FunctionSet], console: Console) -> None:
    """Show a table of function sets, with the names of their functions."""
    table = _table("Set", "Functions", "")
    for functions in sets:
        names = ", ".join(function.name for function in functions)
        table.add_row(Text(functions.name, "bold"), str(len(functions)), Text(names, "dim"))
    console.print(table)


def show_functions(functions: FunctionSet, console: Console) -> None:
    """Show a table of functions: their parameters (``?`` may be left out) and what they do."""
    table = _table("Function", "Parameters", "What it does")
    for function in functions:
        properties = function.parameters["properties"]
        parameters = [_parameter(function, name, schema) for name, schema in properties.items()]
        does = Text(one_line(function.description))
        hints = [name for name, given in function.hints.model_dump().items() if given]
        if hints:
            does.append("\n" + ", ".join(hints).replace("_", "-"), "dim")
        table.add_row(Text(function.name, "bold"), Text("\n".join(parameters)), does)
    console.print(table)


def _parameter(function: Function, name: str, schema: Mapping[str, Any]) -> str:
    optional = "" if name in function.required else "?"
    values = " | ".join(schema["enum"]) if "enum" in schema else schema["type"]
    low, high = schema.get("minimum", "…"), schema.get("maximum", "…")
    bounds = f" {low} to {high}" if {"minimum", "maximum"} & set(schema) else ""
    return one_line(f"{name}{optional}: {values}{bounds}")


def show_models(models: Mapping[str, list[dict[str, Any]]], console: Console) -> None:
    """Show what ``octoplan models --json`` tells, as two tables."""
    bases = _table("Base", "", "Size", "Where")
    for base in models["bases"]:
        bases.add_row(Text(base["name"], "bold"), base["description"], *_place(base))
    adapters = _table("Adapter", "Functions", "Base", "Size", "Where")
    for adapter in models["adapters"]:
        facts = (str(adapter["functions"] or "–"), Text(one_line(adapter["base"] or "–")))
        adapters.add_row(Text(adapter["role"], "bold"), *facts, *_place(adapter))
    console.print(bases, adapters, sep="\n\n")


def show_agents(agents: Iterable[Mapping[str, Any]], console: Console) -> None:
    """Show what ``octoplan agents --json`` tells."""
    table = _table("Agent", "Functions", "Base", "Size", "Where")
    for agent in agents:
        facts = (str(len(agent["functions"] or ()) or "–"), Text(one_line(agent["base"] or "–")))
        table.add_row(Text(one_line(agent["name"]), "bold"), *facts, *_place(agent))
    console.print(table)


def _place(model: Mapping[str, Any]) -> tuple[str, Text]:
    if model["problem"]:
        return "–", Text(one_line(model["problem"]), "yellow")
    return decimal(model["size"]), Text(one_line(model["path"]), "dim")


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold cyan", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


# ---------------------------------------------------------------- JSON


def tell_plan(run: Run) -> dict[str, Any]:
    """A plan: its lines, each step with its call, the time and how sure it is."""
    return {
        "steps": [line.model_dump() for line in run.lines],
        "seconds": round(run.seconds, 3),
        "planned_by": run.handed_on or None,
        "probability": round(run.probability, 4),
        "confidence": None if run.confidence is None else round(run.confidence, 4),
    }


def tell_answer(run: Run) -> dict[str, Any]:
    """A run, one of many: its plan, the result of each step by number, and its end."""
    results = [
        {"step": seen.number, "failed" if seen.failed else "result": seen.result}
        for seen in run.observations
    ]
    return tell_plan(run) | {"results": results} | _ended(run)


def tell_run(run: Run) -> dict[str, Any]:
    """A run: its plan, each step with its result, its end and what changed on the device."""
    told = {"request": run.request} | tell_plan(run) | _ended(run) | {"changes": run.changes}
    steps = [line for line in told["steps"] if "text" in line]
    for step, seen in zip(steps, run.observations, strict=False):
        step["failed" if seen.failed else "result"] = seen.result
    return told


def _ended(run: Run) -> dict[str, Any]:
    assert run.ended is not None
    return {"status": run.ended.status, "message": run.ended.message}


def write_json(value: Any, indent: int | None = None) -> str:
    """JSON in which no character that a terminal might obey stands as itself."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
