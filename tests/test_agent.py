"""The agent: from a request to what changed on the simulated phone and home."""

import sqlite3

import pytest

from octoplan.agent import Agent
from octoplan.devices.simulated import SimulatedDevice
from octoplan.plans import Branch, Step
from octoplan.run import Called, Ended, Observation, Run

DEMO = (
    "Find my presentation for tomorrow's meeting, connect to the conference room projector, set "
    "the brightness to 80, take a screenshot and email it to all meeting participants"
)


@pytest.fixture(scope="module")
def agent():
    with Agent.load() as agent:
        yield agent


def test_the_demo_request_is_carried_out(agent, tmp_path):
    with SimulatedDevice(tmp_path / "phone.db") as device:
        agent.device = device
        run = agent.run(DEMO)
    assert [step.function for step in run.steps] == [
        "find_document",
        "connect_bluetooth_device",
        "set_screen_brightness",
        "take_screenshot",
        "send_email",
    ]
    assert run.ended == Ended("done", "all steps done")
    assert run.observations[4].call.arguments["attachment"] == run.observations[3].result
    assert any("80" in change for change in run.changes)
    with sqlite3.connect(tmp_path / "phone.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_events_come_in_order(agent):
    agent.device = SimulatedDevice()
    run = Run("turn the wifi off, then set the brightness to 30")
    events = list(agent.stream(run))
    assert [type(event) for event in events] == [
        Step,
        Step,
        Called,
        Observation,
        Called,
        Observation,
        Ended,
    ]
    assert run.seconds > 0 and 0 < run.probability <= 1
    assert agent.calibration is not None  # it ships
    assert run.confidence == agent.calibration.call(run.probability)


def test_after_a_failure_the_run_goes_on_and_does_not_end_well(agent):
    agent.device = SimulatedDevice()
    run = agent.run("call Xyzzyplugh Quux, then set the brightness to 30")
    assert run.observations[0].failed and run.rounds > 1
    assert run.ended is not None and run.ended.status in ("failed", "asks", "cannot")
    calls = [seen.call for seen in run.observations if not seen.failed]
    assert {call.function for call in calls} <= {"set_screen_brightness"}


def test_what_hangs_on_a_result_is_planned_once_it_is_there(agent):
    agent.device = SimulatedDevice()
    run = agent.run(
        "what's the weather in Oslo tomorrow? if it rains, text Ngozi to bring an umbrella"
    )
    assert run.rounds > 1
    assert [seen.call.function for seen in run.observations][:1] == ["get_weather_forecast"]
    texts = {"get_weather_forecast", "send_text_message"}
    assert {seen.call.function for seen in run.observations} <= texts


def test_the_rest_of_a_plan_is_planned_from_an_answer(agent):
    plan = agent.plan("set a timer").planning.lines
    rest = agent.plan("set a timer", plan, Branch(answers=("10 minutes",), steps=()))
    assert [step.function for step in rest.steps] == ["set_timer_alarm"]
    assert rest.steps[0].arguments == {"time": "10 minutes"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("can you iron my blue shirt for the interview", "cannot"),
        ("text Grandma", "asks"),
    ],
)
def test_what_cannot_go_on_says_why(agent, request_, status):
    agent.device = SimulatedDevice()
    run = agent.run(request_)
    assert run.ended is not None
    assert run.ended.status == status
    assert run.ended.message


def test_a_plan_touches_no_device(agent):
    agent.device = SimulatedDevice()
    run = agent.plan("set the brightness to 30")
    assert [step.function for step in run.steps] == ["set_screen_brightness"]
    assert run.observations == [] and agent.device.changes() == []
