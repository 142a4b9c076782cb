"""Faults: a full disk, a locked journal, devices that hang or return rubbish, endless models."""

import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from octoplan import journal as journals
from octoplan.action import ActionModel
from octoplan.agent import MAX_RESULT, Agent
from octoplan.devices import DeviceError, DeviceFailure
from octoplan.devices.simulated import SimulatedDevice
from octoplan.devices.timed import TimedDevice
from octoplan.functions import load_function_set
from octoplan.journal import Journal, JournalError
from octoplan.models.engine import Token
from octoplan.planner import Planner
from octoplan.plans import MAX_STEPS, Step
from octoplan.run import Ended, Run

NOTES = [
    Step(text=f"Save the note {word}", function="create_note", arguments={"content": word})
    for word in ("one", "two", "three")
]


class Scripted:
    """Models that know one plan."""

    plans_on = False

    def stream(self, request: str, planning, told=()) -> Iterator[Step]:
        for step in NOTES:
            planning.lines.append(Step(text=step.text))
            yield planning.lines[-1]

    def act(self, text: str, earlier) -> SimpleNamespace:
        call = next(step.call for step in NOTES if step.text == text)
        return SimpleNamespace(call=call, probability=1.0, seconds=0.0)


class Odd:
    """A device that does whatever it is told to for every call."""

    functions = load_function_set("android")

    def __init__(self, behave) -> None:
        self.behave = behave

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        return self.behave()

    def changes(self) -> list[str]:
        return []


def agent(device) -> Agent:
    models = Scripted()
    return Agent(models, models, device)  # type: ignore[arg-type]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def notes(phone: Path) -> list[str]:
    with sqlite3.connect(phone) as device:
        return [text for (text,) in device.execute("SELECT content FROM notes ORDER BY rowid")]


def test_a_full_disk_stops_the_run_before_the_next_call(tmp_path):
    phone, path = tmp_path / "phone.db", tmp_path / "journal.db"
    with Journal(path) as journal, journal.begin("notes", phone) as record:
        with SimulatedDevice(phone) as device:
            before = notes(phone)
            wal = path.with_name("journal.db-wal").stat().st_size
            with full_disk(wal + 6000), pytest.raises(JournalError, match="cannot be used"):
                agent(device).run("notes", record)
        made = notes(phone)[len(before) :]
        assert len(made) < 3
    with Journal(path) as journal, journal.take(1) as record, SimulatedDevice(phone) as device:
        # A call whose result could not be written may have been made; here the device tells.
        for step in record.calls.keys() - record.results.keys():
            if NOTES[step - 1].arguments["content"] in notes(phone):  # type: ignore[index]
                record.came(step, "saved", failed=False)
        run = Run.of(record)
        list(agent(device).stream(run))
    assert run.ended == Ended("done", "all steps done")
    assert notes(phone)[len(before) :] == ["one", "two", "three"]


def test_a_full_disk_leaves_no_half_call_on_the_device(tmp_path):
    phone = tmp_path / "phone.db"
    with SimulatedDevice(phone) as device:
        before = notes(phone)
        with full_disk(4096), pytest.raises(DeviceError):
            agent(device).run("notes")
        assert notes(phone) == before
        assert agent(device).run("notes").ended == Ended("done", "all steps done")
    with sqlite3.connect(phone) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_journal_that_is_locked_is_waited_for_and_then_named(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "_TIMEOUT", 0.2)
    path = tmp_path / "journal.db"
    with Journal(path) as journal, sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.begin("anything")
        other.execute("ROLLBACK")
        journal.begin("anything").release()


def test_a_device_that_hangs_stops_the_run_and_the_record_says_where(tmp_path):
    slow = iter([0.0, 60.0])

    def behave() -> str:
        time.sleep(next(slow))
        return "saved"

    with Journal(tmp_path / "journal.db") as journal:
        device = TimedDevice(lambda: Odd(behave), seconds=0.3)
        with device, journal.begin("notes", tmp_path / "phone") as record:
            with pytest.raises(DeviceError, match=r"did not answer in 0\.3 s \(create_note\)"):
                agent(device).run("notes", record)
            with pytest.raises(DeviceError, match="hangs in an earlier call"):
                device.call("create_note", {"content": "x"})
        read = journal.read(record.id)
    assert read.status is None
    assert set(read.results) == {1} and set(read.calls) == {1, 2}


def test_a_timed_device_does_what_the_device_does(tmp_path):
    with TimedDevice(lambda: SimulatedDevice(tmp_path / "phone.db"), seconds=30) as device:
        assert agent(device).run("notes").ended == Ended("done", "all steps done")
        with pytest.raises(DeviceFailure, match="no contact"):
            device.call("make_phone_call", {"recipient": "Xyzzyplugh"})
    with pytest.raises(DeviceError):
        TimedDevice(lambda: SimulatedDevice(tmp_path), seconds=30)  # a folder is no device


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        ("x" * 1_000_000, "x" * MAX_RESULT),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd"),
        ("half \ud83d", "half ?"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        ("", ""),
    ],
)
def test_rubbish_from_a_device_is_kept_as_text(tmp_path, result, kept):
    with Journal(tmp_path / "journal.db") as journal, journal.begin("notes") as record:
        run = agent(Odd(lambda: result)).run("notes", record)
        assert run.ended == Ended("done", "all steps done")
        assert [seen.result for seen in run.observations] == [kept] * 3
        assert journal.read(record.id).results[1].text == kept


def test_a_device_with_a_fault_of_its_own_is_named():
    def behave() -> str:
        raise KeyError("lamp")

    with pytest.raises(DeviceError, match="the device broke down in create_note: KeyError: 'lamp'"):
        agent(Odd(behave)).run("notes")


class Engine:
    """An engine that writes what it is told to, without regard to any grammar."""

    def __init__(self, texts) -> None:
        self.texts = texts

    def stream(self, *args: object, **kwargs: object) -> Iterator[Token]:
        yield from (Token(text, -0.1) for text in self.texts)


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        ([], 0),
        ([""], 0),
        (repeat("on and on "), 1),
        (repeat("again\n"), MAX_STEPS),
        (["\n\n\nask:\n", "\x00\x07\n", "Set it"], 1),
    ],
)
def test_whatever_a_planner_writes_there_is_an_end(models, texts, lines):
    planning = Planner(Engine(texts), models.planner).plan("do it")  # type: ignore[arg-type]
    assert len(planning.lines) == lines


@pytest.mark.parametrize("text", ["", "no such function\t", "\t\t\t", "x" * 5000])
def test_whatever_an_action_model_writes_is_a_call_or_none(models, text):
    action = ActionModel(Engine([text]), models.action).act("Save the note one")  # type: ignore[arg-type]
    assert action.call is None and action.problems
