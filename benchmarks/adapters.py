"""What an adapter more costs: time to switch to it, memory, time to add it; on an idle machine:

    python benchmarks/adapters.py --out benchmarks/results/adapters.json

The adapters are copies of the planner that ships. Switching is the difference between a request
planned with another adapter than the one before and the same with the same adapter, which finds
most of its prompt read already; memory is the peak resident set of a process that loads so many
adapters and plans with each once; adding is the whole command ``octoplan agents add``.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.llamacpp import load_engines
from octoplan.planner import Planner

REQUESTS = [f"set the screen brightness to {percent} percent" for percent in range(20, 60)]
COUNTS = (1, 2, 3, 5, 9)


def copies(count: int, folder: Path) -> list[Adapter]:
    """So many planners of one domain each, as llama.cpp sees them."""
    made = []
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        for file in ("adapter.gguf", "octoplan.json"):
            shutil.copy(shipped_adapter("planner") / file, place / file)
        made.append(Adapter.load(place, "planner"))
    return made


def planners(count: int, folder: Path) -> list[Planner]:
    """Planners with these adapters, on one base."""
    adapters = copies(count, folder)
    engines = load_engines(None, adapters)
    return [Planner(engine, adapter) for engine, adapter in zip(engines, adapters, strict=True)]


def switching(folder: Path) -> dict[str, float]:
    """Milliseconds of a request with the adapter of the one before, and with another; medians."""
    two = planners(2, folder)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    turn = 0
    for number, request in enumerate(REQUESTS * 4):
        switched = number % 2 == 1
        turn += switched
        started = time.perf_counter()
        two[turn % 2].plan(request)
        seconds[switched].append(time.perf_counter() - started)
    same, other = (1000 * statistics.median(seconds[switched]) for switched in (False, True))
    return {
        "requests": len(REQUESTS) * 4,
        "same_adapter_ms": round(same, 1),
        "other_adapter_ms": round(other, 1),
        "switch_ms": round(other - same, 1),
    }


def loaded(count: int) -> None:
    """What a process of its own does to have its memory measured."""
    with tempfile.TemporaryDirectory() as folder:
        for planner in planners(count, Path(folder)):
            planner.plan(REQUESTS[0])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def memory() -> dict[str, float]:
    """Megabytes (10^6 bytes) by how many adapters are loaded."""
    found = {}
    for count in COUNTS:
        command = [sys.executable, __file__, "--loaded", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[str(count)] = round(float(done.stdout.split()[-1]), 1)
    return found


def adding() -> float:
    """Seconds of ``octoplan agents add``, median of five."""
    seconds = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as data:
            package = Path(data) / "mine"
            shutil.copytree(shipped_adapter("planner").parent, package)
            command = [sys.executable, "-m", "octoplan.cli", "agents", "add", str(package)]
            started = time.perf_counter()
            subprocess.run(command, env=os.environ | {"XDG_DATA_HOME": data}, check=True)
            seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds), 2)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--loaded", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loaded:
        loaded(arguments.loaded)
        return
    found = memory()
    with tempfile.TemporaryDirectory() as folder:
        switch = switching(Path(folder))
    first, last = COUNTS[0], COUNTS[-1]
    report = {
        "command": "python benchmarks/adapters.py",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "adapter_mb": round((shipped_adapter("planner") / "adapter.gguf").stat().st_size / 1e6, 1),
        "peak_memory_mb_by_adapters": found,
        "memory_mb_an_adapter": round((found[str(last)] - found[str(first)]) / (last - first), 1),
        "switching": switch,
        "agents_add_seconds": adding(),
    }
    text = json.dumps(report, indent=1) + "\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
