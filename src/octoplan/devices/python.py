"""A device that is a Python file: each call runs the function of that name.

    device = PythonDevice("my_functions.py", load_function_set("my_functions.py"))
    device.call("add_note", {"text": "buy milk"})

What a function returns is its result, in words of its own or as JSON; what it raises is why the
call failed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octoplan.callables import describe, import_file
from octoplan.devices import DeviceError, DeviceFailure
from octoplan.functions import Function, FunctionSet
from octoplan.plans import one_line


class PythonDevice:
    """The functions of a Python file, carried out in this process.

    Args:
        path: the file; it runs once, now.
        functions: what can be called there, with the hints of each.

    Raises:
        FunctionError: the file cannot be run.
        DeviceError: it lacks one of the functions, or has another of that name.
    """

    def __init__(self, path: str | Path, functions: FunctionSet) -> None:
        self.functions = functions
        module = vars(import_file(Path(path)))
        self._run: dict[str, Callable[..., Any]] = {}
        for function in functions:
            code = module.get(function.name)
            if not callable(code):
                raise DeviceError(f"{path} has no function {function.name}; add it there")
            if shape_of(describe(code)) != shape_of(function):
                raise DeviceError(
                    f"{path}: {function.name} takes other parameters than the agent has learned; "
                    "change them back, or train again"
                )
            self._run[function.name] = code

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """See ``Device``."""
        if function not in self._run:
            raise DeviceFailure(f"this device has no function {function}")
        try:
            result = self._run[function](**arguments)
        except DeviceFailure:
            raise
        except Exception as error:  # the function's own code runs here, so anything can go wrong
            raise DeviceFailure(one_line(str(error)) or type(error).__name__) from error
        if result is None:
            return "done"
        return result if isinstance(result, str) else json.dumps(result, default=str)

    def changes(self) -> list[str]:
        """Nothing: what the functions change, only their results say."""
        return []


def shape_of(function: Function) -> dict[str, Any]:
    """What of its parameters a call depends on: all but the descriptions."""
    properties = {
        name: {key: value for key, value in schema.items() if key != "description"}
        for name, schema in function.parameters["properties"].items()
    }
    return function.parameters | {"properties": properties}
