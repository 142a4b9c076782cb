"""Many requests, many answers: JSON Lines in, JSON Lines out.

    octoplan plan --input requests.jsonl --output plans.jsonl

A line in is ``{"id": …, "query": …}`` (more may stand in it). To plan on, it holds the plan so far
and what came of it too: ``"steps": [{"text": …}, {"wait": true}]``, ``"results": {"1": …}`` (one
that begins with ``failed:`` is a failure) and ``"answers": […]`` to the plan's questions; the line
out then holds only what is left to do. A line that cannot be answered, a half-written one for
instance, gets an error in its place, and the next ones are answered.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from octoplan.display import write_json
from octoplan.models.engine import EngineError
from octoplan.planner import RequestError
from octoplan.plans import Ask, Branch, Line, Plan, PlanError, Step
from octoplan.workers import THREADS, Workers


class Asked(NamedTuple):
    """A line in: the request, the plan so far, and what came of that; None where there is none."""

    query: str
    steps: tuple[Line, ...] = ()
    branch: Branch | None = None


def read_requests(requests: str, output: str | None) -> Iterable[bytes]:
    """The lines of a file (``-`` is stdin), once it is sure that the output can be written.

    Raises:
        PlanError: the output exists; what it holds shall not be lost.
    """
    if output not in (None, "-") and Path(output).exists():
        raise PlanError(f"{output} exists; name another file, or move it away")
    return sys.stdin.buffer if requests == "-" else Path(requests).read_bytes().splitlines()


def answer_all(
    lines: Iterable[bytes],
    output: str | None,
    answer: Callable[[Asked], dict[str, Any]],
    workers: Workers = THREADS,
) -> None:
    """Answer every request, in order, and write each answer as soon as it is there.

    Args:
        lines: the requests.
        output: a new file; None or ``-`` is stdout.
        answer: what to write for a request, beside its id and the query itself.
        workers: the machines that answer, each one request at a time.
    """
    numbered = ((number, raw) for number, raw in enumerate(lines, start=1) if raw.strip())
    console = Console(stderr=True)
    unanswered = 0
    with _opened(output) as out:
        hidden = not console.is_interactive or out.isatty()
        with Progress(console=console, redirect_stdout=False, disable=hidden) as progress:
            answers = workers.map(partial(_told, answer), numbered, at_once=1)
            for told in progress.track(answers, total=_count(lines), description="requests"):
                unanswered += "error" in told
                print(write_json(told), file=out, flush=True)
    if unanswered:
        print(f'{unanswered} not answered: see "error" in the output', file=sys.stderr)


def _told(answer: Callable[[Asked], dict[str, Any]], numbered: tuple[int, bytes]) -> dict[str, Any]:
    number, raw = numbered
    head: dict[str, Any] = {}
    try:
        record = _record(raw)
        head = {"id": record["id"]} if "id" in record else {}
        asked = _asked(record)
        return head | {"query": asked.query} | answer(asked)
    except (PlanError, RequestError, EngineError) as error:
        return head | {"line": number, "error": str(error)}


def _count(lines: Iterable[bytes]) -> int | None:
    return len(lines) if isinstance(lines, Sized) else None


@contextmanager
def _opened(output: str | None) -> Iterator[TextIO]:
    if output is None or output == "-":
        yield sys.stdout
    else:
        with open(output, "x", encoding="utf-8", newline="\n") as file:
            yield file


def _record(raw: bytes) -> dict[str, Any]:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise PlanError('not an object; write {"id": …, "query": …}')
    return record


def _asked(record: dict[str, Any]) -> Asked:
    query = record.get("query")
    if not isinstance(query, str):
        raise PlanError('no text as query; write {"id": …, "query": …}')
    if "results" not in record and "answers" not in record:
        return Asked(query)
    came = {name: record[name] for name in ("results", "answers") if name in record}
    try:
        plan = Plan.model_validate({"steps": record.get("steps", [])})
        branch = Branch.model_validate(came | {"steps": []})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"{place}: {first['msg']}") from error
    steps = sum(isinstance(line, Step) for line in plan.steps)
    asks = sum(isinstance(line, Ask) for line in plan.steps)
    for number in branch.results:
        if not 1 <= number <= steps:
            raise PlanError(f"results: the plan has no step {number}; give its steps")
    if len(branch.answers) > asks:
        raise PlanError(f"answers: {len(branch.answers)}, but the plan has {asks} questions")
    return Asked(query, plan.steps, branch)
