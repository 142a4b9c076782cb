"""The command ``octoplan``: one command a verb.

octoplan run "set the brightness to 80 and text Grandma that I'm on my way"
octoplan plan --input requests.jsonl --output plans.jsonl
octoplan --help
"""

import io
import sys

# Each module adds its commands to the application, in the order in which --help lists them.
# ruff: noqa: I001
from octoplan.cli import requests, runs, models, agents, teaching, data, evaluation  # noqa: F401
from octoplan.cli.app import app


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="octoplan")
