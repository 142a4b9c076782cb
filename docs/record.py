"""Draw the README's picture of a run: ``python docs/record.py`` writes docs/run.svg."""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from octoplan.agent import Agent
from octoplan.display import RunView
from octoplan.run import Run

REQUEST = (
    "Find my presentation for tomorrow's meeting, connect to the conference room projector, set "
    "the brightness to 80, take a screenshot and email it to all meeting participants"
)


def main() -> None:
    """Carry the demo request out and save how it looks at its end."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    with Agent.load() as agent:
        run = Run(REQUEST)
        view = RunView(run)
        for event in agent.stream(run):
            view.hear(event)
    view.over = True
    console.print(Text.assemble(("$ ", "bold green"), f'octoplan run --yes "{REQUEST}"'), "")
    console.print(view)
    console.save_svg(str(Path(__file__).with_name("run.svg")), title="octoplan")


if __name__ == "__main__":
    main()
