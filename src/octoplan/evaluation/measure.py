"""Measure the planner and the action model on data that they were not trained on.

    python -m octoplan.evaluation.measure data/validation --out results/validation.json

Writes the figures (with n and 95 % intervals), what they were measured on, and every wrong case.
"""

import hashlib
import json
import os
import platform
import random
import re
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import track

from octoplan.action import Action, ActionModel
from octoplan.evaluation.metrics import calls_right, plan_right, same_call, score
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import DEFAULT_BASE, find_base
from octoplan.models.llamacpp import LlamaCpp
from octoplan.planner import Planner
from octoplan.plans import Example, Line, Step, read_examples

_PARALLEL = 4
"""Requests under way at once: llama.cpp computes them in one batch."""

T = TypeVar("T")


def act_on(action: "ActionModel | _Remembered", lines: Iterable[Line], given: bool) -> list[Line]:
    """The lines with the action model's calls.

    Args:
        given: whether each step is read after the steps' own calls, rather than the model's.
    """
    acted: list[Line] = []
    earlier: list[Step] = []
    for line in lines:
        if not isinstance(line, Step):
            acted.append(line)
            continue
        call = action.act(line.text, earlier).call
        step = Step(
            text=line.text,
            function=call.function if call else None,
            arguments=call.arguments if call else None,
        )
        acted.append(step)
        earlier.append(line if given else step)
    return acted


class _Remembered:
    """An action model that reads each step after the same earlier ones but once."""

    def __init__(self, action: ActionModel) -> None:
        self._action = action
        self._known: dict[tuple[str, str], Action] = {}

    def act(self, text: str, earlier: Sequence[Step]) -> Action:
        """See ``ActionModel.act``."""
        key = (text, repr(earlier))
        if key not in self._known:
            self._known[key] = self._action.act(text, earlier)
        return self._known[key]


def _each(examples: Sequence[Example], job: Callable[[Example], T], title: str) -> list[T]:
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(track(pool.map(job, examples), description=title, total=len(examples)))


def measure(planner: Planner, action: ActionModel, examples: list[Example]) -> dict[str, Any]:
    """Figures of the planner with the action model, and of the action model on gold steps."""
    remembered = _Remembered(action)
    plans = _each(examples, lambda e: planner.plan(e.query).lines, "plans")
    acted = _each(
        [e.model_copy(update={"steps": tuple(p)}) for e, p in zip(examples, plans, strict=True)],
        lambda e: act_on(remembered, e.steps, given=False),
        "calls ",
    )
    alone = _each(examples, lambda e: act_on(remembered, e.steps, given=True), "gold  ")
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    wrong: list[dict[str, Any]] = []
    for example, ours, read in zip(examples, acted, alone, strict=True):
        verdicts = {
            "plan": plan_right(ours, example.steps),
            "call": calls_right(ours, example.steps),
        }
        steps = sum(isinstance(line, Step) for line in example.steps)
        source = re.split(r"_[a-z]-", example.id)[0]
        for group in ("all", f"steps {steps}", f"set {source}"):
            for name, verdict in verdicts.items():
                groups[group][name].append(verdict)
        pairs = [(r, g) for r, g in zip(read, example.steps, strict=True) if isinstance(g, Step)]
        for ours_, gold in pairs:
            assert isinstance(ours_, Step)
            right = same_call(ours_.call, gold.call)
            groups["gold steps"]["function"].append(ours_.function == gold.function)
            groups["gold steps"]["call"].append(right)
            if not right:
                wrong.append({"id": example.id, "gold": _plain(gold), "read": _plain(ours_)})
        if not verdicts["call"]:
            wrong.append(
                {
                    "id": example.id,
                    "query": example.query,
                    **verdicts,
                    "gold": [_plain(line) for line in example.steps],
                    "predicted": [_plain(line) for line in ours],
                }
            )
    figures = {
        group: {name: score(verdicts) for name, verdicts in names.items()}
        for group, names in sorted(groups.items())
    }
    return {"figures": figures, "wrong": wrong}


def _plain(line: Line) -> dict[str, Any]:
    return line.model_dump(exclude_none=True)


def fingerprint(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, in hex."""
    files = [f for path in paths for f in (sorted(path.glob("*")) if path.is_dir() else [path])]
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()
    }


def main(
    data: list[Path],
    out: Annotated[Path, typer.Option(help="Where to write the figures, JSON.")],
    base: str = DEFAULT_BASE,
    planner: Path | None = None,
    action: Path | None = None,
    sample: Annotated[int | None, typer.Option(help="So many examples, drawn by seed 0.")] = None,
) -> None:
    """Measure the planner and the action model on data files."""
    examples = list(read_examples(data))
    if sample is not None:
        examples = random.Random(0).sample(examples, sample)
    adapters = [
        Adapter.load(planner or shipped_adapter("planner"), "planner"),
        Adapter.load(action or shipped_adapter("action"), "action"),
    ]
    engine = LlamaCpp(find_base(base), adapters, parallel=_PARALLEL)
    started = time.monotonic()
    result = measure(Planner(engine, adapters[0]), ActionModel(engine, adapters[1]), examples)
    report = {
        "command": "python -m octoplan.evaluation.measure " + shlex.join(sys.argv[1:]),
        "date": datetime.now(UTC).date().isoformat(),
        "base": {"name": base, "sha256": find_base(base).digest},
        "adapters": fingerprint(adapter.gguf for adapter in adapters),
        "data": fingerprint(data),
        "decoding": f"greedy, {_PARALLEL} requests at once",
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "seconds": round(time.monotonic() - started),
        **result,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for group, names in result["figures"].items():
        for name, figures in names.items():
            low, high = figures["interval"]
            print(f"{group:20} {name:9} {figures['percent']:5} % [{low}, {high}] n={figures['n']}")


if __name__ == "__main__":
    typer.run(main)
