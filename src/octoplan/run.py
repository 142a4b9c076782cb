"""A run: one request on its way from the plan to the results, and the events that it tells.

The agent (``octoplan.agent``) makes runs; displays and the journal read them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from octoplan.journal import Record
from octoplan.planner import Planning
from octoplan.plans import DONE, FAILED, Ask, Call, Cannot, Line, Step, Told, Wait, tell


@dataclass(frozen=True)
class Called:
    """Step ``number`` was turned into a call, which is about to run."""

    number: int
    step: Step
    seconds: float


@dataclass(frozen=True)
class Observation:
    """What the device returned for a call, or why it failed.

    Attributes:
        number: of the step, from 1.
        call: as it ran, with every ``$k`` filled.
        result: the device's words.
        failed: whether the call could not be carried out.
        seconds: the time that the device took.
    """

    number: int
    call: Call
    result: str
    failed: bool
    seconds: float


@dataclass(frozen=True)
class Answered:
    """The user has answered a question of the plan."""

    question: str
    answer: str


@dataclass(frozen=True)
class HandedOn:
    """A larger model was asked for the plan; with a ``problem``, its answer could not be used."""

    model: str
    problem: str | None


Status = Literal["done", "failed", "declined", "asks", "waits", "cannot"]
"""How a run ends; one that failed, was declined or asks can be gone on with."""

UNKNOWN = "not known: the run was interrupted"
"""The result of a call that was interrupted and is counted as done."""


@dataclass(frozen=True)
class Ended:
    """The run is over, and why."""

    status: Status
    message: str


Event = Line | HandedOn | Called | Observation | Answered | Ended
"""What a run tells as it goes: a line of the plan, a call, what came of it, its end."""


@dataclass
class Run:
    """One request carried out.

    Steps are numbered through all rounds; a step of an earlier round that was never begun, because
    the plan was made anew, has no number.

    Attributes:
        request: what the user said.
        record: where the run is recorded as it goes; nowhere where None.
        rounds: how many times it was planned.
        planning: the plan, its confidence and the time that it took; after planning on, the lines
            that were followed before and the new ones.
        steps: the steps that were acted on, with their calls.
        observations: what came of the calls.
        answers: the user's answers to the plan's questions, in order.
        settled: how many observations, and how many answers, the last planning knew.
        handed_on: the larger model that made the plan; empty where the planner did.
        first: the lines of the first plan.
        read: how many steps of the first plan had been done when the planner first read a result;
            0 as long as it has read none.
        foreseen, foresights: the calls that the request can lead to (``octoplan.bounds``), as far
            as they were looked up, and in how many ways.
        remedies: the calls that the device named for failures.
        ended: how the run ended; None while it goes on.
        probability: the models' own, of all that they wrote so far, 0 to 1.
        confidence: how likely it is that plan and calls are right, 0 to 1, by the calibration of
            the models; None where they have none, or the plan was not made by the planner at once.
        seconds: from the request to the end.
        changes: what changed on the device, in plain words.
    """

    request: str
    record: Record | None = None
    rounds: int = 0
    planning: Planning = field(default_factory=Planning)
    steps: list[Step] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    settled: tuple[int, int] = (0, 0)
    handed_on: str = ""
    first: list[Line] = field(default_factory=list)
    read: int = 0
    foreseen: list[Call] = field(default_factory=list)
    foresights: int = 0
    remedies: list[Call] = field(default_factory=list)
    ended: Ended | None = None
    probability: float = 1.0
    confidence: float | None = None
    seconds: float = 0.0
    changes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, record: Record) -> Self:
        """The run of a record, to go on with: what is finished in it will not be done again.

        A step that failed is begun again, unless the plan was made anew because of it, and so is
        one that was interrupted; whoever goes on with a run decides before that about a call that
        must not be made twice (``Record.came``).
        """
        run = cls(record.request, record, rounds=record.rounds, probability=record.probability)
        if record.lines is not None:
            run.planning.lines = list(record.lines)
        run.steps = [step for _, step in sorted(record.steps.items())]
        if not run.steps:  # so far only the plan was written
            run.planning.probability = record.probability
        run.handed_on = record.handed_on
        run.answers = list(record.answers)
        run.settled = record.settled
        run.first = list(record.first)
        run.read = record.read
        for number, result in sorted(record.results.items()):
            if not result.failed or number <= run.settled[0]:
                call = record.calls[number]
                seen = Observation(number, call, result.text, result.failed, 0.0)
                run.observations.append(seen)
        return run

    @property
    def lines(self) -> list[Line]:
        """All lines of the plan in order, the steps that were acted on with their calls."""
        acted = iter(self.steps)
        planned = self.planning.lines
        return [next(acted, line) if isinstance(line, Step) else line for line in planned]

    @property
    def questions(self) -> list[str]:
        """The plan's questions, answered or not, in order."""
        return [line.ask for line in self.planning.lines if isinstance(line, Ask)]

    def told(self, shown: Collection[str]) -> list[Told]:
        """What the planner is told of the plan when it plans on.

        Args:
            shown: the functions whose results are told as they are; of the others only what failed,
                what the plan waits for, and else that the step is done.
        """
        waits = any(isinstance(line, Wait) for line in self.planning.lines)

        def result(seen: Observation) -> str:
            if seen.failed:
                return FAILED + seen.result
            awaited = waits and seen is self.observations[-1]
            return seen.result if awaited or seen.call.function in shown else DONE

        return tell(self.planning.lines, map(result, self.observations), self.answers)

    def made_up(self, result: str) -> list[Told]:
        """What the planner would be told of the first plan if its last step came to ``result``.

        The results of the device are not looked at.
        """
        return tell(self.first, [DONE] * (self.read - 1) + [result], self.answers)

    @property
    def failure(self) -> Observation | None:
        """The first failure after which no call of the same function succeeded."""
        for seen in self.observations:
            later = self.observations[seen.number :]
            if seen.failed and not any(
                other.call.function == seen.call.function and not other.failed for other in later
            ):
                return seen
        return None

    @property
    def is_stuck(self) -> bool:
        """Whether a step failed since the last planning."""
        return any(seen.failed for seen in self.observations[self.settled[0] :])

    @property
    def is_open(self) -> bool:
        """Whether the plan cannot be followed further without planning on."""
        waits = any(isinstance(line, Wait) for line in self.planning.lines)
        return self.is_stuck or waits or len(self.answers) > self.settled[1]

    def has_done(self, call: Call) -> bool:
        """Whether the call was carried out before the last planning."""
        return any(
            seen.call == call and not seen.failed for seen in self.observations[: self.settled[0]]
        )

    def leave_out(self, number: int, line: Step) -> None:
        """Take a step out of the plan, with what was made of it."""
        del self.steps[number - 1 :]
        self.planning.lines = [other for other in self.planning.lines if other is not line]

    def plan_anew(self, told: Sequence[Told]) -> None:
        """Keep the lines that were followed; what is left is planned anew, from what is told."""
        if not self.read and told != tell(
            self.planning.lines, [DONE] * len(self.observations), self.answers
        ):
            self.read = len(self.observations)
        kept: list[Line] = []
        steps = asks = 0
        for line in self.planning.lines:
            steps += isinstance(line, Step)
            asks += isinstance(line, Ask)
            match line:
                case Step() if steps <= len(self.observations):
                    kept.append(line)
                case Ask() if asks <= len(self.answers):
                    kept.append(line)
                case Cannot():
                    kept.append(line)
        self.planning = Planning(lines=kept)
        self.settled = len(self.observations), len(self.answers)
