"""The agent: plan, act, observe.

from octoplan.agent import Agent

with Agent.load() as agent:
    run = agent.run("set the brightness to 80 and text Grandma that I'm on my way")
    for observation in run.observations:
        print(observation.call, observation.result)
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from octoplan.action import ActionModel
from octoplan.confidence import Calibration
from octoplan.devices import Device, DeviceFailure, UndoingDevice
from octoplan.functions import Function
from octoplan.journal import Record
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import DEFAULT_BASE
from octoplan.models.llamacpp import load_engines
from octoplan.planner import Planner, Planning, RequestError
from octoplan.plans import Ask, Call, Cannot, Done, Line, Step, Wait


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


Status = Literal["done", "failed", "declined", "asks", "waits", "cannot"]
"""How a run ends; one that failed or was declined can be gone on with."""

UNKNOWN = "not known: the run was interrupted"
"""The result of a call that was interrupted and is counted as done."""

Permit = Callable[[Function, Call], str | None]
"""Decides whether a call may run: None, or why not."""


@dataclass(frozen=True)
class Ended:
    """The run is over, and why."""

    status: Status
    message: str


Event = Line | Called | Observation | Ended
"""What a run tells as it goes: a line of the plan, a call, an observation, its end."""


@dataclass
class Run:
    """One request carried out.

    Attributes:
        request: what the user said.
        record: where the run is recorded as it goes; nowhere where None.
        planned: whether the plan is complete.
        planning: the plan, its confidence and the time that it took.
        steps: the steps that were acted on, with their calls.
        observations: what came of the calls.
        ended: how the run ended; None while it goes on.
        probability: the models' own, of all that they wrote so far, 0 to 1.
        confidence: how likely it is that plan and calls are right, 0 to 1, by the calibration of
            the models; None where they have none.
        seconds: from the request to the end.
        changes: what changed on the device, in plain words.
    """

    request: str
    record: Record | None = None
    planned: bool = False
    planning: Planning = field(default_factory=Planning)
    steps: list[Step] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    ended: Ended | None = None
    probability: float = 1.0
    confidence: float | None = None
    seconds: float = 0.0
    changes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, record: Record) -> Self:
        """The run of a record, to go on with: what is finished in it will not be done again.

        A step that failed is begun again, and so is one that was interrupted; whoever goes on with
        a run decides before that about a call that must not be made twice (``Record.came``).
        """
        run = cls(record.request, record, probability=record.probability)
        if record.lines is not None:
            run.planned = True
            run.planning.lines = list(record.lines)
        run.steps = [step for _, step in sorted(record.steps.items())]
        for number, result in sorted(record.results.items()):
            if not result.failed:
                call = record.calls[number]
                run.observations.append(Observation(number, call, result.text, False, 0.0))
        return run

    @property
    def lines(self) -> list[Line]:
        """All lines of the plan in order, the steps that were acted on with their calls."""
        acted = iter(self.steps)
        planned = self.planning.lines
        return [next(acted, line) if isinstance(line, Step) else line for line in planned]


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

    def plan(self, request: str) -> Run:
        """Plan a request and turn each step into a call, without carrying anything out.

        Raises:
            RequestError: the request is empty or too long.
        """
        started = time.perf_counter()
        run = Run(request, planned=True, planning=self.planner.plan(request))
        run.probability = run.planning.probability
        for line in run.planning.lines:
            if isinstance(line, Step):
                self._act(run, line)
        self._be_sure(run)
        run.seconds = time.perf_counter() - started
        return run

    def run(self, request: str, record: Record | None = None, permit: Permit | None = None) -> Run:
        """Carry a request out.

        Args:
            record: where the run is recorded.
            permit: asked before each call; all may run where left out.

        Raises:
            RequestError: the request is empty or too long.
            DeviceError: the device cannot be used.
            JournalError: the run cannot be recorded; the next call was not made.
        """
        run = Run(request, record)
        for _ in self.stream(run, permit):
            pass
        return run

    def stream(self, run: Run, permit: Permit | None = None) -> Generator[Event, None, None]:
        """Carry a run out, or go on with it, and yield every event as it happens.

        Closing the generator stops the models at the next token, and nothing more is done. See
        ``run`` for the rest.
        """
        assert self.device is not None, "an agent without a device can only plan"
        started = time.perf_counter()
        if not run.planned:
            try:
                yield from self.planner.stream(run.request, run.planning)
            except RequestError as error:
                if run.record is not None:
                    run.record.ended("failed", str(error))
                raise
            run.planned = True
            run.probability = run.planning.probability
            if run.record is not None:
                run.record.planned(run.planning.lines, run.probability)
        for event in self._carry_out(run, self.device, permit):
            run.seconds = time.perf_counter() - started
            if isinstance(event, Ended):
                self._be_sure(run)
            yield event
        run.changes = self.device.changes()

    def _carry_out(self, run: Run, device: Device, permit: Permit | None) -> Iterator[Event]:
        number = 0
        for line in run.planning.lines:
            match line:
                case Step():
                    number += 1
                    if number > len(run.observations):
                        yield from self._do(run, number, line, device, permit)
                    if run.ended is not None:
                        return
                case Ask():
                    yield self._end(run, "asks", line.ask)
                    return
                case Wait():
                    yield self._end(run, "waits", "the rest of the plan hangs on this result")
                    return
                case Cannot() | Done():
                    pass
        refused = [line.cannot for line in run.planning.lines if isinstance(line, Cannot)]
        if refused:
            part = ", ".join(filter(None, refused))
            what = f"no function can {part}" if part else "no function serves this request"
            yield self._end(run, "cannot", what)
        elif not run.planning.lines:
            yield self._end(run, "failed", "the planner wrote no plan; say the request differently")
        else:
            yield self._end(run, "done", "all steps done" if run.steps else "nothing to do")

    def _do(
        self, run: Run, number: int, line: Step, device: Device, permit: Permit | None
    ) -> Iterator[Event]:
        """Do one step; the run has ended if it could not be done."""
        if number <= len(run.steps):  # begun before the run was interrupted
            called = Called(number, run.steps[number - 1], 0.0)
        else:
            called = self._act(run, line)
        yield called
        if called.step.call is None:
            yield self._end(run, "failed", f"step {number} could not be read")
            return
        results = {o.number: o.result for o in run.observations}
        unknown = [f"${number}" for number, result in results.items() if result == UNKNOWN]
        if missing := sorted(set(unknown) & set(map(str, called.step.call.arguments.values()))):
            what = f"step {number} needs the result of step {missing[0][1:]}, which is not known"
            yield self._end(run, "failed", f"{what}; say it as a new request")
            return
        call = called.step.call.filled(results)
        reason = permit(device.functions[call.function], call) if permit else None
        if reason is not None:
            yield self._end(run, "declined", f"step {number} was not done: {reason}")
            return
        if run.record is not None:
            run.record.begins(number, called.step, call, run.probability)
        observation = self._observe(number, call, device)
        if run.record is not None:
            receipt = device.receipt() if isinstance(device, UndoingDevice) else None
            run.record.came(number, observation.result, observation.failed, receipt)
        run.observations.append(observation)
        yield observation
        if observation.failed:
            left = len(run.planning.lines) - number
            rest = "; the steps after it were not run" if left else ""
            yield self._end(run, "failed", f"step {number} failed: {observation.result}{rest}")

    def _act(self, run: Run, line: Step) -> Called:
        action = self.action.act(line.text, run.steps)
        call = action.call
        step = line.model_copy(
            update={"function": call.function, "arguments": call.arguments} if call else {}
        )
        run.steps.append(step)
        run.probability *= action.probability
        return Called(len(run.steps), step, action.seconds)

    def _be_sure(self, run: Run) -> None:
        if self.calibration is not None:
            run.confidence = self.calibration.call(run.probability)

    @staticmethod
    def _observe(number: int, call: Call, device: Device) -> Observation:
        started = time.perf_counter()
        try:
            result, failed = device.call(call.function, call.arguments), False
        except DeviceFailure as failure:
            result, failed = str(failure), True
        return Observation(number, call, result, failed, time.perf_counter() - started)

    @staticmethod
    def _end(run: Run, status: Status, message: str) -> Ended:
        run.ended = Ended(status, message)
        if run.record is not None:
            run.record.ended(status, message)
        return run.ended
