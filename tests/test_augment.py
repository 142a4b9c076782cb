"""Variations of the training data: values stay word for word in their steps, references fit."""

import random
from pathlib import Path

import pytest

from octoplan.data.augment import alone, joined, variations
from octoplan.functions import load_function_sets
from octoplan.plans import MAX_STEPS, Example, Step, read_examples

DATA = Path(__file__).parents[1] / "data" / "train"
KNOWN = load_function_sets("all")


@pytest.fixture(scope="module")
def data() -> list[Example]:
    return list(read_examples([DATA / "cross_a.jsonl", DATA / "hard_a.jsonl"]))


@pytest.fixture(scope="module")
def varied(data: list[Example]) -> list[Example]:
    return list(variations(data, KNOWN, epochs=3, seed=1))


def loose(example: Example) -> set[str]:
    """The string values that do not stand in their step's text (enums and the like, and $k)."""
    return {
        f"{step.function}.{name}={value}"
        for step in example.steps
        if isinstance(step, Step)
        for name, value in (step.arguments or {}).items()
        if isinstance(value, str) and value not in step.text and not value.startswith("$")
    }


def test_every_epoch_varies_the_data(data: list[Example], varied: list[Example]) -> None:
    whole = [example for example in varied if not {"+", "."} & {*example.id}]
    assert [example.id for example in whole] == [example.id for example in data] * 3
    epochs = [whole[start : start + len(data)] for start in range(0, len(whole), len(data))]
    for epoch in epochs:
        changed = sum(a != b for a, b in zip(data, epoch, strict=True))
        assert len(data) / 5 < changed < len(data)
    assert epochs[0] != epochs[1] != epochs[2]
    assert sum("+" in example.id for example in varied) > 0.05 * len(whole)
    assert sum("." in example.id for example in varied) > 0.1 * len(whole)


def test_the_same_seed_gives_the_same_examples(data: list[Example], varied: list[Example]) -> None:
    assert list(variations(data, KNOWN, epochs=3, seed=1)) == varied
    assert list(variations(data, KNOWN, epochs=3, seed=2)) != varied


def test_values_still_stand_in_their_steps_and_calls_are_valid(
    data: list[Example], varied: list[Example]
) -> None:
    loose_before = set().union(*map(loose, data))
    for example in varied:
        assert loose(example) <= loose_before
        steps = [line for line in example.steps if isinstance(line, Step)]
        assert len(example.steps) <= MAX_STEPS
        for number, step in enumerate(steps, start=1):
            assert step.call is not None
            assert KNOWN[step.call.function].problems(step.call.arguments) == []
            for value in step.call.arguments.values():
                if isinstance(value, str) and value.startswith("$"):
                    assert 1 <= int(value[1:]) < number


def test_a_swapped_value_is_swapped_wherever_it_stands(
    data: list[Example], varied: list[Example]
) -> None:
    originals = {example.id: example for example in data}
    swapped = 0
    for example in varied:
        if (original := originals.get(example.id)) in (None, example):
            continue
        for before, after in zip(original.steps, example.steps, strict=True):
            if not isinstance(before, Step) or not isinstance(after, Step):
                continue
            for name, value in (before.arguments or {}).items():
                new = (after.arguments or {})[name]
                if new != value and value in original.query:
                    swapped += 1
                    assert new in example.query
                    assert new in after.text
    assert swapped > 100


def test_joined_requests_keep_their_references() -> None:
    def example(name: str, query: str, first: str, value: str) -> Example:
        steps = (
            Step(text=first, function="find_document", arguments={"query": value}),
            Step(text="Print it", function="print_document", arguments={"document": "$1"}),
        )
        return Example(id=name, domains=("android",), query=query, steps=steps)

    one = example("a", "print my visa.", "Find my visa", "visa")
    two = example("b", "print the map", "Find the map", "map")
    both = joined(one, two, ", then ")
    assert both.query == "print my visa, then print the map"
    assert [step.arguments for step in both.steps if isinstance(step, Step)] == [
        {"query": "visa"},
        {"document": "$1"},
        {"query": "map"},
        {"document": "$3"},
    ]
    asked = joined(one.model_copy(update={"query": "is my visa printed?"}), two, ", then ")
    assert asked.query == "is my visa printed? Then print the map"


def test_a_step_that_needs_no_other_is_said_alone() -> None:
    steps = (
        Step(text="Find my visa", function="find_document", arguments={"query": "my visa"}),
        Step(text="Print it", function="print_document", arguments={"document": "$1"}),
        Step(text="Lock the door", function="set_lock", arguments={"door": "door"}),
    )
    example = Example(id="a", domains=("android",), query="…", steps=steps)
    made = [alone(example, random.Random(seed)) for seed in range(50)]
    assert all(each.steps in ((steps[0],), (steps[2],)) for each in made)
    assert {"find my visa", "lock the door please", "can you lock the door?"} <= {
        each.query for each in made
    }
    assert {each.id for each in made} == {"a.1", "a.3"}
