"""The real models, loaded once for all tests: the default base with the adapters that ship."""

from dataclasses import dataclass

import pytest

from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import Base, find_base
from octoplan.models.llamacpp import LlamaCpp


@dataclass(frozen=True)
class Models:
    """The default base, the adapters that ship, and an engine that holds them."""

    base: Base
    planner: Adapter
    action: Adapter
    engine: LlamaCpp


@pytest.fixture(scope="session")
def models() -> Models:
    base = find_base()
    planner = Adapter.load(shipped_adapter("planner"), "planner")
    action = Adapter.load(shipped_adapter("action"), "action")
    return Models(base, planner, action, LlamaCpp(base, [planner, action]))
