"""The agent: plan, act, observe, and plan on.

from octoplan.agent import Agent

with Agent.load() as agent:
    run = agent.run("set the brightness to 80 and text Grandma that I'm on my way")
    for observation in run.observations:
        print(observation.call, observation.result)
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from octoplan import plans
from octoplan.action import ActionModel
from octoplan.bounds import MADE_UP, Bounds
from octoplan.confidence import Calibration
from octoplan.devices import Device, DeviceFailure, UndoingDevice
from octoplan.functions import Function
from octoplan.journal import Record
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import DEFAULT_BASE
from octoplan.models.llamacpp import load_engines
from octoplan.planner import Planner, RequestError
from octoplan.plans import Branch, Call, Cannot, Line, Step, Told, Wait, one_line
from octoplan.run import UNKNOWN, Answered, Called, Ended, Event, Observation, Run, Status

MAX_ROUNDS = 4
"""So many times a request is planned, at most: once, and three times on from results or answers."""

MAX_CALLS = 12
"""So many calls a run makes, at most."""

Permit = Callable[[Function, Call, str | None], str | None]
"""Decides whether a call may run: None, or why not. Told why the call may not be the request's own
(``octoplan.bounds``), or None; who has such a doubt and nobody to ask says no."""

Inquire = Callable[[str], str | None]
"""Asks the user a question of the plan: the answer, or None where there is none."""


class Agent:
    """A planner, an action model and, for carrying requests out, a device."""

    def __init__(
        self,
        planner: Planner,
        action: ActionModel,
        device: Device | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.planner = planner
        self.action = action
        self.device = device
        self.calibration = calibration
        self._resources = ExitStack()

    @classmethod
    def load(
        cls,
        base: str = DEFAULT_BASE,
        planner: str | Path | None = None,
        action: str | Path | None = None,
        device: Device | None = None,
        threads: int | None = None,
    ) -> Self:
        """Load the models.

        Args:
            base: the base's name or path.
            planner: the planner adapter's folder; the one that ships where left out.
            action: the action adapter's folder; the one that ships where left out.
            device: where calls run; a simulated phone and home, in memory, where left out.
            threads: CPU threads; all cores where left out.

        Raises:
            BaseError, AdapterError, EngineError: a model is missing or broken.
        """
        adapters = [
            Adapter.load(planner or shipped_adapter("planner"), "planner"),
            Adapter.load(action or shipped_adapter("action"), "action"),
        ]
        planning, acting = load_engines(base, adapters, threads)
        models = Planner(planning, adapters[0]), ActionModel(acting, adapters[1])
        agent = cls(*models, device, Calibration.of(*adapters))
        if device is None:
            from octoplan.devices.simulated import SimulatedDevice

            agent.device = agent._resources.enter_context(SimulatedDevice())
        return agent

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
        earlier: list[Step] = []
        for line in so_far:
            if isinstance(line, Step):
                call = line.call or self.action.act(line.text, earlier).call
                earlier.append(_with_call(line, call))
        run = Run(request, rounds=1, planning=self.planner.plan(request, told))
        run.probability = run.planning.probability
        for line in run.planning.lines:
            if isinstance(line, Step):
                action = self.action.act(line.text, [*earlier, *run.steps])
                run.steps.append(_with_call(line, action.call))
                run.probability *= action.probability
        self._be_sure(run)
        run.seconds = time.perf_counter() - started
        return run

    def run(
        self,
        request: str,
        record: Record | None = None,
        permit: Permit | None = None,
        inquire: Inquire | None = None,
    ) -> Run:
        """Carry a request out.

        Args:
            record: where the run is recorded.
            permit: asked before each call; all that the request calls for may run where left out.
            inquire: asks the user for what the request leaves open; the run ends with the question
                where left out.

        Raises:
            RequestError: the request is empty or too long.
            DeviceError: the device cannot be used.
            JournalError: the run cannot be recorded; the next call was not made.
        """
        run = Run(request, record)
        for _ in self.stream(run, permit, inquire):
            pass
        return run

    def stream(
        self, run: Run, permit: Permit | None = None, inquire: Inquire | None = None
    ) -> Generator[Event, None, None]:
        """Carry a run out, or go on with it, and yield every event as it happens.

        Closing the generator stops the models at the next token, and nothing more is done. See
        ``run`` for the rest.
        """
        assert self.device is not None, "an agent without a device can only plan"
        started = time.perf_counter()
        try:
            for event in self._rounds(run, self.device, permit or _unless_in_doubt, inquire):
                run.seconds = time.perf_counter() - started
                if isinstance(event, Ended):
                    self._be_sure(run)
                yield event
        except RequestError as error:
            if run.record is not None:
                run.record.ended("failed", str(error))
            raise
        run.changes = self.device.changes()

    def _rounds(
        self, run: Run, device: Device, permit: Permit, inquire: Inquire | None
    ) -> Iterator[Event]:
        """Plan and follow the plan; then plan on, for as long as results or answers ask for it."""
        if not run.rounds:
            yield from self._plan(run, device)
        while True:
            yield from self._follow(run, device, permit)
            if run.ended is None:
                yield from self._inquire(run, inquire)
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
        yield self._finished(run)

    def _plan(self, run: Run, device: Device) -> Iterator[Event]:
        """Plan, or plan on from what came of the plan so far."""
        told: list[Told] = []
        if run.rounds:
            told = run.told({each.name for each in device.functions if each.hints.read_only})
            run.plan_anew(told)
        yield from self.planner.stream(run.request, run.planning, told)
        if not run.rounds:
            run.first = list(run.planning.lines)
        run.rounds += 1
        run.probability *= run.planning.probability
        if run.record is not None:
            run.record.planned(run.planning.lines, run.probability)

    def _doubt(self, run: Run, call: Call) -> str | None:
        """Why a call may not be the request's own (``octoplan.bounds``); None where it is.

        What the request can lead to is looked up only as far as it takes to find the call there.
        """
        if not run.read:
            return None
        said = [run.request, *run.answers]
        doubt = Bounds.of(said, [*run.foreseen, *run.remedies]).doubt(call)
        for result in (None, *MADE_UP)[run.foresights :]:
            if doubt is None:
                break
            run.foreseen += self._foresee(run, result)
            run.foresights += 1
            doubt = Bounds.of(said, [*run.foreseen, *run.remedies]).doubt(call)
        return doubt

    def _foresee(self, run: Run, result: str | None) -> list[Call]:
        """The calls of the first plan, or those that it would go on with after a made-up result."""
        lines = run.first
        if result is not None:
            lines = self.planner.plan(run.request, run.made_up(result)).lines
        steps: list[Step] = []
        for line in lines:
            if isinstance(line, Step):
                steps.append(_with_call(line, self.action.act(line.text, steps).call))
        return [step.call for step in steps if step.call]

    def _follow(self, run: Run, device: Device, permit: Permit) -> Iterator[Event]:
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
            yield from self._do(run, number, line, device, permit)
            if run.ended is not None:
                return
            if len(run.observations) == done:  # it repeated a step, and was left out
                number -= 1
            elif run.observations[-1].failed:
                return

    def _inquire(self, run: Run, inquire: Inquire | None) -> Iterator[Event]:
        """Ask what the plan asks; the run has ended if there is no answer."""
        if run.is_stuck:
            return
        for question in run.questions[len(run.answers) :]:
            plans_on = self.planner.plans_on
            answer = one_line(inquire(question) or "") if inquire and plans_on else ""
            if not answer:
                yield self._end(run, "asks", "; ".join(run.questions[len(run.answers) :]))
                return
            run.answers.append(answer)
            if run.record is not None:
                run.record.answered(question, answer)
            yield Answered(question, answer)

    def _finished(self, run: Run) -> Ended:
        for seen in run.observations:
            later = run.observations[seen.number :]
            if seen.failed and not any(
                other.call.function == seen.call.function and not other.failed for other in later
            ):
                return self._end(run, "failed", f"step {seen.number} failed: {seen.result}")
        refused = [line.cannot for line in run.planning.lines if isinstance(line, Cannot)]
        if refused:
            part = ", ".join(filter(None, refused))
            what = f"no function can {part}" if part else "no function serves this request"
            return self._end(run, "cannot", what)
        if not run.planning.lines:
            what = "the planner wrote no plan; say the request differently"
            return self._end(run, "failed", what)
        return self._end(run, "done", "all steps done" if run.steps else "nothing to do")

    def _do(
        self, run: Run, number: int, line: Step, device: Device, permit: Permit
    ) -> Iterator[Event]:
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
        reason = permit(device.functions[call.function], call, doubt)
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

    def _act(self, run: Run, line: Step) -> Called:
        action = self.action.act(line.text, run.steps)
        step = _with_call(line, action.call)
        run.steps.append(step)
        run.probability *= action.probability
        return Called(len(run.steps), step, action.seconds)

    def _be_sure(self, run: Run) -> None:
        if self.calibration is not None:
            run.confidence = self.calibration.call(run.probability)

    @staticmethod
    def _observe(run: Run, number: int, call: Call, device: Device) -> Observation:
        started = time.perf_counter()
        try:
            result, failed = device.call(call.function, call.arguments), False
        except DeviceFailure as failure:
            result, failed = str(failure), True
            run.remedies += [failure.remedy] if failure.remedy else []
        return Observation(number, call, result, failed, time.perf_counter() - started)

    @staticmethod
    def _end(run: Run, status: Status, message: str) -> Ended:
        run.ended = Ended(status, message)
        if run.record is not None:
            run.record.ended(status, message)
        return run.ended


def _with_call(step: Step, call: Call | None) -> Step:
    return step.model_copy(
        update={"function": call.function, "arguments": call.arguments} if call else {}
    )


def _unless_in_doubt(function: Function, call: Call, doubt: str | None) -> str | None:
    """The permit where nobody gives one."""
    return doubt
