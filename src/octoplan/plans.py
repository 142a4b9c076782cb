"""Plans and calls: their types, and the text in which the models read and write them.

A plan is text of one line a step, in the order in which the steps are to be done:

    Find the presentation for tomorrow's meeting
    Email the presentation to all meeting participants
    cannot: massage my feet

A line is a step's text or one of ``cannot: PART``, ``ask: QUESTION``, ``wait`` and ``done``. A call
is one line, its parts divided by tabs: the function's symbol, the required arguments in the order
of the schema, then the optional ones that are given, each after its name:

    send_email all meeting participants<TAB>attachment $4

Reading model output never raises: what is wrong with it is said in a list of problems.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from octoplan.functions import Function

MAX_STEPS = 5
"""The most lines that a plan may have (Octo-planner, arXiv 2406.18082, section 3.2)."""


class PlanError(ValueError):
    """A plan, an example or a file of them that cannot be used; one line that says why."""


def one_line(text: str) -> str:
    """The text with every run of white space and control characters made one space, trimmed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _step_text(text: str) -> str:
    text = one_line(text)
    if not text:
        raise ValueError("a step's text is empty")
    if text in ("wait", "done") or text.startswith(("cannot:", "ask:")):
        raise ValueError(f"a step's text may not read {text!r}: that line has a meaning of its own")
    return text


def _question(text: str) -> str:
    text = one_line(text)
    if not text:
        raise ValueError("a question has no words")
    return text


OneLine = Annotated[str, AfterValidator(one_line)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Line):
    """One call of a function. An argument's value ``"$k"`` stands for the result of step k."""

    function: str
    arguments: dict[str, Any] = {}

    def filled(self, results: Mapping[int, str]) -> Self:
        """The call with every ``$k`` replaced by the result of step k, where there is one."""
        by_reference = {f"${number}": result for number, result in results.items()}
        arguments = {
            name: by_reference.get(value, value) if isinstance(value, str) else value
            for name, value in self.arguments.items()
        }
        return self.model_copy(update={"arguments": arguments})


class Step(_Line):
    """A short imperative that can be acted on alone and, once it has been acted on, its call."""

    text: Annotated[str, AfterValidator(_step_text)]
    function: str | None = None
    arguments: dict[str, Any] | None = None

    @property
    def call(self) -> Call | None:
        """The step's call, or None while nobody has read the step."""
        if self.function is None:
            return None
        return Call(function=self.function, arguments=self.arguments or {})


class Cannot(_Line):
    """A part of the request that no function serves; empty where that is the whole request."""

    cannot: OneLine


class Ask(_Line):
    """A question for a required value that the request does not give."""

    ask: Annotated[str, AfterValidator(_question)]


class Wait(_Line):
    """The rest of the plan hangs on a result: plan on once it is there."""

    wait: Literal[True]


class Done(_Line):
    """Nothing is left to do."""

    done: Literal[True]


Line = Step | Cannot | Ask | Wait | Done


def kind(line: Line) -> str:
    """What kind of line it is: ``step``, ``cannot``, ``ask``, ``wait`` or ``done``."""
    return type(line).__name__.lower()


class Plan(_Line):
    """What is to be done for a request, in order."""

    steps: tuple[Line, ...] = Field(max_length=MAX_STEPS)


class Branch(_Line):
    """How a plan goes on once results or answers are there.

    Attributes:
        results: by step number from 1; a result that begins with ``failed:`` is a failure.
        answers: to the plan's questions, in order.
        steps: what is left to do; ``$k`` counts the first plan's steps and then these.
    """

    results: dict[int, str] = {}
    answers: tuple[str, ...] = ()
    steps: tuple[Line, ...]


class Example(_Line):
    """A request with its plan: one line of a data file."""

    id: str
    domains: tuple[str, ...] = ()
    query: str
    steps: tuple[Line, ...] = Field(min_length=1, max_length=MAX_STEPS)
    branches: tuple[Branch, ...] = ()


class Told(NamedTuple):
    """A line of a plan and what came of it, as the planner is told when it plans on.

    Attributes:
        line: as text (``write_line``).
        result: the result of a step or the answer to a question; None of what was not done.
    """

    line: str
    result: str | None


FAILED = "failed: "
"""How the planner is told of a failure: this, and the device's words."""

DONE = "done"
"""What the planner is told of a step whose result says no more."""


def told(lines: Iterable[Line], branch: Branch) -> list[Told]:
    """What the planner is told of a plan before it goes on with a branch.

    The steps up to the last one that the branch has a result for are done; where there are only
    answers, all steps are.
    """
    last = max(branch.results, default=MAX_STEPS)
    results = (branch.results.get(number, DONE) for number in range(1, last + 1))
    return tell(lines, results, branch.answers)


def tell(lines: Iterable[Line], results: Iterable[str], answers: Iterable[str]) -> list[Told]:
    """What the planner is told of a plan: its lines, with the results and answers that there are.

    Args:
        results: of the first steps, in order.
        answers: to the first questions, in order.
    """
    came, said = iter(results), iter(answers)
    found: list[Told] = []
    for line in lines:
        match line:
            case Step():
                found.append(Told(line.text, next(came, None)))
            case Ask():
                found.append(Told(line.ask, next(said, None)))
            case Cannot():
                found.append(Told(write_line(line), None))
            case Wait(wait=True) | Done(done=True):
                pass
    return found


LONGEST_RESULT = 160
"""So many characters of a result the planner is told, at most."""


def brief(result: str) -> str:
    """A result as the planner is told it: on one line, without empty fields, and cut.

    JSON is told as ``name value; name value``, items of lists one after another; what is longer
    than ``LONGEST_RESULT`` is cut at the last whole item, or else word, that fits.
    """
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        text = one_line(result)
    else:
        text = one_line("; ".join(_fields(value))) if isinstance(value, dict | list) else result
        text = one_line(text)
    if len(text) <= LONGEST_RESULT:
        return text
    cut = text[: LONGEST_RESULT - 1]
    end = max(cut.rfind("; "), cut.rfind(" ") if "; " not in cut[LONGEST_RESULT // 2 :] else -1)
    return (cut[:end] if end > 0 else cut).rstrip(" ;,") + "…"


def _fields(value: Any, name: str = "") -> Iterator[str]:
    """The fields of a JSON value that say something, each after its name."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _fields(part, str(key))
    elif isinstance(value, list):
        for part in value:
            yield from _fields(part, name)
    elif value is not None and value != "":
        yield f"{name} {write_value(value)}".lstrip()


# ---------------------------------------------------------------- plans as text


def write_line(line: Line) -> str:
    """The line of text that stands for one line of a plan."""
    match line:
        case Step():
            return line.text
        case Cannot():
            return f"cannot: {line.cannot}".rstrip()
        case Ask():
            return f"ask: {line.ask}"
        case Wait(wait=True):
            return "wait"
        case Done(done=True):
            return "done"


def write_plan(lines: Iterable[Line]) -> str:
    """The text of a plan, one line a step, without a final newline."""
    return "\n".join(write_line(line) for line in lines)


def read_line(text: str) -> tuple[Line | None, str | None]:
    """Read one line of a plan: the line, or None with what is wrong with the text."""
    text = one_line(text)
    if not text:
        return None, "an empty line"
    if text == "wait":
        return Wait(wait=True), None
    if text == "done":
        return Done(done=True), None
    if text.startswith("cannot:"):
        return Cannot(cannot=text.removeprefix("cannot:")), None
    if text.startswith("ask:"):
        question = one_line(text.removeprefix("ask:"))
        return (Ask(ask=question), None) if question else (None, "a question without words")
    return Step(text=text), None


class Reading(NamedTuple):
    """What was read from a model's text, and what was wrong with the rest."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...]


def read_plan(text: str) -> Reading:
    """Read a plan's text. Never raises: lines that cannot be read are left out and named."""
    lines: list[Line] = []
    problems: list[str] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        if len(lines) == MAX_STEPS:
            problems.append(f"more than {MAX_STEPS} lines")
            break
        line, problem = read_line(raw)
        if line is not None:
            lines.append(line)
        if problem is not None:
            problems.append(f"line {number}: {problem}")
    return Reading(tuple(lines), tuple(problems))


# ---------------------------------------------------------------- calls as text


def write_value(value: Any) -> str:
    """The text of one argument's value: ``true``, ``21.5``, ``living room``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return f"{value:g}"
    if isinstance(value, int | float):
        return repr(value)
    return one_line(str(value))


def write_call(symbol: str, function: Function, arguments: Mapping[str, Any]) -> str:
    """The line of text that stands for a call; ``symbol`` names the function.

    Raises:
        PlanError: an argument is missing, unknown, or a string that is empty.
    """
    optional = [name for name in function.parameters["properties"] if name not in function.required]
    unknown = set(arguments) - set(function.parameters["properties"])
    missing = [name for name in function.required if name not in arguments]
    if unknown or missing:
        raise PlanError(
            f"{function.name}: no such argument: {', '.join(sorted(unknown))}"
            if unknown
            else f"{function.name}: missing argument: {', '.join(missing)}"
        )
    parts = [f" {write_value(arguments[name])}" for name in function.required]
    parts += [f"{name} {write_value(arguments[name])}" for name in optional if name in arguments]
    if any(part.endswith(" ") for part in parts):
        raise PlanError(f"{function.name}: an argument is empty")
    head = symbol + (parts.pop(0) if function.required else "")
    return "\t".join([head, *parts])


def _read_value(schema: Mapping[str, Any], text: str) -> tuple[Any, str | None]:
    kind_ = schema.get("type", "string")
    if kind_ == "boolean":
        if text in ("true", "false"):
            return text == "true", None
        return None, f"{text!r} is neither true nor false"
    if kind_ in ("integer", "number"):
        try:
            # Whole numbers are read as such: beyond 2**53 a float is not exact.
            number = int(text) if text.removeprefix("-").isdecimal() else float(text)
        except ValueError:
            number = math.nan
        if isinstance(number, int) or number.is_integer():
            return int(number), None
        if not math.isfinite(number):
            return None, f"{text!r} is not a number"
        return (number, None) if kind_ == "number" else (None, f"{text!r} is not a whole number")
    text = one_line(text)
    return (text, None) if text else (None, "an empty value")


class CallReading(NamedTuple):
    """The call that was read from a model's text, or None with what is wrong with it."""

    call: Call | None
    problems: tuple[str, ...]


def read_call(text: str, functions: Mapping[str, Function]) -> CallReading:
    """Read a call's line of text. ``functions`` maps symbols to functions. Never raises."""
    head, *rest = text.strip("\n").split("\t")
    symbol, space, first = head.partition(" ")
    function = functions.get(symbol)
    if function is None:
        return CallReading(None, (f"no function has the symbol {symbol!r}",))
    parts = ([" " + first] if space else []) + rest
    arguments: dict[str, Any] = {}
    problems: list[str] = []
    for position, part in enumerate(parts):
        if position < len(function.required):
            name, value = function.required[position], part.removeprefix(" ")
            if not part.startswith(" "):
                problems.append(f"{name}: its value must follow a space")
        else:
            name, _, value = part.partition(" ")
            if name not in function.parameters["properties"] or name in arguments:
                problems.append(f"{name!r} is no argument of {function.name}, or stands twice")
                continue
        read, problem = _read_value(function.parameters["properties"][name], value)
        if problem is None:
            arguments[name] = read
        else:
            problems.append(f"{name}: {problem}")
    if not problems:
        problems += function.problems(arguments)
    if problems:
        return CallReading(None, tuple(problems))
    return CallReading(Call(function=function.name, arguments=arguments), ())


# ---------------------------------------------------------------- files of examples


def data_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Data files: a folder stands for the ``*.jsonl`` files in it.

    Raises:
        PlanError: a folder holds none.
    """
    for given in map(Path, paths):
        files = sorted(given.glob("*.jsonl")) if given.is_dir() else [given]
        if not files:
            raise PlanError(f"{given} holds no .jsonl file; name a data file or a folder of them")
        yield from files


def fingerprint(paths: Iterable[str | Path]) -> dict[str, dict[str, Any]]:
    """What each data file is, as cards and results tell it: SHA-256 in hex, and how many examples.

    Raises:
        PlanError, OSError: a folder holds no data file, or a file cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in data_files(paths):
        content = path.read_bytes()
        examples = sum(1 for line in content.split(b"\n") if line.strip())
        found[str(path)] = {"sha256": hashlib.sha256(content).hexdigest(), "examples": examples}
    return found


def read_examples(paths: Iterable[str | Path]) -> Iterator[Example]:
    """Read data files (JSON Lines; a folder stands for the ``*.jsonl`` files in it).

    Raises:
        PlanError: a file is missing or empty, or a line of it is not an example; names the line.
    """
    for path in data_files(paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"cannot read {path}: {error}") from error
        if not text.strip():
            raise PlanError(f"{path} is empty; name a file that holds examples")
        # Not splitlines, which divides at U+2028 and its like: JSON strings may hold those.
        for number, raw in enumerate(text.split("\n"), start=1):
            if raw.strip():
                yield _example(raw, f"{path}, line {number}")


def write_example(example: Example) -> str:
    """The example as one line of a data file, without what it leaves open."""
    return example.model_dump_json(exclude_defaults=True)


def _example(raw: str, where: str) -> Example:
    try:
        return Example.model_validate(json.loads(raw))
    except json.JSONDecodeError as error:
        raise PlanError(f"{where}: not JSON ({error.msg} at column {error.colno})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"{where}: not an example: {place}: {first['msg']}") from error
    except (RecursionError, ValueError) as error:  # thousands of brackets, or of digits
        raise PlanError(f"{where}: not an example: {error}") from error
