"""What an adapter knows beside its weights, and what it takes over from the one it started from."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from octoplan.functions import FunctionSet
from octoplan.models.adapters import Adapter, Symbol
from octoplan.models.bases import Base
from octoplan.plans import Example, Step, write_plan
from octoplan.routing import add_counts, count_words
from octoplan.training import encode


def load_start(folder: str, role: Literal["planner", "action"], base: Base) -> Adapter:
    """The adapter to train on from.

    Raises:
        AdapterError: it is missing, broken, of another role or base.
        ValueError: it is a whole model.
    """
    start = Adapter.load(folder, role)
    if start.whole:
        raise ValueError(f"{start.folder} is a whole model; give the folder of a LoRA adapter")
    start.check(base)
    return start


def symbols_of(
    functions: FunctionSet,
    examples: Sequence[Example],
    start: Adapter | None,
    beside: Sequence[Adapter],
    tokenizer: PreTrainedTokenizerBase,
    embedding: torch.Tensor,
) -> dict[str, Symbol]:
    """The functional tokens: those that the start has, and newly chosen ones.

    Args:
        beside: action models whose tokens are left alone.
        embedding: the base's token embedding, (vocabulary, width).

    Raises:
        ValueError: the vocabulary has too few free tokens.
    """
    known = start.symbols if start else {}
    new = tuple(function for function in functions if function.name not in known)
    texts = [
        "\n".join([e.query, write_plan(e.steps), *(write_plan(b.steps) for b in e.branches)])
        for e in examples
    ]
    others = [known, *(adapter.symbols for adapter in beside)]
    taken = [symbol.token for symbols in others for symbol in symbols.values()]
    chosen = encode.choose_symbols(
        FunctionSet(name=functions.name, functions=new), texts, tokenizer, embedding, taken
    )
    both = known | chosen
    return {function.name: both[function.name] for function in functions}


def knowledge(
    role: Literal["planner", "action"],
    functions: FunctionSet,
    examples: Sequence[Example],
    start: Adapter | None,
) -> dict[str, Any]:
    """What running the adapter needs to know of its training: fields of ``Adapter``.

    What requests the start was trained on is taken over if it planned for these functions alone:
    else requests for functions that are gone would still be routed here.
    """
    kept = start if start and all(f.name in functions for f in start.functions) else None
    plans = [plan for e in examples for plan in (e.steps, *(b.steps for b in e.branches))]
    if role == "planner":
        counts = count_words(example.query for example in examples)
        words = {*(start.words if start else ()), *encode.plan_words(examples)}
        learned_on = any(example.branches for example in examples)
        return {
            "plans_on": learned_on or (start is not None and start.plans_on),
            "words": tuple(sorted(words)),
            "word_counts": add_counts([kept.word_counts, counts] if kept else [counts]),
        }
    counts = count_words(line.text for plan in plans for line in plan if isinstance(line, Step))
    return {
        "word_counts": add_counts([kept.word_counts, counts] if kept else [counts]),
        "links": _links(functions, examples, start),
    }


def _links(
    functions: FunctionSet, examples: Sequence[Example], start: Adapter | None
) -> dict[str, tuple[str, ...]]:
    """What results stood where, with what the start knows of these functions."""
    found = encode.links(examples)
    for name, producers in (start.links if start else {}).items():
        if name.partition(".")[0] in functions:
            both = {*producers, *found.get(name, ())}
            found[name] = tuple(sorted(producer for producer in both if producer in functions))
    return dict(sorted(found.items()))
