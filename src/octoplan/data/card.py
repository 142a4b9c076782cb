"""A folder of validated examples: what was kept, what was rejected and why, and the data card.

    found = validate(drafts, functions)
    counts = write(found, functions, Path("data"), {"command": "octoplan validate drafts.jsonl"})
    summary(counts)

It holds ``kept.jsonl``, ``rejected.jsonl``, ``README.md`` (the card) and ``plots.png``.
"""

import io
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from octoplan.data.validate import Rejected, Unreadable, Validated
from octoplan.functions import FunctionSet
from octoplan.models.bases import BaseError, find_base
from octoplan.models.llamacpp import load_library
from octoplan.plans import Example, PlanError, Step, kind, one_line, write_example

EMBEDDED = 1000
"""So many requests are embedded at most, drawn by seed 0."""

_LONGEST = 500  # of a request so many characters are embedded: they fit the context in any script

# What a sentence is about, once "branch 1: step 2: " is taken from it. The values that it quotes
# may read like another's, so its own words stand at an end.
_KINDS = {
    r"line \d+ of .* is no example: .*": "lines that are no example",
    r"the request (is empty|has \d+ characters).*": "requests that are empty or too long",
    r"the same request as .*": "requests that stand twice",
    r"nearly the same request as a held-out example|a held-out example has .*": (
        "examples that are nearly held-out ones"
    ),
    r"nearly the same request as .*": "requests that are nearly another's",
    r"not judged: .*": "examples that were not judged",
    r"judged not valid: .*": "examples that the judge finds not valid",
    r"there is no function .*": "calls of functions that do not exist",
    r"step \d+ names no function": "steps without a function",
    r"step \d+ is the same call as step \d+": "calls that stand twice",
    r"step \d+ is out of order: .*": "steps that are out of order",
    r"the plan has \d+ lines.*": "plans that are too long",
    r".* but \".*\" does not stand in the request(, its results or answers)?": (
        "values that do not stand in the request"
    ),
    r".*, which does not stand word for word in .*": "values that do not stand in the step",
    r".* is \$\d+, which is no earlier step": "references to no earlier step",
    r".* is missing: give .*": "calls that lack an argument",
    r".* is not a parameter of .*": "arguments that no parameter takes",
    r".* must be .*|an argument holds a number .*": "values that no parameter takes",
    r"the plan cannot be tried out: .*": "plans that cannot be tried out",
}
_OTHER = "lines that are not used as the format says"


class Counts(BaseModel):
    """What validated data holds.

    Attributes:
        read, kept, mended, rejected: examples; the mended ones are kept.
        mended_by: examples in which this was mended; one may have had several.
        rejected_by: examples that were rejected for this; one may have several reasons.
        steps: kept examples that have so many steps before any result.
        lines: kept lines of this kind, branches included.
        domains: kept examples of this set of domains, "android+travel"; "none" of none.
        functions: how often each is called, branches included.
        unused: the functions that are never called.
        pairs: the share of ordered pairs of functions, each with itself too, that stand one after
            another in some plan.
        distinct: "requests" and "steps": the share of different ones among runs of 1, 2, 3 words.
        spread: the mean cosine distance between requests, embedded by the default base; None where
            that was left out.
        spread_of: of what, or why it was left out.
    """

    read: int
    kept: int
    mended: int
    rejected: int
    mended_by: dict[str, int]
    rejected_by: dict[str, int]
    steps: dict[int, int]
    lines: dict[str, int]
    domains: dict[str, int]
    functions: dict[str, int]
    unused: list[str]
    pairs: float
    distinct: dict[str, list[float]]
    spread: float | None
    spread_of: str


def check_vacant(out: Path) -> None:
    """Make sure that a folder is new or empty.

    Raises:
        PlanError: it is not.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PlanError(f"{out} is not empty; name another folder, or move it away")


def write(
    found: Validated,
    functions: FunctionSet,
    out: Path,
    about: Mapping[str, Any],
) -> Counts:
    """Write a folder of validated examples, and count what it holds.

    Args:
        functions: those that the examples were validated with.
        out: a new or empty folder.
        about: what the card says of the origin: texts, and what each of some files is (``sha256``
            and so on, by the file's name).

    Raises:
        PlanError: the folder is not empty.
    """
    check_vacant(out)
    counts = count(found, functions)
    # All is made before anything is written: half a folder would look like a whole one.
    files = {
        "kept.jsonl": "".join(f"{write_example(example)}\n" for example in found.kept).encode(),
        "rejected.jsonl": b"".join(_line(_rejected(each)) for each in found.rejected),
        "plots.png": _plots(counts, found.kept),
        "README.md": _card(counts, functions, about).encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return counts


def summary(counts: Counts) -> str:
    """What became of the drafts, in one line."""
    why = ", ".join(f"{number} {name}" for name, number in counts.rejected_by.items())
    return (
        f"kept {counts.kept} of {counts.read} ({counts.mended} mended), rejected {counts.rejected}"
        + (f": {why}" if why else "")
    )


def _line(value: Any) -> bytes:
    return bytes(to_json(value, inf_nan_mode="strings")) + b"\n"


def _rejected(each: Rejected | Unreadable) -> dict[str, Any]:
    if isinstance(each, Unreadable):
        return {"line": each.line, "text": each.text, "reasons": each.reasons}
    return {"example": each.example.model_dump(exclude_defaults=True), "reasons": each.reasons}


# ---------------------------------------------------------------- counts


def count(found: Validated, functions: FunctionSet) -> Counts:
    """Count what validated data holds."""
    plans = [
        plan
        for example in found.kept
        for plan in (example.steps, *(branch.steps for branch in example.branches))
    ]
    called = [[line.function for line in plan if isinstance(line, Step)] for plan in plans]
    used = Counter(name for names in called for name in names)
    pairs = {pair for names in called for pair in pairwise(names)}
    texts = [line.text for plan in plans for line in plan if isinstance(line, Step)]
    requests = [example.query for example in found.kept]
    spread, spread_of = _spread(requests)
    return Counts(
        read=found.read,
        kept=len(found.kept),
        mended=len(found.mended),
        rejected=len(found.rejected),
        mended_by=_most(what for each in found.mended for what in set(each.what)),
        rejected_by=_most(name for each in found.rejected for name in _kinds(each.reasons)),
        steps=_sorted(sum(isinstance(s, Step) for s in e.steps) for e in found.kept),
        lines=_most(kind(line) for plan in plans for line in plan),
        domains=_most("+".join(sorted(set(e.domains))) or "none" for e in found.kept),
        functions={function.name: used[function.name] for function in functions},
        unused=[function.name for function in functions if not used[function.name]],
        pairs=len(pairs) / len(functions) ** 2,
        distinct={
            name: [_distinct(of, n) for n in (1, 2, 3)]
            for name, of in (("requests", requests), ("steps", texts))
        },
        spread=spread,
        spread_of=spread_of,
    )


def _most(values: Iterable[str]) -> dict[str, int]:
    """How often each value is there, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda found: (-found[1], found[0])))


def _sorted(values: Iterable[int]) -> dict[int, int]:
    """How often each value is there, in order of the values."""
    return dict(sorted(Counter(values).items()))


def _kinds(reasons: Sequence[str]) -> set[str]:
    """What some reasons are about."""
    sentences = (re.sub(r"^(branch \d+: )?(step \d+: )?", "", reason) for reason in reasons)
    return {
        next((name for form, name in _KINDS.items() if re.fullmatch(form, each, re.DOTALL)), _OTHER)
        for each in sentences
    }


def _distinct(texts: Sequence[str], n: int) -> float:
    """The share of different ones among all runs of n words; 0 where there are none."""
    words = [re.findall(r"\w+", text.casefold()) for text in texts]
    runs = [tuple(each[start : start + n]) for each in words for start in range(len(each) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


def _spread(requests: Sequence[str]) -> tuple[float | None, str]:
    """The mean cosine distance between requests, and of what, or why there is none."""
    if len(requests) < 2:
        return None, "left out: it takes two requests"
    try:
        path = find_base().gguf
    except BaseError as error:
        return None, f"left out: {error}"
    import numpy as np

    xllamacpp = load_library()
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_ctx = params.n_batch = params.n_ubatch = 4 * _LONGEST
    params.n_parallel = 1
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    drawn = random.Random(0).sample(requests, min(EMBEDDED, len(requests)))
    asked = {"input": [request[:_LONGEST] for request in drawn]}
    answer = xllamacpp.Server(params).handle_embeddings(asked)
    if "data" not in answer:
        return None, f"left out: llama.cpp refused the requests: {answer}"
    vectors = np.array([each["embedding"] for each in answer["data"]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(vectors)
    # The mean over all pairs, without the n pairs of a request with itself.
    likeness = (np.square(vectors.sum(axis=0)).sum() - n) / (n * (n - 1))
    return float(1 - likeness), f"{n} requests"


# ---------------------------------------------------------------- the card


def _card(counts: Counts, functions: FunctionSet, about: Mapping[str, Any]) -> str:
    """The data card in Markdown."""
    spread = counts.spread_of
    if counts.spread is not None:
        spread = f"{counts.spread:.3f}, {spread}"
    distinct = ((name, *(f"{each:.3f}" for each in of)) for name, of in counts.distinct.items())
    parts = [
        "# Validated examples",
        summary(counts) + ".",
        "\n".join(_origin({**about, "functions": f"{functions.name}, `{functions.digest}`"})),
        "`kept.jsonl` holds the examples, `rejected.jsonl` the others with the reasons.",
        "## Mended",
        "An example may have had several.",
        _table(("what", "examples"), counts.mended_by.items()),
        "## Rejected",
        "An example may have several reasons.",
        _table(("what", "examples"), counts.rejected_by.items()),
        "## What was kept",
        "![How often each function is called, steps, lengths of requests](plots.png)",
        _table(("steps", "examples"), counts.steps.items()),
        _table(("kind of line, branches included", "lines"), counts.lines.items()),
        _table(("domains", "examples"), counts.domains.items()),
        "## Coverage",
        _table(("function", "calls"), counts.functions.items()),
        f"Never called: {', '.join(counts.unused) or 'none'}.\n\n"
        f"Ordered pairs of functions that stand one after another: {100 * counts.pairs:.1f} %.",
        "## Variety",
        "The share of different ones among all runs of one, two and three words:",
        _table(("", "distinct-1", "distinct-2", "distinct-3"), distinct),
        f"Mean cosine distance between requests: {spread}.",
    ]
    return "\n\n".join(parts) + "\n"


def _origin(about: Mapping[str, Any]) -> Iterable[str]:
    for name, value in about.items():
        if isinstance(value, str):
            yield f"- {name}: {value}"
        else:
            yield f"- {name}:"
            for file, facts in value.items():
                yield f"    - {file}: " + ", ".join(f"{k} {each}" for k, each in facts.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([one_line(str(cell)).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _plots(counts: Counts, kept: Sequence[Example]) -> bytes:
    """How often functions are called, steps, and the lengths of requests: a PNG."""
    from matplotlib.figure import Figure

    height = max(4.0, 1 + 0.16 * len(counts.functions))
    figure = Figure(figsize=(12, height), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    functions = figure.add_subplot(grid[:, 0])
    functions.barh(list(counts.functions), list(counts.functions.values()))
    functions.tick_params("y", labelsize=7)
    functions.margins(y=0.01)
    functions.invert_yaxis()
    functions.set_xlabel("calls")
    steps = figure.add_subplot(grid[0, 1])
    steps.bar(list(map(str, counts.steps)), list(counts.steps.values()))
    steps.set_xlabel("steps")
    steps.set_ylabel("examples")
    lengths = figure.add_subplot(grid[1, 1])
    lengths.hist([len(example.query.split()) for example in kept], bins=30)
    lengths.set_xlabel("words of a request")
    lengths.set_ylabel("examples")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()
