"""Routing: which of several planners plans which part of a request, which action model a step.

    router = Router({"phone": {"wifi": 90, …}, "travel": {"flights": 120, …}})
    router.parts("turn the wifi off and find flights to Oslo")
    # [("phone", "turn the wifi off"), ("travel", "and find flights to Oslo")]

An adapter keeps, by word, how many of the requests (or steps) that it was trained on hold it. From
these counts alone a naive Bayes model tells how likely the words of a clause are in each adapter's
domain; the likeliest sequence of domains over the clauses of a request, where a change of domain
costs something, cuts it into parts (Viterbi's algorithm). So an adapter is added or taken away by
its counts, and nothing is trained again.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import or_

from octoplan.action import Action, ActionModel
from octoplan.functions import FunctionSet
from octoplan.models.adapters import Adapter, AdapterError
from octoplan.planner import Planner, Planning, checked
from octoplan.plans import MAX_STEPS, Line, Step, Told, Wait

CHANGE = 7.0
"""What a change of domain between two clauses costs, in nats: so much likelier must the words of
the clauses make it."""

MOST = 5000
"""So many words are counted, at most: the commonest."""

_SMOOTHING = 0.5
_CLAUSE = re.compile(r"(?<=[.;:!?,])\s+|\s+(?=(?:and|then|but|also|plus)\b)", re.IGNORECASE)
_JOINING = re.compile(r"^(?:and|then|but|also|plus)\b[\s,]*", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|unless|when|once|until|otherwise|else|in case)\b", re.IGNORECASE)


def count_words(texts: Iterable[str]) -> dict[str, int]:
    """How many of the texts hold each word, and each pair of words."""
    counts = Counter(word for text in texts for word in _words(text))
    return dict(sorted(counts.most_common(MOST)))


def add_counts(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The counts of several adapters together; none where one of them has none."""
    if not all(counts):
        return {}
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.most_common(MOST)))


def _words(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return {*words, *map(" ".join, pairwise(words))}


class Router:
    """Knows the words of several domains.

    Args:
        counts: by domain, in how many of its requests each word stands (``count_words``).
        change: see ``CHANGE``.
    """

    def __init__(self, counts: Mapping[str, Mapping[str, int]], change: float = CHANGE) -> None:
        self._counts = dict(counts)
        self._change = change
        self._known = frozenset(word for each in self._counts.values() for word in each)
        self._totals = {
            domain: math.log(sum(each.values()) + _SMOOTHING * len(self._known))
            for domain, each in self._counts.items()
        }

    def likelihoods(self, text: str) -> dict[str, float]:
        """The log-likelihood of the text's words in each domain; words of none say nothing."""
        words = _words(text) & self._known
        return {
            domain: sum(math.log(counts.get(word, 0) + _SMOOTHING) for word in words)
            - len(words) * self._totals[domain]
            for domain, counts in self._counts.items()
        }

    def domain(self, text: str) -> str:
        """The likeliest domain of a text as a whole."""
        likely = self.likelihoods(text)
        return max(likely, key=lambda domain: likely[domain])

    def parts(self, request: str) -> list[tuple[str, str]]:
        """The parts of the request, each with its domain, in order; one where all is of one.

        A request with a condition is one part: nobody knows how far the condition reaches.
        """
        if _CONDITION.search(request):
            return [(self.domain(request), request)]
        clauses = [clause for clause in _CLAUSE.split(request) if clause]
        parts: list[tuple[str, str]] = []
        for domain, clause in zip(self._likeliest(clauses), clauses, strict=True):
            if parts and parts[-1][0] == domain:
                parts[-1] = (domain, f"{parts[-1][1]} {clause}")
            else:
                parts.append((domain, clause))
        return parts

    def _likeliest(self, clauses: Sequence[str]) -> Sequence[str]:
        """The likeliest domain of each clause, changes counted."""
        ways: dict[str, tuple[float, tuple[str, ...]]] = {}
        for clause in clauses:
            likely = self.likelihoods(clause)
            came, ways = ways, {}
            for domain in self._counts:
                before = [
                    (score - self._change * (way[-1] != domain), way)
                    for score, way in came.values()
                ]
                score, way = max(before, default=(0.0, ()), key=lambda each: each[0])
                ways[domain] = (score + likely[domain], (*way, domain))
        return max(ways.values(), key=lambda each: each[0])[1] if ways else ()


class RoutedPlanner(Planner):
    """Several planners as one: each plans the parts of a request that are of its domain.

    Raises:
        AdapterError: see ``router_of``.
    """

    def __init__(self, planners: Sequence[Planner]) -> None:
        self.adapter = planners[0].adapter
        self._planners = {str(planner.adapter.folder): planner for planner in planners}
        self._router = router_of([planner.adapter for planner in planners])

    @property
    def adapters(self) -> list[Adapter]:
        """All that it uses."""
        return [adapter for planner in self._planners.values() for adapter in planner.adapters]

    @property
    def functions(self) -> FunctionSet:
        """The functions that they know together."""
        return reduce(or_, (planner.functions for planner in self._planners.values()))

    @property
    def plans_on(self) -> bool:
        """Whether every planner can plan on from results and answers."""
        return all(planner.plans_on for planner in self._planners.values())

    def stream(self, request: str, planning: Planning, told: Sequence[Told] = ()) -> Iterator[Line]:
        """See ``Planner.stream``.

        What is left of a plan is of the domain of the whole request, and so is all after a
        ``wait``; what does not fit into a plan is named as a problem.
        """
        request = checked(request)
        whole = [(self._router.domain(request), request)]
        parts = whole if told else self._router.parts(request)
        end, probability, seconds = len(planning.lines) + MAX_STEPS, 1.0, 0.0
        for number, (domain, part) in enumerate(parts):
            said = _JOINING.sub("", part) if len(parts) > 1 else part
            for line in self._planners[domain].stream(said or part, planning, told):
                if len(planning.lines) <= end:
                    yield line
            probability *= planning.probability
            seconds += planning.seconds
            over = len(planning.lines) > end
            del planning.lines[end:]
            if over or (len(planning.lines) == end and number + 1 < len(parts)):
                planning.problems.append(f"more than {MAX_STEPS} lines; the rest was left out")
                break
            if any(isinstance(line, Wait) for line in planning.lines):
                break
        planning.probability, planning.seconds = probability, seconds


class RoutedActionModel(ActionModel):
    """Several action models as one: each reads the steps of its domain.

    Raises:
        AdapterError: see ``router_of``.
    """

    def __init__(self, models: Sequence[ActionModel]) -> None:
        self.adapter = models[0].adapter
        self._models = {str(model.adapter.folder): model for model in models}
        self._router = router_of([model.adapter for model in models])

    @property
    def adapters(self) -> list[Adapter]:
        """All that it uses."""
        return [model.adapter for model in self._models.values()]

    def act(self, text: str, earlier: Sequence[Step] = ()) -> Action:
        """See ``ActionModel.act``."""
        return self._models[self._router.domain(text)].act(text, earlier)


def router_of(adapters: Iterable[Adapter]) -> Router:
    """A router between adapters, by their folders.

    Raises:
        AdapterError: of one it is not known what it was trained on.
    """
    counts = {str(adapter.folder): adapter.word_counts for adapter in adapters}
    for folder, known in counts.items():
        if not known:
            raise AdapterError(
                f"{folder} does not say what requests it was trained on, so none can be routed to "
                "it; train it again, or merge it with the others"
            )
    return Router(counts)
