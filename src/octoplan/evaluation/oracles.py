"""What decides whether a plan is right: the oracles, behind one interface.

- *plan*: the same functions in the same order;
- *call*: the same calls, argument by argument, after normalisation (the exact oracle);
- *lenient*: the same calls, but free text may differ in wording;
- *executed*: both plans, run on fresh copies of the device, change the same and tell the same;
- *judge* (``octoplan.evaluation.judge``): a large model decides.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from octoplan.devices import Device, DeviceFailure
from octoplan.evaluation.metrics import calls_right, normalised, outline, plan_right, similar_call
from octoplan.functions import FunctionSet
from octoplan.plans import Line, Step, kind


@dataclass(frozen=True)
class Verdict:
    """What an oracle says of one plan.

    Attributes:
        right: whether the plan is right; None where the oracle could not tell.
        reason: why, in a few words.
    """

    right: bool | None
    reason: str = ""


class Oracle(Protocol):
    """Decides whether a plan is right."""

    name: str

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """Judge ``predicted``, the plan with its calls that a model made of ``request``."""
        ...


class PlanOracle:
    """The sequence of functions (and of the lines that are no steps) is the gold plan's."""

    name = "plan"

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """See ``Oracle``."""
        right = plan_right(predicted, gold)
        return Verdict(right, "" if right else f"{outline(predicted)} for {outline(gold)}")


class CallOracle:
    """The exact oracle: the plan is right and so is every argument of every call."""

    name = "call"

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """See ``Oracle``."""
        return Verdict(calls_right(predicted, gold))


class LenientOracle:
    """As the exact oracle, but free text need only be alike (``metrics.similar_call``).

    Args:
        functions: those that the gold plans call.
    """

    name = "lenient"

    def __init__(self, functions: FunctionSet) -> None:
        self._same = partial(similar_call, functions=functions)

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """See ``Oracle``."""
        return Verdict(calls_right(predicted, gold, self._same))


class ExecutionOracle:
    """Both plans are run on fresh devices, and must change the same things and tell the same.

    It is Octo-planner's end-to-end verification (arXiv 2406.18082, section 3.3) made automatic.
    Steps that do not hang on one another may stand in another order. Lines that are no steps must
    be of the same kinds. A call that fails is an outcome like any other, and the rest goes on.

    Args:
        device: opens a fresh device, always in the same state.
    """

    name = "executed"

    def __init__(self, device: Callable[[], AbstractContextManager[Device]]) -> None:
        self.device = device

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """See ``Oracle``."""
        theirs, ours = self._outcome(gold), self._outcome(predicted)
        missing, unasked = theirs - ours, ours - theirs
        parts = [
            f"{name}: {'; '.join(found)}"
            for name, found in (("missing", missing), ("not asked for", unasked))
            if found
        ]
        return Verdict(not parts, ", ".join(parts))

    def _outcome(self, lines: Sequence[Line]) -> Counter[str]:
        """What a plan's calls tell and change, and which other lines it has."""
        told = Counter(kind(line) for line in lines if not isinstance(line, Step))
        results: dict[int, str] = {}
        steps = [line for line in lines if isinstance(line, Step)]
        with self.device() as device:
            for number, step in enumerate(steps, start=1):
                if step.call is None:
                    told["a step that could not be read"] += 1
                    continue
                call = step.call.filled(results)
                # A prompted model may call anything; a device is promised calls that are valid.
                known = call.function in device.functions
                if not known or device.functions[call.function].problems(step.call.arguments):
                    told["a call that is not valid"] += 1
                    continue
                try:
                    results[number] = device.call(call.function, call.arguments)
                    result = results[number]
                except DeviceFailure as failure:
                    result = f"failed: {failure}"
                told[str(normalised(result))] += 1
            told.update(device.changes())
        return told


def simulated_execution() -> ExecutionOracle:
    """The execution oracle on the simulated phone and home, its clock standing still."""
    from octoplan.devices.simulated import SimulatedDevice

    now = datetime(2026, 3, 2, 9, 0)
    return ExecutionOracle(lambda: SimulatedDevice(now=now))


def oracles_of(functions: FunctionSet) -> list[Oracle]:
    """The oracles that need nothing but the plans; execution if the simulated device has all."""
    oracles: list[Oracle] = [PlanOracle(), CallOracle(), LenientOracle(functions)]
    execution = simulated_execution()
    with execution.device() as device:
        if all(function.name in device.functions for function in functions):
            oracles.append(execution)
    return oracles
