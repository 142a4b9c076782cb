"""Plans that may be wrong: handed on to a larger model, or the user's to approve."""

from collections.abc import Iterator

import pytest
from test_prompted import DROP, plan, refusal, scripted, step

from octoplan.agent import Agent
from octoplan.cli.requests import CommandUser
from octoplan.confidence import Calibration, Curve
from octoplan.devices.simulated import SimulatedDevice
from octoplan.functions import load_function_sets
from octoplan.journal import Journal
from octoplan.models.prompted import Endpoint, PromptedModel
from octoplan.plans import Ask, Line, Step
from octoplan.policy import Policy
from octoplan.run import Ended, HandedOn, Run

WIFI = Step(text="Turn Wi-Fi off", function="set_wifi", arguments={"enabled": False})
CURVE = Curve(given=(0.0, 1.0), right=(0.0, 1.0))


class Unsure:
    """A planner that always writes one step, with a probability."""

    plans_on = False

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def stream(self, request: str, planning, told=()) -> Iterator[Line]:
        planning.lines.append(Step(text=WIFI.text))
        planning.probability = self._probability
        yield planning.lines[-1]

    def act(self, text: str, earlier):
        return type("Action", (), {"call": WIFI.call, "probability": 1.0, "seconds": 0.0})()


def agent(probability: float, url: str | None = None) -> Agent:
    models = Unsure(probability)
    calibration = Calibration(planner="", action="", data="", plan=CURVE, call=CURVE)
    larger = url and PromptedModel(Endpoint("large", url), load_function_sets("android"))
    return Agent(models, models, SimulatedDevice(), calibration, larger or None, sure=0.5)  # type: ignore[arg-type]


def test_an_unsure_plan_is_made_by_the_larger_model():
    with scripted(plan(step("set_screen_brightness", percent=35))) as server:
        this, run = agent(0.2, server.url), Run("brightness 35")
        events = list(this.stream(run))
        assert '"brightness 35"' in server.prompt()
    assert HandedOn("large", None) in events
    assert run.ended == Ended("done", "all steps done")
    assert [seen.call.function for seen in run.observations] == ["set_screen_brightness"]
    assert run.handed_on == "large" and run.confidence is None


def test_a_sure_plan_stays_here():
    with scripted() as server:
        run = agent(0.9, server.url).run("turn the wifi off")
        assert server.asked == []
    assert run.ended == Ended("done", "all steps done") and run.handed_on == ""


@pytest.mark.parametrize(
    "answer", ["no plan at all", plan(step("no_such_function")), (400, refusal("no")), DROP]
)
def test_without_a_usable_answer_the_plan_stays_the_planners(answer):
    with scripted(*[answer] * 8) as server:
        this, run = agent(0.2, server.url), Run("turn the wifi off")
        handed = [event for event in this.stream(run) if isinstance(event, HandedOn)]
    assert handed[0].problem and run.handed_on == ""
    assert [seen.call.function for seen in run.observations] == ["set_wifi"]


def test_a_question_of_the_larger_model_ends_the_run_where_nobody_is_there():
    with scripted(plan({"ask": "Which room?"})) as server:
        run = agent(0.2, server.url).run("lights")
    assert run.ended == Ended("asks", "Which room?") and run.lines == [Ask(ask="Which room?")]


@pytest.mark.parametrize(
    ("policy", "yes", "status"),
    [
        (Policy(sure=0.5), False, "declined"),
        (Policy(sure=0.5), True, "done"),
        (Policy(sure=0.5, confirm="never"), False, "done"),
        (Policy(sure=0.1), False, "done"),
    ],
)
def test_the_policy_says_what_is_approved(policy, yes, status):
    run = agent(0.2).run("turn the wifi off", user=CommandUser(policy, yes, None))
    assert run.ended is not None and run.ended.status == status
    assert bool(run.observations) == (status == "done")


class Terminal:
    """A display whose person says the same to everything."""

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed
        self.questions: list[str] = []

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.allowed


@pytest.mark.parametrize("allowed", [True, False])
def test_a_person_is_asked_about_a_plan_that_may_be_wrong(tmp_path, allowed):
    terminal = Terminal(allowed)
    with Journal(tmp_path / "journal.db") as journal, journal.begin("wifi off") as record:
        user = CommandUser(Policy(sure=0.5), False, record, terminal)  # type: ignore[arg-type]
        run = agent(0.2).run("turn the wifi off", record, user)
        kinds = [entry.kind for entry in record.entries]
    assert terminal.questions == ["the plan is only 20% likely to be right. Carry it out?"]
    assert bool(run.observations) == allowed and "decision" in kinds


@pytest.mark.parametrize("yes", [True, False])
def test_a_declined_plan_is_not_carried_out_later_without_being_approved(tmp_path, yes):
    policy = Policy(sure=0.5)
    with Journal(tmp_path / "journal.db") as journal:
        with journal.begin("wifi off") as record:
            first = agent(0.2).run("wifi off", record, CommandUser(policy, False, record))
            assert first.ended is not None and first.ended.status == "declined"
        with journal.take(record.id) as again:
            run = Run.of(again)
            list(agent(0.2).stream(run, CommandUser(policy, yes, again)))
    assert bool(run.observations) == yes


def test_a_run_that_is_gone_on_with_knows_who_planned_it(tmp_path):
    calls = step("set_screen_brightness", percent=35), {"ask": "Which room?"}
    with Journal(tmp_path / "journal.db") as journal, scripted(plan(*calls)) as server:
        with journal.begin("brightness 35") as record:
            agent(0.2, server.url).run("brightness 35", record)
        with journal.take(record.id) as again:
            assert Run.of(again).handed_on == "large"
