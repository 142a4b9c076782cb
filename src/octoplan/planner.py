"""π_plan: from a request to the steps that serve it.

The planner reads the base's chat template around the request alone; it knows the functions by
training, not by description. It writes one line a step, under a grammar that admits nothing else.
"""

import difflib
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from octoplan.models.adapters import Adapter
from octoplan.models.engine import Engine
from octoplan.plans import MAX_STEPS, Line, Step, one_line, read_line

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
    """The planner model: an engine with a planner adapter."""

    def __init__(self, engine: Engine, adapter: Adapter) -> None:
        self._engine = engine
        self.adapter = adapter
        self._words = frozenset(adapter.words)

    def plan(self, request: str) -> Planning:
        """Plan a request.

        Raises:
            RequestError: the request is empty or longer than ``MAX_REQUEST`` characters.
            EngineError: the engine failed.
        """
        planning = Planning()
        for _ in self.stream(request, planning):
            pass
        return planning

    def stream(self, request: str, planning: Planning) -> Iterator[Line]:
        """Yield each line as soon as it is complete, and keep ``planning`` up to date."""
        request = one_line(request)
        if not request:
            raise RequestError("the request is empty; say what is to be done")
        if len(request) > MAX_REQUEST:
            raise RequestError(
                f"the request has {len(request)} characters, at most {MAX_REQUEST} can be planned; "
                "shorten it or split it"
            )
        started = time.perf_counter()
        logprob = 0.0
        rest = ""
        tokens = self._engine.stream(
            self.adapter.planner_prompt(request), self.adapter, grammar=GRAMMAR
        )
        for token in tokens:
            logprob += token.logprob
            rest += token.text
            while "\n" in rest:
                raw, _, rest = rest.partition("\n")
                yield from self._read(raw, request, planning)
        yield from self._read(rest, request, planning)
        planning.probability = min(1.0, math.exp(logprob))
        planning.seconds = time.perf_counter() - started

    def _read(self, raw: str, request: str, planning: Planning) -> Iterator[Line]:
        line, problem = read_line(raw)
        if problem is not None:
            planning.problems.append(problem)
        if line is not None:
            if isinstance(line, Step):
                line = Step(text=self._spell(line.text, request))
            planning.lines.append(line)
            yield line

    def _spell(self, text: str, request: str) -> str:
        """The step with misspelt copies mended.

        A word that stands neither in the request nor among the words of the training steps is
        taken for a misspelt copy, and replaced by the word of the request that is most like it.
        """
        said = {word.lower(): word for word in re.findall(r"\w+", request)}

        def mend(match: re.Match[str]) -> str:
            word = match.group()
            if word.lower() in said or word.lower() in self._words:
                return word
            near = difflib.get_close_matches(word.lower(), said, n=1, cutoff=0.75)
            return said[near[0]] if near else word

        return re.sub(r"\w+", mend, text)
