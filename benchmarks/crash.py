"""Kill runs at random moments, go on with them, and count what was done twice or lost:

    python benchmarks/crash.py --runs 300 --out benchmarks/results/crash.json

Each run is a process that is killed (SIGKILL) at random moments until it ends by itself, over a
real journal and a real simulated device. The models are scripted: what is tested is what becomes of
their calls. Where a call that must not be made twice was under way, the journal asks; the answer is
given here by looking at the device, as a person would.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from octoplan.agent import Agent
from octoplan.devices.simulated import SimulatedDevice
from octoplan.journal import Journal
from octoplan.plans import Call, Step
from octoplan.run import UNKNOWN, Run

PLAN = [
    Call(function="send_text_message", arguments={"contact_name": "Ngozi", "message": "one"}),
    Call(function="set_screen_brightness", arguments={"percent": 35}),
    Call(function="create_note", arguments={"content": "two"}),
    Call(function="create_calendar_event", arguments={"title": "three", "start_time": "5 pm"}),
    Call(function="send_text_message", arguments={"contact_name": "Ngozi", "message": "four"}),
]
DONE = Counter(["text: one", "note: two", "event: three", "text: four"])
"""What the device holds after the plan, once each."""


class Scripted:
    """The planner and the action model, which know one plan."""

    plans_on = False

    def stream(self, request: str, planning, told=()) -> Iterator[Step]:
        """The steps."""
        for number in range(len(PLAN)):
            planning.lines.append(Step(text=f"Step {number}"))
            yield planning.lines[-1]

    def act(self, text: str, earlier) -> SimpleNamespace:
        """The step's call."""
        call = PLAN[int(text.split()[1])]
        return SimpleNamespace(call=call, probability=1.0, seconds=0.0)


def held(phone: Path) -> Counter[str]:
    """What the plan has left on the device."""
    with sqlite3.connect(phone) as device:
        texts = device.execute("SELECT 'text: ' || content FROM sent").fetchall()
        notes = device.execute("SELECT 'note: ' || content FROM notes").fetchall()
        events = device.execute("SELECT 'event: ' || title FROM events").fetchall()
    return Counter(name for (name,) in (*texts, *notes, *events) if name in DONE)


def work(folder: Path) -> None:
    """Begin the run, or go on with it."""
    phone = folder / "phone.db"
    with Journal(folder / "journal.db") as journal, SimulatedDevice(phone) as device:
        found = journal.runs()
        record = journal.take(found[0].id) if found else journal.begin("do it", phone)
        with record:
            if record.status is not None:
                return
            for step in record.calls.keys() - record.results.keys():
                call = record.calls[step]
                hints = device.functions[call.function].hints
                said = next(
                    iter(set(call.arguments.values()) & {"one", "two", "three", "four"}), ""
                )
                was_done = any(said and name.endswith(said) for name in held(phone))
                if not hints.idempotent and was_done:
                    record.came(step, UNKNOWN, failed=False)
            models = Scripted()
            for _ in Agent(models, models, device).stream(Run.of(record)):
                time.sleep(0.001)


def under_way(folder: Path) -> bool:
    """Whether the run was killed while a call was under way."""
    with Journal(folder / "journal.db") as journal:
        return any(r.calls.keys() - r.results.keys() for r in map(journal.read, _ids(journal)))


def _ids(journal: Journal) -> list[int]:
    return [run.id for run in journal.runs()]


def crash(folder: Path, rng: random.Random) -> tuple[int, int, Counter[str], str | None]:
    """One run: how often it was killed, how often in a call, what it did, and its status."""
    fork = multiprocessing.get_context("fork")
    kills = in_calls = 0
    while True:
        process = fork.Process(target=work, args=(folder,))
        process.start()
        process.join(rng.uniform(0.01, 0.06) if kills < 4 else 60)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
            in_calls += under_way(folder)
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -9, process.exitcode
    with Journal(folder / "journal.db") as journal:
        (run,) = journal.runs()
    return kills, in_calls, held(folder / "phone.db"), run.status


def main() -> None:
    """Crash runs and write what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    runs = kills = in_calls = twice = lost = not_done = 0
    while runs < arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            killed, in_a_call, left, status = crash(Path(folder), rng)
        runs += killed > 0  # those that ended before they were killed are no crashes
        kills += killed
        in_calls += in_a_call
        twice += (left - DONE).total()
        lost += (DONE - left).total()
        not_done += status != "done"
    report = {
        "command": f"python benchmarks/crash.py --runs {arguments.runs} --seed {arguments.seed}",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "runs_killed": runs,
        "kills": kills,
        "kills_with_a_call_under_way": in_calls,
        "calls_made_twice": twice,
        "calls_lost": lost,
        "runs_that_did_not_end_well": not_done,
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
