"""The journal: what it keeps, who may hold a run, and what is done again after a crash."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoplan.agent import Agent
from octoplan.devices.simulated import SimulatedDevice
from octoplan.journal import Journal, JournalError, Record
from octoplan.plans import Ask, Call, Cannot, Step, Wait
from octoplan.run import UNKNOWN, Ended, Run
from octoplan.user import Unattended

TEXT = Step(
    text="Text Ngozi: I'm late",
    function="send_text_message",
    arguments={"contact_name": "Ngozi", "message": "I'm late"},
)
BRIGHTNESS = Step(
    text="Set the screen brightness to 80%",
    function="set_screen_brightness",
    arguments={"percent": 80},
)
SCREENSHOT = Step(text="Take a screenshot", function="take_screenshot", arguments={})
EMAIL = Step(
    text="Email the screenshot to Ngozi",
    function="send_email",
    arguments={"recipient": "Ngozi", "attachment": "$3"},
)
PLAN = [TEXT, BRIGHTNESS, SCREENSHOT, EMAIL]


class Scripted:
    """A planner and an action model that know one plan."""

    plans_on = False

    def __init__(self, plan: list[Step]) -> None:
        self._calls = {step.text: step.call for step in plan}
        self._plan = plan
        self.acted: list[str] = []

    def stream(self, request, planning, told=()) -> Iterator[Step]:
        for step in self._plan:
            planning.lines.append(Step(text=step.text))
            yield planning.lines[-1]

    def act(self, text, earlier):
        self.acted.append(text)
        return type("Action", (), {"call": self._calls[text], "probability": 1.0, "seconds": 0.0})()


class Nay(Unattended):
    """Somebody who allows nothing."""

    def permit(self, function, call, doubt) -> str:
        return "you said no"


class Crash(BaseException):
    """What ends a process in the middle of things."""


def agent(device, plan=PLAN) -> Agent:
    scripted = Scripted(plan)
    return Agent(scripted, scripted, device)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


def sent(phone: Path) -> list[str]:
    """What was sent from the device, in order."""
    with sqlite3.connect(phone) as database:
        return [kind for (kind,) in database.execute("SELECT kind FROM sent ORDER BY rowid")]


def test_a_run_is_recorded_from_the_request_to_its_end(tmp_path: Path, journal: Journal) -> None:
    phone = tmp_path / "phone.db"
    with SimulatedDevice(phone) as device, journal.begin("do it", phone) as record:
        run = agent(device).run("do it", record)
    assert run.ended == Ended("done", "all steps done")
    read = journal.read(record.id)
    assert [entry.kind for entry in read.entries] == ["plan", *["call", "result"] * 4, "end"]
    assert read.lines == tuple(Step(text=step.text) for step in PLAN)
    assert read.calls[4].arguments["attachment"] == run.observations[2].result
    assert read.steps[4] == EMAIL
    assert [r.text for r in read.results.values()] == [o.result for o in run.observations]
    assert (read.status, read.message, read.device) == ("done", "all steps done", str(phone))
    (summary,) = journal.runs()
    assert (summary.id, summary.request, summary.status) == (record.id, "do it", "done")
    assert not list((tmp_path / "journal.db-locks").iterdir())


class Crashing:
    """A device that dies at the n-th call, before or after carrying it out."""

    def __init__(self, device: SimulatedDevice, at: int, after: bool) -> None:
        self._device, self._left, self._after = device, at, after
        self.functions = device.functions
        self.changes = device.changes

    def call(self, function, arguments):
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        result = self._device.call(function, arguments)
        if self._left == 0:
            raise Crash
        return result


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_what_is_done_is_not_done_again(
    tmp_path: Path, journal: Journal, at: int, after: bool
) -> None:
    phone = tmp_path / "phone.db"
    with (
        SimulatedDevice(phone) as device,
        pytest.raises(Crash),
        journal.begin("do it", phone) as record,
    ):
        agent(Crashing(device, at, after)).run("do it", record)
    assert journal.runs()[0].status == "interrupted"
    with journal.take(record.id) as again, SimulatedDevice(phone) as device:
        assert set(again.calls) - set(again.results) == {at}
        if after and at != 2:  # what must not be made twice is counted as done
            again.came(at, UNKNOWN, failed=False)
        run = Run.of(again)
        resumed = agent(device)
        for _ in resumed.stream(run):
            pass
    lost = after and at == 3
    assert run.ended is not None
    assert run.ended.status == ("failed" if lost else "done")
    assert sent(phone) == (["text"] if lost else ["text", "e-mail"])
    if lost:
        assert "step 4 needs the result of step 3, which is not known" in run.ended.message
    # The steps that were begun are not read anew.
    assert resumed.action.acted == [step.text for step in PLAN[at:]]


def test_a_crash_before_the_plan_loses_nothing(tmp_path: Path, journal: Journal) -> None:
    phone = tmp_path / "phone.db"
    with pytest.raises(Crash), journal.begin("do it", phone):
        raise Crash
    with journal.take(1) as record, SimulatedDevice(phone) as device:
        run = Run.of(record)
        for _ in agent(device).stream(run):
            pass
    assert run.ended is not None and run.ended.status == "done"


def test_a_step_that_failed_or_was_declined_is_begun_again(
    tmp_path: Path, journal: Journal
) -> None:
    phone = tmp_path / "phone.db"
    nobody = TEXT.model_copy(update={"arguments": {"contact_name": "Zzyzx", "message": "hi"}})
    with SimulatedDevice(phone) as device, journal.begin("do it", phone) as record:
        run = agent(device, [BRIGHTNESS, nobody]).run("do it", record)
        assert run.ended is not None and run.ended.status == "failed"
        device.call("create_contact", {"name": "Zzyzx", "phone_number": "0123"})
    assert journal.runs()[0].status == "failed"
    with SimulatedDevice(phone) as device:
        with journal.take(1) as record:
            run = Run.of(record)
            events = agent(device, [BRIGHTNESS, nobody]).stream(run, Nay())
            assert len(list(events)) == 2  # the call, the end: the brightness stays as it is
            assert run.ended == Ended("declined", "step 2 was not done: you said no")
        with journal.take(1) as record:
            run = Run.of(record)
            list(agent(device, [BRIGHTNESS, nobody]).stream(run))
    assert run.ended is not None and run.ended.status == "done"
    assert sent(phone) == ["text"]
    assert journal.runs()[0].status == "done"


def _hold(path: Path, ready, done) -> None:
    with Journal(path) as journal, journal.take(1):
        ready.set()
        done.wait(30)


def test_one_process_at_a_time_holds_a_run(tmp_path: Path, journal: Journal) -> None:
    journal.begin("do it").release()
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(tmp_path / "journal.db", ready, done))
    process.start()
    assert ready.wait(30)
    with pytest.raises(JournalError, match="run 1 is under way in another process"):
        journal.take(1)
    assert journal.runs()[0].status == "under way"
    assert journal.read(1).request == "do it"
    process.kill()
    process.join()
    journal.take(1).release()
    assert journal.runs()[0].status == "interrupted"


def _write(path: Path, runs: int) -> None:
    with Journal(path) as journal:
        for number in range(runs):
            with journal.begin(f"request {number}") as record:
                record.planned([BRIGHTNESS], 1.0)
                record.ended("done", "all steps done")


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write, args=(path, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with Journal(path) as journal:
        found = journal.runs(100)
        assert len(found) == 60 and {run.status for run in found} == {"done"}
        assert all(len(journal.read(run.id).entries) == 2 for run in found)


@given(
    request=st.text(),
    result=st.text(st.characters()),
    lines=st.lists(
        st.one_of(
            st.builds(Cannot, cannot=st.text()),
            st.builds(Ask, ask=st.just("Who?")),
            st.just(Wait(wait=True)),
            st.just(TEXT),
        ),
        max_size=5,
    ),
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, request: str, result: str, lines: list
) -> None:
    with Journal(tmp_path_factory.mktemp("journal") / "journal.db") as journal:
        with journal.begin(request) as record:
            record.planned(lines, 0.5)
            record.begins(1, TEXT, Call(function="send_text_message", arguments={"a": result}), 0.4)
            record.came(1, result, failed=True)
            record.decided("sure?", "no")
            record.ended("failed", result)
        read: Record = journal.read(record.id)
        assert read.lines == tuple(lines)
        assert read.calls[1].arguments == {"a": result}
        assert (read.results[1].text, read.results[1].failed) == (result, True)
        assert (read.status, read.message, read.probability) == ("failed", result, 0.4)
        assert read.entries == record.entries


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "file is not a database"),
        (lambda path: path.mkdir(), "unable to open"),
        (lambda path: SimulatedDevice(path).close(), "is a file of something else"),
    ],
)
def test_what_is_no_journal_is_said(tmp_path: Path, make, problem: str) -> None:
    path = tmp_path / "journal.db"
    make(path)
    with pytest.raises(JournalError, match=problem) as error:
        Journal(path)
    assert "\n" not in str(error.value)


def test_a_run_that_is_not_there(journal: Journal) -> None:
    with pytest.raises(JournalError, match="there is no run 7"):
        journal.read(7)
    with pytest.raises(JournalError, match="there is no run 7"):
        journal.take(7)
