"""Merge adapters of one role into one that knows the functions of all of them.

    octoplan merge my/android my/travel --out my/both --method cat

The methods are PEFT's. ``linear`` averages the factors of the adapters, the plain merge of
Octo-planner (arXiv 2406.18082); ``cat`` adds the very changes that they make to the base, each in
full, and the ranks add up; ``svd`` adds them and keeps as many ranks as the largest part has.
``ties`` (arXiv 2306.01708), ``dare_linear`` and ``dare_ties`` (arXiv 2311.03099) and
``magnitude_prune`` first drop a share of the values; with ``_svd`` of the changes instead of the
factors.
"""

import shutil
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from peft import PeftConfig, PeftModel

from octoplan.action import ActionModel
from octoplan.evaluation.evaluate import Octoplan, evaluate
from octoplan.evaluation.metrics import Score, same_call, score
from octoplan.evaluation.oracles import PlanOracle
from octoplan.loading import Folders
from octoplan.models.adapters import MERGE_METHODS, Adapter, AdapterError, MergeMethod, Symbol
from octoplan.models.bases import find_base
from octoplan.models.llamacpp import load_engines
from octoplan.plans import Example, Step
from octoplan.routing import add_counts
from octoplan.training.base import load_base
from octoplan.training.card import merged_card
from octoplan.training.export import write_adapter

_WHOLE = ("cat", "svd")
"""These keep every value; the others but ``linear`` keep a share, the density."""

_ONE_RANK = ("linear", "ties", "dare_linear", "dare_ties", "magnitude_prune")
"""These work on the factors, which must be of one shape."""


def merge(
    parts: Sequence[Path],
    out: Path,
    method: MergeMethod = "cat",
    weights: Sequence[float] | None = None,
    density: float = 0.5,
    seed: int = 0,
) -> Adapter:
    """Merge adapters and write the result to ``out``: for PEFT, as GGUF, and its card.

    Args:
        parts: the folders of two adapters or more, all planners or all action models of one base.
        weights: of each part; equal ones where left out: 1 each, and for what averages (*linear*,
            *dare_linear*, *magnitude_prune*) equal shares of 1.
        density: the share of values that is kept, for the methods that drop some.
        seed: for the methods that drop at random (*dare*).

    Raises:
        AdapterError: a part is missing, of another role, base or prompt, or a whole model; ranks
            differ where the method needs one rank; or two action models use one functional token
            for two functions, or two tokens for one.
        FunctionError: two parts have a function of the same name that differs.
        BaseError: the base is not there.
    """
    adapters = _checked(parts)
    base = find_base(adapters[0].base)
    for adapter in adapters:
        adapter.check(base)
    weights = weights or _equal(method, len(parts))
    merged_adapter = _united(adapters).model_copy(update={"folder": out})
    torch.manual_seed(seed)
    model, _ = load_base(base, torch.float32)
    names = [str(number) for number in range(len(adapters))]
    merged = PeftModel.from_pretrained(model, str(parts[0]), adapter_name=names[0])
    for name, part in zip(names[1:], parts[1:], strict=True):
        merged.load_adapter(str(part), adapter_name=name)
    if method in _ONE_RANK and len({merged.peft_config[name].r for name in names}) > 1:
        raise AdapterError(f"the parts have different ranks; {method} needs one, cat does not")
    dropping = None if method in (*_WHOLE, "linear") else density
    merged.add_weighted_adapter(
        names,
        list(weights),
        "default",
        method,
        density=dropping,
        svd_full_matrices=False,
    )
    for name in names:
        merged.delete_adapter(name)
    out.mkdir(parents=True, exist_ok=True)
    write_adapter(merged, base.name, out)
    merged_adapter.save(out)
    how = method if dropping is None else f"{method}, density {density:g}"
    card = merged_card(merged_adapter, list(zip(adapters, weights, strict=True)), how)
    (out / "README.md").write_text(card, encoding="utf-8")
    return merged_adapter


class Tried(NamedTuple):
    """One way of merging that a search has tried, and how many examples it got right."""

    method: MergeMethod
    weights: tuple[float, ...]
    right: Score


def search(
    parts: Sequence[Path], out: Path, examples: Sequence[Example], action: Folders = None
) -> Iterator[Tried]:
    """Merge in several ways, tell of each, and leave in ``out`` what gets most examples right.

    First each method with equal weights, those of PEFT that take the changes apart (``_svd``) left
    out; then the best one with all weights smaller or larger, and with each part's alone larger.
    Planners are measured on plans, action models on the calls of gold steps.

    Args:
        examples: held-out ones; the choice is made on them, so measure what comes out on others.
        action: reads the planners' steps; the action model that ships where left out.

    Raises:
        AdapterError, FunctionError, BaseError: see ``merge``.
    """
    methods = [method for method in MERGE_METHODS if not method.endswith("_svd")]
    if len({PeftConfig.from_pretrained(str(part)).r for part in parts}) > 1:
        methods = [method for method in methods if method not in _ONE_RANK]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as folder:
        kept, trial = Path(folder) / "best", Path(folder) / "trial"
        best: Tried | None = None

        def tried(method: MergeMethod, weights: Sequence[float]) -> Tried:
            nonlocal best
            shutil.rmtree(trial, ignore_errors=True)
            merged = merge(parts, trial, method, weights)
            found = Tried(method, tuple(weights), _right(merged, examples, action))
            if best is None or found.right.right > best.right.right:
                best = found
                shutil.rmtree(kept, ignore_errors=True)
                trial.replace(kept)
            return found

        for method in methods:
            yield tried(method, _equal(method, len(parts)))
        assert best is not None
        chosen, equal = best.method, best.weights
        for scale in (0.7, 0.85, 1.2):
            yield tried(chosen, [scale * weight for weight in equal])
        for number in range(len(parts)):
            scales = [1.3 if other == number else 1.0 for other in range(len(parts))]
            yield tried(chosen, [s * weight for s, weight in zip(scales, equal, strict=True)])
        out.mkdir(exist_ok=True)
        for file in kept.iterdir():
            shutil.move(file, out / file.name)


def _equal(method: MergeMethod, parts: int) -> list[float]:
    """The weights where none are given."""
    averages = method.removesuffix("_svd") in ("linear", "dare_linear", "magnitude_prune")
    return [1 / parts if averages else 1.0] * parts


def _right(adapter: Adapter, examples: Sequence[Example], action: Folders) -> Score:
    """How many plans (of a planner) or calls (of an action model) are right."""
    if adapter.role == "planner":
        planner = Octoplan.load(None, adapter.folder, action)
        found = evaluate(planner, examples, [PlanOracle()], {}, alone=False)
        return found.figures["all"]["plan"]
    model = ActionModel(load_engines(None, [adapter])[0], adapter)
    verdicts: list[bool] = []
    for example in examples:
        steps = [line for line in example.steps if isinstance(line, Step)]
        for number, step in enumerate(steps):
            verdicts.append(same_call(model.act(step.text, steps[:number]).call, step.call))
    return score(verdicts)


def _checked(parts: Sequence[Path]) -> list[Adapter]:
    """The parts, all of one role and prompt."""
    if len(parts) < 2:
        raise AdapterError("one adapter is not merged; give the folders of two or more")
    adapters = [Adapter.read(part) for part in parts]
    for adapter in adapters:
        if adapter.role != adapters[0].role:
            raise AdapterError(
                f"{adapter.folder} is the {adapter.role} model, {adapters[0].folder} the "
                f"{adapters[0].role} model; merge those of one role"
            )
        if adapter.whole:
            raise AdapterError(f"{adapter.folder} is a whole model; only LoRA adapters are merged")
        if adapter.template != adapters[0].template:
            raise AdapterError(f"{adapter.folder} has another prompt than {adapters[0].folder}")
    return adapters


def _united(adapters: Sequence[Adapter]) -> Adapter:
    """What all parts know, together."""
    links: dict[str, set[str]] = {}
    for adapter in adapters:
        for name, functions in adapter.links.items():
            links.setdefault(name, set()).update(functions)
    return adapters[0].model_copy(
        update={
            "words": tuple(sorted({word for adapter in adapters for word in adapter.words})),
            "word_counts": add_counts([adapter.word_counts for adapter in adapters]),
            "plans_on": any(adapter.plans_on for adapter in adapters),
            "functions": reduce(or_, (adapter.functions for adapter in adapters)),
            "symbols": _united_symbols(adapters),
            "links": {name: tuple(sorted(functions)) for name, functions in sorted(links.items())},
        }
    )


def _united_symbols(adapters: Sequence[Adapter]) -> dict[str, Symbol]:
    symbols: dict[str, Symbol] = {}
    owners: dict[int, str] = {}
    for adapter in adapters:
        for function, symbol in adapter.symbols.items():
            other = owners.setdefault(symbol.token, function)
            if other != function:
                raise AdapterError(
                    f"{adapter.folder} uses the token {symbol.text!r} for {function}, another part "
                    f"for {other}; train one of them with the other's tokens taken (--beside)"
                )
            if symbols.setdefault(function, symbol) != symbol:
                raise AdapterError(
                    f"{adapter.folder} has another token for {function} than an earlier part; "
                    "train one of them on from the other (--start)"
                )
    return symbols
