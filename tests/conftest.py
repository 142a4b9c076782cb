"""The real models, loaded once for all tests: the default base with the adapters that ship."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings

from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import Base, find_base
from octoplan.models.llamacpp import LlamaCpp

settings.register_profile("octoplan", deadline=None)  # a busy machine fails no test
settings.load_profile("octoplan")


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The journal, the config and the agents of whoever runs the tests stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


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
