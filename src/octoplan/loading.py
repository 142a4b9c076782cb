"""Loading the planner and the action model: from the folders of adapters to models on one base.

    planner, action = load_models(planner=["adapters/planner", "my/planner"])

Of several folders of a role, requests and steps are routed to the one whose domain they are of.
"""

from collections.abc import Sequence
from pathlib import Path

from octoplan.action import ActionModel
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.llamacpp import load_engines
from octoplan.planner import Planner
from octoplan.routing import RoutedActionModel, RoutedPlanner

ON = "on"
"""The folder in a planner's own that holds the adapter which plans on, where that is another."""

Folders = str | Path | Sequence[str | Path] | None
"""The folder of an adapter, or of several that requests are routed to; None for what ships."""


def load_models(
    base: str | None = None,
    planner: Folders = None,
    action: Folders = None,
    threads: int | None = None,
    parallel: int = 1,
) -> tuple[Planner, ActionModel]:
    """Load a planner and an action model; see ``octoplan.agent.Agent.load``.

    A planner's folder may hold another adapter, ``on``, which plans on in its place.

    Args:
        parallel: how many requests are planned at once.

    Raises:
        BaseError, AdapterError, EngineError: a model is missing or broken.
    """
    firsts = [Adapter.load(folder, "planner") for folder in _folders(planner, "planner")]
    acting = [Adapter.load(folder, "action") for folder in _folders(action, "action")]
    ons = [
        Adapter.load(first.folder / ON, "planner") if (first.folder / ON).is_dir() else first
        for first in firsts
    ]
    needed = {adapter.folder: adapter for adapter in (*firsts, *acting, *ons)}
    loaded = load_engines(base, list(needed.values()), threads, parallel)
    engines = dict(zip(needed, loaded, strict=True))
    planners = [
        Planner(engines[first.folder], first, (engines[on.folder], on))
        for first, on in zip(firsts, ons, strict=True)
    ]
    actions = [ActionModel(engines[each.folder], each) for each in acting]
    return planners[0] if len(planners) == 1 else RoutedPlanner(planners), _one_of(actions)


def load_action(
    base: str | None = None, action: Folders = None, threads: int | None = None
) -> ActionModel:
    """Load an action model alone; see ``load_models``."""
    adapters = [Adapter.load(folder, "action") for folder in _folders(action, "action")]
    engines = load_engines(base, adapters, threads)
    return _one_of([ActionModel(*each) for each in zip(engines, adapters, strict=True)])


def _one_of(models: Sequence[ActionModel]) -> ActionModel:
    return models[0] if len(models) == 1 else RoutedActionModel(models)


def _folders(given: Folders, role: str) -> Sequence[str | Path]:
    if isinstance(given, str | Path):
        return [given]
    return given or [shipped_adapter(role)]
