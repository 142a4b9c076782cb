"""Runs from the command line: what is asked first, what is recorded, and how one goes on."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli import REQUEST, answer, error, invoke

from octoplan.devices.simulated import SimulatedDevice
from octoplan.journal import Journal, default_journal
from octoplan.plans import Call, Step

TEXT = "turn on do not disturb and text Ngozi: running late"


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a device that is not there yet, beside a journal of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "phone.db"


@pytest.fixture
def journal(phone: Path) -> Iterator[Journal]:
    with Journal(default_journal()) as opened:
        yield opened


def text_was_sent(phone: Path) -> bool:
    with SimulatedDevice(phone) as device:
        return bool(device._store.count("sent"))


def test_what_reaches_others_needs_a_yes_and_the_run_can_be_gone_on_with(phone: Path) -> None:
    result = invoke("run", TEXT, "--device", phone, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["status"] == "declined"
    assert "send_text_message needs a yes; give --yes" in told["message"]
    assert "result" in told["steps"][0] and "result" not in told["steps"][1]
    assert "octoplan resume 1" in result.stderr
    assert not text_was_sent(phone)

    resumed = answer(invoke("resume", "1", "--yes", "--json"))
    assert resumed["status"] == "done"
    assert all("result" in step for step in resumed["steps"])
    assert not any("disturb" in change for change in resumed["changes"])  # it was on already
    assert text_was_sent(phone)
    assert "run 1 has ended (done: all steps done)" in error(invoke("resume", "1"))


def test_a_run_is_listed_and_shown(phone: Path) -> None:
    answer(invoke("run", REQUEST, "--device", phone, "--json"))
    listed = answer(invoke("runs", "--json"))
    assert [run["status"] for run in listed] == ["done"]
    assert listed[0]["request"] == REQUEST and listed[0]["device"] == str(phone)
    line = invoke("runs").stdout.splitlines()[1].split()
    assert (line[0], line[3]) == ("1", "done")
    shown = invoke("show", "1").stdout
    assert shown.startswith(REQUEST)
    assert "1 → set_screen_brightness(percent=80)" in shown and "1 ✓ " in shown
    record = answer(invoke("show", "1", "--json"))
    kinds = [entry["kind"] for entry in record["entries"]]
    assert kinds == ["plan", "call", "result", "call", "result", "end"]
    assert "there is no run 9" in error(invoke("show", "9"))


def test_a_dry_run_tells_all_and_does_nothing(phone: Path) -> None:
    answer(invoke("run", REQUEST, "--device", phone, "--json"))
    before = phone.read_bytes()
    result = invoke("run", TEXT, "--device", phone, "--dry-run", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0 and told["status"] == "done"
    assert any("Ngozi" in change for change in told["changes"])
    assert "nothing was done" in result.stderr
    assert phone.read_bytes() == before
    assert len(answer(invoke("runs", "--json"))) == 1


def test_a_batch_is_recorded_and_asks_nobody(phone: Path, tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    queries = (TEXT, "", "turn on do not disturb")
    requests.write_text("".join(json.dumps({"query": query}) + "\n" for query in queries), "utf-8")
    told = invoke("run", "--input", requests, "--device", phone).stdout.splitlines()
    assert [json.loads(line).get("status", "error") for line in told] == [
        *("declined", "error", "done")
    ]
    assert [run["status"] for run in answer(invoke("runs", "--json"))] == [
        *("done", "failed", "declined")
    ]
    dry = invoke("run", "--input", requests, "--device", phone, "--dry-run")
    assert json.loads(dry.stdout.splitlines()[0])["status"] == "done"
    assert "nothing was done" in dry.stderr
    assert not text_was_sent(phone)


def test_the_deny_list_holds_whatever_is_said(phone: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('deny = ["set_do_not_disturb"]', "utf-8")
    result = invoke("run", TEXT, "--yes", "--confirm", "never", "--config", config, "--json")
    assert result.exit_code == 1
    assert "set_do_not_disturb is on the deny list" in json.loads(result.stdout)["message"]
    config.write_text('deny = ["set_dnd"]', "utf-8")
    assert "'set_dnd', which is no function" in error(invoke("run", TEXT, "--config", config))


def interrupted(journal: Journal, phone: Path) -> None:
    """A run that stopped while a text was being sent."""
    SimulatedDevice(phone).close()
    step = Step(text="Text Ngozi: running late")
    call = Call(
        function="send_text_message",
        arguments={"contact_name": "Ngozi", "message": "running late"},
    )
    with journal.begin("text Ngozi: running late", phone) as record:
        record.planned([step], 0.9)
        record.begins(1, step.model_copy(update=call.model_dump()), call, 0.8)


@pytest.mark.parametrize(("choice", "sent"), [("again", True), ("done", False)])
def test_a_text_that_may_have_been_sent_is_not_sent_unasked(
    journal: Journal, phone: Path, choice: str, sent: bool
) -> None:
    interrupted(journal, phone)
    assert answer(invoke("runs", "--json"))[0]["status"] == "interrupted"
    assert "say --interrupted again, or --interrupted done" in error(invoke("resume", "1", "--yes"))
    told = answer(invoke("resume", "1", "--yes", "--interrupted", choice, "--json"))
    assert told["status"] == "done"
    assert text_was_sent(phone) is sent


def test_what_cannot_be_gone_on_with_is_said(journal: Journal, phone: Path) -> None:
    with journal.begin("in memory") as record:
        step, call = Step(text="Turn the Wi-Fi off"), Call(function="set_wifi", arguments={})
        record.begins(1, step, call, 1.0)
    assert "was on a device in memory" in error(invoke("resume", "1"))
    with journal.begin("elsewhere", phone):
        pass
    assert f"the device {phone} of run 2 is gone" in error(invoke("resume", "2"))
    with journal.begin("held", phone):
        assert "run 3 is under way" in error(invoke("resume", "3"))
    bad = phone.with_name("bad.db")
    bad.write_bytes(b"no database" * 99)
    assert "name another file with --journal" in error(invoke("runs", "--journal", bad))


@pytest.mark.parametrize(("said", "sent"), [("y", True), ("n", False), ("\x04", False)])
def test_a_person_is_asked(phone: Path, said: str, sent: bool) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "octoplan.cli", "run", TEXT, "--device", str(phone)]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while b"do it?" not in shown:
        shown += os.read(master, 1024)
    os.write(master, f"{said}\n".encode() if said.isalpha() else said.encode())
    try:
        while part := os.read(master, 1024):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait() == (0 if sent else 1)
    assert text_was_sent(phone) is sent
    assert ("all steps done" if sent else "you said no") in shown.decode()
    decision = [
        entry["answer"]
        for entry in answer(invoke("show", "1", "--json"))["entries"]
        if entry["kind"] == "decision"
    ]
    assert decision == ["yes" if sent else "no"]


def test_a_run_is_taken_back_as_far_as_it_can_be(phone: Path) -> None:
    request = "set the screen brightness to 35, save a note: buy oats, and text Ngozi: running late"
    told = answer(invoke("run", request, "--device", phone, "--yes", "--json"))
    assert told["status"] == "done"
    result = invoke("undo", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert lines[0].endswith("cannot be undone")
    assert lines[1].endswith("undone") and lines[2].endswith("undone")
    with SimulatedDevice(phone) as device, SimulatedDevice() as new:
        assert device._store.get("screen brightness") == new._store.get("screen brightness")
        assert device._store.count("notes") == new._store.count("notes")
    assert answer(invoke("runs", "--json"))[0]["status"] == "undone"
    again = invoke("undo", "1")
    assert again.stdout.endswith("cannot be undone\n") and again.stdout.count("\n") == 1


def test_what_has_changed_since_is_not_undone(phone: Path) -> None:
    answer(invoke("run", "set the screen brightness to 35", "--device", phone, "--json"))
    with SimulatedDevice(phone) as device:
        device.call("set_screen_brightness", {"percent": 36})
    result = invoke("undo", "1")
    assert result.exit_code == 1
    assert "not undone, what it changed has changed again since" in result.stdout
    with SimulatedDevice(phone) as device:
        assert "36" in device._store.get("screen brightness")
