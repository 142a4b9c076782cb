"""What makes a benchmark: examples that hold to the rules, are not alike, and are well spread.

After Octo-planner (arXiv 2406.18082, section 3.3), whose benchmark is made of plans that name
existing functions in an order that works:

    examples = list(read_examples(["data/validation"]))
    check(examples[0], functions)                    # its faults, in plain sentences
    near_duplicates(examples, training)              # requests that are nearly the same
    sample(examples, 250, seed=0)                    # as many of each kind as there are
    report(examples, functions, training).model_dump_json()

**The order of a plan** is tested by running it on a simulated device. A step that fails is *out of
order* if it succeeds when it is run after all the other steps: checking out, say, before a later
step fills the cart. Other failures are no faults of the plan's order: no such contact, nothing
found. Neither are those that an earlier step brings about: who says "Wi-Fi off, then play some
music" is planned for as asked.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import starmap
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from octoplan.devices import DeviceFailure
from octoplan.devices.simulated import SimulatedDevice
from octoplan.evaluation.metrics import same_call
from octoplan.functions import FunctionSet
from octoplan.plans import MAX_STEPS, Call, Example, Line, PlanError, Step, kind

LIKENESS = 0.5
"""From this Jaccard likeness on, two requests are near-duplicates: of a request of ten words, one
in the middle may differ (seven of eleven pairs are shared: 0.64), but not two apart."""

SHINGLE = 2
"""Words in a shingle. Requests are short: of three words in a row too few would be left alike."""

Property = Literal["steps", "domains"]
"""What a sample is spread over: the number of steps, or the set of domains."""

_NOW = datetime(2026, 5, 6, 10, 0)  # the clock stands still, so that a check can be repeated
_REFERENCE = re.compile(r"\$[0-9]+")
# A pair of likeness s becomes a candidate with probability 1 - (1 - s**_ROWS)**_BANDS.
_BANDS, _ROWS = 42, 3


# ---------------------------------------------------------------- the rules


def check(example: Example, functions: FunctionSet) -> list[str]:
    """Say in plain sentences what is wrong with an example.

    Each step must call an existing function with arguments that its schema admits; ``$k`` must be
    an earlier step, and any other string that is no enum must stand word for word in the step's
    text; no call may stand twice, nor more than ``MAX_STEPS`` lines. The plans after results
    (``branches``) are held to the same.

    A plan without such faults, of functions that the simulated device has, is then run there, to
    see whether its order works (see above). Branches are not run: they follow invented results.

    Args:
        example: the request with its plan.
        functions: the functions that there are.

    Returns:
        One sentence a fault; empty when there is none.
    """
    steps = [line for line in example.steps if isinstance(line, Step)]
    faults = list(_faults(example.steps, functions, 0))
    if not faults:
        faults += _out_of_order(steps, functions)
    for place, branch in enumerate(example.branches, start=1):
        found = _faults(branch.steps, functions, len(steps))
        faults += (f"branch {place}: {fault}" for fault in found)
    return faults


def _faults(lines: Sequence[Line], functions: FunctionSet, before: int) -> Iterator[str]:
    """What can be seen without running a plan that follows ``before`` steps."""
    if len(lines) > MAX_STEPS:
        yield f"the plan has {len(lines)} lines, but {MAX_STEPS} are the most"
    calls: dict[int, Call] = {}
    steps = (line for line in lines if isinstance(line, Step))
    for number, step in enumerate(steps, start=before + 1):
        if step.call is None:
            yield f"step {number} names no function"
            continue
        for fault in _call_faults(number, step.text, step.call, functions):
            yield f"step {number}: {fault}"
        for earlier, call in calls.items():
            if same_call(step.call, call):
                yield f"step {number} is the same call as step {earlier}"
        calls[number] = step.call


def _call_faults(number: int, text: str, call: Call, functions: FunctionSet) -> Iterator[str]:
    if call.function not in functions:
        yield f"there is no function {call.function}"
        return
    function = functions[call.function]
    yield from function.problems(call.arguments)
    earlier = {f"${k}" for k in range(1, number)}
    for name, value in call.arguments.items():
        schema = function.parameters["properties"].get(name, {})
        free = schema.get("type") == "string" and "enum" not in schema
        if not free or not isinstance(value, str) or value in earlier:
            continue
        if _REFERENCE.fullmatch(value):
            yield f"{name} is {value}, which is no earlier step"
        elif _units(value) not in _units(text):
            yield f'{name} is "{value}", which does not stand word for word in "{text}"'


def _units(text: str) -> str:
    """The text with a space around each word and mark, so that pieces of it are whole words."""
    return " " + " ".join(re.findall(r"\w+|[^\w\s]", text)) + " "


# ---------------------------------------------------------------- the order


def _out_of_order(steps: Sequence[Step], functions: FunctionSet) -> Iterator[str]:
    """The steps of a faultless plan that fail for no reason but their place."""
    calls = {number: step.call for number, step in enumerate(steps, start=1) if step.call}
    device = _device_functions()
    names = {call.function for call in calls.values()}
    own = any(name not in device or device[name] != functions[name] for name in names)
    if own or len(calls) < 2:  # the user's own cannot be run here, and one step has no order
        return
    for number, reason in _run(list(calls), calls)[1].items():
        last = [*(other for other in calls if other != number), number]
        if last != list(calls) and number in _run(last, calls)[0]:
            yield f"step {number} is out of order: it fails ({reason}), but not after the last step"


def _run(order: Sequence[int], calls: Mapping[int, Call]) -> tuple[set[int], dict[int, str]]:
    """Run calls on a fresh device: those that succeeded, and why others failed.

    A call that needs the result of one that has not succeeded is left out, and in neither.
    """
    results: dict[int, str] = {}
    failed: dict[int, str] = {}
    with SimulatedDevice(now=_NOW) as device:
        for number in order:
            given = calls[number].arguments.values()
            if not {other for other in calls if f"${other}" in given} <= results.keys():
                continue
            call = calls[number].filled(results)
            try:
                results[number] = device.call(call.function, call.arguments)
            except DeviceFailure as failure:
                failed[number] = str(failure)
    return set(results), failed


@cache
def _device_functions() -> FunctionSet:
    with SimulatedDevice() as device:
        return device.functions


# ---------------------------------------------------------------- duplicates


class Duplicate(BaseModel):
    """Two examples whose requests are the same, or nearly.

    Attributes:
        ids: of the two, in the order of the data; the second may be one of the training data.
        requests: what the user said.
        exact: whether the words are the same, in the same order.
        likeness: how many of the shingles of both are shared (Jaccard), from 0 to 1.
    """

    ids: tuple[str, str]
    requests: tuple[str, str]
    exact: bool
    likeness: float


def near_duplicates(
    examples: Sequence[Example],
    others: Sequence[Example] | None = None,
    likeness: float = LIKENESS,
) -> list[Duplicate]:
    """The pairs of examples whose requests are nearly the same but for case and punctuation.

    MinHash LSH (datasketch) finds the pairs over shingles of ``SHINGLE`` words; each is then
    measured exactly, so that none is reported by mistake. All pairs of the same shingles are found,
    and of those of a likeness of 0.5 all but 4 in 1000; below that, more are missed.

    Args:
        examples: the benchmark.
        others: what to compare it with, such as training data; itself where left out.
        likeness: the least Jaccard likeness of a pair, above 0, at most 1.

    Returns:
        The pairs: the exact ones, then the others, the likest first.
    """
    from datasketch import MinHashLSH

    ours = _hashed(examples)
    asked = ours if others is None else _hashed(others)
    index = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    for place, request in enumerate(ours):
        index.insert(place, request.hashed)
    pairs: list[Duplicate] = []
    for place, other in enumerate(asked):
        for found in sorted(index.query(other.hashed)):
            if others is None and found >= place:  # itself, or a pair that is met the other way
                continue
            request = ours[found]
            shared = len(request.shingles & other.shingles)
            alike = shared / len(request.shingles | other.shingles)
            if alike >= likeness:
                pairs.append(
                    Duplicate(
                        ids=(request.example.id, other.example.id),
                        requests=(request.example.query, other.example.query),
                        exact=request.words == other.words,
                        likeness=round(alike, 3),
                    )
                )
    return sorted(pairs, key=lambda pair: (not pair.exact, -pair.likeness))


class _Request(NamedTuple):
    example: Example
    words: list[str]
    shingles: set[str]
    hashed: Any  # datasketch's MinHash


def _hashed(examples: Sequence[Example]) -> list[_Request]:
    from datasketch import MinHash

    words = [_words(example.query) for example in examples]
    shingles = [_shingles(request) for request in words]
    encoded = ([shingle.encode() for shingle in request] for request in shingles)
    hashed = MinHash.generator(encoded, num_perm=_BANDS * _ROWS)
    return list(starmap(_Request, zip(examples, words, shingles, hashed, strict=True)))


def _words(text: str) -> list[str]:
    words = re.findall(r"\w+", re.sub("['’]", "", text.casefold()))
    return words or [ascii(text)]  # a request of marks alone is like none but itself


def _shingles(words: Sequence[str]) -> set[str]:
    last = max(1, len(words) - SHINGLE + 1)
    return {" ".join(words[start : start + SHINGLE]) for start in range(last)}


# ---------------------------------------------------------------- samples


def sample(
    examples: Sequence[Example],
    n: int,
    seed: int,
    by: Sequence[Property] = ("steps", "domains"),
) -> list[Example]:
    """Draw examples in equal shares.

    The shares are equal over the first property, as far as there are enough examples, and within
    each of its values over the next one. What a small group cannot give, the others give.

    Args:
        examples: what to draw from.
        n: how many to draw.
        seed: the same seed draws the same examples.
        by: what to spread the sample over.

    Returns:
        The examples drawn, none twice, in the order in which they were given.

    Raises:
        PlanError: there are fewer than ``n`` examples, or ``n`` is negative.
    """
    if not 0 <= n <= len(examples):
        raise PlanError(f"there are {len(examples)} examples; draw from 0 to as many, not {n}")
    drawn = _draw(examples, range(len(examples)), n, by, random.Random(seed))
    return [examples[index] for index in sorted(drawn)]


def _draw(
    examples: Sequence[Example],
    indices: Sequence[int],
    n: int,
    by: Sequence[Property],
    rng: random.Random,
) -> list[int]:
    if not by:
        return rng.sample(indices, n)
    value_of = _PROPERTIES[by[0]]
    groups: dict[Hashable, list[int]] = {}
    for index in indices:
        groups.setdefault(value_of(examples[index]), []).append(index)
    # The smallest first, so that what it lacks is shared among those that are left; shuffled, so
    # that chance decides which of equal groups gives one more where n does not divide.
    shuffled = rng.sample(list(groups.values()), len(groups))
    drawn: list[int] = []
    for left, group in zip(range(len(groups), 0, -1), sorted(shuffled, key=len), strict=True):
        share = min(len(group), (n - len(drawn)) // left)
        drawn += _draw(examples, group, share, by[1:], rng)
    return drawn


def _steps(example: Example) -> int:
    return sum(isinstance(line, Step) for line in example.steps)


def _domains(example: Example) -> frozenset[str]:
    return frozenset(example.domains)


_PROPERTIES: dict[Property, Callable[[Example], Hashable]] = {"steps": _steps, "domains": _domains}


# ---------------------------------------------------------------- the report


class Report(BaseModel):
    """What a benchmark holds, and what is wrong with it.

    Attributes:
        examples: how many there are.
        steps: how many examples have so many steps before any result.
        domains: how many examples are of this set of domains, "android+travel"; "none" of none.
        lines: how many lines are of this kind, branches included.
        functions: how often each function is called, branches included; 0 where it never is.
        faults: the faults by the example's id; examples without any are not there.
        duplicates: the examples that are the same, or nearly.
        in_training: the examples that are the same as one of the training data, or nearly.
    """

    examples: int
    steps: dict[int, int]
    domains: dict[str, int]
    lines: dict[str, int]
    functions: dict[str, int]
    faults: dict[str, list[str]]
    duplicates: list[Duplicate]
    in_training: list[Duplicate]


def report(
    examples: Sequence[Example], functions: FunctionSet, training: Sequence[Example] = ()
) -> Report:
    """Check a benchmark and count what it holds.

    Args:
        examples: the benchmark.
        functions: the functions that there are.
        training: what a model learns, to see that the benchmark is not in it.
    """
    lines = [
        line
        for example in examples
        for plan in (example.steps, *(branch.steps for branch in example.branches))
        for line in plan
    ]
    called = Counter(line.function for line in lines if isinstance(line, Step) and line.function)
    ids = Counter(example.id for example in examples)
    faults: dict[str, list[str]] = {}
    for example in examples:
        if found := check(example, functions):
            faults.setdefault(example.id, []).extend(found)
    for id_, count in ids.items():
        if count > 1:
            faults.setdefault(id_, []).append(f"{count} examples have this id")
    return Report(
        examples=len(examples),
        steps=_counted(_steps(example) for example in examples),
        domains=_counted("+".join(sorted(_domains(example))) or "none" for example in examples),
        lines=_counted(kind(line) for line in lines),
        functions={function.name: 0 for function in functions} | called,
        faults=faults,
        duplicates=near_duplicates(examples),
        in_training=near_duplicates(examples, training),
    )


T = TypeVar("T", int, str)


def _counted(values: Iterable[T]) -> dict[T, int]:
    """How often each value is there, in order of the values."""
    return dict(sorted(Counter(values).items()))
