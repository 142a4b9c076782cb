"""Confidence: how likely it is that a plan and its calls are right.

A model's own probability of all that it wrote sinks with the length of what it wrote. A
calibration, measured by ``octoplan evaluate --calibrate``, turns it into the share of such answers
that are right. It holds for one planner with one action model, on requests like those measured.
"""

from bisect import bisect_right
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.models.adapters import Adapter, AdapterError

CALIBRATION_FILE = "calibration.json"


class Curve(BaseModel):
    """From a model's own probability to the probability of being right: points, joined by lines.

    Attributes:
        given: the model's own probabilities, rising, 0 to 1; one at least.
        right: the share of right answers at each.
    """

    model_config = ConfigDict(frozen=True)

    given: tuple[float, ...]
    right: tuple[float, ...]

    def __call__(self, probability: float) -> float:
        """The probability of being right, 0 to 1."""
        after = bisect_right(self.given, probability)
        if after == 0:
            return self.right[0]
        if after == len(self.given):
            return self.right[-1]
        low, high = self.given[after - 1], self.given[after]
        share = (probability - low) / (high - low)
        return self.right[after - 1] + share * (self.right[after] - self.right[after - 1])


class Calibration(BaseModel):
    """What was measured of a planner with an action model.

    Attributes:
        planner, action: SHA-256 of their GGUF files.
        data: what it was measured on.
        plan: for the plan alone; call: for the plan with all its calls.
    """

    planner: str
    action: str
    data: str
    plan: Curve
    call: Curve

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a calibration's file.

        Raises:
            AdapterError: it is broken.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise AdapterError(f"{path} is no calibration; write it again or remove it") from error

    @classmethod
    def of(cls, planner: Adapter, action: Adapter) -> Self | None:
        """The calibration beside the planner's folder, if there is one of these two.

        Raises:
            AdapterError: it is broken.
        """
        path = planner.folder.parent / CALIBRATION_FILE
        if not path.exists():
            return None
        found = cls.load(path)
        same = (found.planner, found.action) == (planner.digest, action.digest)
        return found if same else None
