"""``python -m octoplan.cli`` is ``octoplan``."""

from octoplan.cli import main

main()
