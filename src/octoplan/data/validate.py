"""Examples that a large model or a person wrote, checked before anything is trained on them.

After Octo-planner (arXiv 2406.18082, section 3.2): what can be mended for certain is mended, then
come the rules, a large model as judge where there is one, held-out data and duplicates:

    functions = load_function_sets("my_functions.py")
    drafts = read_drafts([Path("drafts.jsonl")])
    found = validate(drafts, functions, held_out, ExampleJudge(Endpoint("m", url), functions))
    found.kept, found.mended, found.rejected
    octoplan.data.card.write(found, functions, Path("data"), about)
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from octoplan.data.held_out import without_held_out
from octoplan.evaluation.benchmark import check, near_duplicates
from octoplan.evaluation.oracles import Verdict
from octoplan.functions import FunctionSet
from octoplan.planner import RequestError, checked
from octoplan.plans import (
    Ask,
    Branch,
    Cannot,
    Done,
    Example,
    Line,
    PlanError,
    Step,
    Wait,
    data_files,
    one_line,
)
from octoplan.workers import THREADS, Workers

LIKENESS = 0.8  # from this Jaccard likeness on, two requests of the data are near-duplicates
PARALLEL = 8  # so many examples are judged at once, on each machine

Judging = Callable[[Example], Verdict]
"""Says whether an example may be learned from, and why; called from several threads at once."""

Progress = Callable[[int, int, str], None]
"""Told how many of how many are done, and of what."""

_Reasons = dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class Unreadable:
    """A line of a file that is no example.

    Attributes:
        line: its number, from 1.
        text: what stands there.
    """

    line: int
    text: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Rejected:
    """An example that is not to be learned from, as it was given, and why."""

    example: Example
    reasons: tuple[str, ...]


class Mended(NamedTuple):
    """An example after mending, and what was mended; nothing where it was whole."""

    example: Example
    what: tuple[str, ...]


@dataclass(frozen=True)
class Validated:
    """What became of the drafts: each is kept or rejected, in the order in which they were given.

    Attributes:
        kept: what may be learned from, mended ones included.
        mended: those of the kept that were mended.
    """

    kept: tuple[Example, ...]
    mended: tuple[Mended, ...]
    rejected: tuple[Rejected | Unreadable, ...]

    @property
    def read(self) -> int:
        """How many drafts there were."""
        return len(self.kept) + len(self.rejected)


def read_drafts(paths: Sequence[Path]) -> list[Example | Unreadable]:
    """Read files of drafts (JSON Lines; a folder stands for the ``*.jsonl`` files in it).

    Raises:
        PlanError, OSError: the files hold nothing, or one cannot be read.
    """
    drafts: list[Example | Unreadable] = []
    for path in data_files(paths):
        for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
            if raw.strip():
                drafts.append(_draft(raw, path, number))
    if not drafts:
        raise PlanError(f"{', '.join(map(str, paths))}: no examples; name a file that holds some")
    return drafts


def _draft(raw: bytes, path: Path, number: int) -> Example | Unreadable:
    try:
        return Example.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        why = ": ".join([".".join(map(str, first["loc"])), first["msg"]]).removeprefix(": ")
        reason = one_line(f"line {number} of {path} is no example: {why}")
        return Unreadable(number, raw.decode("utf-8", "backslashreplace").strip(), (reason,))


def validate(
    drafts: Sequence[Example | Unreadable],
    functions: FunctionSet,
    held_out: Sequence[Example] = (),
    judge: Judging | None = None,
    progress: Progress = lambda done, total, what: None,
    workers: Workers = THREADS,
) -> Validated:
    """Keep the drafts that may be learned from, mended where that is certain; say why of the rest.

    Args:
        drafts: examples, and lines that are none.
        functions: those that there are.
        held_out: examples that must not be learned, nor anything nearly the same.
        judge: such as ``ExampleJudge``; where it cannot tell, an example is rejected as "not
            judged".
        workers: the machines that check, and ask the judge.

    Raises:
        EndpointError: the judge's endpoint cannot be used.
    """
    whole: dict[int, Mended] = {}
    reasons: _Reasons = {}
    checked_all = workers.map(partial(_mended, functions=functions), drafts, at_once=1)
    for place, (mended, found) in enumerate(checked_all):
        if mended is not None:
            whole[place] = mended
        if found:
            reasons[place] = found
        progress(place + 1, len(drafts), "checking")

    def left() -> dict[int, Example]:
        return {place: done.example for place, done in whole.items() if place not in reasons}

    if judge is not None:
        reasons |= _judged(left(), judge, progress, workers)
    reasons |= _held_out(left(), held_out)
    reasons |= _repeated(left())
    return Validated(
        kept=tuple(left().values()),
        mended=tuple(whole[place] for place in left() if whole[place].what),
        rejected=tuple(
            draft if isinstance(draft, Unreadable) else Rejected(draft, reasons[place])
            for place, draft in enumerate(drafts)
            if place in reasons
        ),
    )


def _mended(
    draft: Example | Unreadable, functions: FunctionSet
) -> tuple[Mended | None, tuple[str, ...]]:
    """A draft after mending, if it is an example, and what is still wrong with it."""
    if isinstance(draft, Unreadable):
        return None, draft.reasons
    whole = mend(draft, functions)
    return whole, tuple(faults(whole.example, functions))


# ---------------------------------------------------------------- what can be mended


def mend(example: Example, functions: FunctionSet) -> Mended:
    """Mend what can be mended for certain, and say what that was.

    That is: a number or a truth value that is written as text; a listed value in other case; a
    value that stands in the step's text but for case and white space, which is taken from there; an
    optional argument that is null or empty; white space around a text.
    """
    what: list[str] = []

    def mend_all(lines: Sequence[Line]) -> tuple[Line, ...]:
        return tuple(_mend_line(line, functions, what) for line in lines)

    def mend_branch(branch: Branch) -> Branch:
        answers = tuple(_trim(answer, what) for answer in branch.answers)
        return branch.model_copy(update={"answers": answers, "steps": mend_all(branch.steps)})

    query, steps = _trim(example.query, what), mend_all(example.steps)
    branches = tuple(map(mend_branch, example.branches))
    update = {"query": query, "steps": steps, "branches": branches}
    return Mended(example.model_copy(update=update), tuple(what))


def _trim(text: str, what: list[str]) -> str:
    if text != text.strip():
        what.append("white space around a text")
    return text.strip()


def _mend_line(line: Line, functions: FunctionSet, what: list[str]) -> Line:
    if not isinstance(line, Step) or line.function not in functions:
        return line
    function = functions[str(line.function)]
    properties = function.parameters["properties"]
    arguments: dict[str, Any] = {}
    for name, value in (line.arguments or {}).items():
        value = _trim(value, what) if isinstance(value, str) else value
        if name in properties and name not in function.required and value in (None, "", [], {}):
            what.append("an optional argument that is empty")
            continue
        if isinstance(value, str):
            value, how = _mend_value(value, properties.get(name, {}), line.text)
            what.extend(how)
        arguments[name] = value
    return line.model_copy(update={"arguments": arguments})


def _mend_value(value: str, schema: Mapping[str, Any], text: str) -> tuple[Any, list[str]]:
    """What a text must have meant as a parameter's value, and what that mends."""
    kind = schema.get("type")
    if kind in ("integer", "number") and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", value):
        number = float(value)
        if number.is_integer() or kind == "number":
            return int(number) if number.is_integer() else number, ["a number written as text"]
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true", ["a truth value written as text"]
    if "enum" in schema:
        near = [listed for listed in schema["enum"] if listed.casefold() == value.casefold()]
        if value not in schema["enum"] and len(near) == 1:
            return near[0], ["a listed value in other case"]
    elif kind == "string" and value and len(value) <= 2 * len(text):
        # Without regard to white space; at a word's edge where it begins or ends with a word.
        letters = r"\s*".join(map(re.escape, "".join(value.split())))
        stands = re.findall(rf"(?!\B\w){letters}(?<!\w\B)", text, re.IGNORECASE)
        if value not in stands and len(set(stands)) == 1:
            return stands[0], ["case or white space of a value"]
    return value, []


# ---------------------------------------------------------------- the rules


def faults(example: Example, functions: FunctionSet) -> list[str]:
    """Say in plain sentences what is wrong with an example.

    To the rules of ``octoplan.evaluation.benchmark.check`` come: the request can be planned; what
    is no step is used as the format says; each free text value of a call is made of words of the
    request (in a branch, of its results and answers too), up to case, plural, apostrophes and small
    words. A value may also hold what the function's description names ("temperature", "washing
    machine"), or be one that the parameter's quotes ('closed').
    """
    found = list(_misused(example))
    try:
        checked(example.query)
    except RequestError as error:
        found.append(str(error))
    plans = [example.steps, *(branch.steps for branch in example.branches)]
    arguments = [line.arguments for plan in plans for line in plan if isinstance(line, Step)]
    if not all(map(_exact, arguments)):
        return [*found, "an argument holds a number that is too large, or none"]
    try:
        found += check(example, functions)
    except Exception as error:  # the simulated device runs on what nobody would say: "at 25:99"
        found.append(f"the plan cannot be tried out: {error}")
    return [*found, *_ungrounded(example, functions)]


def _exact(value: Any) -> bool:
    """Whether all numbers in a JSON value are finite, and exact as floats too."""
    if isinstance(value, dict | list | tuple):
        return all(map(_exact, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | float) or abs(value) <= 2**53


def _misused(example: Example) -> Iterator[str]:
    """The lines that are no steps, and the branches, that are not as the format says."""
    kinds = [type(line) for line in example.steps]
    plans = {"": example.steps}
    if Done in kinds:
        yield "done stands in the first plan; it is for branches"
    for place, branch in enumerate(example.branches, start=1):
        plans[f"branch {place}: "] = branch.steps
        if not branch.steps:
            yield f"branch {place}: no lines; where nothing is left, the line is done"
        if Done in map(type, branch.steps) and len(branch.steps) > 1:
            yield f"branch {place}: done stands beside other lines"
        if not branch.results and not branch.answers:
            yield f"branch {place}: neither results nor answers"
        if not all(0 < number <= kinds.count(Step) for number in branch.results):
            yield f"branch {place}: the result of a step that is not there"
        if len(branch.answers) > kinds.count(Ask):
            yield f"branch {place}: more answers than questions"
    for where, lines in plans.items():
        if any(isinstance(line, Wait) for line in lines[:-1]):
            yield f"{where}lines stand after wait"
        if len(lines) > 1 and any(isinstance(line, Cannot) and not line.cannot for line in lines):
            yield f"{where}cannot without words stands beside other lines"


def _ungrounded(example: Example, functions: FunctionSet) -> Iterator[str]:
    """The values that hold words which nobody said."""
    first = [line for line in example.steps if isinstance(line, Step)]
    there = _forms(example.query)
    for number, step in enumerate(first, start=1):
        for fault in _unsaid(step, functions, there):
            yield f"step {number}: {fault} the request"
    for place, branch in enumerate(example.branches, start=1):
        told = there.union(*map(_forms, (*branch.results.values(), *branch.answers)))
        later = (line for line in branch.steps if isinstance(line, Step))
        for number, step in enumerate(later, start=len(first) + 1):
            for fault in _unsaid(step, functions, told):
                yield f"branch {place}: step {number}: {fault} the request, its results or answers"


def _unsaid(step: Step, functions: FunctionSet, there: set[str]) -> Iterator[str]:
    """The free text values of a step's call that hold other words than those that are there."""
    if step.call is None or step.call.function not in functions:
        return
    function = functions[step.call.function]
    there = there | _SMALL | _forms(function.description)
    for name, value in step.call.arguments.items():
        schema = function.parameters["properties"].get(name, {})
        free = schema.get("type") == "string" and "enum" not in schema
        if not free or not isinstance(value, str) or re.fullmatch(r"\$[0-9]+", value):
            continue
        unsaid = next((word for word in _words(value) if not _forms(word) & there), None)
        if unsaid and value.casefold() not in _quoted(schema.get("description", "")):
            yield f'{name} is "{value}", but "{unsaid}" does not stand in'


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub("['’‘`´]", "", text.casefold()))


# Such as change when a request is told to somebody else ("my" to "your") or made a step.
_SMALL = frozenset(
    _words(
        "a an the this that these those it its i me my mine you your yours he him his she her hers "
        "we us our ours they them their theirs I'm I'll I've you're they're is are am be was were "
        "will do does has have at by for from in into of off on to up with about as and or than so"
    )
)


def _forms(text: str) -> set[str]:
    """The words of a text, with and without the ending of a plural or possessive."""
    endings = ("", "s", "es")
    return {re.sub(rf"(?<=\w\w){end}$", "", word) for word in _words(text) for end in endings}


def _quoted(description: str) -> set[str]:
    """The values that a parameter's description names; not those that it gives as examples."""
    named = re.sub(r"\b(e\.g\.|such as|for example|like)[^;]*", "", description)
    return {value.casefold() for value in re.findall(r"['\"‘“]([^'\"’”]+)['\"’”]", named)}


# ---------------------------------------------------------------- the judge and duplicates


def _judged(
    examples: Mapping[int, Example], judge: Judging, progress: Progress, workers: Workers
) -> _Reasons:
    """Why the judge rejects examples, by place."""
    reasons: _Reasons = {}
    verdicts = workers.map(judge, examples.values(), PARALLEL)
    for done, (place, verdict) in enumerate(zip(examples, verdicts, strict=True), start=1):
        if not verdict.right:
            how = "not judged" if verdict.right is None else "judged not valid"
            reasons[place] = (f"{how}: {verdict.reason}",)
        progress(done, len(examples), "judging")
    return reasons


def _held_out(examples: Mapping[int, Example], held_out: Sequence[Example]) -> _Reasons:
    """Why held-out data rejects examples, by place."""
    kept, _ = without_held_out(list(examples.values()), held_out)
    stay = {id(example) for example in kept}
    ids, near = {each.id for each in held_out}, "nearly the same request as a held-out example"
    return {
        place: (f"a held-out example has the id {example.id}" if example.id in ids else near,)
        for place, example in examples.items()
        if id(example) not in stay
    }


def _repeated(examples: Mapping[int, Example]) -> _Reasons:
    """Why an earlier example rejects later ones, by place; the first of those alike stays."""
    from rapidfuzz import utils

    reasons: _Reasons = {}
    first: dict[str, int] = {}
    for place, example in examples.items():
        words = " ".join(utils.default_process(example.query).split()) or example.query
        if (earlier := first.setdefault(words, place)) != place:
            reasons[place] = (f"the same request as {examples[earlier].id}",)
    # Named by place, since nothing says that ids are unique.
    named = [examples[place].model_copy(update={"id": str(place)}) for place in first.values()]
    pairs = (pair.ids for pair in near_duplicates(named, likeness=LIKENESS))
    for one, other in sorted(sorted(map(int, ids)) for ids in pairs):
        if one not in reasons and other not in reasons:
            reasons[other] = (f"nearly the same request as {examples[one].id}",)
    return reasons
