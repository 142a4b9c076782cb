"""UltraTool (arXiv 2401.17167) as a benchmark of planning: which functions, in which order.

    octoplan experiment ultratool

Its requests are others' and do not ship. Put ``functions.json``, ``train.jsonl`` and ``test.jsonl``
of the split of "Can Graph Learning Improve Planning in LLM-based Agents?" (arXiv 2405.19119,
github.com/WxxShirley/GNN4TaskPlan) into ``benchmarks/ultratool/``.

A plan is the functions' names in words, a line each ("Clock alarm set"), under a grammar that
admits these names alone: a name that no function has cannot be written.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from octoplan.evaluation.metrics import Mean, Score, mean, score
from octoplan.functions import Function, FunctionSet
from octoplan.models.adapters import Adapter
from octoplan.models.engine import complete
from octoplan.models.llamacpp import load_engines
from octoplan.plans import MAX_STEPS, Example, PlanError, Step, write_line

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "required": []}


def read_functions(path: Path) -> FunctionSet:
    """UltraTool's functions; they have no parameters here.

    Raises:
        PlanError: the file is missing or holds no such list.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        functions = tuple(
            Function(name=entry["id"], description=entry["desc"], parameters=_NO_PARAMETERS)
            for entry in entries
        )
        return FunctionSet(name="ultratool", functions=functions)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{path} is no list of UltraTool's functions: {error}") from error


def read_requests(path: Path) -> list[Example]:
    """UltraTool's requests, each with the names of its functions as steps.

    Raises:
        PlanError: the file is missing, or a line of it is no such request.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_example(json.loads(line)) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{path} holds no requests of UltraTool: {error}") from error


def _example(entry: dict[str, Any]) -> Example:
    steps = tuple(Step(text=in_words(name)) for name in entry["functions"])
    return Example(id=f"ultratool-{entry['id']}", query=entry["query"], steps=steps)


def in_words(name: str) -> str:
    """A function's name as the planner writes it: ``file_write`` is ``File write``."""
    return name.replace("_", " ").strip().capitalize()


def grammar(functions: FunctionSet) -> str:
    """One to five names, a line each, and nothing else (GBNF)."""
    names = " | ".join(json.dumps(in_words(function.name)) for function in functions)
    return f'root ::= name ("\\n" name){{0,{MAX_STEPS - 1}}}\nname ::= {names}\n'


def measure(
    adapter: Path,
    functions: FunctionSet,
    requests: Sequence[Example],
    progress: Callable[[int, int], None],
) -> dict[str, Score | Mean]:
    """Plan the requests and score the plans as UltraTool's papers do, each over all requests.

    *n-F1* is F1 between the sets of functions, *l-F1* between the sets of pairs that follow one
    another, *accuracy* the share of plans that are right as a whole, *hallucinated* the share of
    plans with a name that no function has.

    Raises:
        AdapterError, EngineError: the planner is missing or broken.
    """
    planner = Adapter.load(adapter, "planner")
    parallel = 4
    (engine,) = load_engines(None, [planner], None, parallel)
    rules = grammar(functions)
    known = {in_words(function.name) for function in functions}

    def plan(request: Example) -> list[str]:
        prompt = planner.planner_prompt(request.query)
        return complete(engine.stream(prompt, planner, grammar=rules)).text.split("\n")

    pairs = []
    with ThreadPoolExecutor(parallel) as pool:
        for request, names in zip(requests, pool.map(plan, requests), strict=True):
            pairs.append(([write_line(line) for line in request.steps], names))
            progress(len(pairs), len(requests))
    return {
        "n-F1": mean([f1(set(gold), set(ours)) for gold, ours in pairs]),
        "l-F1": mean([f1(links(gold), links(ours)) for gold, ours in pairs]),
        "accuracy": score([gold == ours for gold, ours in pairs]),
        "hallucinated": score([not known.issuperset(ours) for _, ours in pairs]),
    }


def links(names: Sequence[str]) -> set[tuple[str, str]]:
    """The pairs of names that follow one another."""
    return set(zip(names, names[1:], strict=False))


def f1(gold: set[Any], ours: set[Any]) -> float:
    """The harmonic mean of precision and recall, 0 to 1; 1 where both sets are empty."""
    if not gold and not ours:
        return 1.0
    return 2 * len(gold & ours) / (len(gold) + len(ours))
