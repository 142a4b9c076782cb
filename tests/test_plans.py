"""Plans, calls and data files: what is written can be read back, and nothing read ever raises.

The last tests hold the shipped data to what the models are promised of it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from octoplan.functions import Function, load_function_sets
from octoplan.plans import (
    MAX_STEPS,
    Ask,
    Branch,
    Call,
    Cannot,
    Done,
    Example,
    Line,
    Plan,
    PlanError,
    Step,
    Wait,
    kind,
    one_line,
    read_call,
    read_examples,
    read_line,
    read_plan,
    write_call,
    write_example,
    write_line,
    write_plan,
    write_value,
)

DATA = Path(__file__).parents[1] / "data"
SPLITS = ("train", "validation", "everyday")
SYMBOL = "Zebra"

# ---------------------------------------------------------------- random plans and calls

words = st.text(min_size=1, max_size=30).map(one_line).filter(bool)


def means_itself(text: str) -> bool:
    return text not in ("wait", "done") and not text.startswith(("cannot:", "ask:"))


lines = st.one_of(
    words.filter(means_itself).map(lambda text: Step(text=text)),
    st.text(max_size=30).map(lambda text: Cannot(cannot=text)),
    words.map(lambda text: Ask(ask=text)),
    st.just(Wait(wait=True)),
    st.just(Done(done=True)),
)
plans = st.lists(lines, min_size=1, max_size=MAX_STEPS).map(tuple)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
bounds = st.none() | st.tuples(st.integers(-99, 99), st.integers(-99, 99)).map(sorted)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    kind_ = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    schema: dict[str, Any] = {"type": kind_}
    if kind_ == "string" and draw(st.booleans()):
        schema["enum"] = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    elif kind_ in ("integer", "number") and (limits := draw(bounds)):
        schema["minimum"], schema["maximum"] = limits
    return schema


@st.composite
def functions(draw: st.DrawFn) -> Function:
    properties = draw(st.dictionaries(names, schemas(), max_size=5))
    required = [name for name in properties if draw(st.booleans())]
    return Function(
        name="f",
        description="Do it.",
        parameters={"type": "object", "properties": properties, "required": required},
    )


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    match schema["type"]:
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case _:
            return st.sampled_from(schema["enum"]) if "enum" in schema else words


@st.composite
def calls(draw: st.DrawFn) -> tuple[Function, dict[str, Any]]:
    function = draw(functions())
    given_ = {
        name: draw(values(schema))
        for name, schema in function.parameters["properties"].items()
        if name in function.required or draw(st.booleans())
    }
    return function, dict(draw(st.permutations(list(given_.items()))))


EVERYTHING = Function(
    name="f",
    description="Do it.",
    parameters={
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "note": {"type": "string"},
            "mode": {"type": "string", "enum": ["fast", "living room"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 10},
            "size": {"type": "number"},
            "loud": {"type": "boolean"},
        },
        "required": ["text"],
    },
)

NASTY = [
    "",
    " ",
    "\n\n\n",
    "\t",
    "\x00\x1b[2J\x7f\x85",
    "\u202eשלום עולם\u200f",
    "🦓👩‍👩‍👧‍👦 🇺🇳",
    "\u2028\u2029\ufeff",
    "\ud800",  # half a surrogate pair, which no encoder accepts
    "a" * 100_000,
    "\n" * 100_000,
    "a\n" * 50_000,
    "\t" * 100_000,
    "cannot:" * 20_000,
    "9" * 5000,
]

# ---------------------------------------------------------------- plans


@given(plans)
def test_a_plan_that_is_written_reads_back_the_same(plan: tuple[Line, ...]) -> None:
    reading = read_plan(write_plan(plan))
    assert reading.lines == plan
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (Step(text="Take a photo"), "Take a photo"),
        (Step(text=" Take\ta \n photo "), "Take a photo"),
        (Step(text="wait for me"), "wait for me"),
        (Cannot(cannot="massage my feet"), "cannot: massage my feet"),
        (Cannot(cannot=""), "cannot:"),
        (Ask(ask="Which room?"), "ask: Which room?"),
        (Wait(wait=True), "wait"),
        (Done(done=True), "done"),
    ],
)
def test_each_kind_of_line_has_its_text(line: Line, text: str) -> None:
    assert write_line(line) == text
    assert read_line(text) == (line, None)
    assert kind(line) == type(line).__name__.lower()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "an empty line"), (" \x00", "an empty line"), ("ask: ", "a question without words")],
)
def test_a_line_that_says_nothing_is_named(text: str, problem: str) -> None:
    assert read_line(text) == (None, problem)
    assert read_plan(f"Go\n{text}").problems == (f"line 2: {problem}",)


def test_lines_beyond_the_fifth_are_left_out_and_named() -> None:
    reading = read_plan("\n".join("abcdefg"))
    assert write_plan(reading.lines) == "\n".join("abcde")
    assert reading.problems == (f"more than {MAX_STEPS} lines",)


def sound_reading(text: str) -> None:
    """Whatever the text is, what is read is a plan, and what is lost is named."""
    line, problem = read_line(text)
    assert (line is None) == bool(problem)
    reading = read_plan(text)
    assert len(reading.lines) <= MAX_STEPS
    assert all(reading.problems)
    assert len(reading.lines) == text.count("\n") + 1 or reading.problems
    if reading.lines:
        assert read_plan(write_plan(reading.lines)) == (reading.lines, ())


@given(st.text() | st.lists(st.sampled_from(["ask:", "cannot:", "wait", "\n", " "])).map("".join))
def test_reading_a_plan_never_raises(text: str) -> None:
    sound_reading(text)


@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text[:12]))
def test_reading_a_nasty_plan_never_raises(text: str) -> None:
    sound_reading(text)


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Step, {"text": ""}),
        (Step, {"text": "\n"}),
        (Step, {"text": "wait"}),
        (Step, {"text": " done\n"}),
        (Step, {"text": "ask: why"}),
        (Step, {"text": "a", "cannot": "b"}),
        (Ask, {"ask": ""}),
        (Ask, {"ask": " \n"}),
        (Wait, {"wait": False}),
        (Done, {"done": False}),
        (Plan, {"steps": [{"wait": True}] * (MAX_STEPS + 1)}),
        (Example, {"id": "1", "query": "q", "steps": []}),
    ],
)
def test_what_is_no_line_and_no_plan_is_refused(make: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**fields)


def test_a_step_has_a_call_once_it_has_been_read() -> None:
    assert Step(text="Go").call is None
    assert Step(text="Go", function="go").call == Call(function="go")
    assert Step(text="Go", function="go", arguments={"to": "$1"}).call == Call(
        function="go", arguments={"to": "$1"}
    )


# ---------------------------------------------------------------- calls


@given(calls())
def test_a_call_that_is_written_reads_back_the_same(call: tuple[Function, dict[str, Any]]) -> None:
    function, arguments = call
    assert not function.problems(arguments)
    text = write_call(SYMBOL, function, arguments)
    assert "\n" not in text
    for line in (text, text + "\n"):
        reading = read_call(line, {SYMBOL: function})
        assert reading.problems == ()
        assert reading.call == Call(function="f", arguments=arguments)


def test_a_call_is_one_line_with_tabs() -> None:
    arguments = {"loud": True, "size": 21.5, "count": 3, "text": "hello\nyou", "mode": "fast"}
    text = "Zebra hello you\tmode fast\tcount 3\tsize 21.5\tloud true"
    assert write_call(SYMBOL, EVERYTHING, arguments) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (21.5, "21.5"),
        (999_999.0, "999999"),
        (1_000_000, "1000000"),
        (2**53 + 1, "9007199254740993"),
        (10**400, "1" + "0" * 400),
        (" living\n room ", "living room"),
    ],
)
def test_values_have_one_text(value: Any, text: str) -> None:
    assert write_value(value) == text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "f: missing argument: text"),
        ({"text": "a", "what": 1}, "f: no such argument: what"),
        ({"text": ""}, "f: an argument is empty"),
        ({"text": " \n"}, "f: an argument is empty"),
        ({"text": "a", "note": "\x00"}, "f: an argument is empty"),
    ],
)
def test_a_call_that_cannot_be_written_is_refused(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(PlanError) as caught:
        write_call(SYMBOL, EVERYTHING, arguments)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no function has the symbol ''"),
        ("Tiger a", "no function has the symbol 'Tiger'"),
        ("Zebra", "text is missing: give text"),
        ("Zebra ", "text: an empty value"),
        ("Zebra\tnote b", "text: its value must follow a space"),
        ("Zebra a\tnote ", "note: an empty value"),
        ("Zebra a\twhat b", "'what' is no argument of f, or stands twice"),
        ("Zebra a\tnote b\tnote c", "'note' is no argument of f, or stands twice"),
        ("Zebra a\tmode slow", 'mode must be one of "fast", "living room", not "slow"'),
        ("Zebra a\tcount 11", "count must be a whole number from 0 to 10, not 11"),
        ("Zebra a\tcount 1.5", "count: '1.5' is not a whole number"),
        ("Zebra a\tcount ten", "count: 'ten' is not a number"),
        ("Zebra a\tsize nan", "size: 'nan' is not a number"),
        ("Zebra a\tsize -inf", "size: '-inf' is not a number"),
        ("Zebra a\tsize 1e999", "size: '1e999' is not a number"),
        ("Zebra a\tloud yes", "loud: 'yes' is neither true nor false"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(text: str, problem: str) -> None:
    assert read_call(text, {SYMBOL: EVERYTHING}) == (None, (problem,))


def sound_call(text: str) -> None:
    """Whatever the text is: a valid call that can be written again, or problems."""
    reading = read_call(text, {SYMBOL: EVERYTHING})
    assert (reading.call is None) == bool(reading.problems)
    assert all(reading.problems)
    if reading.call:
        assert not EVERYTHING.problems(reading.call.arguments)
        again = write_call(SYMBOL, EVERYTHING, reading.call.arguments)
        assert read_call(again, {SYMBOL: EVERYTHING}) == reading


pieces = st.sampled_from(["\t", " ", "\n", "$1", "true", "-3", "1e5", "٣", "note", "size"])


@given(st.text() | st.lists(pieces).map("".join))
@example("\tsize ٣")
@example(" a\rb")
@example(" a\tsize 9007199254740993")
def test_reading_a_call_never_raises(text: str) -> None:
    sound_call(text)
    sound_call(SYMBOL + text)


@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text[:12]))
def test_reading_a_nasty_call_never_raises(text: str) -> None:
    for parameter in ("note", "mode", "count", "size", "loud"):
        sound_call(f"{SYMBOL} a\t{parameter} {text}")
    sound_call(SYMBOL + text)


# ---------------------------------------------------------------- files of examples

json_values = st.text(max_size=20) | st.integers(-(2**40), 2**40) | st.booleans()
json_values |= st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    def steps() -> tuple[Line, ...]:
        return tuple(
            line.model_copy(update={"function": draw(names), "arguments": draw(arguments)})
            if isinstance(line, Step) and draw(st.booleans())
            else line
            for line in draw(plans)
        )

    arguments = st.dictionaries(names, json_values, max_size=3)
    results = st.dictionaries(st.integers(1, MAX_STEPS), st.text(max_size=20), max_size=2)
    branches = [
        Branch(results=draw(results), steps=steps()) for _ in range(draw(st.integers(0, 2)))
    ]
    return Example(
        id=draw(st.text(max_size=20)),
        domains=tuple(draw(st.lists(names, max_size=2))),
        query=draw(st.text(max_size=60)),
        steps=steps(),
        branches=tuple(branches),
    )


@given(examples())
def test_an_example_goes_through_json(example: Example) -> None:
    assert Example.model_validate_json(example.model_dump_json()) == example
    assert Example.model_validate(json.loads(json.dumps(example.model_dump()))) == example


def line_of(**fields: Any) -> str:
    fields = {"id": "1", "query": "q", "steps": [{"wait": True}]} | fields
    return json.dumps(fields, ensure_ascii=False) + "\n"


def test_files_and_folders_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(line_of(id="2") + "\n" + line_of(id="3"), "utf-8")
    # JSON strings may hold separators at which Python's splitlines divides a text.
    (tmp_path / "a.jsonl").write_text(line_of(query="a\u2028b\u0085c"), "utf-8", newline="\r\n")
    (tmp_path / "notes.txt").write_text("not data", "utf-8")
    found = list(read_examples([tmp_path, tmp_path / "b.jsonl"]))
    assert [example.id for example in found] == ["1", "2", "3", "2", "3"]
    assert found[0].query == "a\u2028b\u0085c"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line_of() + '{"id": "2", "que', ["line 2", "not JSON", "column 13"]),
        (line_of() + "\n" + "3\n", ["line 3", "not an example"]),
        (line_of(query=7), ["line 1", "query"]),
        (line_of(steps=[]), ["line 1", "steps"]),
        (line_of(steps=[{"text": "wait"}]), ["line 1", "a meaning of its own"]),
        (line_of(steps=[{"wait": False}]), ["line 1", "steps.0"]),
        (line_of(steps=[{"wait": True}] * 6), ["line 1", "steps"]),
        (line_of(extra=1), ["line 1", "extra"]),
        ("[" * 100_000, ["line 1"]),
        ("1" * 5000, ["line 1"]),
        ("", ["is empty"]),
        ("\n \n", ["is empty"]),
        (b"\xff\xfe", ["cannot read", "utf-8"]),
        (None, ["cannot read", "No such file"]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_bad_file_is_named_with_its_line(
    tmp_path: Path, content: str | bytes | None, said: list[str]
) -> None:
    path = tmp_path / "data.jsonl"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlanError) as caught:
        list(read_examples([path]))
    for word in (str(path), *said):
        assert word in str(caught.value)


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=re.escape(f"{tmp_path} holds no .jsonl file")):
        list(read_examples([tmp_path]))


def test_an_example_is_written_as_it_is_read(tmp_path: Path) -> None:
    lines = (Step(text="Look"), Cannot(cannot=""), Ask(ask="Where?"), Wait(wait=True))
    branch = Branch(results={1: "rain"}, answers=("here",), steps=(Done(done=True),))
    whole = Example(id="a", domains=("b",), query="look", steps=lines, branches=(branch,))
    bare = Example(id="b", query="wait", steps=(Wait(wait=True),))
    path = tmp_path / "two.jsonl"
    path.write_text(f"{write_example(whole)}\n{write_example(bare)}\n", "utf-8")
    assert list(read_examples([path])) == [whole, bare]
    assert json.loads(write_example(bare)) == {
        "id": "b",
        "query": "wait",
        "steps": [{"wait": True}],
    }
    with pytest.raises(ValidationError):
        Example.model_validate({"id": "c", "query": "?", "steps": [{}]})


# ---------------------------------------------------------------- the shipped data


@pytest.fixture(scope="module")
def shipped() -> dict[str, list[Example]]:
    return {split: list(read_examples([DATA / split])) for split in SPLITS}


def numbered(example: Example) -> Iterator[tuple[int, Step]]:
    """Each step with its number, which for a branch goes on from the plan's."""
    first = [line for line in example.steps if isinstance(line, Step)]
    yield from enumerate(first, start=1)
    for branch in example.branches:
        rest = (line for line in branch.steps if isinstance(line, Step))
        yield from enumerate(rest, start=len(first) + 1)


def test_every_call_of_the_data_is_valid(shipped: dict[str, list[Example]]) -> None:
    known = load_function_sets("all")
    for row in chain(*shipped.values()):
        for number, step in numbered(row):
            assert step.call is not None, (row.id, step.text)
            arguments = step.call.arguments
            assert not known[step.call.function].problems(arguments), (row.id, step.text)
            for value in arguments.values():
                for k in re.findall(r"\$(\d+)", str(value)):
                    assert 1 <= int(k) < number, (row.id, step.text, value)


def test_ids_are_unique_and_no_request_is_in_both_splits(
    shipped: dict[str, list[Example]],
) -> None:
    ids = Counter(row.id for split in SPLITS for row in shipped[split])
    assert [id_ for id_, count in ids.items() if count > 1] == []
    train, validation, everyday = (
        {" ".join(row.query.casefold().split()) for row in shipped[split]} for split in SPLITS
    )
    assert validation.isdisjoint(train | everyday)


def is_piece(value: str, text: str) -> bool:
    """Whether the value stands in the text and begins and ends where words do."""
    edge = r"(?!(?<=\w)\w)"
    return re.search(f"{edge}{re.escape(value)}{edge}", text) is not None


def test_strings_are_copied_from_their_steps(shipped: dict[str, list[Example]]) -> None:
    """The grammar lets the action model write nothing but pieces of the step's text and ``$k``."""
    known = load_function_sets("all")
    strings, others = 0, []
    for row in chain(*shipped.values()):
        for _, step in numbered(row):
            assert step.call is not None
            properties = known[step.call.function].parameters["properties"]
            for name, value in step.call.arguments.items():
                if isinstance(value, str) and "enum" not in properties[name]:
                    strings += 1
                    if not re.fullmatch(r"\$[1-5]", value) and not is_piece(value, step.text):
                        others.append((row.id, name, value))
    assert strings > 15_000
    assert len(others) / strings < 0.0002, others
