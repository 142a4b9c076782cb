"""π_action: from a step's text to one function call (after Octopus v2, arXiv 2404.01744).

The action model reads the steps as a conversation: ``1. TEXT``, its call, ``2. TEXT``, its call,
…; so it knows what each ``$k`` would be. It names the function by one token (the functional token)
and then writes the arguments. It writes under a grammar made of the functions' schemas and of the
step's text: a string argument is a contiguous piece of that text, or ``$k`` for an earlier step.
Which step that is follows from the texts and the functions: a model this small would guess.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octoplan.functions import Function
from octoplan.models.adapters import Adapter, action_turn, plain
from octoplan.models.engine import Engine, complete
from octoplan.plans import Call, Step, read_call, write_call

_SMALL_WORDS = frozenset(
    re.findall(
        r"\w+", "a an and are as at be by for from in is it its me my of on that the this to"
    )
)


@dataclass(frozen=True)
class Action:
    """What the action model made of a step.

    Attributes:
        call: the call; None where the text could not be read.
        problems: what was wrong with the text.
        probability: the model's own probability of the call, 0 to 1.
        seconds: the time that it took.
    """

    call: Call | None
    problems: tuple[str, ...]
    probability: float
    seconds: float


class ActionModel:
    """The action model: an engine with an action adapter."""

    def __init__(self, engine: Engine, adapter: Adapter) -> None:
        self._engine = engine
        self.adapter = adapter
        self._by_symbol = adapter.by_symbol

    @property
    def adapters(self) -> list[Adapter]:
        """All that it uses."""
        return [self.adapter]

    def act(self, text: str, earlier: Sequence[Step] = ()) -> Action:
        """Turn a step into a call.

        Args:
            text: the step's text.
            earlier: the steps before it, with their calls, in order; ``$1`` is the first.

        Raises:
            EngineError: the engine failed.
        """
        started = time.perf_counter()
        prompt: list[str | int] = []
        for number, step in enumerate(earlier, start=1):
            prompt.append(action_turn(number, step.text))
            prompt += self._written(step.call)
        prompt.append(action_turn(len(earlier) + 1, text))
        grammar = call_grammar(self.adapter, text, earlier)
        completion = complete(
            self._engine.stream(prompt, self.adapter, grammar=grammar, stop=["\n"], max_tokens=200)
        )
        reading = read_call(completion.text, self._by_symbol)
        return Action(
            reading.call,
            reading.problems,
            completion.probability,
            time.perf_counter() - started,
        )

    def _written(self, call: Call | None) -> list[str | int]:
        if call is None or call.function not in self.adapter.symbols:
            return ["\n"]
        function = self.adapter.functions[call.function]
        symbol = self.adapter.symbols[call.function]
        return [symbol.token, write_call("", function, call.arguments) + "\n"]


# ---------------------------------------------------------------- the grammar


def reference(adapter: Adapter, parameter: str, text: str, earlier: Sequence[Step]) -> int | None:
    """The number of the step whose result an argument may be, or None.

    Of the earlier steps whose function's results stood in that parameter in training, it is the
    one that shares most words with the step's text, and of several such the one whose word comes
    first there. The model decides only whether to refer.

    Args:
        parameter: ``function.parameter``.
    """
    words = _stems(text)
    best: tuple[tuple[int, int], int | None] = ((-1, 0), None)
    for number, step in enumerate(earlier, start=1):
        if step.function in adapter.links.get(parameter, ()):
            theirs = _stems(step.text)
            shared = [position for position, word in enumerate(words) if word in theirs]
            likeness = (len(shared), -min(shared, default=0))
            if likeness > best[0]:
                best = (likeness, number)
    return best[1]


def _stems(text: str) -> list[str]:
    """The beginnings of a text's words, each once, small words left out."""
    words = re.findall(r"\w+", text.lower())
    return list(dict.fromkeys(word[:5] for word in words if word not in _SMALL_WORDS))


def call_grammar(adapter: Adapter, text: str, earlier: Sequence[Step]) -> str:
    """GBNF that admits exactly the valid, grounded calls for a step.

    Args:
        adapter: its functions and their functional tokens.
        text: the step's text; strings are pieces of it.
        earlier: the steps before it; some strings may be ``$k`` too.
    """
    rules = _pieces(plain(text))
    names = []
    for number, (name, symbol) in enumerate(adapter.symbols.items()):
        function = adapter.functions[name]
        references = {
            parameter: reference(adapter, f"{name}.{parameter}", text, earlier)
            for parameter in function.parameters["properties"]
        }
        arguments = _arguments(function, references)
        rules.append(f"f{number} ::= <[{symbol.token}]> {arguments} {_literal(chr(10))}")
        names.append(f"f{number}")
    return "\n".join([f"root ::= {' | '.join(names)}", *rules])


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _pieces(text: str) -> list[str]:
    """Rules for the contiguous pieces of a text: ``p{i}`` admits those that begin at unit i."""
    units = list(re.finditer(r"\w+|[^\w\s]", text))
    rules = []
    for index, unit in enumerate(units):
        rule = f"p{index} ::= {_literal(unit.group())}"
        if index + 1 < len(units):
            space = '" " ' if units[index + 1].start() > unit.end() else ""
            rule += f" ({space}p{index + 1})?"
        rules.append(rule)
    starts = [f"p{index}" for index in range(len(units))]
    return [f"string ::= {' | '.join(starts)}", *rules]


def _arguments(function: Function, references: Mapping[str, int | None]) -> str:
    properties = function.parameters["properties"]
    parts = []
    for position, name in enumerate(function.required):
        before = _literal("\t " if position else " ")
        parts.append(f"{before} {_value(properties[name], references[name])}")
    for name, schema in properties.items():
        if name not in function.required:
            parts.append(f"({_literal(f'{chr(9)}{name} ')} {_value(schema, references[name])})?")
    return " ".join(parts)


def _value(schema: Mapping[str, Any], reference: int | None) -> str:
    if "enum" in schema:
        return _choice(schema["enum"])
    match schema.get("type"):
        case "boolean":
            return '("true" | "false")'
        case "integer" | "number" as kind:
            return _number(kind, schema.get("minimum"), schema.get("maximum"))
        case _:
            return f"(string | {_literal(f'${reference}')})" if reference else "string"


def _choice(values: Iterable[Any]) -> str:
    return "(" + " | ".join(_literal(str(value)) for value in values) + ")"


def _number(kind: str, low: float | None, high: float | None) -> str:
    """Numbers within the bounds: one by one where these are close, by sign and length otherwise."""
    step = 1.0 if kind == "integer" else 0.05
    if low is not None and high is not None and high - low <= 200 * step:
        count = round((high - low) / step)
        return _choice(f"{round(low + index * step, 2):g}" for index in range(count + 1))
    sign = "" if low is not None and low >= 0 else '"-"? '
    decimals = "" if kind == "integer" else ' ("." [0-9]{1,4})?'
    return f'({sign}("0" | [1-9] [0-9]{{0,8}}){decimals})'
