"""Agent packages: what another machine needs beside the base to run an agent, in one folder.

    my_agent/
      planner/          the planner adapter (with ``on``, where another adapter plans on)
      action/           the action adapter
      calibration.json  how sure the two may be, if it was measured
      functions.py      the functions themselves, if calls of them run there
      server.txt        or the MCP server on which they run

A package is used by the path of its folder, or installed and used by its name. Several make one
agent: each plans and reads what is of its domain (``octoplan.routing``), and nothing is trained.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Self

import platformdirs

from octoplan.devices import Device, DeviceError
from octoplan.devices.dry import DryDevice
from octoplan.devices.joined import JoinedDevice
from octoplan.functions import FunctionSet
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter
from octoplan.models.bases import find_base
from octoplan.routing import router_of

SHIPPED = "octoplan"
"""The name of the package that ships."""

CODE_FILE = "functions.py"
SERVER_FILE = "server.txt"

_NAME = re.compile(r"\w[\w.-]{0,63}")


@dataclass(frozen=True)
class Package:
    """An agent package.

    Attributes:
        name: what it is called where it is installed; the name of its folder elsewhere.
    """

    name: str
    planner: Adapter
    action: Adapter

    @classmethod
    def load(cls, folder: Path, name: str = "") -> Self:
        """Read a package's folder.

        Raises:
            AdapterError: an adapter is missing or broken, or the two know other functions.
        """
        planner = Adapter.load(folder / "planner", "planner")
        action = Adapter.load(folder / "action", "action")
        name = name or folder.resolve().name
        if unknown := [f.name for f in planner.functions if f.name not in action.functions]:
            raise AdapterError(
                f"{name}: its action model does not know {unknown[0]}, which its planner plans; "
                "train both on the same functions"
            )
        return cls(name, planner, action)

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.planner.folder.parent

    @property
    def code(self) -> Path | None:
        """The Python file in which its calls run; None where a device carries them out."""
        path = self.folder / CODE_FILE
        return path if path.exists() else None

    @property
    def server(self) -> str | None:
        """The MCP server on which its calls run, as ``octoplan.devices.mcp`` names it, or None."""
        path = self.folder / SERVER_FILE
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    @contextmanager
    def device(self) -> Iterator[Device | None]:
        """Open what carries out its calls; None where that is not in the package.

        Raises:
            DeviceError: it is not what the adapters were trained for.
            FunctionError: the code cannot be read, or the server not be reached.
        """
        if self.code is not None:
            from octoplan.devices.python import PythonDevice

            yield PythonDevice(self.code, self.functions)
        elif self.server is not None:
            from octoplan.devices.mcp import McpDevice

            with McpDevice(self.server, self.functions) as device:
                yield device
        else:
            yield None

    @property
    def functions(self) -> FunctionSet:
        """The functions that it plans with."""
        return self.planner.functions

    @property
    def size(self) -> int:
        """What it takes beside the base, in bytes: its adapters' GGUF files."""
        on = list(self.planner.folder.glob("*/*.gguf"))
        return sum(path.stat().st_size for path in (self.planner.gguf, self.action.gguf, *on))


def shipped_package() -> Package:
    """The package that ships.

    Raises:
        AdapterError: this installation has none.
    """
    return Package.load(shipped_adapter("planner").parent, SHIPPED)


def installed_in() -> Path:
    """The folder of the installed packages: ``~/.local/share/octoplan/agents`` on Linux."""
    return platformdirs.user_data_path("octoplan") / "agents"


def installed() -> list[Package]:
    """The installed packages, by name.

    Raises:
        AdapterError: one is broken.
    """
    return list(map(_installed, installed_names()))


def _installed(name: str) -> Package:
    try:
        return Package.load(installed_in() / name, name)
    except AdapterError as error:
        mend = f"octoplan agents remove {name}, and add it again"
        raise AdapterError(f"the agent {name} is broken ({error}): {mend}") from error


def installed_names() -> list[str]:
    """The names of the installed packages, whether they are whole or broken."""
    folder = installed_in()
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if _NAME.fullmatch(path.name))


def find_package(given: str | Path) -> Package:
    """The package that ships or is installed under a name, or the one in a folder.

    Raises:
        AdapterError: there is none, or it is broken.
    """
    if str(given) == SHIPPED:
        return shipped_package()
    if str(given) in installed_names():
        return _installed(str(given))
    if not Path(given).is_dir():
        names = ", ".join([SHIPPED, *installed_names()])
        raise AdapterError(f"there is no agent {given}; there are {names}, or give its folder")
    return Package.load(Path(given))


def find_packages(given: Sequence[str | Path]) -> list[Package]:
    """The packages that one agent is made of: those given; else the shipped and all installed ones.

    Raises:
        AdapterError: one is missing or broken, or they do not go together.
        FunctionError: two define one function differently.
    """
    packages = [find_package(each) for each in given] or [shipped_package(), *installed()]
    check_together(packages)
    return packages


def check(package: Package) -> None:
    """Make sure that a package's weights are there and fit the base, and that its calls can run.

    Raises:
        AdapterError, BaseError: its weights are broken, or its base is not on this machine.
        DeviceError, FunctionError: see ``Package.device``.
    """
    for adapter in (package.planner, package.action):
        adapter.check(find_base(adapter.base))
    with package.device():
        pass


@contextmanager
def devices_of(
    packages: Sequence[Package], dry_run: bool = False
) -> Iterator[Callable[[Device], Device]]:
    """Open what carries out the packages' calls; gives what joins it with a device for the rest.

    Args:
        dry_run: whether calls that the packages carry out themselves are only told.

    Raises:
        DeviceError: nothing carries out one of their functions; or see ``Package.device``.
        FunctionError: see ``Package.device``.
    """
    with ExitStack() as opened:
        own: list[Device] = []
        for package in packages:
            if dry_run and (package.code or package.server):
                own.append(DryDevice(package.functions))
            elif device := opened.enter_context(package.device()):
                own.append(device)

        def joined(device: Device) -> Device:
            both = JoinedDevice([*own, device]) if own else device
            for package in packages:
                for function in package.functions:
                    if function.name not in both.functions:
                        raise DeviceError(
                            f"nothing carries out {function.name} of {package.name}; put the "
                            f"functions into {package.folder / CODE_FILE}"
                        )
            return both

        yield joined


def check_together(packages: Sequence[Package]) -> None:
    """Make sure that the packages can be one agent.

    Raises:
        AdapterError: two are the same, or one cannot be routed to.
        FunctionError: two define one function differently.
    """
    folders: set[Path] = set()
    for package in packages:
        if package.folder.resolve() in folders:
            raise AdapterError(f"{package.name} is given twice; give it once")
        folders.add(package.folder.resolve())
    if len(packages) == 1:
        return
    reduce(or_, (package.functions for package in packages))
    router_of([package.planner for package in packages])
    router_of([package.action for package in packages])


def install(folder: Path, name: str = "") -> Package:
    """Copy a package to where it is found by its name, once it was checked; all of it or nothing.

    Raises:
        AdapterError: it is broken, its name is taken or is none, or it does not go together with
            those that are there.
        FunctionError: another defines one of its functions differently.
    """
    package = Package.load(folder, name)
    name = package.name
    if not _NAME.fullmatch(name):
        raise AdapterError(f"{name!r} cannot be a name; use letters, digits, '-', '_' and '.'")
    if name == SHIPPED or name in installed_names():
        raise AdapterError(f"there is an agent {name} already; remove it, or give another --name")
    check(package)
    check_together([shipped_package(), *installed(), package])
    into = installed_in()
    into.mkdir(parents=True, exist_ok=True)
    # A name that begins with a "+" is no package's: what is half copied is never found.
    part = into / f"+{name}-{os.getpid()}"
    try:
        shutil.copytree(folder, part, ignore=shutil.ignore_patterns("work", "__pycache__"))
        part.rename(into / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Package.load(into / name, name)


def remove(name: str) -> None:
    """Remove an installed package.

    Raises:
        AdapterError: none is installed under that name.
    """
    if name not in installed_names():
        there = ", ".join(installed_names()) or "none"
        raise AdapterError(f"no agent {name} is installed; installed: {there}")
    going = installed_in() / f"+{name}-{os.getpid()}"
    (installed_in() / name).rename(going)
    shutil.rmtree(going)
