"""π_plan: from a request to the steps that serve it.

The planner reads the base's chat template around the request alone; it knows the functions by
training, not by description. It writes one line a step, under a grammar that admits nothing else.
Told what came of the steps so far, or what the user answered, it writes the rest of the plan.
"""

import difflib
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from octoplan.functions import FunctionSet
from octoplan.models.adapters import Adapter
from octoplan.models.engine import Engine
from octoplan.plans import MAX_STEPS, Line, Step, Told, one_line, read_line

MAX_REQUEST = 2000
"""The longest request, in characters."""

GRAMMAR = rf"""
root ::= line ("\n" line){{0,{MAX_STEPS - 1}}}
line ::= step | "cannot:" (" " text)? | "ask: " text | "wait" | "done"
step ::= [^a-z\x00-\x20\x7f] text?
text ::= [^\x00-\x20\x7f] [^\x00-\x1f\x7f]*
"""


class RequestError(ValueError):
    """A request that cannot be planned: empty, or too long."""


def checked(request: str) -> str:
    """The request on one line.

    Raises:
        RequestError: it is empty or longer than ``MAX_REQUEST`` characters.
    """
    request = one_line(request)
    if not request:
        raise RequestError("the request is empty; say what is to be done")
    if len(request) > MAX_REQUEST:
        raise RequestError(
            f"the request has {len(request)} characters, at most {MAX_REQUEST} can be planned; "
            "shorten it or split it"
        )
    return request


@dataclass
class Planning:
    """A plan as it is written.

    Attributes:
        lines: the lines so far.
        problems: what could not be read.
        probability: the model's own probability of all that it wrote, 0 to 1.
        seconds: the time that it took.
    """

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    probability: float = 1.0
    seconds: float = 0.0


class Planner:
    """The planner model: an engine with a planner adapter.

    Args:
        on: the engine and adapter that plan on, where these are others.
    """

    def __init__(
        self, engine: Engine, adapter: Adapter, on: tuple[Engine, Adapter] | None = None
    ) -> None:
        self._engine = engine
        self.adapter = adapter
        self._on = on or (engine, adapter)
        self._words = {each.folder: frozenset(each.words) for each in self.adapters}

    @property
    def adapters(self) -> list[Adapter]:
        """All that it uses."""
        return list({adapter.folder: adapter for adapter in (self.adapter, self._on[1])}.values())

    @property
    def functions(self) -> FunctionSet:
        """The functions that it knows."""
        return self.adapter.functions

    @property
    def plans_on(self) -> bool:
        """Whether it can plan on from results and answers."""
        return self._on[1].plans_on

    def plan(self, request: str, told: Sequence[Told] = ()) -> Planning:
        """Plan a request, or plan on.

        Args:
            told: the plan so far and what came of it, where there is one; the new plan holds only
                what is left to do.

        Raises:
            RequestError: the request is empty or longer than ``MAX_REQUEST`` characters.
            EngineError: the engine failed.
        """
        planning = Planning()
        for _ in self.stream(request, planning, told):
            pass
        return planning

    def stream(self, request: str, planning: Planning, told: Sequence[Told] = ()) -> Iterator[Line]:
        """Yield each line as soon as it is complete, and keep ``planning`` up to date."""
        request = checked(request)
        started = time.perf_counter()
        logprob = 0.0
        rest = ""
        engine, adapter = self._on if told else (self._engine, self.adapter)
        read = " ".join([request, *(part for line in told for part in line if part)])
        prompt = adapter.planner_prompt(request, told)
        tokens = engine.stream(prompt, adapter, grammar=GRAMMAR)
        first = len(planning.lines)
        for token in tokens:
            logprob += token.logprob
            rest += token.text
            while "\n" in rest and len(planning.lines) - first < MAX_STEPS:
                raw, _, rest = rest.partition("\n")
                yield from self._read(raw, read, adapter, planning)
            if len(planning.lines) - first == MAX_STEPS or len(rest) > MAX_REQUEST:
                break  # an engine without a grammar may never end
        if len(planning.lines) - first < MAX_STEPS:
            yield from self._read(rest[:MAX_REQUEST], read, adapter, planning)
        planning.probability = min(1.0, math.exp(logprob))
        planning.seconds = time.perf_counter() - started

    def _read(self, raw: str, read: str, adapter: Adapter, planning: Planning) -> Iterator[Line]:
        line, problem = read_line(raw)
        if problem is not None:
            planning.problems.append(problem)
        if line is not None:
            if isinstance(line, Step):
                line = Step(text=self._spell(line.text, read, adapter))
            planning.lines.append(line)
            yield line

    def _spell(self, text: str, read: str, adapter: Adapter) -> str:
        """The step with misspelt copies mended.

        A word that stands neither in what was read nor among the words of the training steps is
        taken for a misspelt copy, and replaced by the word that was read that is most like it.
        """
        known = self._words[adapter.folder]
        said = {word.lower(): word for word in re.findall(r"\w+", read)}

        def mend(match: re.Match[str]) -> str:
            word = match.group()
            if word.lower() in said or word.lower() in known:
                return word
            near = difflib.get_close_matches(word.lower(), said, n=1, cutoff=0.75)
            return said[near[0]] if near else word

        return re.sub(r"\w+", mend, text)
