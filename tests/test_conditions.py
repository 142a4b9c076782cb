"""Requests that hang on a result: each side gets the plan that its result calls for."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.data.conditions import Family, conditional, read_families
from octoplan.functions import load_function_sets
from octoplan.plans import Done, Example, PlanError, Step, Wait

FAMILIES = Path(__file__).parents[1] / "data" / "conditions"
KNOWN = load_function_sets("all")


def plain(request: str, function: str, **arguments: object) -> Example:
    step = Step(text=request.capitalize(), function=function, arguments=arguments)
    return Example(id=request, domains=("android",), query=request, steps=(step,))


PLAIN = [
    plain(f"set the brightness to {percent}", "set_screen_brightness", percent=percent)
    for percent in range(1, 80)
] + [
    plain(f"call {name}", "make_phone_call", recipient=name) for name in ("Ida", "Per", "Bo", "Eve")
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


def sides(example: Example) -> list[tuple[str, bool]]:
    """The result of each branch, and whether the request's first wish is done then."""
    return [
        (result, branch.steps[0] != Done(done=True))
        for branch in example.branches
        for result in branch.results.values()
    ]


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
    limit = {"from": first, "to": first + count * step, "step": step, "decimals": decimals}
    number = family(
        yes=["it is YES {limit}"],
        no=["it is NO {limit}"],
        limit=limit,
        yes_is="below" if below else "above",
        results=["{x} °C"],
        gap=gap,
    )
    made = list(conditional([number], PLAIN, KNOWN, 5, seed))
    assert made
    for example in made:
        if Done(done=True) not in [branch.steps[0] for branch in example.branches]:
            continue  # both sides have something to do: which is which, the next test looks at
        # "if YES, A", "unless NO, A" and "if NO do nothing" mean: A where YES holds.
        clause = r"(unless|if) it is (YES|NO) (\S+?)(?: do|[,.;]? |[,.;]?$)"
        said = re.search(clause, example.query, re.IGNORECASE)
        assert said, example.query
        negated = said[1].lower() == "unless" or "do nothing" in example.query
        wanted_yes = (said[2].upper() == "YES") != negated
        for result, done in sides(example):
            shown = float(re.search(r"-?[\d.]+(?= °C)", result)[0])  # type: ignore[index]
            assert shown != float(said[3])
            is_yes = (shown < float(said[3])) == below
            assert done == (is_yes == wanted_yes)


def test_each_side_gets_its_plan_where_both_have_one():
    fact = family(
        yes=["it rains"], no=["it is dry"], results_yes=["showers"], results_no=["bright"]
    )
    checked = 0
    for example in conditional([fact], PLAIN, KNOWN, 30, 1):
        plans = {r: b.steps[0] for b in example.branches for r in b.results.values()}
        clause = r"if (it rains|it is dry),? (.+?)(?:; otherwise|, if not|, else|\.|, and)"
        found = re.search(clause, example.query, re.IGNORECASE)
        if not found or Done(done=True) in plans.values():
            continue
        result = "showers" if found[1].lower() == "it rains" else "bright"
        wanted = plans.get(result)
        if isinstance(wanted, Step):
            assert wanted.text.lower() == found[2].lower()
            checked += 1
    assert checked > 3


def test_what_is_made_is_valid_and_hangs_on_its_last_step():
    examples = list(conditional(read_families(FAMILIES), PLAIN, KNOWN, 40, 0))
    assert len(examples) > 20
    used: list[str] = []
    for example in examples:
        *steps, wait = example.steps
        assert isinstance(wait, Wait) and len(example.branches) == 2
        for line in (*steps, *(line for branch in example.branches for line in branch.steps)):
            if isinstance(line, Step):
                assert line.call and not KNOWN[line.call.function].problems(line.call.arguments)
        assert all(set(branch.results) == {len(steps)} for branch in example.branches)
        assert "{" not in example.query
        used += [step.text for step in steps[:-1] if isinstance(step, Step)]
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
    skies = [json.loads(text)["sky"] for text in results if text.startswith("{")]
    assert set(skies) <= {"rain", "sun"} and skies


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
