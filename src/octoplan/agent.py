"""The agent: plan, act, observe, and plan on.

from octoplan.agent import Agent

with Agent.load() as agent:
    run = agent.run("set the brightness to 80 and text Grandma that I'm on my way")
    for observation in run.observations:
        print(observation.call, observation.result)
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from octoplan import plans
from octoplan.action import ActionModel
from octoplan.bounds import MADE_UP, Bounds
from octoplan.confidence import Calibration
from octoplan.devices import Device, DeviceError, DeviceFailure, UndoingDevice
from octoplan.journal import Record
from octoplan.loading import Folders, load_models
from octoplan.models.engine import EngineError
from octoplan.planner import Planner, Planning, RequestError
from octoplan.plans import Branch, Call, Cannot, Line, Step, Told, Wait, one_line
from octoplan.routing import RoutedActionModel, RoutedPlanner
from octoplan.run import (
    UNKNOWN,
    Answered,
    Called,
    Ended,
    Event,
    HandedOn,
    Observation,
    Run,
    Status,
)
from octoplan.user import Unattended, User

if TYPE_CHECKING:
    from octoplan.models.prompted import PromptedModel

MAX_ROUNDS = 4
"""So many times a request is planned, at most: once, and three times on from results or answers."""

MAX_CALLS = 12
"""So many calls a run makes, at most."""

MAX_RESULT = 20_000
"""So many characters of a result are kept, at most."""

UNATTENDED = Unattended()


class Agent:
    """A planner, an action model and, for carrying requests out, a device.

    Args:
        device: where calls run; None for an agent that only plans.
        calibration: of the two models, for what they are confident of.
        larger: makes the plan where the planner's is less likely to be right than ``sure``.
        sure: a probability, 0 to 1.
    """

    def __init__(
        self,
        planner: Planner,
        action: ActionModel,
        device: Device | None = None,
        calibration: Calibration | None = None,
        larger: "PromptedModel | None" = None,
        sure: float = 0.0,
    ) -> None:
        self.planner = planner
        self.action = action
        self.device = device
        self.calibration = calibration
        self.larger = larger
        self.sure = sure
        self._resources = ExitStack()
        self._made_of: tuple[Any, ...] | None = None

    @classmethod
    def load(
        cls,
        base: str | None = None,
        planner: Folders = None,
        action: Folders = None,
        device: Device | None = None,
        threads: int | None = None,
        parallel: int = 1,
    ) -> Self:
        """Load the models.

        Args:
            base: the base's name or path; those that the adapters name where left out.
            planner: the planner adapter's folder; the one that ships where left out. Of several,
                each plans what is of its domain (``octoplan.routing``).
            action: the action adapter's folder, or several; the one that ships where left out.
            device: where calls run; a simulated phone and home, in memory, where left out.
            threads: CPU threads; all cores where left out.
            parallel: how many requests are planned at once.

        Raises:
            BaseError, AdapterError, EngineError: a model is missing or broken.
        """
        planning, acting = load_models(base, planner, action, threads, parallel)
        routed = isinstance(planning, RoutedPlanner) or isinstance(acting, RoutedActionModel)
        calibration = None if routed else Calibration.of(planning.adapter, acting.adapter)
        agent = cls(planning, acting, device, calibration)
        agent._made_of = (base, planner, action, None, threads, parallel)
        if device is None:
            from octoplan.devices.simulated import SimulatedDevice

            agent.device = agent._resources.enter_context(SimulatedDevice())
        return agent

    def __reduce__(self) -> tuple[Any, ...]:
        # Models are not sent to other machines or processes, but loaded there, to plan: a device
        # of the caller's is not sent either.
        if self._made_of is None:
            raise TypeError("only an agent that was loaded (Agent.load) can be pickled")
        return type(self).load, self._made_of

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def plan(self, request: str, so_far: Sequence[Line] = (), branch: Branch | None = None) -> Run:
        """Plan a request and turn each step into a call, without carrying anything out.

        Args:
            so_far: the plan that is to be gone on with; its steps get calls where they have none.
            branch: what came of it; the run that is returned holds only what is left to do.

        Raises:
            RequestError: the request is empty or too long.
        """
        started = time.perf_counter()
        told = plans.told(so_far, branch) if branch else ()
        earlier = self._acted(so_far)
        rounds = 2 if branch else 1
        run = Run(request, rounds=rounds, planning=self.planner.plan(request, told))
        run.probability = run.planning.probability
        for line in run.planning.lines:
            if isinstance(line, Step):
                self._act(run, line, earlier)
        self._be_sure(run)
        run.seconds = time.perf_counter() - started
        return run

    def run(
        self,
        request: str,
        record: Record | None = None,
        user: User = UNATTENDED,
    ) -> Run:
        """Carry a request out.

        Args:
            record: where the run is recorded.
            user: who permits calls and answers questions; nobody where left out.

        Raises:
            RequestError: the request is empty or too long.
            DeviceError: the device cannot be used.
            JournalError: the run cannot be recorded; the next call was not made.
        """
        run = Run(request, record)
        for _ in self.stream(run, user):
            pass
        return run

    def stream(self, run: Run, user: User = UNATTENDED) -> Generator[Event, None, None]:
        """Carry a run out, or go on with it, and yield every event as it happens.

        Closing the generator stops the models at the next token, and nothing more is done. See
        ``run`` for the rest.
        """
        assert self.device is not None, "an agent without a device can only plan"
        started = time.perf_counter()
        try:
            for event in self._rounds(run, self.device, user):
                run.seconds = time.perf_counter() - started
                if isinstance(event, Ended):
                    self._be_sure(run)
                yield event
        except RequestError as error:
            if run.record is not None:
                run.record.ended("failed", str(error))
            raise
        run.changes = self.device.changes()

    def _rounds(self, run: Run, device: Device, user: User) -> Iterator[Event]:
        """Plan and follow the plan; then plan on, for as long as results or answers ask for it."""
        if not run.rounds:
            yield from self._plan(run, device)
        if run.rounds == 1 and not run.steps:  # also of a run that was declined or cut short here
            yield from self._approve(run, user)
        while run.ended is None:
            yield from self._follow(run, device, user)
            if run.ended is None:
                yield from self._inquire(run, user)
            if run.ended is not None:
                return
            if not run.is_open:
                break
            if not self.planner.plans_on:
                yield self._end(run, "waits", "the rest of the plan hangs on this result")
                return
            if run.rounds == MAX_ROUNDS:
                what = f"planned {MAX_ROUNDS} times without an end; say the rest as a new request"
                yield self._end(run, "failed", what)
                return
            yield from self._plan(run, device)
        if run.ended is None:
            yield self._finished(run)

    def _plan(self, run: Run, device: Device) -> Iterator[Event]:
        """Plan, or plan on from what came of the plan so far."""
        told: list[Told] = []
        if run.rounds:
            told = run.told({each.name for each in device.functions if each.hints.read_only})
            run.plan_anew(told)
        yield from self.planner.stream(run.request, run.planning, told)
        if not run.rounds:
            yield from self._hand_on(run)
            run.first = list(run.planning.lines)
        run.rounds += 1
        run.probability *= run.planning.probability
        if run.record is not None:
            by = run.handed_on if run.rounds == 1 else ""
            run.record.planned(run.planning.lines, run.probability, by)

    def _hand_on(self, run: Run) -> Iterator[Event]:
        """Have the larger model plan where the planner is not sure; without an answer, go on."""
        confidence = self._plan_confidence(run)
        if self.larger is None or confidence is None or confidence >= self.sure:
            return
        try:
            prompted = self.larger.plan(run.request)
        except EngineError as error:
            yield HandedOn(self.larger.name, str(error))
            return
        problem = prompted.problems[0] if prompted.problems else None
        yield HandedOn(self.larger.name, problem)
        if problem is None:
            run.handed_on = self.larger.name
            run.planning = Planning(lines=list(prompted.lines))
            yield from run.planning.lines

    def _approve(self, run: Run, user: User) -> Iterator[Event]:
        """Let the user decide about a plan that may be wrong."""
        confidence = self._plan_confidence(run)
        reason = None if confidence is None else user.approve(confidence)
        if reason is not None:
            yield self._end(run, "declined", reason)

    def _plan_confidence(self, run: Run) -> float | None:
        """How likely the plan is right, 0 to 1; None where that is not known."""
        if self.calibration is None or run.handed_on:
            return None
        return self.calibration.plan(run.planning.probability)

    def _doubt(self, run: Run, call: Call) -> str | None:
        """Why a call may not be the request's own (``octoplan.bounds``); None where it is.

        What the request can lead to is looked up only as far as it takes to find the call there.
        """
        if not run.read:
            return None
        said, ways = [run.request, *run.answers], (None, *MADE_UP)
        while doubt := Bounds.of(said, [*run.foreseen, *run.remedies]).doubt(call):
            if run.foresights == len(ways):
                return doubt
            run.foreseen += self._foresee(run, ways[run.foresights])
            run.foresights += 1
        return None

    def _foresee(self, run: Run, result: str | None) -> list[Call]:
        """The calls of the first plan, or those that it would go on with after a made-up result."""
        lines = run.first
        if result is not None:
            lines = self.planner.plan(run.request, run.made_up(result)).lines
        return [step.call for step in self._acted(lines) if step.call]

    def _follow(self, run: Run, device: Device, user: User) -> Iterator[Event]:
        """Do the plan's steps that are not done, up to a failure or to where it waits."""
        number = 0
        for line in list(run.planning.lines):
            if isinstance(line, Wait):
                return
            if not isinstance(line, Step):
                continue
            number += 1
            if number <= len(run.observations):
                continue
            done = len(run.observations)
            yield from self._do(run, number, line, device, user)
            if run.ended is not None:
                return
            if len(run.observations) == done:  # it repeated a step, and was left out
                number -= 1
            elif run.observations[-1].failed:
                return

    def _inquire(self, run: Run, user: User) -> Iterator[Event]:
        """Ask what the plan asks; the run has ended if there is no answer."""
        if run.is_stuck:
            return
        for question in run.questions[len(run.answers) :]:
            answer = one_line(user.inquire(question) or "") if self.planner.plans_on else ""
            if not answer:
                yield self._end(run, "asks", "; ".join(run.questions[len(run.answers) :]))
                return
            run.answers.append(answer)
            if run.record is not None:
                run.record.answered(question, answer)
            yield Answered(question, answer)

    def _finished(self, run: Run) -> Ended:
        if (seen := run.failure) is not None:
            return self._end(run, "failed", f"step {seen.number} failed: {seen.result}")
        refused = [line.cannot for line in run.planning.lines if isinstance(line, Cannot)]
        if refused:
            part = ", ".join(filter(None, refused))
            what = f"no function can {part}" if part else "no function serves this request"
            return self._end(run, "cannot", what)
        if not run.planning.lines:
            what = "the planner wrote no plan; say the request differently"
            return self._end(run, "failed", what)
        what = "all steps done" if run.steps else "nothing to do"
        return self._end(run, "done", "; ".join([what, *run.planning.problems]))

    def _do(self, run: Run, number: int, line: Step, device: Device, user: User) -> Iterator[Event]:
        """Do one step; the run has ended if it could not be tried."""
        if number <= len(run.steps):  # begun before the run was interrupted
            called = Called(number, run.steps[number - 1], 0.0)
        else:
            called = self._act(run, line)
        planned = called.step.call
        if planned is None:
            yield called
            yield self._end(run, "failed", f"step {number} could not be read")
            return
        results = {o.number: o.result for o in run.observations}
        unknown = [f"${number}" for number, result in results.items() if result == UNKNOWN]
        if missing := sorted(set(unknown) & set(map(str, planned.arguments.values()))):
            yield called
            what = f"step {number} needs the result of step {missing[0][1:]}, which is not known"
            yield self._end(run, "failed", f"{what}; say it as a new request")
            return
        call = planned.filled(results)
        if run.has_done(call):
            run.leave_out(number, line)
            return
        yield called
        if number > MAX_CALLS:
            yield self._end(run, "failed", f"{MAX_CALLS} calls were made; say the rest anew")
            return
        doubt = self._doubt(run, planned)
        reason = user.permit(device.functions[call.function], call, doubt)
        if reason is not None:
            yield self._end(run, "declined", f"step {number} was not done: {reason}")
            return
        if run.record is not None:
            run.record.begins(number, called.step, call, run.probability)
        observation = self._observe(run, number, call, device)
        if run.record is not None:
            receipt = device.receipt() if isinstance(device, UndoingDevice) else None
            run.record.came(number, observation.result, observation.failed, receipt)
        run.observations.append(observation)
        yield observation
        if observation.failed and not self._may_mend(run, observation):
            left = any(isinstance(line, Step) for line in run.planning.lines[number:])
            rest = "; the steps after it were not run" if left else ""
            yield self._end(run, "failed", f"step {number} failed: {observation.result}{rest}")

    def _may_mend(self, run: Run, failure: Observation) -> bool:
        """Whether to plan on after a failure: not after one that came before, in the same words."""
        again = any(
            seen.call == failure.call and seen.result == failure.result
            for seen in run.observations[: run.settled[0]]
        )
        return self.planner.plans_on and not again and run.rounds < MAX_ROUNDS

    def _acted(self, lines: Iterable[Line]) -> list[Step]:
        """The steps of a plan with their calls; those that have one keep it."""
        steps: list[Step] = []
        for line in lines:
            if isinstance(line, Step):
                call = line.call or self.action.act(line.text, steps).call
                steps.append(_with_call(line, call))
        return steps

    def _act(self, run: Run, line: Step, earlier: Sequence[Step] = ()) -> Called:
        """Turn the run's next step into a call; ``earlier`` are the steps before the run's own."""
        if line.call is not None:  # the larger model's
            run.steps.append(line)
            return Called(len(run.steps), line, 0.0)
        action = self.action.act(line.text, [*earlier, *run.steps])
        step = _with_call(line, action.call)
        run.steps.append(step)
        run.probability *= action.probability
        return Called(len(run.steps), step, action.seconds)

    def _be_sure(self, run: Run) -> None:
        # Planning on was not calibrated, and a larger model's plan cannot be.
        if self.calibration is not None and not run.handed_on and run.rounds <= 1:
            run.confidence = self.calibration.call(run.probability)

    @staticmethod
    def _observe(run: Run, number: int, call: Call, device: Device) -> Observation:
        started = time.perf_counter()
        try:
            result, failed = device.call(call.function, call.arguments), False
        except DeviceFailure as failure:
            result, failed = str(failure), True
            run.remedies += [failure.remedy] if failure.remedy else []
        except DeviceError:
            raise
        except Exception as error:  # a fault in the device's own code; the call may have been made
            what = f"{type(error).__name__}: {error}"
            raise DeviceError(f"the device broke down in {call.function}: {what}") from error
        result = _readable(result)
        return Observation(number, call, result, failed, time.perf_counter() - started)

    @staticmethod
    def _end(run: Run, status: Status, message: str) -> Ended:
        run.ended = Ended(status, message)
        if run.record is not None:
            run.record.ended(status, message)
        return run.ended


def _readable(result: object) -> str:
    """What a device returned as text that can be kept: in no more than ``MAX_RESULT`` characters.

    Bytes that are no text become U+FFFD, as does half of a surrogate pair.
    """
    if isinstance(result, bytes):
        text = result.decode("utf-8", "replace")
    else:
        text = result if isinstance(result, str) else repr(result)
    return text[:MAX_RESULT].encode("utf-8", "replace").decode()


def _with_call(step: Step, call: Call | None) -> Step:
    return step.model_copy(
        update={"function": call.function, "arguments": call.arguments} if call else {}
    )
