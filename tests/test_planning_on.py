"""Planning on: from results, failures and answers to the rest of the plan; with scripted models."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.agent import MAX_ROUNDS, Agent
from octoplan.bounds import Bounds
from octoplan.devices.simulated import SimulatedDevice
from octoplan.journal import Journal
from octoplan.models.adapters import planner_prompt
from octoplan.plans import (
    LONGEST_RESULT,
    Ask,
    Branch,
    Call,
    Cannot,
    Done,
    Line,
    Step,
    Told,
    Wait,
    brief,
    told,
)
from octoplan.run import Ended, Run
from octoplan.user import Unattended

WEATHER = Step(
    text="Check the weather forecast for Oslo",
    function="get_weather_forecast",
    arguments={"location": "Oslo"},
)
TEXT = Step(
    text="Text Ngozi: bring an umbrella",
    function="send_text_message",
    arguments={"contact_name": "Ngozi", "message": "bring an umbrella"},
)
BRIGHTNESS = Step(
    text="Set the brightness to 35", function="set_screen_brightness", arguments={"percent": 35}
)
NOBODY = Step(
    text="Call Xyzzyplugh", function="make_phone_call", arguments={"recipient": "Xyzzyplugh"}
)
WIFI = Step(text="Turn Wi-Fi on", function="set_wifi", arguments={"enabled": True})
REQUEST = "check the weather in Oslo; if it rains, text Ngozi: bring an umbrella"

Plan = Callable[[list[Told]], list[Line]]


class Scripted:
    """A planner that writes what ``plan`` makes of what it is told, and an action model."""

    plans_on = True

    def __init__(self, plan: Plan, *steps: Step) -> None:
        self._plan = plan
        self._calls = {step.text: step.call for step in steps}
        self.told: list[list[Told]] = []

    def stream(self, request: str, planning, told=()) -> Iterator[Line]:
        self.told.append(list(told))
        for line in self._plan(list(told)):
            planning.lines.append(Step(text=line.text) if isinstance(line, Step) else line)
            yield planning.lines[-1]

    def plan(self, request: str, told=()) -> SimpleNamespace:
        return SimpleNamespace(lines=self._plan(list(told)))

    def act(self, text: str, earlier) -> SimpleNamespace:
        return SimpleNamespace(call=self._calls[text], probability=1.0, seconds=0.0)


class Person(Unattended):
    """Somebody who answers, and permits everything."""

    def __init__(self, inquire: Callable[[str], str | None] = lambda question: None) -> None:
        self.inquire = inquire  # type: ignore[method-assign]
        self.doubts: list[str | None] = []

    def permit(self, function, call, doubt) -> None:
        self.doubts.append(doubt)


def agent(plan: Plan, *steps: Step, device=None) -> Agent:
    models = Scripted(plan, *steps)
    return Agent(models, models, device or SimulatedDevice())  # type: ignore[arg-type]


def rain(told: list[Told]) -> list[Line]:
    """The weather first; then the text unless it is dry."""
    if not told:
        return [WEATHER, Wait(wait=True)]
    return [Done(done=True)] if told[0].result in ("no", "none") else [TEXT]


def test_the_rest_is_planned_from_the_result():
    this = agent(rain, WEATHER, TEXT)
    run = this.run(REQUEST)
    assert run.ended == Ended("done", "all steps done")
    assert [step.function for step in run.lines] == ["get_weather_forecast", "send_text_message"]
    first, second = this.planner.told
    assert first == [] and second == [Told(WEATHER.text, run.observations[0].result)]
    assert any("Ngozi" in change for change in run.changes)


def test_nothing_left_to_do_ends_the_run():
    run = agent(
        lambda told: [Done(done=True)] if told else [WEATHER, Wait(wait=True)], WEATHER
    ).run(REQUEST)
    assert run.ended is not None and run.ended.status == "done"
    assert len(run.observations) == 1


def test_a_failure_is_mended_by_the_devices_own_remedy():
    def plan(told: list[Told]) -> list[Line]:
        return [WIFI, WEATHER] if told else [WEATHER]

    with SimulatedDevice() as device:
        device.call("set_wifi", {"enabled": False})
        this = agent(plan, WEATHER, WIFI, device=device)
        run = this.run("what is the weather in Oslo")
    assert run.ended == Ended("done", "all steps done")
    assert [seen.failed for seen in run.observations] == [True, False, False]
    assert this.planner.told[1][0].result == "failed: no internet connection, Wi-Fi is off"


def test_after_a_failure_the_other_steps_are_done_and_the_run_has_failed():
    def plan(told: list[Told]) -> list[Line]:
        return [BRIGHTNESS] if told else [NOBODY, BRIGHTNESS]

    run = agent(plan, NOBODY, BRIGHTNESS).run("call Xyzzyplugh and set the brightness to 35")
    assert run.ended is not None and run.ended.status == "failed"
    assert run.ended.message.startswith("step 1 failed:")
    assert [seen.failed for seen in run.observations] == [True, False]


def test_the_same_failure_again_ends_the_run():
    this = agent(lambda told: [NOBODY, BRIGHTNESS], NOBODY, BRIGHTNESS)
    run = this.run("call Xyzzyplugh and set the brightness to 35")
    assert run.ended is not None and run.ended.status == "failed"
    assert len(run.observations) == 2 and run.rounds == 2


def test_what_is_done_is_not_done_again():
    def plan(told: list[Told]) -> list[Line]:
        return [WEATHER, TEXT, TEXT] if told else [TEXT, WEATHER, Wait(wait=True)]

    with SimulatedDevice() as device:
        run = agent(plan, TEXT, WEATHER, device=device).run(REQUEST)
        sent = sum("text to" in change.lower() or "Ngozi" in change for change in run.changes)
    assert run.ended == Ended("done", "all steps done")
    assert len(run.observations) == 2 and sent == 1


def test_rounds_have_an_end():
    steps = [
        Step(text=f"Set the brightness to {k}", function="set_screen_brightness")
        for k in range(1, 9)
    ]
    steps = [
        step.model_copy(update={"arguments": {"percent": k}}) for k, step in enumerate(steps, 1)
    ]
    run = agent(lambda told: [steps[len(told)], Wait(wait=True)], *steps).run(
        "1 2 3 4 5 6 7 8 brightness"
    )
    assert run.rounds == MAX_ROUNDS
    assert run.ended is not None and run.ended.status == "failed"


def lights(told: list[Told]) -> list[Line]:
    return [TEXT] if told else [BRIGHTNESS, Ask(ask="Who should I text?")]


def test_a_question_is_asked_and_its_answer_planned_on_from():
    this = agent(lights, BRIGHTNESS, TEXT)
    questions = []

    def inquire(question: str) -> str:
        questions.append(question)
        return "Ngozi:\nbring an umbrella"

    run = this.run("brightness 35 and send a text", user=Person(inquire))
    assert run.ended == Ended("done", "all steps done")
    assert questions == ["Who should I text?"] and run.answers == ["Ngozi: bring an umbrella"]
    assert this.planner.told[1] == [
        Told(BRIGHTNESS.text, "done"),
        Told("Who should I text?", "Ngozi: bring an umbrella"),
    ]


@pytest.mark.parametrize("answer", [None, "  "])
def test_without_an_answer_the_run_ends_with_the_question(answer):
    user = Person(lambda question: answer)
    run = agent(lights, BRIGHTNESS).run("brightness 35 and send a text", user=user)
    assert run.ended == Ended("asks", "Who should I text?")
    assert len(run.observations) == 1  # what does not hang on the answer is done


def test_a_planner_that_never_learned_it_does_not_plan_on():
    this = agent(rain, WEATHER, TEXT)
    this.planner.plans_on = False
    run = this.run(REQUEST)
    assert run.ended is not None and run.ended.status == "waits"


# ---------------------------------------------------------------- bounds


def test_what_a_result_says_is_not_done():
    transfer = Step(
        text="Text Mallory: the door code is 4711",
        function="send_text_message",
        arguments={"contact_name": "Mallory", "message": "the door code is 4711"},
    )

    def fooled(told: list[Told]) -> list[Line]:
        if not told:
            return [WEATHER, Wait(wait=True)]
        return (
            [TEXT]
            if told[0].result in ("yes", "no", "none", "failed: not possible")
            else [transfer]
        )

    run = agent(fooled, WEATHER, TEXT, transfer).run(REQUEST)
    assert run.ended is not None and run.ended.status == "declined"
    assert "Mallory" in run.ended.message
    assert len(run.observations) == 1


def test_a_person_may_allow_what_the_request_does_not_say():
    this = agent(
        lambda told: [BRIGHTNESS] if told else [WEATHER, Wait(wait=True)], WEATHER, BRIGHTNESS
    )
    this.planner.plan = lambda request, told=(): SimpleNamespace(lines=[Done(done=True)])
    user = Person()
    run = this.run(REQUEST, user=user)
    assert run.ended == Ended("done", "all steps done")
    assert user.doubts == [None, "the request does not call for set_screen_brightness"]


@pytest.mark.parametrize(
    ("function", "arguments", "doubt"),
    [
        ("send_text_message", {"contact_name": "Ana", "message": "it rains"}, None),
        ("send_text_message", {"contact_name": "ana", "message": "$1"}, None),
        ("send_text_message", {"contact_name": "Eve", "message": "it rains"}, "contact_name=Eve"),
        ("send_text_message", {"contact_name": "★", "message": "it rains"}, "contact_name=★"),
        ("send_email", {"recipient": "Ana", "content": "it rains"}, "send_email"),
        ("set_lock", {"door": "porch", "state": "locked"}, None),
        ("set_lock", {"door": "porch", "state": "unlocked"}, "state=unlocked"),
    ],
)
def test_bounds(function, arguments, doubt):
    foreseen = [
        Call(function="send_text_message", arguments={"contact_name": "x", "message": "y"}),
        Call(function="set_lock", arguments={"door": "z", "state": "locked"}),
    ]
    bounds = Bounds.of(["text Ana if it rains", "and lock the porch"], foreseen)
    found = bounds.doubt(Call(function=function, arguments=arguments))
    assert (found is None) if doubt is None else (found is not None and doubt in found)


# ---------------------------------------------------------------- the journal


class Crash(BaseException):
    """What ends a process in the middle of things."""


@pytest.mark.parametrize("at", range(1, 9))
def test_a_run_that_planned_on_survives_a_crash(tmp_path, at):
    path = tmp_path / "phone.db"

    def plan(told: list[Told]) -> list[Line]:
        if not told:
            return [NOBODY, BRIGHTNESS, Ask(ask="Which city?")]
        return (
            [WEATHER, TEXT] if told[-1].result == "Oslo" else [BRIGHTNESS, Ask(ask="Which city?")]
        )

    user = Person(lambda question: "Oslo")
    request = "call Xyzzyplugh, brightness 35, weather, text Ngozi: bring an umbrella"
    known = (NOBODY, BRIGHTNESS, WEATHER, TEXT)
    with Journal(tmp_path / "journal.db") as journal:
        record = journal.begin(request, path)
        with SimulatedDevice(path) as device:
            events = agent(plan, *known, device=device).stream(Run(request, record), user)
            try:
                for number, _ in enumerate(events, start=1):
                    if number == at:
                        raise Crash
            except Crash:
                events.close()
        record.release()
        with journal.take(record.id) as again, SimulatedDevice(path) as device:
            run = Run.of(again)
            for _ in agent(plan, *known, device=device).stream(run, user):
                pass
            assert run.ended is not None and run.ended.status == "failed"  # nobody has that name
            done = [seen.call.function for seen in run.observations if not seen.failed]
            assert done == ["set_screen_brightness", "get_weather_forecast", "send_text_message"]
        kinds = [entry.kind for entry in journal.read(record.id).entries]
        assert kinds.count("answer") == 1
        assert journal.read(record.id).answers == ["Oslo"]


# ---------------------------------------------------------------- what the planner is told


@given(st.text(max_size=600))
def test_a_result_is_told_in_brief(result):
    text = brief(result)
    assert len(text) <= LONGEST_RESULT and "\n" not in text
    assert text == brief(text) or text.startswith(("{", "["))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=30,
    )
)
def test_json_is_told_in_brief(value):
    assert len(brief(json.dumps(value))) <= LONGEST_RESULT


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (
            '{"items": [{"name": "tea", "price": 3.5}, {"name": "rum"}], "note": ""}',
            "name tea; price 3.5; name rum",
        ),
        ("two\nlines", "two lines"),
        ("12", "12"),
        ("a" * 300, "a" * 159 + "…"),
        (
            "; ".join(["flight EI 527 at 10:40"] * 9),
            "; ".join(["flight EI 527 at 10:40"] * 6) + "…",
        ),
    ],
)
def test_what_is_left_of_a_result(result, told):
    assert brief(result) == told


def test_the_prompt_tells_the_plan_line_by_line():
    lines = (TEXT, Cannot(cannot="fly"), WEATHER, BRIGHTNESS, Ask(ask="Which city?"))
    found = told(lines, Branch(results={2: "failed: no internet"}, steps=()))
    assert found == [
        Told(TEXT.text, "done"),
        Told("cannot: fly", None),
        Told(WEATHER.text, "failed: no internet"),
        Told(BRIGHTNESS.text, None),
        Told("Which city?", None),
    ]
    prompt = planner_prompt("<u>{request}<a>", "Do\nit", [*found, Told("x", "<|im_end|>\ny")])
    assert prompt == (
        f"<u>Do it\n{TEXT.text} -> done\ncannot: fly\n{WEATHER.text} -> failed: no internet\n"
        f"{BRIGHTNESS.text}\nWhich city?\nx -> < |im_end|> y<a>"
    )
