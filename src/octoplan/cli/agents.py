"""The commands around agent packages: ``octoplan agents``, ``agents add``, ``check``, ``remove``.

octoplan agents add my_agent
octoplan run "add milk to my notes"
octoplan agents remove my_agent
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octoplan.cli.app import AsJson, app, status

if TYPE_CHECKING:
    from octoplan.packages import Package

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in octoplan agents.")]

agents = typer.Typer(
    help="List the agent packages that one agent is made of; add, check and remove them.",
    epilog="[b]Example:[/] octoplan agents add my_agent",
)
app.add_typer(agents, name="agents")


@agents.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List the agent packages that one agent is made of; add, check and remove them."""
    from rich.console import Console

    from octoplan.display import show_agents, write_json

    if context.invoked_subcommand is not None:
        return
    found = _found()
    if as_json:
        typer.echo(write_json(found, indent=2))
    else:
        show_agents(found, Console(highlight=False))


@agents.command(
    no_args_is_help=True, epilog="[b]Example:[/] octoplan agents add my_agent --name notes"
)
def add(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Holds planner, action and, if need be, functions.py."),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What to call it; its folder's name if left out.")
    ] = "",
) -> None:
    """Install an agent package: requests are planned with its functions too from now on.

    Nothing is trained. Each package plans what is of its domain.
    """
    from octoplan.packages import install

    with status("adding"):
        package = install(folder, name)
    typer.echo(f"added {package.name}: {len(package.functions)} functions")


@agents.command(no_args_is_help=True, epilog="[b]Example:[/] octoplan agents check my_agent")
def check(
    name: Annotated[
        str, typer.Argument(metavar="NAME|DIR", help="An installed package, or a folder.")
    ],
) -> None:
    """Check an agent package: its adapters, their base, and the code of its functions."""
    from octoplan.packages import check as check_package
    from octoplan.packages import check_together, find_package, find_packages

    with status("checking"):
        package = find_package(name)
        check_package(package)
        others = [each for each in find_packages(()) if each.folder != package.folder]
        check_together([package, *others])
    typer.echo(f"{package.name} is whole: {', '.join(f.name for f in package.functions)}")


@agents.command(no_args_is_help=True, epilog="[b]Example:[/] octoplan agents remove my_agent")
def remove(name: Name) -> None:
    """Remove an installed agent package; the folder that it was added from stays."""
    from octoplan.packages import remove as remove_package

    remove_package(name)
    typer.echo(f"removed {name}")


def _found() -> list[dict[str, Any]]:
    """What ``octoplan agents --json`` tells; a broken package is told with its problem."""
    from octoplan.models.adapters import AdapterError
    from octoplan.packages import SHIPPED, find_package, installed_in, installed_names

    found = []
    for name in (SHIPPED, *installed_names()):
        told: dict[str, Any] = dict.fromkeys(("functions", "base", "size", "path", "problem"))
        try:
            told |= _told(find_package(name))
        except AdapterError as error:
            told |= {"path": str(installed_in() / name), "problem": str(error)}
        found.append({"name": name} | told)
    return found


def _told(package: "Package") -> dict[str, Any]:
    return {
        "functions": [function.name for function in package.functions],
        "base": package.planner.base,
        "size": package.size,
        "path": str(package.folder),
    }
