"""What a teacher is asked for: functions, kinds of examples, and ways to speak, drawn by us.

    for order in orders(functions, seed=0):   # without an end
        print(question(order, functions))     # the prompt

Functions, pairs of functions and places in the plan come up equally often; who speaks, how and of
what varies.
"""

import calendar
import json
import random
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

from faker import Faker
from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.functions import FunctionSet
from octoplan.models.prompted import describe, find_prompt, write_prompt
from octoplan.plans import MAX_STEPS, one_line

BATCH = 5
"""So many examples are asked for at once: the rules and descriptions are read once for all."""

MEAN_STEPS = 3
"""Of one to five steps, each as often."""

Kind = Literal["plain", "cannot", "ask", "negated", "wait", "failure"]
"""What sort of example is wanted; see ``prompts/generate.md``."""

# Of 48 examples; one in eight lacks a function, lacks a value or takes something back.
_SHARES: dict[Kind, int] = {
    "plain": 37,
    "cannot": 2,
    "ask": 2,
    "negated": 2,
    "wait": 3,
    "failure": 2,
}
_LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "es_MX", "fr_FR", "pl_PL", "tr_TR", "vi_VN")


class GenerateError(ValueError):
    """What cannot be generated; one line that says what to do."""


class Wanted(BaseModel):
    """One example that the teacher is asked for.

    Attributes:
        kind: what sort of example.
        functions: those that its plan calls, in order.
        speaker, tone, form: who speaks, and how.
        values: names, places, times and numbers to draw from.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    functions: tuple[str, ...]
    speaker: str
    tone: str
    form: str
    values: tuple[str, ...]


class _Variety(BaseModel):
    """Who speaks, and how: ``prompts/variety.toml``."""

    model_config = ConfigDict(extra="forbid")

    speakers: list[str]
    tones: list[str]
    forms: list[str]


def orders(
    functions: FunctionSet, seed: int = 0, prompts: Path | None = None
) -> Iterator[tuple[Wanted, ...]]:
    """What the teacher is asked for, one question after the other, without an end.

    Args:
        seed: the same seed gives the same orders.
        prompts: a folder whose ``variety.toml`` takes the place of ours.

    Raises:
        GenerateError: that file is not what it should be.
    """
    variety, rng, chosen = _variety(prompts), random.Random(seed), _Chosen(functions)
    fakers = [Faker(locale) for locale in _LOCALES]
    for number, faker in enumerate(fakers):
        faker.seed_instance(seed * len(fakers) + number)
    kinds = _kinds(functions)
    while True:
        yield tuple(
            Wanted(
                kind=kind,
                functions=chosen.draw(kind, rng),
                speaker=rng.choice(variety.speakers),
                tone=rng.choice(variety.tones),
                form=rng.choice(variety.forms),
                values=_values(rng.choice(fakers), rng),
            )
            for kind in islice(kinds, BATCH)
        )


def _variety(prompts: Path | None) -> _Variety:
    path = find_prompt("variety.toml", prompts)
    try:
        return _Variety.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise GenerateError(
            f"{path} must hold the lists speakers, tones and forms: {one_line(str(error))}"
        ) from error


def _kinds(functions: FunctionSet) -> Iterator[Kind]:
    """The kinds in turn, spread evenly; those that the functions admit."""
    shares = dict(_SHARES)
    if not any(function.hints.read_only for function in functions):
        del shares["wait"]
    if not any(function.required for function in functions):
        del shares["ask"]
    places = [
        ((number + 0.5) / share, kind) for kind, share in shares.items() for number in range(share)
    ]
    return cycle([kind for _, kind in sorted(places)])


class _Chosen:
    """Chooses functions, those that came up least first: alone, in their place, after another."""

    def __init__(self, functions: FunctionSet) -> None:
        self._functions = functions
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._lengths = cycle(range(1, MAX_STEPS + 1))

    def draw(self, kind: Kind, rng: random.Random) -> tuple[str, ...]:
        """The functions of one example, in order."""
        length = next(self._lengths)
        if kind in ("wait", "failure", "negated"):
            length = max(2, length - 1)
        found: list[str] = []
        for place in range(min(length, len(self._functions))):
            pool = [f.name for f in self._functions if f.name not in found]
            if kind == "wait" and not place:
                pool = [f.name for f in self._functions if f.hints.read_only]
            if kind == "ask" and not place:
                pool = [f.name for f in self._functions if f.required]
            before = found[-1] if found else ""

            def used(name: str, place: int = place, before: str = before) -> tuple[int, float]:
                here = ((name,), (name, str(place)), (before, name))
                return sum(self._counts[key] for key in here), rng.random()

            name = min(pool, key=used)
            self._counts.update([(name,), (name, str(place)), (before, name)])
            found.append(name)
        return tuple(found)


def _values(faker: Faker, rng: random.Random) -> tuple[str, ...]:
    """A few things to say, each of another sort."""
    ways: list[Callable[[], str]] = [
        faker.first_name,
        faker.name,
        faker.city,
        faker.company,
        faker.street_name,
        faker.color_name,
        lambda: f"{calendar.day_name[rng.randrange(7)]} the {rng.randint(1, 28)}",
        lambda: f"{rng.randrange(24)}:{rng.randrange(60):02}",
        lambda: str(rng.randint(2, 99)),
        lambda: f"{rng.randint(1, 90)} minutes",
        lambda: faker.bothify("??-###").upper(),
    ]
    return tuple(one_line(way()) for way in rng.sample(ways, 4))


def question(wanted: Sequence[Wanted], functions: FunctionSet, prompts: Path | None = None) -> str:
    """The prompt for an order.

    Args:
        prompts: a folder whose ``generate.md`` takes the place of ours.
    """
    named = {name for each in wanted for name in each.functions}
    # What cannot be done is only known from all that can.
    if any(each.kind == "cannot" for each in wanted):
        named = {function.name for function in functions}
    shown = tuple(function for function in functions if function.name in named)
    lines = [
        json.dumps({"n": number} | each.model_dump(), ensure_ascii=False)
        for number, each in enumerate(wanted, start=1)
    ]
    return write_prompt(
        "generate",
        prompts,
        functions=describe(FunctionSet(name=functions.name, functions=shown)),
        most=str(MAX_STEPS),
        count=str(len(wanted)),
        wanted="\n".join(lines),
    )
