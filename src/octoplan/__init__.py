"""Octoplan: a plan-and-act agent that runs on the device it controls, offline.

A tiny planner model turns a request into at most five steps, an action model turns each step into
one function call, and the agent runs the calls and plans on from their results.
"""

from importlib.metadata import version

__version__ = version("octoplan")
