"""Requests that hang on a result: each side gets the plan that its result calls for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.data import conditions
from octoplan.data.conditions import Family, conditional, read_families
from octoplan.functions import load_function_sets
from octoplan.plans import Done, Example, PlanError, Step, Wait

FAMILIES = Path(__file__).parents[1] / "data" / "conditions"
KNOWN = load_function_sets("all")


def plain(request: str, function: str, **arguments: object) -> Example:
    step = Step(text=request.capitalize(), function=function, arguments=arguments)
    return Example(id=request, domains=("android",), query=request, steps=(step,))


PLAIN = [
    each
    for n in range(1, 61)
    for each in (
        plain(f"set the brightness to {n}", "set_screen_brightness", percent=n),
        plain(f"call friend {n}", "make_phone_call", recipient=f"friend {n}"),
        plain(f"play song {n}", "play_music", query=f"song {n}"),
    )
]


def family(**condition: object) -> Family:
    return Family.model_validate(
        {
            "function": "get_weather_forecast",
            "slots": {"place": ["Oslo", "Cork"]},
            "look": ["check the weather in {place}"],
            "step": "Check the weather in {place}",
            "arguments": {"location": "{place}"},
            "conditions": [condition],
        }
    )


@pytest.fixture(autouse=True, scope="module")
def parts_by_name() -> Iterator[None]:
    """Requests that name their parts, so that the tests need not understand sentences."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "_PATTERNS", ("YES={yes}|NO={no}|A={a}|B={b}|{look}",))
        patch.setattr(conditions, "_ONE_SIDED", ("YES={yes}|NO={no}|A={a}|{look}",))
        patch.setattr(conditions, "NOISE", 0.0)
        yield


def parts(example: Example) -> dict[str, str]:
    """The named parts of a request."""
    return dict(re.findall(r"(YES|NO|A|B)=([^|]*)", example.query))


def follows(example: Example, result: str) -> str:
    """What the plan goes on with after a result."""
    (line,) = next(b.steps[:1] for b in example.branches if result in b.results.values())
    return "" if isinstance(line, Done) else line.text.lower()


@given(
    first=st.integers(-50, 50),
    count=st.integers(0, 20),
    step=st.sampled_from([0.5, 1, 5]),
    decimals=st.integers(0, 2),
    gap=st.tuples(st.floats(0, 3), st.floats(0, 30)),
    below=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_number_falls_on_the_side_of_the_limit_that_its_plan_belongs_to(
    first, count, step, decimals, gap, below, seed
):
    number = family(
        yes=["holds {limit}"],
        no=["fails {limit}"],
        limit={"from": first, "to": first + count * step, "step": step, "decimals": decimals},
        yes_is="below" if below else "above",
        results=["{x} °C"],
        gap=gap,
    )
    made = list(conditional([number], PLAIN, KNOWN, 5, seed))
    assert made
    for example in made:
        said = parts(example)
        where, limit = said["YES"].split()  # where A is done: one side or the other
        for branch in example.branches:
            (result,) = branch.results.values()
            shown = float(result.removesuffix(" °C"))
            assert shown != float(limit) and not result.startswith("-0 ")
            holds = (shown < float(limit)) == below
            wish = said["A"] if holds == (where == "holds") else said.get("B", "")
            assert follows(example, result) == wish.lower()


@given(st.integers(0, 1000))
def test_times_of_day_stay_on_their_side(seed):
    late = family(
        yes=["before {limit}"],
        no=["after {limit}"],
        limit={"kind": "time", "from": 30, "to": 23 * 60 + 30, "step": 15},
        yes_is="below",
        results=["{x}"],
        gap=[1, 300],
    )
    for example in conditional([late], PLAIN, KNOWN, 3, seed):
        where, limit = parts(example)["YES"].split()
        for branch in example.branches:
            (shown,) = branch.results.values()
            wish = parts(example).get("A" if (shown < limit) == (where == "before") else "B", "")
            assert shown != limit and follows(example, shown) == wish.lower()


def test_each_side_of_a_fact_gets_its_plan():
    fact = family(
        yes=["it rains"], no=["it is dry"], results_yes=["showers"], results_no=["bright"]
    )
    examples = list(conditional([fact], PLAIN, KNOWN, 40, 1))
    for example in examples:
        said = parts(example)
        dry, wet = ("B", "A") if said["YES"] == "it rains" else ("A", "B")
        assert follows(example, "showers") == said.get(wet, "").lower()
        assert follows(example, "bright") == said.get(dry, "").lower()
    assert {len(parts(example)) for example in examples} == {3, 4}


def test_what_is_made_is_valid_and_hangs_on_its_last_step():
    examples = list(conditional(read_families(FAMILIES), PLAIN, KNOWN, 40, 0))
    assert len(examples) > 20
    used: list[str] = []
    for example in examples:
        *steps, wait = example.steps
        assert isinstance(wait, Wait) and len(example.branches) == 2
        lines = [*steps[:-1], *(line for branch in example.branches for line in branch.steps)]
        for line in (*lines, steps[-1]):
            if isinstance(line, Step):
                assert line.call and not KNOWN[line.call.function].problems(line.call.arguments)
        assert all(set(branch.results) == {len(steps)} for branch in example.branches)
        assert "{" not in example.query
        used += [line.text for line in lines if isinstance(line, Step)]
        assert Example.model_validate_json(example.model_dump_json(exclude_unset=True)) == example
    assert len(used) == len(set(used))


def test_the_same_seed_makes_the_same_examples():
    families = read_families(FAMILIES)
    first, again, other = (list(conditional(families, PLAIN, KNOWN, 9, s)) for s in (4, 4, 5))
    assert first == again and first != other


def test_braces_of_json_stay():
    fact = family(
        yes=["it rains"],
        no=["it is dry"],
        results_yes=['{"sky": "rain", "in": "{place}"}'],
        results_no=['{"sky": "sun"}'],
    )
    example = next(conditional([fact], PLAIN, KNOWN, 20, 2))
    results = [text for branch in example.branches for text in branch.results.values()]
    assert {json.loads(text)["sky"] for text in results} == {"rain", "sun"}


def test_all_families_fit_their_functions():
    for each in read_families(FAMILIES):
        properties = KNOWN[each.function].parameters["properties"]
        assert set(each.arguments) <= set(properties)
        assert set(KNOWN[each.function].required) <= set(each.arguments)
        for value in each.arguments.values():
            if isinstance(value, str):
                assert value in each.step or not value.startswith("{")
        for slot in re.findall(r"\{(\w+)\}", " ".join((each.step, *each.look))):
            assert slot in each.slots


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no .jsonl"), ("nonsense\n", "bad.jsonl:1"), ('{"function": "x"}\n', "bad.jsonl:1")],
)
def test_a_file_that_holds_no_families_is_named(tmp_path, text, words):
    if text:
        (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(PlanError, match=words.replace(".", r"\.")):
        read_families(tmp_path)
