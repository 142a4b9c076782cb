"""Several plans for a request, and the one of them that covers the request best.

Best-of-n with a rule as the judge: the first plan is the likeliest, as ever; the others are drawn.
An ablation: it takes n times as long, so what ships does not do it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from octoplan.models.adapters import Adapter
from octoplan.models.engine import Token
from octoplan.models.llamacpp import LlamaCpp, load_engines
from octoplan.planner import Planner, Planning
from octoplan.plans import Line, Told, write_plan

TEMPERATURE = 0.7
"""At which plans are drawn."""

_TELLING = 0.02
"""A word tells something that stands in less than this share of the commonest one's requests."""


class SampledPlanner(Planner):
    """A planner that writes several plans for each request.

    Of those that hold as many of the request's telling words (numbers, names, rare words), the one
    that the model holds most probable is taken.

    Args:
        samples: how many plans are written.
    """

    def __init__(self, engine: LlamaCpp, adapter: Adapter, samples: int) -> None:
        super().__init__(engine, adapter)
        drawn = [Planner(_Drawing(engine, seed), adapter) for seed in range(1, samples)]
        self._writers = [Planner(engine, adapter), *drawn]
        self._often = _TELLING * max(adapter.word_counts.values(), default=0)

    @classmethod
    def load(cls, folder: Path, samples: int, parallel: int) -> Self:
        """Load a planner's adapter with its base; see ``octoplan.models.llamacpp.LlamaCpp``."""
        adapter = Adapter.load(folder, "planner")
        (engine,) = load_engines(None, [adapter], parallel=parallel)
        return cls(engine, adapter, samples)

    def stream(self, request: str, planning: Planning, told: Sequence[Told] = ()) -> Iterator[Line]:
        """See ``Planner.stream``; the lines come when all plans are written."""
        plans = [writer.plan(request, told) for writer in self._writers]
        best = max(plans, key=lambda plan: (self._covered(request, plan), plan.probability))
        planning.problems += best.problems
        planning.probability = best.probability
        planning.seconds = sum(plan.seconds for plan in plans)
        for line in best.lines:
            planning.lines.append(line)
            yield line

    def _covered(self, request: str, plan: Planning) -> int:
        """How many telling words of the request stand in the plan."""
        counts = self.adapter.word_counts
        said = {word for word in _words(request) if counts.get(word, 0) < self._often}
        return len(said & _words(write_plan(plan.lines)))


class _Drawing:
    """An engine that draws what it writes, always the same for one seed."""

    def __init__(self, engine: LlamaCpp, seed: int) -> None:
        self._engine = engine
        self._seed = seed

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Token]:
        """See ``Engine.stream``."""
        return self._engine.stream(*args, **kwargs, temperature=TEMPERATURE, seed=self._seed)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
