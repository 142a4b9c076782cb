"""Functions and function sets: what they accept, what they refuse, and how they say so."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from octoplan.callables import describe
from octoplan.functions import (
    Function,
    FunctionError,
    FunctionSet,
    Hints,
    load_function_set,
    load_function_sets,
    shipped_function_sets,
)

SHIPPED = ("android", "ecommerce", "smart_home", "travel", "video_streaming")


def function(name: str = "f", **properties: dict[str, Any]) -> Function:
    """A function all of whose parameters are required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return Function(name=name, description="Do it.", parameters=parameters)


def message(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    """The message of the FunctionError that a call raises, which is always one line."""
    with pytest.raises(FunctionError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Random functions, and arguments for them.

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True)
texts = st.text(max_size=20)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    schema: dict[str, Any] = {"type": kind}
    if draw(st.booleans()):
        schema["description"] = draw(texts)
    if kind == "string" and draw(st.booleans()):
        schema["enum"] = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    if kind in ("integer", "number"):
        low, high = sorted(draw(st.tuples(st.integers(-99, 99), st.integers(-99, 99))))
        schema |= {"minimum": low} if draw(st.booleans()) else {}
        schema |= {"maximum": high} if draw(st.booleans()) else {}
    return schema


@st.composite
def functions(draw: st.DrawFn) -> Function:
    properties = draw(st.dictionaries(names, schemas(), max_size=4))
    required = [name for name in properties if draw(st.booleans())]
    return Function(
        name=draw(names),
        description=draw(texts),
        parameters={"type": "object", "properties": properties, "required": required},
        returns=draw(texts),
        hints=Hints(
            read_only=draw(st.booleans()),
            destructive=draw(st.booleans()),
            idempotent=draw(st.booleans()),
        ),
    )


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    match schema["type"]:
        case "string":
            return st.sampled_from(schema["enum"]) if "enum" in schema else texts
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case _:
            return st.booleans()


def broken_values(schema: dict[str, Any]) -> list[Any]:
    kinds = {"string": "text", "integer": 1, "number": 1, "boolean": True}
    broken = [[], {}, None]
    # An integer is a number too, but a boolean is neither.
    broken += [value for kind, value in kinds.items() if value != kinds[schema["type"]]]
    broken += [True] if schema["type"] in ("integer", "number") else []
    broken += [1] if schema["type"] == "boolean" else []
    broken += [1.5] if schema["type"] == "integer" else []
    broken += [schema["minimum"] - 1] if "minimum" in schema else []
    broken += [schema["maximum"] + 1] if "maximum" in schema else []
    broken += ["".join(schema["enum"]) + "x"] if "enum" in schema else []
    return broken


@st.composite
def calls(draw: st.DrawFn) -> tuple[Function, dict[str, Any]]:
    """A function and valid arguments for it, now and then without the optional ones."""
    f = draw(functions())
    given = {
        name: draw(values(schema))
        for name, schema in f.parameters["properties"].items()
        if name in f.required or draw(st.booleans())
    }
    return f, given


# One function.


@given(functions())
def test_openai_round_trip(f: Function) -> None:
    assert Function.from_openai(json.loads(json.dumps(f.to_openai()))) == f


@given(calls())
def test_valid_arguments_have_no_problems(call: tuple[Function, dict[str, Any]]) -> None:
    f, arguments = call
    assert f.problems(arguments) == []


@given(calls(), st.data())
def test_broken_arguments_have_problems(
    call: tuple[Function, dict[str, Any]], data: st.DataObject
) -> None:
    f, arguments = call
    unknown = data.draw(names.filter(lambda name: name not in f.parameters["properties"]))
    assert len(f.problems(arguments | {unknown: 1})) == 1
    for name in f.required:
        rest = {key: value for key, value in arguments.items() if key != name}
        assert len(f.problems(rest)) == 1
    for name, schema in f.parameters["properties"].items():
        for value in broken_values(schema):
            assert len(f.problems(arguments | {name: value})) == 1, (schema, value)


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "string"}, 3, "x must be text, not 3"),
        ({"type": "boolean"}, "on", 'x must be true or false, not "on"'),
        ({"type": "integer"}, True, "x must be a whole number, not true"),
        ({"type": "number"}, None, "x must be a number, not null"),
        ({"type": "number", "minimum": 0}, -1, "x must be a number of at least 0, not -1"),
        ({"type": "number", "maximum": 9}, 10, "x must be a number of at most 9, not 10"),
        (
            {"type": "integer", "minimum": 0, "maximum": 10},
            11.5,
            "x must be a whole number from 0 to 10, not 11.5",
        ),
        (
            {"type": "string", "enum": ["front", "back"]},
            "$1",
            'x must be one of "front", "back", not "$1"',
        ),
    ],
)
def test_problems_are_in_plain_words(schema: dict[str, Any], value: object, problem: str) -> None:
    assert function(x=schema).problems({"x": value}) == [problem]


def test_problems_of_several_arguments_come_together() -> None:
    f = function("go", to={"type": "string"}, speed={"type": "integer", "maximum": 5})
    assert f.problems({"speed": "fast", "by": "car", "at": 9}) == [
        'speed must be a whole number of at most 5, not "fast"',
        "to is missing: give text",
        "by is not a parameter of go, which takes to, speed",
        "at is not a parameter of go, which takes to, speed",
    ]
    assert function("stop").problems({"now": 1}) == [
        "now is not a parameter of stop, which takes none"
    ]


@given(st.integers(1, 5))
def test_a_string_may_be_the_result_of_a_step(step: int) -> None:
    assert function(attachment={"type": "string"}).problems({"attachment": f"${step}"}) == []


def test_a_function_can_be_sent_to_another_process_after_use() -> None:
    f = function(x={"type": "string"})
    f.problems({})
    assert pickle.loads(pickle.dumps(f)) == f


def test_parameters_have_one_form() -> None:
    f = Function(
        name="f",
        description="Do it.",
        parameters={
            "type": "object",
            "title": "Arguments",
            "required": ["b", "a"],
            "properties": {
                "a": {"default": 1, "description": "an a", "title": "A", "type": "integer"},
                "b": {"type": "string"},
            },
        },
    )
    assert json.dumps(f.parameters) == json.dumps(
        {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "description": "an a"},
                "b": {"type": "string"},
            },
            "required": ["a", "b"],
            "additionalProperties": False,
        }
    )
    assert f.required == ("a", "b")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("text", "must be a JSON Schema such as {'type': 'string'}"),
        ({}, "type must be string, integer, number or boolean, not null"),
        ({"type": "array"}, 'type must be string, integer, number or boolean, not "array"'),
        (
            {"type": ["string", "null"]},
            'type must be string, integer, number or boolean, not ["string", "null"]',
        ),
        (
            {"type": "string", "pattern": "a+"},
            "'pattern' is not supported: use only type, description, enum, minimum, maximum",
        ),
        ({"type": "string", "description": 1}, "description must be text"),
        (
            {"type": "string", "enum": []},
            "enum must be a list of different strings, of type string",
        ),
        (
            {"type": "string", "enum": ["a", 1]},
            "enum must be a list of different strings, of type string",
        ),
        (
            {"type": "string", "enum": ["a", "a"]},
            "enum must be a list of different strings, of type string",
        ),
        (
            {"type": "integer", "enum": ["a"]},
            "enum must be a list of different strings, of type string",
        ),
        (
            {"type": "string", "minimum": 1},
            "minimum and maximum are for type integer or number only",
        ),
        ({"type": "integer", "minimum": "1"}, "minimum and maximum must be numbers"),
        (
            {"type": "integer", "minimum": 2, "maximum": 1},
            "minimum must not be above maximum",
        ),
    ],
)
def test_parameters_outside_the_subset_are_refused(schema: Any, problem: str) -> None:
    assert message(function, "f", x=schema) == f"function 'f', parameter 'x': {problem}"


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, ": parameters must be a JSON Schema of type object"),
        (
            {"type": "object", "additionalProperties": True},
            ": additionalProperties must be false: list every parameter",
        ),
        (
            {"type": "object", "properties": ["x"]},
            ": properties must map each parameter to its schema",
        ),
        ({"type": "object", "required": "x"}, ": required must be a list of parameter names"),
        ({"type": "object", "required": ["x"]}, ", parameter 'x': required, but not in properties"),
        (
            {"type": "object", "anyOf": []},
            ": 'anyOf' is not supported: use only type, properties, required, "
            "additionalProperties, description, $schema",
        ),
    ],
)
def test_malformed_parameters_are_refused(parameters: dict[str, Any], problem: str) -> None:
    tool = {"name": "f", "description": "Do it.", "parameters": parameters}
    assert (
        message(Function.from_openai, {"type": "function", "function": tool})
        == f"function 'f'{problem}"
    )


def test_other_malformed_functions_are_refused() -> None:
    empty = {"type": "object"}
    assert message(Function, name="set wifi", description="Do it.", parameters=empty) == (
        "function 'set wifi': use letters, digits and underscores for the name, "
        "64 at most, and no digit first"
    )
    assert message(Function.from_openai, {"name": "f"}) == (
        'write each function as {"type": "function", "function": {…}}'
    )
    assert message(Function.from_openai, {"function": {"name": "f"}}) == (
        "function 'f': description: field required"
    )
    tool = {"name": "f", "description": "Do it.", "annotations": {"readOnlyHint": "perhaps"}}
    assert "readOnlyHint" in message(Function.from_openai, {"function": tool})


# Functions written in Python.


def play(
    title: str,
    quality: Literal["auto", "4K"],
    volume: Annotated[int, Field(ge=0, le=10)] = 5,
    speed: Annotated[float | None, annotated_types.Interval(ge=0.25, le=4)] = None,
    *,
    subtitles: bool = False,
) -> str:
    """Play a film
    or a series.

    Args:
        title: what to play, or $k for
            the result of step k
        quality: how sharp
        volume: how loud
        speed: how fast
        subtitles: whether to show subtitles

    Returns:
        what is playing
    """
    return title


def test_a_python_function_describes_itself() -> None:
    assert describe(play) == Function(
        name="play",
        description="Play a film or a series.",
        parameters={
            "type": "object",
            "properties": {
                "title": {
                    "type": "string",
                    "description": "what to play, or $k for the result of step k",
                },
                "quality": {"type": "string", "description": "how sharp", "enum": ["auto", "4K"]},
                "volume": {
                    "type": "integer",
                    "description": "how loud",
                    "minimum": 0,
                    "maximum": 10,
                },
                "speed": {
                    "type": "number",
                    "description": "how fast",
                    "minimum": 0.25,
                    "maximum": 4,
                },
                "subtitles": {"type": "boolean", "description": "whether to show subtitles"},
            },
            "required": ["title", "quality"],
        },
        returns="what is playing",
    )


def test_a_method_describes_itself_without_self() -> None:
    class Lamp:
        def switch(self, on: bool) -> None:
            """Switch the lamp.

            Args:
                on: true for on
            """

        def smash(self) -> None:
            """Smash the lamp.

            Hints:
                destructive, idempotent
            """

        def sell(self) -> str:
            """Sell the lamp.

            Returns:
                what it brought

            Hints: Destructive
            """
            return ""

    assert describe(Lamp().sell).hints == Hints(destructive=True)
    assert describe(Lamp().sell).returns == "what it brought"
    assert describe(Lamp().smash).hints == Hints(destructive=True, idempotent=True)
    assert describe(Lamp().smash).description == "Smash the lamp."
    described = describe(Lamp().switch)
    assert described.hints == Hints()
    assert (described.name, described.required, described.returns) == ("switch", ("on",), "")


def undocumented(x: str) -> None: ...


def undescribed(x: str) -> None:
    """Do it."""


def unannotated(x) -> None:  # type: ignore[no-untyped-def]
    """Do it.

    Args:
        x: an x
    """


def listed(x: list[str]) -> None:
    """Do it.

    Args:
        x: an x
    """


def numbered(x: Literal[1, 2]) -> None:
    """Do it.

    Args:
        x: an x
    """


def either(x: int | str) -> None:
    """Do it.

    Args:
        x: an x
    """


def above(x: Annotated[int, Field(gt=0)]) -> None:
    """Do it.

    Args:
        x: an x
    """


def starred(*x: str) -> None:
    """Do it."""


def dangling(x: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Do it."""


def rash() -> None:
    """Do it.

    Hints:
        destructive, harmless
    """


HINTS = "the type hint must be str, int, float, bool or a Literal of strings, not"


@pytest.mark.parametrize(
    ("f", "problem"),
    [
        (undocumented, ": add a docstring that says what the function does"),
        (undescribed, ", parameter 'x': describe it under 'Args:' in the docstring"),
        (unannotated, f", parameter 'x': {HINTS} none"),
        (listed, f", parameter 'x': {HINTS} list[str]"),
        (numbered, f", parameter 'x': {HINTS} Literal[1, 2]"),
        (either, f", parameter 'x': {HINTS} int | str"),
        (above, ", parameter 'x': Gt(gt=0) is not supported: use only ge and le"),
        (
            starred,
            ", parameter 'x': replace *args, **kwargs and positional-only parameters by named ones",
        ),
        (rash, ": the hint 'harmless' is none of read-only, destructive, idempotent"),
        (dangling, " cannot be read: NameError: name 'Nowhere' is not defined"),
    ],
)
def test_python_functions_that_cannot_be_described(f: Callable[..., Any], problem: str) -> None:
    assert message(describe, f) == f"function '{f.__name__}'{problem}"


# Function sets.


def test_a_set_is_a_collection_of_functions() -> None:
    a, b = function("a"), function("b")
    both = FunctionSet(name="letters", functions=(a, b))
    assert list(both) == [a, b]
    assert len(both) == 2
    assert "a" in both and a in both
    assert "c" not in both and function("c") not in both
    assert both["b"] is b
    assert FunctionSet(name="player", functions=(describe(play),))["play"] == describe(play)
    assert (
        message(FunctionSet, name="letters", functions=(a, a))
        == "function 'a' is defined twice: rename one"
    )


def test_an_unknown_name_brings_near_ones() -> None:
    android = load_function_set("android")
    assert message(android.__getitem__, "set_volum") == (
        "there is no function 'set_volum' in android (did you mean set_volume?)"
    )
    assert message(android.__getitem__, "zzz") == "there is no function 'zzz' in android"


def test_sets_join() -> None:
    a, b, c = function("a"), function("b"), function("c")
    left = FunctionSet(name="left", functions=(a, b))
    right = FunctionSet(name="right", functions=(b, c))
    assert left | right == FunctionSet(name="left+right", functions=(a, b, c))
    assert left | left == left
    other = FunctionSet(name="other", functions=(function("b", x={"type": "string"}),))
    assert message(lambda: left | other) == (
        "left and other define 'b' differently: rename one, or load one of the sets"
    )


@given(st.lists(functions(), max_size=4, unique_by=lambda f: f.name))
def test_the_digest_identifies_the_functions(members: list[Function]) -> None:
    one = FunctionSet(name="one", functions=tuple(members))
    copy = FunctionSet(
        name="two", functions=tuple(Function.from_openai(tool) for tool in one.to_openai())
    )
    assert one.digest == copy.digest
    assert len(one.digest) == 12 and int(one.digest, 16) >= 0
    longer = FunctionSet(name="one", functions=(*members, function("x" * 64)))
    assert longer.digest != one.digest


def test_five_sets_ship() -> None:
    assert shipped_function_sets() == SHIPPED
    everything = load_function_sets("all")
    assert everything.name == "android+ecommerce+smart_home+travel+video_streaming"
    assert len(everything) == sum(len(load_function_set(name)) for name in SHIPPED)
    for f in everything:
        assert f.returns and all(p["description"] for p in f.parameters["properties"].values())
        assert not (f.hints.read_only and f.hints.destructive)
    assert everything["send_email"].hints == Hints(destructive=True)
    assert everything["set_wifi"].hints == Hints(idempotent=True)
    assert everything["find_document"].hints.read_only


def test_sets_load_together() -> None:
    two = load_function_sets("android, travel")
    assert two == load_function_sets(["android", "travel"])
    assert two == load_function_set("android") | load_function_set("travel")
    assert message(load_function_sets, "") == (
        f"no function set is given: use all, or some of {', '.join(SHIPPED)}"
    )


def test_sets_load_fast_and_jsonschema_late() -> None:
    code = """
import sys, time
from octoplan.functions import load_function_sets
start = time.perf_counter()
load_function_sets("all")
print(time.perf_counter() - start, "jsonschema" in sys.modules)
"""
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    seconds, jsonschema = output.split()
    # 4 ms on an idle machine; the bound leaves room for a busy one.
    assert float(seconds) < 0.5
    assert jsonschema == "False"


def test_a_set_loads_from_json(tmp_path: Path) -> None:
    path = tmp_path / "player.json"
    original = FunctionSet(name="player", functions=(describe(play),))
    path.write_text(json.dumps(original.to_openai()))
    assert load_function_set(path) == original
    assert load_function_set(str(path)) == original


MODULE = '''
from __future__ import annotations
from dataclasses import dataclass
from textwrap import dedent

@dataclass
class State:
    on: bool = False

def switch(on: bool) -> str:
    """Switch it.

    Args:
        on: true for on
    """
    return "done"

def _private(): ...
'''


def test_a_set_loads_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "octoplan_test_package"
    package.mkdir()
    path = package / "lamp.py"
    path.write_text(MODULE)
    lamp = load_function_set(path)
    assert [f.name for f in lamp] == ["switch"]
    monkeypatch.syspath_prepend(tmp_path)
    assert load_function_set("octoplan_test_package.lamp") == lamp
    assert lamp.name == "lamp"


def test_an_unknown_set_brings_the_known_ones() -> None:
    assert message(load_function_set, "andriod") == (
        "there is no function set 'andriod' (did you mean android?): "
        f"use {', '.join(SHIPPED)}, a .json or .py file, or a module such as package.module"
    )


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("gone.json", None, "there is no file {path}: check the path"),
        ("gone.py", None, "there is no file {path}: check the path"),
        ("bad.json", b"[1,\n 2", "{path} is not JSON: Expecting ',' delimiter in line 2, column 3"),
        ("bad.json", b"\xff", "{path} is not UTF-8 text: save it as UTF-8"),
        (
            "bad.json",
            b"{}",
            "{path} must hold a list of functions in the OpenAI tools format",
        ),
        ("bad.json", b"[]", "{path} holds no functions: add at least one public function"),
        (
            "bad.json",
            b"[3]",
            '{path}, entry 1: write each function as {{"type": "function", "function": {{…}}}}',
        ),
        (
            "bad.json",
            b'[{"function": {"name": "f", "description": "Do it.", "parameters": {"type": "object",'
            b' "properties": {"x": {"type": "array"}}}}}]',
            "{path}, entry 1: function 'f', parameter 'x': "
            'type must be string, integer, number or boolean, not "array"',
        ),
        (
            "bad.json",
            b'[{"function": {"name": "f", "description": "1"}},'
            b' {"function": {"name": "f", "description": "2"}}]',
            "{path}: function 'f' is defined twice: rename one",
        ),
        ("empty.py", b"x = 1", "{path} holds no functions: add at least one public function"),
        (
            "bad.py",
            b"import nowhere_at_all",
            "{path} cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
        (
            "bad.py",
            b"def f(): ...",
            "bad.py: function 'f': add a docstring that says what the function does",
        ),
    ],
)
def test_files_that_cannot_be_loaded(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert message(load_function_set, path) == problem.format(path=path)


def test_other_sources_that_cannot_be_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()
    assert message(load_function_set, folder) == f"{folder} cannot be read: Is a directory"
    assert message(load_function_set, "nowhere.at_all") == (
        "module nowhere.at_all cannot be imported: ModuleNotFoundError: No module named 'nowhere'"
    )
