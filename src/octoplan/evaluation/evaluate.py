"""Put requests to a model and let the oracles judge its plans: ``octoplan evaluate``.

    octoplan evaluate data/validation --out results/validation

What is evaluated is a *subject*: octoplan's two models, or one large model that is prompted with
the function descriptions (``octoplan.models.prompted``), as Octo-planner compares them.
"""

import difflib
import os
import platform
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from pydantic import BaseModel, ValidationError

from octoplan.agent import Agent
from octoplan.confidence import Calibration
from octoplan.evaluation.calibration import FEWEST, Reliability, calibrate, reliability
from octoplan.evaluation.metrics import Score, outline, same_call, score
from octoplan.evaluation.oracles import Oracle
from octoplan.loading import Folders
from octoplan.plans import FAILED, Branch, Example, Line, Step, kind
from octoplan.run import Run
from octoplan.workers import THREADS, Workers

if TYPE_CHECKING:
    from octoplan.models.prompted import PromptedModel

S = TypeVar("S")
T = TypeVar("T")

DROPPED, ADDED = "(dropped)", "(added)"
"""What a confusion table has for a line that the other plan lacks."""

PLANNED_ON = "planned on"
"""The groups of figures of what is left to do once results or answers are there."""

ALONE = "action model alone, gold steps"
"""The group of figures that the planner has no part in."""


class Answer(BaseModel):
    """What a subject made of a request.

    Attributes:
        lines: its plan, the steps with their calls.
        problems: what could not be read of what the model wrote.
        seconds: the time that it took.
        prompt_tokens: what the model had to read, where the subject tells.
        probability: its own, 0 to 1, of the *plan*, and of the plan with its calls (*call*).
    """

    lines: tuple[Line, ...]
    problems: tuple[str, ...] = ()
    seconds: float
    prompt_tokens: int | None = None
    probability: dict[str, float] = {}


class Subject(Protocol):
    """What is evaluated."""

    parallel: int
    """How many requests it takes at once."""

    def answer(self, request: str) -> Answer:
        """Plan a request and turn each step into a call."""
        ...


class Octoplan:
    """The subject that this project makes: an agent, which only plans.

    Args:
        named: the files that the models are, each with its SHA-256 (for the report).
    """

    def __init__(self, agent: Agent, parallel: int, named: dict[str, str]) -> None:
        self.agent = agent
        self.parallel = parallel
        self.named = named

    @classmethod
    def load(
        cls,
        base: str | None,
        planner: Folders = None,
        action: Folders = None,
        threads: int | None = None,
        parallel: int = 4,
    ) -> Self:
        """Load the models; see ``Agent.load``.

        Args:
            parallel: how many requests are planned at once.

        Raises:
            BaseError, AdapterError, EngineError: a model is missing or broken.
        """
        agent = Agent.load(base, planner, action, None, threads, parallel)
        adapters = agent.planner.adapters + agent.action.adapters
        named = {f"base {each.base}": each.base_digest for each in adapters if not each.whole}
        for adapter in adapters:
            # The folder's name: where it lies is this machine's business.
            name = f"{adapter.role} {adapter.folder.name}/{adapter.gguf.name}"
            if name in named:
                name += f" ({len(named)})"
            named[name] = adapter.digest
        return cls(agent, parallel, named)

    def answer(self, request: str) -> Answer:
        """See ``Subject``."""
        return self._answer(self.agent.plan(request))

    def rest(self, example: Example, branch: Branch) -> Answer:
        """Plan on from the gold plan and what came of it."""
        return self._answer(self.agent.plan(example.query, example.steps, branch))

    @staticmethod
    def _answer(run: Run) -> Answer:
        return Answer(
            lines=tuple(run.lines),
            problems=tuple(run.planning.problems),
            seconds=run.seconds,
            probability={"plan": run.planning.probability, "call": run.probability},
        )

    def calibration(self, made: "Evaluation") -> Calibration:
        """How sure these models may be, by an evaluation of them on ``FEWEST`` examples or more."""
        return Calibration(
            planner=self.agent.planner.adapter.digest,
            action=self.agent.action.adapter.digest,
            data=f"{made.about['command']}, {made.about['date']}",
            plan=calibrate(*judged(made.cases, "plan")),
            call=calibrate(*judged(made.cases, "call")),
        )

    def calls(self, example: Example) -> list[tuple[Step, Step]]:
        """Each gold step with what the action model alone makes of it."""
        gold = [line for line in example.steps if isinstance(line, Step)]
        pairs: list[tuple[Step, Step]] = []
        for number, step in enumerate(gold):
            call = self.agent.action.act(step.text, gold[:number]).call
            pairs.append((step, Step(text=step.text, **(call.model_dump() if call else {}))))
        return pairs


class LargeModel:
    """The subject that the paper compares with: one model, prompted with all the functions."""

    def __init__(self, model: "PromptedModel", parallel: int) -> None:
        self._model = model
        self.parallel = parallel

    def answer(self, request: str) -> Answer:
        """See ``Subject``; a request that got no answer has an empty plan."""
        from octoplan.models.prompted import NoAnswerError

        try:
            found = self._model.plan(request)
        except NoAnswerError as error:
            return Answer(lines=(), problems=(str(error),), seconds=0.0)
        return Answer(
            lines=found.lines,
            problems=found.problems,
            seconds=found.seconds,
            prompt_tokens=found.prompt_tokens,
        )


class Case(BaseModel):
    """One request, and what the oracles said of the plan for it."""

    id: str
    query: str
    gold: tuple[Line, ...]
    predicted: tuple[Line, ...]
    verdicts: dict[str, bool | None]
    reasons: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    seconds: float
    prompt_tokens: int | None = None
    probability: dict[str, float] = {}


class EvaluationError(ValueError):
    """A file that is no evaluation; one line that says what to do."""


class Evaluation(BaseModel):
    """What an evaluation found.

    Attributes:
        about: the command, subject, data (with hashes), hardware and date.
        figures: by group of requests and oracle, the share of right plans.
        agreement: by pair of oracles, the share of plans of which both say the same.
        reliability: by oracle, how the subject's probability goes together with its verdicts.
        confusion: by gold function, how often another one stood in its place.
        cases: every request.
        misread: gold steps that the action model alone read wrongly, gold and read.
        planned_on: every branch of the examples: what the subject made of what was left to do.
    """

    about: dict[str, Any]
    figures: dict[str, dict[str, Score]]
    agreement: dict[str, Score]
    reliability: dict[str, Reliability] = {}
    confusion: dict[str, dict[str, int]]
    cases: tuple[Case, ...]
    misread: tuple[tuple[Step, Step], ...] = ()
    planned_on: tuple[Case, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read ``evaluation.json``, or that of a folder.

        Raises:
            OSError: it cannot be read.
            EvaluationError: it is no evaluation.
        """
        path = path / "evaluation.json" if path.is_dir() else path
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            what = f"{path} is no evaluation; give a folder that octoplan evaluate wrote"
            raise EvaluationError(what) from error

    def wrong_plans(self) -> dict[str, tuple[Line, ...]]:
        """By the example's id, the plans whose sequence of functions is wrong."""
        return {case.id: case.predicted for case in self.cases if case.verdicts["plan"] is False}


def evaluate(
    subject: Subject,
    examples: Sequence[Example],
    oracles: Sequence[Oracle],
    about: dict[str, Any],
    progress: Callable[[int, int], None] = lambda done, total: None,
    alone: bool = True,
    workers: Workers = THREADS,
) -> Evaluation:
    """Put every example's request to the subject, and judge what it answers.

    Args:
        about: what the report shall say of the command, subject and data.
        progress: told how many requests are done, and of how many.
        alone: measure octoplan's action model on the gold steps too, without the planner, and
            planning on from gold plans with what came of them.
        workers: the machines that answer.

    Raises:
        EngineError: the subject's model, or the judge's, cannot be used.
    """
    started = time.monotonic()
    acting = subject if alone and isinstance(subject, Octoplan) else None
    branches: list[tuple[Example, Branch]] = []
    if acting and acting.agent.planner.plans_on:
        branches = [(example, branch) for example in examples for branch in example.branches]
    total = len(examples) * (2 if acting else 1) + len(branches)
    done = 0

    def each(job: Callable[[S], T], inputs: Sequence[S]) -> Iterator[T]:
        nonlocal done
        for result in workers.map(job, inputs, subject.parallel):
            done += 1
            progress(done, total)
            yield result

    answers = each(lambda example: subject.answer(example.query), examples)
    cases = [
        _case(example, answer, oracles) for example, answer in zip(examples, answers, strict=True)
    ]
    figures = _figures(examples, cases)
    misread: list[tuple[Step, Step]] = []
    planned_on: list[Case] = []
    if acting:
        rests = each(lambda pair: acting.rest(*pair), branches)
        planned_on = _planned_on(branches, rests, oracles)
        figures |= _of_branches(branches, planned_on)
        pairs = [pair for found in each(acting.calls, examples) for pair in found]
        misread = [(gold, read) for gold, read in pairs if not same_call(read.call, gold.call)]
        figures[ALONE] = {
            "function": score([gold.function == read.function for gold, read in pairs]),
            "call": score([same_call(read.call, gold.call) for gold, read in pairs]),
        }
    return Evaluation(
        about=about
        | {
            "date": datetime.now(UTC).date().isoformat(),
            "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
            "seconds": round(time.monotonic() - started),
            "requests_at_once": subject.parallel * workers.count,
        },
        figures=figures,
        agreement=_agreement(cases),
        reliability=_reliability(cases),
        confusion=_confusion(cases),
        cases=tuple(cases),
        misread=tuple(misread),
        planned_on=tuple(planned_on),
    )


def _planned_on(
    branches: Iterable[tuple[Example, Branch]], rests: Iterable[Answer], oracles: Iterable[Oracle]
) -> list[Case]:
    """A case a branch, named after the example and the branch's number."""
    # What is left of a plan cannot be run, or judged, without what came before.
    alone = [oracle for oracle in oracles if oracle.name in ("plan", "call", "lenient")]
    numbers: Counter[str] = Counter()
    cases = []
    for (example, branch), rest in zip(branches, rests, strict=True):
        numbers[example.id] += 1
        name = f"{example.id}/{numbers[example.id]}"
        left = example.model_copy(update={"id": name, "steps": branch.steps})
        cases.append(_case(left, rest, alone))
    return cases


def _of_branches(
    branches: Iterable[tuple[Example, Branch]], cases: Iterable[Case]
) -> dict[str, dict[str, Score]]:
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for (_, branch), case in zip(branches, cases, strict=True):
        failed = any(result.startswith(FAILED) for result in branch.results.values())
        after = "an answer" if branch.answers else "a failure" if failed else "a result"
        for group in (PLANNED_ON, f"{PLANNED_ON} after {after}"):
            for name, right in case.verdicts.items():
                groups[group][name].append(bool(right))
    return {
        group: {name: score(verdicts) for name, verdicts in oracles.items()}
        for group, oracles in sorted(groups.items())
    }


def _case(example: Example, answer: Answer, oracles: Iterable[Oracle]) -> Case:
    verdicts = {
        oracle.name: oracle.verdict(example.query, example.steps, answer.lines)
        for oracle in oracles
    }
    return Case(
        id=example.id,
        query=example.query,
        gold=example.steps,
        predicted=answer.lines,
        verdicts={name: verdict.right for name, verdict in verdicts.items()},
        reasons={name: verdict.reason for name, verdict in verdicts.items() if verdict.reason},
        problems=answer.problems,
        seconds=round(answer.seconds, 3),
        prompt_tokens=answer.prompt_tokens,
        probability={name: round(value, 6) for name, value in answer.probability.items()},
    )


def _groups(example: Example) -> Iterator[str]:
    """The groups that an example counts in."""
    yield "all"
    kinds = {kind(line) for line in example.steps}
    steps = sum(isinstance(line, Step) for line in example.steps)
    yield f"{steps} step{'' if steps == 1 else 's'}"
    yield from (f"with {name}" for name in sorted(kinds - {"step"}))
    if kinds == {"step"}:
        yield "steps only"
    domains = example.domains
    yield "several domains" if len(domains) > 1 else domains[0] if domains else "no domain"
    if file := re.match(r"(\w+?)(_[a-z])?-\d+$", example.id):
        yield f"file {file[1]}"


def _figures(examples: Iterable[Example], cases: Iterable[Case]) -> dict[str, dict[str, Score]]:
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for example, case in zip(examples, cases, strict=True):
        for group in _groups(example):
            for name, right in case.verdicts.items():
                if right is not None:
                    groups[group][name].append(right)
    return {
        group: {name: score(verdicts) for name, verdicts in oracles.items()}
        for group, oracles in sorted(groups.items(), key=lambda item: (item[0] != "all", item[0]))
    }


def _agreement(cases: Sequence[Case]) -> dict[str, Score]:
    names = list(cases[0].verdicts) if cases else []
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return {
        f"{a} and {b}": score(
            [
                case.verdicts[a] == case.verdicts[b]
                for case in cases
                if None not in (case.verdicts[a], case.verdicts[b])
            ]
        )
        for a, b in pairs
    }


def judged(cases: Sequence[Case], oracle: str) -> tuple[list[float], list[bool]]:
    """The subject's own probability of what an oracle judged, and whether it was right."""
    pairs = [
        (case.probability[oracle], right)
        for case in cases
        if oracle in case.probability and (right := case.verdicts.get(oracle)) is not None
    ]
    return [probability for probability, _ in pairs], [right for _, right in pairs]


def _reliability(cases: Sequence[Case]) -> dict[str, Reliability]:
    found = {name: judged(cases, name) for name in (cases[0].probability if cases else ())}
    return {
        name: reliability(probabilities, right)
        for name, (probabilities, right) in found.items()
        if len(right) >= FEWEST
    }


def _confusion(cases: Iterable[Case]) -> dict[str, dict[str, int]]:
    """How often one line stood for another, where the two sequences differ."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        gold, ours = outline(case.gold), outline(case.predicted)
        matcher = difflib.SequenceMatcher(a=gold, b=ours, autojunk=False)
        for change, start, end, ours_start, ours_end in matcher.get_opcodes():
            if change == "equal":
                continue
            theirs, mine = gold[start:end], ours[ours_start:ours_end]
            length = max(len(theirs), len(mine))
            theirs += [ADDED] * (length - len(theirs))
            mine += [DROPPED] * (length - len(mine))
            for there, here in zip(theirs, mine, strict=True):
                counts[there][here] += 1
    return {name: dict(found.most_common()) for name, found in sorted(counts.items())}
