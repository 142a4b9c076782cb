"""More examples from those that there are: values swapped, and short requests joined.

A small model that sees the same names in every epoch learns the names, not to copy them. So each
epoch learns a variation of the data: names and titles are exchanged for others of the same
parameter, in request, results and answers and wherever else they stand; some are made up of the
halves of two words, as no pre-trained model knows them. Two short requests said in one breath teach
where one wish ends and the next begins; one step of a plan, said alone, teaches that a plain wish
needs no question.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from octoplan.functions import FunctionSet
from octoplan.plans import MAX_STEPS, Cannot, Done, Example, Line, Step, Wait, write_line

RARE = 3
"""A word in at most so many examples is a name, a title or the like: a value may be swapped."""

SWAP, MADE_UP, JOIN, ALONE = 0.5, 0.25, 0.15, 0.15
"""How often a value is swapped, how often a word of the new one is made up, and how many joined
examples and steps alone there are for each example."""

_BREATHS = (
    ". ",
    ", and ",
    ", then ",
    "; ",
    " and ",
    ". Then ",
    ". Also ",
    ", also ",
    ". After that ",
)
_WAYS_OF_SAYING = ("{}", "{}", "{}.", "{} please", "please {}", "can you {}?")
_REFERENCE = re.compile(r"\$([1-9])")


def variations(
    examples: Sequence[Example], functions: FunctionSet, epochs: int, seed: int
) -> Iterator[Example]:
    """The data once for every epoch, each time varied, with joined ones and steps alone.

    Args:
        examples: the data; held-out examples must be gone from it.
        functions: the functions that it uses; values that a schema lists are left alone.
        seed: the same seed gives the same examples.
    """
    rng = random.Random(seed)
    values = _Values(examples, functions)
    short = [example for example in examples if _may_join(example)]
    long = [example for example in examples if any(_may_stand_alone(example))]
    for _ in range(epochs):
        for example in examples:
            yield values.swapped(example, rng)
        for _ in range(round(JOIN * len(examples)) if len(short) > 1 else 0):
            first, second = (values.swapped(example, rng) for example in rng.sample(short, 2))
            if len(first.steps) + len(second.steps) <= MAX_STEPS:
                yield joined(first, second, rng.choice(_BREATHS))
        for _ in range(round(ALONE * len(examples)) if long else 0):
            yield alone(values.swapped(rng.choice(long), rng), rng)


def joined(first: Example, second: Example, breath: str) -> Example:
    """Two requests as one: ``breath`` stands between them, and the second's steps come last."""
    done = sum(isinstance(line, Step) for line in first.steps)
    opening = first.query.rstrip(" .,;!")
    if opening.endswith("?"):
        breath = " " + breath.strip(".,; ").capitalize() + " "
    return Example(
        id=f"{first.id}+{second.id}",
        domains=tuple(sorted({*first.domains, *second.domains})),
        query=" ".join((opening + breath + second.query).split()),
        steps=(*first.steps, *shifted(second.steps, done)),
    )


def alone(example: Example, rng: random.Random) -> Example:
    """One step of a longer plan, said as a request of its own; ``rng`` draws it."""
    step = rng.choice(list(_may_stand_alone(example)))
    said = rng.choice(_WAYS_OF_SAYING).format(step.text[0].lower() + step.text[1:].rstrip("."))
    return Example(
        id=f"{example.id}.{example.steps.index(step) + 1}",
        domains=example.domains,
        query=said,
        steps=(step,),
    )


def shifted(lines: Iterable[Line], shift: int) -> Iterator[Line]:
    """The lines with ``$k`` counted on, as they stand after ``shift`` other steps."""
    for line in lines:
        if isinstance(line, Step) and line.arguments:
            arguments = {name: _counted_on(value, shift) for name, value in line.arguments.items()}
            line = line.model_copy(update={"arguments": arguments})
        yield line


def _counted_on(value: Any, shift: int) -> Any:
    if isinstance(value, str) and (reference := _REFERENCE.fullmatch(value)):
        return f"${int(reference[1]) + shift}"
    return value


def _may_join(example: Example) -> bool:
    """Whether a request can be part of a longer one: short, and nothing said of all of it."""
    whole = any(
        isinstance(line, Wait | Done) or line == Cannot(cannot="") for line in example.steps
    )
    return not whole and len(example.steps) <= 3 and len(example.query.split()) <= 25


def _may_stand_alone(example: Example) -> Iterator[Step]:
    """The steps of a longer plan that take nothing from others."""
    for line in example.steps if len(example.steps) > 1 else ():
        if isinstance(line, Step) and line.arguments is not None:
            values = line.arguments.values()
            if not any(isinstance(value, str) and _REFERENCE.fullmatch(value) for value in values):
                yield line


class _Values:
    """The names, titles and the like that stand as arguments in the data, by parameter."""

    def __init__(self, examples: Sequence[Example], functions: FunctionSet) -> None:
        self._free = {
            f"{function.name}.{name}"
            for function in functions
            for name, schema in function.parameters["properties"].items()
            if "enum" not in schema
        }
        counts = Counter(
            word
            for example in examples
            for word in {w for line in _lines(example) for w in _words(write_line(line))}
        )
        self._rare = {word for word, count in counts.items() if count <= RARE}
        self._by_parameter: dict[str, list[str]] = {}
        for example in examples:
            for value, parameter in self._swappable(example).items():
                self._by_parameter.setdefault(parameter, []).append(value)
        values = [value for found in self._by_parameter.values() for value in found]
        rare = sorted({word for value in values for word in _words(value)} & self._rare)
        self._by_case = {
            capital: [word for word in rare if len(word) > 3 and word[0].isupper() == capital]
            for capital in (False, True)
        }

    def swapped(self, example: Example, rng: random.Random) -> Example:
        """The example with some of its values exchanged for others, wherever they stand."""
        new: dict[str, str] = {}
        found = self._swappable(example)
        read = "\n".join(_read(example))
        for value, parameter in found.items():
            overlaps = any(value in other or other in value for other in found if other != value)
            if not overlaps and _places([value]).search(read) and rng.random() < SWAP:
                other = rng.choice(self._by_parameter[parameter])
                new[value] = re.sub(r"\w+", lambda match: self._made_up(match[0], rng), other)
        if not new:
            return example
        places = _places(new)

        def exchange(thing: Any) -> Any:
            if isinstance(thing, str):
                return places.sub(lambda match: new[match[0]], thing)
            if isinstance(thing, dict):
                return {key: exchange(value) for key, value in thing.items()}
            return (
                [exchange(value) for value in thing] if isinstance(thing, list | tuple) else thing
            )

        return Example.model_validate(exchange(example.model_dump()))

    def _swappable(self, example: Example) -> dict[str, str]:
        """The values that hold a rare word, each with its ``function.parameter``."""
        return {
            value: f"{line.function}.{name}"
            for line in _lines(example)
            if isinstance(line, Step)
            for name, value in (line.arguments or {}).items()
            if isinstance(value, str)
            and f"{line.function}.{name}" in self._free
            and not self._rare.isdisjoint(_words(value))
        }

    def _made_up(self, word: str, rng: random.Random) -> str:
        """Now and then, instead of a rare word, the halves of two."""
        others = self._by_case[word[0].isupper()]
        if word not in self._rare or not others or rng.random() >= MADE_UP:
            return word
        other = rng.choice(others)
        return word[: (len(word) + 1) // 2] + other[len(other) // 2 :]


def _lines(example: Example) -> Iterator[Line]:
    """All lines that are learned from an example: those of its plan and of its branches."""
    yield from example.steps
    for branch in example.branches:
        yield from branch.steps


def _read(example: Example) -> Iterator[str]:
    """All that the planner reads of an example: the request, results and answers."""
    yield example.query
    for branch in example.branches:
        yield from (*branch.results.values(), *branch.answers)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{3,}", text)


def _places(values: Iterable[str]) -> re.Pattern[str]:
    """Where one of the values stands as whole words."""
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
