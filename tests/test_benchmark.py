"""A benchmark's rules, duplicates, samples and report, on real data and the simulated device."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.callables import describe
from octoplan.evaluation.benchmark import Report, check, near_duplicates, report, sample
from octoplan.functions import FunctionSet, load_function_sets
from octoplan.plans import Branch, Cannot, Example, PlanError, Step, Wait, read_examples

DATA = Path(__file__).parents[1] / "data"
KNOWN = load_function_sets("all")


@pytest.fixture(scope="module")
def data() -> list[Example]:
    return list(read_examples([DATA / "train" / "cross_a.jsonl", DATA / "train" / "hard_a.jsonl"]))


def step(text: str, function: str | None, **arguments: Any) -> Step:
    return Step(text=text, function=function, arguments=arguments)


def example(*steps: Step | Cannot | Wait, query: str = "do it", **fields: Any) -> Example:
    return Example(**{"id": "x", "query": query, "steps": steps} | fields)


FIND = step("Find my tax return", "find_document", query="tax return")
WIFI_OFF = step("Turn the Wi-Fi off", "set_wifi", enabled=False)


# ---------------------------------------------------------------- the rules


def test_a_good_plan_has_no_faults() -> None:
    email = step("Email the tax return to Mom", "send_email", recipient="Mom", attachment="$1")
    dim = step("Set the brightness to max", "set_screen_brightness", percent=100)
    assert check(example(FIND, Cannot(cannot="massage my feet"), email, dim), KNOWN) == []


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([step("Make tea", "make_tea")], "step 1: there is no function make_tea"),
        ([step("Make tea", None)], "step 1 names no function"),
        (
            [FIND, step("Set the volume to 11", "set_volume", level=11, volume_type="ring")],
            "step 2: level must be a whole number from 0 to 10, not 11",
        ),
        (
            [step("Print it", "print_document", document="$1")],
            "step 1: document is $1, which is no earlier step",
        ),
        (
            [Cannot(cannot="that"), FIND, step("Print it", "print_document", document="$2")],
            "step 2: document is $2, which is no earlier step",
        ),
        (
            [step("Find my tax returns", "find_document", query="tax return")],
            'step 1: query is "tax return", which does not stand word for word in '
            '"Find my tax returns"',
        ),
        (
            [step("Find my Tax return", "find_document", query="")],
            'step 1: query is "", which does not stand word for word in "Find my Tax return"',
        ),
        (
            [FIND, WIFI_OFF, step("Search for Tax Return", "find_document", query="Tax Return")],
            "step 3 is the same call as step 1",
        ),
    ],
)
def test_each_fault_is_one_sentence(steps: list[Step], fault: str) -> None:
    assert check(example(*steps), KNOWN) == [fault]


def test_branches_count_on_from_the_plan_and_keep_the_rules() -> None:
    send = step("Email the tax return to Mom", "send_email", recipient="Mom", attachment="$1")
    ahead = step("Print it", "print_document", document="$3")
    branches = [
        Branch(results={1: "/a.pdf"}, steps=(WIFI_OFF, send)),
        Branch(results={1: "failed: not found"}, steps=(WIFI_OFF, ahead)),
        Branch(results={1: "/a.pdf"}, steps=(send,) + (Cannot(cannot=""),) * 5),
    ]
    assert check(example(FIND, Wait(wait=True), branches=branches), KNOWN) == [
        "branch 2: step 3: document is $3, which is no earlier step",
        "branch 3: the plan has 6 lines, but 5 are the most",
    ]


# ---------------------------------------------------------------- the order

UNLOCK = step("Unlock the front door", "set_lock", door="front door", state="unlocked")
ARM = step("Arm the alarm", "set_security_mode", mode="armed_away")
LOCK = step("Lock the front door", "set_lock", door="front door", state="locked")
CHECKOUT = step("Check out", "checkout")
COUPON = step("Apply the coupon WELCOME10", "apply_coupon", code="WELCOME10")
ADD = step("Put a toaster in the cart", "add_to_cart", product="toaster")
COOL = step("Turn heating and cooling off", "set_climate_mode", mode="off")
WARM = step("Set the thermostat to 20", "set_thermostat", temperature=20)
HEAT = step("Set the climate to heat", "set_climate_mode", mode="heat")


@pytest.mark.parametrize(
    ("steps", "number", "reason"),
    [
        ([UNLOCK, ARM, LOCK], 2, "front door is not locked"),
        ([CHECKOUT, COUPON, Cannot(cannot="that"), ADD], 2, "cart is empty"),
        ([COOL, WARM, WIFI_OFF, HEAT], 2, "heating and cooling are off"),
    ],
)
def test_a_step_that_needs_a_later_one_is_out_of_order(
    steps: list[Step], number: int, reason: str
) -> None:
    (fault,) = check(example(*steps), KNOWN)
    assert fault.startswith(f"step {number} is out of order: it fails (")
    assert reason in fault
    last = [*steps[: number - 1], *steps[number:], steps[number - 1]]
    assert check(example(*last), KNOWN) == []


@pytest.mark.parametrize(
    "steps",
    [
        # Nobody of that name, whenever; and the step that needs its result is not to blame.
        [
            step("Text Zebedee: hi", "send_text_message", contact_name="Zebedee", message="hi"),
            step("Note the answer of Zebedee", "create_note", content="$1"),
            WIFI_OFF,
        ],
        # What the step before rules out; it was asked for in this order.
        [UNLOCK, ARM],
        # There is water for one of the two, whichever comes first.
        [
            step(
                "Water the lawn for 90 minutes", "water_plants", zone="lawn", duration="90 minutes"
            ),
            step("Water the roses for 2 hours", "water_plants", zone="roses", duration="2 hours"),
        ],
        [step("Text Zebedee: hi", "send_text_message", contact_name="Zebedee", message="hi")],
    ],
)
def test_failures_for_other_reasons_are_no_faults(steps: list[Step]) -> None:
    assert check(example(*steps), KNOWN) == []


def test_functions_that_the_device_does_not_have_are_not_run() -> None:
    def set_wifi(band: str) -> None:
        """Choose a Wi-Fi band.

        Args:
            band: Which one.
        """

    own = FunctionSet(name="own", functions=(describe(set_wifi),))
    steps = [step(f"Use the {band} band", "set_wifi", band=band) for band in ("fast", "slow")]
    assert check(example(*steps), own) == []


# ---------------------------------------------------------------- duplicates


def requests(*texts: str, prefix: str = "") -> list[Example]:
    return [example(WIFI_OFF, query=text, id=f"{prefix}{i}") for i, text in enumerate(texts)]


def test_exact_duplicates_differ_in_case_and_punctuation_only() -> None:
    pairs = near_duplicates(
        requests("Don't ring, Wi-Fi off!", "dont ring wi fi off", "please don't ring, Wi-Fi off")
    )
    assert [(pair.ids, pair.exact, pair.likeness) for pair in pairs] == [
        (("0", "1"), True, 1.0),
        (("0", "2"), False, 0.8),
        (("1", "2"), False, 0.8),
    ]
    assert pairs[0].requests == ("Don't ring, Wi-Fi off!", "dont ring wi fi off")


def test_repeated_words_are_alike_but_not_exact() -> None:
    (pair,) = near_duplicates(requests("no no no", "no no"))
    assert (pair.likeness, pair.exact) == (1.0, False)


def test_requests_without_words() -> None:
    pairs = near_duplicates(requests("!!", "\ud800", "!!", "off", ""))
    assert [(pair.ids, pair.exact) for pair in pairs] == [(("0", "2"), True)]


def test_with_others_only_pairs_across_are_reported() -> None:
    ours = requests("turn the lights on", "turn the lights on", "wake me at six", prefix="b")
    theirs = requests("wake me at seven", "Wake me at six.", "wake me at six", prefix="t")
    pairs = near_duplicates(ours, theirs)
    assert [pair.ids for pair in pairs] == [("b2", "t1"), ("b2", "t2"), ("b2", "t0")]
    assert [pair.likeness for pair in pairs] == [1.0, 1.0, 0.5]
    assert near_duplicates(ours, theirs, likeness=1) == pairs[:2]
    assert near_duplicates(ours, []) == near_duplicates([], theirs) == near_duplicates([]) == []


def test_real_requests_with_a_word_left_out_are_found(data: list[Example]) -> None:
    long = [e for e in data if len(e.query.split()) >= 12]
    copies = []
    for e in long:
        words = e.query.split()
        copies.append(e.model_copy(update={"query": " ".join(words[:6] + words[7:])}))
    found = {pair.ids for pair in near_duplicates(long, copies)}
    assert {(e.id, e.id) for e in long} <= found
    assert not any(pair.exact for pair in near_duplicates(long, copies))


# ---------------------------------------------------------------- samples


def steps_of(example: Example) -> int:
    return sum(isinstance(line, Step) for line in example.steps)


KINDS = st.tuples(
    st.integers(0, 5), st.sampled_from([(), ("android",), ("travel",), ("android", "travel")])
)


@st.composite
def drawings(draw: st.DrawFn) -> tuple[list[Example], int, int]:
    kinds = draw(st.lists(KINDS, max_size=40))
    examples = [
        example(*([WIFI_OFF] * steps or [Cannot(cannot="")]), id=str(i), domains=domains)
        for i, (steps, domains) in enumerate(kinds)
    ]
    return examples, draw(st.integers(0, len(examples))), draw(st.integers(0, 99))


@given(drawings())
def test_a_sample_is_of_its_size_without_repeats_in_order_and_always_the_same(
    drawing: tuple[list[Example], int, int],
) -> None:
    examples, n, seed = drawing
    drawn = sample(examples, n, seed)
    assert len(drawn) == n
    places = [int(e.id) for e in drawn]
    assert places == sorted(set(places))
    assert drawn == sample(examples, n, seed)


@given(drawings(), st.sampled_from(["steps", "domains"]))
def test_shares_are_equal_unless_a_group_is_exhausted(
    drawing: tuple[list[Example], int, int], first: Any
) -> None:
    def value(e: Example) -> object:
        return steps_of(e) if first == "steps" else e.domains

    examples, n, seed = drawing
    there = Counter(map(value, examples))
    drawn = Counter(value(e) for e in sample(examples, n, seed, by=(first,)))
    most = max(drawn.values(), default=0)
    assert all(drawn[group] == size or drawn[group] >= most - 1 for group, size in there.items())


def test_shares_within_the_first_property_are_equal_too(data: list[Example]) -> None:
    drawn = sample(data, 60, seed=1)
    steps = Counter(map(steps_of, drawn))
    assert set(steps.values()) == {10}  # of 0 to 5 steps
    fives = Counter(e.domains for e in data if steps_of(e) == 5)
    of_five = Counter(e.domains for e in drawn if steps_of(e) == 5)
    assert len(of_five) == min(10, len(fives))
    assert sample(data, 60, seed=2) != drawn
    assert sample(data, len(data), seed=1) == data


def test_without_properties_the_sample_is_a_plain_one(data: list[Example]) -> None:
    assert len(sample(data, 7, seed=1, by=())) == 7


@pytest.mark.parametrize("n", [-1, 3])
def test_a_sample_that_cannot_be_drawn(n: int) -> None:
    with pytest.raises(PlanError, match=f"there are 2 examples; draw from 0 to as many, not {n}"):
        sample(requests("a", "b"), n, seed=0)


# ---------------------------------------------------------------- the report


def test_report_counts_and_names_what_is_wrong() -> None:
    wrong = step("Find my tax returns", "find_document", query="tax return")
    branch = Branch(results={1: "/a.pdf"}, steps=(UNLOCK,))
    examples = [
        example(FIND, WIFI_OFF, id="a", query="find it then wifi off", domains=("android",)),
        example(wrong, Wait(wait=True), id="b", query="look it up", branches=(branch,)),
        example(FIND, id="b", query="find it, then wifi off", domains=("travel", "android")),
    ]
    found = report(examples, KNOWN, requests("LOOK it up", "something else", prefix="t"))
    assert found.examples == 3
    assert found.steps == {1: 2, 2: 1}
    assert found.domains == {"android": 1, "android+travel": 1, "none": 1}
    assert found.lines == {"step": 5, "wait": 1}
    used = {name: count for name, count in found.functions.items() if count}
    assert used == {"find_document": 3, "set_wifi": 1, "set_lock": 1}
    assert set(found.functions) == {function.name for function in KNOWN}
    assert list(found.faults) == ["b"]
    assert "word for word" in found.faults["b"][0]
    assert found.faults["b"][1] == "2 examples have this id"
    assert [pair.ids for pair in found.duplicates] == [("a", "b")]
    assert [pair.ids for pair in found.in_training] == [("b", "t0")]
    assert Report.model_validate(json.loads(found.model_dump_json())) == found


def test_report_of_nothing() -> None:
    found = report([], KNOWN)
    assert (found.examples, found.steps, found.faults, found.duplicates) == (0, {}, {}, [])


def test_report_of_a_validation_file() -> None:
    examples = list(read_examples([DATA / "validation" / "iterative_a.jsonl"]))
    found = report(examples, KNOWN, examples[:5])
    assert found.examples == sum(found.steps.values()) == sum(found.domains.values())
    assert found.lines["step"] == sum(found.functions.values())
    assert found.lines["wait"] > 0
    assert {e.id for e in examples[:5]} <= {pair.ids[1] for pair in found.in_training if pair.exact}
