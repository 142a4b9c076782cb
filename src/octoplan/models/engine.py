"""What the planner and the action model ask of whatever runs a model: complete a prompt."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from octoplan.models.adapters import Adapter

Prompt = str | list[str | int]
"""Text, or pieces of text and token ids in order."""


class EngineError(RuntimeError):
    """The engine cannot load a model or refuses a prompt; one line that says why."""


@dataclass(frozen=True)
class Token:
    """One generated token: its text and the log-probability that the model gave it."""

    text: str
    logprob: float


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: all of it.
        logprob: the sum of the tokens' log-probabilities (natural logarithm).
    """

    text: str
    logprob: float

    @property
    def probability(self) -> float:
        """The model's own probability of the whole text, 0 to 1."""
        return math.exp(min(self.logprob, 0.0))


class Engine(Protocol):
    """Runs one base with several adapters."""

    def stream(
        self,
        prompt: Prompt,
        adapter: Adapter,
        *,
        grammar: str,
        stop: Sequence[str] = (),
        max_tokens: int = 256,
    ) -> Iterator[Token]:
        """Complete a prompt, token by token, greedily.

        Args:
            prompt: what the model reads.
            adapter: which of the engine's adapters to apply.
            grammar: GBNF; nothing else can be written.
            stop: texts at which to stop; they are not returned.
            max_tokens: at most so many tokens.

        Raises:
            EngineError: the prompt is too long, or the grammar is refused.
        """
        ...


def complete(tokens: Iterator[Token]) -> Completion:
    """All tokens of a stream as one completion."""
    found = list(tokens)
    return Completion(
        "".join(token.text for token in found),
        sum(token.logprob for token in found),
    )
