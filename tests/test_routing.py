"""Routing: requests are cut where their domain changes, and each part goes to its planner."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.action import Action
from octoplan.agent import Agent
from octoplan.devices.simulated import SimulatedDevice
from octoplan.loading import load_action
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter
from octoplan.planner import Planner, Planning, RequestError
from octoplan.plans import MAX_STEPS, Call, Line, Step, Told, Wait, read_examples
from octoplan.routing import MOST, RoutedPlanner, Router, add_counts, count_words

DATA = Path(__file__).parents[1] / "data" / "train"
HOME = ["turn the lights on", "dim the lights in the kitchen", "lock the door"] * 30
TRIP = ["find flights to Oslo", "book a hotel in Oslo", "find hotels in Rome"] * 30
COUNTS = {"home": count_words(HOME), "trip": count_words(TRIP)}


class Scripted(Planner):
    """A planner that writes a step with the words that it was given."""

    def __init__(self, name: str, requests: Sequence[str], steps: int = 1) -> None:
        self.adapter = Adapter.model_construct(
            folder=Path(name), word_counts=count_words(requests), plans_on=True
        )
        self.steps = steps

    @property
    def adapters(self) -> list[Adapter]:
        return [self.adapter]

    @property
    def plans_on(self) -> bool:
        return True

    def stream(self, request: str, planning: Planning, told: Sequence[Told] = ()) -> Iterator[Line]:
        for number in range(self.steps):
            planning.lines.append(Step(text=f"{self.adapter.folder}: {request} {number}"))
            yield planning.lines[-1]
        planning.probability, planning.seconds = 0.5, 1.0


def routed(steps: int = 1) -> RoutedPlanner:
    return RoutedPlanner([Scripted("home", HOME, steps), Scripted("trip", TRIP, steps)])


def test_a_request_is_cut_where_its_domain_changes() -> None:
    parts = Router(COUNTS, change=1).parts("lock the door, dim the lights and find flights to Oslo")
    assert parts == [
        ("home", "lock the door, dim the lights"),
        ("trip", "and find flights to Oslo"),
    ]


def test_a_change_must_be_worth_it() -> None:
    assert len(Router(COUNTS, change=1e6).parts("lock the door and find flights to Oslo")) == 1


@given(st.text(max_size=200), st.floats(0, 20))
def test_nothing_of_a_request_is_lost(request: str, change: float) -> None:
    parts = Router(COUNTS, change).parts(request)
    assert " ".join(text for _, text in parts).split() == request.split()
    assert all(one[0] != two[0] for one, two in zip(parts, parts[1:], strict=False))
    assert {domain for domain, _ in parts} <= set(COUNTS)


def test_words_of_no_domain_say_nothing() -> None:
    router = Router(COUNTS)
    assert len(set(router.likelihoods("xyzzy").values())) == 1
    assert router.likelihoods("lights xyzzy") == router.likelihoods("lights")


def test_only_the_commonest_words_are_counted() -> None:
    counts = count_words([f"word{'abcdefghij'[n % 10]}{'x' * (n // 10)}" for n in range(2 * MOST)])
    assert len(counts) == MOST
    assert count_words(["the door the door"]) == {"door": 1, "door the": 1, "the": 1, "the door": 1}


def test_the_data_of_one_domain_mostly_stay_whole() -> None:
    names = ("android", "smart_home", "travel")
    requests = {
        name: [e.query for e in read_examples([DATA / f"{name}_{lot}.jsonl" for lot in "ab"])]
        for name in names
    }
    router = Router({name: count_words(those[::2]) for name, those in requests.items()})
    held_out = [(name, query) for name, those in requests.items() for query in those[1::2]]
    right = sum(router.parts(query) == [(name, query)] for name, query in held_out)
    assert right > 0.85 * len(held_out)


def test_each_part_goes_to_its_planner() -> None:
    planning = routed().plan("lock the door. find flights to Oslo, book a hotel in Oslo")
    assert [line.text for line in planning.lines if isinstance(line, Step)] == [
        "home: lock the door. 0",
        "trip: find flights to Oslo, book a hotel in Oslo 0",
    ]
    assert (planning.probability, planning.seconds) == (0.25, 2.0)


def test_a_plan_of_several_planners_has_no_more_steps_than_another() -> None:
    planner, planning = routed(steps=4), Planning()
    seen = list(planner.stream("lock the door. find flights to Oslo and Rome", planning))
    assert seen == planning.lines and len(seen) == MAX_STEPS


def test_what_is_left_goes_to_the_planner_of_the_whole_request() -> None:
    told = [Told("Lock the door", "done")]
    planning = routed().plan("lock the door, find flights to Oslo, book a hotel in Oslo", told)
    (line,) = planning.lines
    assert isinstance(line, Step) and line.text.startswith("trip: lock the door")
    assert routed().plans_on


def test_a_request_with_a_condition_stays_whole() -> None:
    request = "lock the door, and if there are flights to Oslo, book a hotel in Oslo"
    assert Router(COUNTS, change=0).parts(request) == [("trip", request)]


def test_after_a_wait_the_rest_is_left_to_planning_on() -> None:
    class Waiting(Scripted):
        def stream(self, request, planning, told=()):  # type: ignore[no-untyped-def]
            yield from super().stream(request, planning, told)
            planning.lines.append(Wait(wait=True))
            yield planning.lines[-1]

    planner = RoutedPlanner([Waiting("home", HOME), Scripted("trip", TRIP)])
    planning = planner.plan("lock the door. find flights to Oslo, book a hotel in Oslo")
    assert [type(line) for line in planning.lines] == [Step, Wait]


def test_what_does_not_fit_is_named() -> None:
    planning = routed(steps=3).plan("lock the door. find flights to Oslo. lock the door")
    assert len(planning.lines) == MAX_STEPS and "the rest was left out" in planning.problems[0]
    with pytest.raises(RequestError, match="at most 2000"):
        routed().plan("lock the door. " * 200)


def test_counts_are_added_where_all_are_known() -> None:
    assert add_counts([{"a": 1, "b": 2}, {"b": 3}]) == {"a": 1, "b": 5}
    assert add_counts([{"a": 1}, {}]) == {}
    assert len(add_counts([{f"{n}": 1 for n in range(MOST)}, {"x": 1}])) == MOST


@pytest.mark.slow
def test_steps_go_to_the_action_model_of_their_domain(tmp_path: Path) -> None:
    """The action model that ships, twice: as one that knows homes and one that knows journeys."""
    shipped = Adapter.load(shipped_adapter("action"), "action")
    for name, texts, functions in (
        ("home", HOME, ["set_light", "set_lock", "set_cover"]),
        ("trip", TRIP, ["search_flights", "search_hotels", "book_hotel"]),
    ):
        shutil.copytree(shipped.folder, tmp_path / name)
        known = {
            function: shipped.symbols[function]
            for function in functions
            if function in shipped.symbols
        }
        adapter = shipped.model_copy(update={"word_counts": count_words(texts), "symbols": known})
        adapter.save(tmp_path / name)
    model = load_action(action=[tmp_path / "home", tmp_path / "trip"], threads=2)
    first = model.act("Find flights to Oslo")
    assert first.call is not None and first.call.function == "search_flights"
    step = Step(text="Find flights to Oslo", **first.call.model_dump())
    second = model.act("Lock the door", [step])
    assert second.call is not None and second.call.function == "set_lock"
    assert [adapter.folder.name for adapter in model.adapters] == ["home", "trip"]


def test_a_planner_that_does_not_know_its_requests_is_named() -> None:
    with pytest.raises(AdapterError, match="old does not say what requests"):
        RoutedPlanner([Scripted("home", HOME), Scripted("old", [])])


def test_a_run_says_that_something_was_left_out() -> None:
    class Acting:
        def act(self, text: str, earlier: Sequence[Step] = ()) -> Action:
            return Action(Call(function="set_wifi", arguments={"enabled": True}), (), 1.0, 0.0)

    with SimulatedDevice() as device:
        agent = Agent(routed(steps=3), Acting(), device)  # type: ignore[arg-type]
        run = agent.run("lock the door. find flights to Oslo. lock the door")
    assert run.ended is not None and "the rest was left out" in run.ended.message
