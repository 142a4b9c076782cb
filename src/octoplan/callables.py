"""Functions in Python: described by signature, type hints and a Google-style docstring.

    def send_invoice(to: str, copies: int = 1) -> str:
        \"\"\"Email an invoice.

        Args:
            to: who gets it
            copies: how many

        Hints:
            destructive
        \"\"\"

``Hints:`` says what running it does, as MCP's tool annotations do: read-only, destructive (it
cannot simply be undone, spends money or reaches other people) and idempotent, divided by commas,
in the same line or below.
"""

import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from docstring_parser.google import DEFAULT_SECTIONS, GoogleParser, Section, SectionType
from pydantic.fields import FieldInfo

from octoplan.functions import TYPES, Function, FunctionError, Hints, read_text
from octoplan.plans import one_line

_PARSER = GoogleParser([*DEFAULT_SECTIONS, Section("Hints", "hints", SectionType.SINGULAR)])
_HINTS_IN_LINE = re.compile(r"^Hints:[ \t]*(\S.*)$", re.MULTILINE)
_HINTS = {"read-only": "read_only", "destructive": "destructive", "idempotent": "idempotent"}


def functions_of_file(path: Path) -> list[Function]:
    """The public functions of a Python file, which is run.

    Raises:
        FunctionError: It cannot be read, its code fails, or a function cannot be described.
    """
    return _functions_of(path.name, import_file(path))


def functions_of_module(name: str) -> list[Function]:
    """The public functions of a module, which is imported; see ``functions_of_file``."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # the module's own code runs here, so anything can go wrong
        raise FunctionError(f"module {name} cannot be imported: {_cause(error)}") from error
    return _functions_of(name, module)


def import_file(path: Path) -> ModuleType:
    """Run a Python file and return its module.

    Raises:
        FunctionError: It cannot be read, or its code fails.
    """
    code = read_text(path)
    module = ModuleType(f"octoplan_functions_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses and type hints look names up
    try:
        exec(compile(code, path, "exec"), vars(module))
    except Exception as error:  # the file's own code runs here, so anything can go wrong
        del sys.modules[module.__name__]
        raise FunctionError(f"{path} cannot be imported: {_cause(error)}") from error
    return module


def describe(f: Callable[..., Any]) -> Function:
    """Describe a Python function.

    Type hints can be `str`, `int`, `float`, `bool`, a `Literal` of strings, each or None, and
    `Annotated` with bounds from annotated_types or pydantic's `Field(ge=…, le=…)`. A parameter with
    a default may be left out of a call.

    Raises:
        FunctionError: If a type hint or a description is missing or not supported.
    """
    name = getattr(f, "__name__", repr(f))
    where = f"function {name!r}"
    try:
        signature = inspect.signature(f)
        types_ = typing.get_type_hints(f, include_extras=True)
        docstring = _PARSER.parse(_HINTS_IN_LINE.sub(r"Hints:\n    \1", inspect.getdoc(f) or ""))
    except Exception as error:  # type hints are the module's own code
        raise FunctionError(f"{where} cannot be read: {_cause(error)}") from error
    if not docstring.description:
        raise FunctionError(f"{where}: add a docstring that says what the function does")
    described = {parameter.arg_name: parameter.description for parameter in docstring.params}
    required = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
    ]
    properties = {
        parameter.name: _property(
            f"{where}, parameter {parameter.name!r}",
            parameter,
            types_.get(parameter.name),
            described.get(parameter.name),
        )
        for parameter in signature.parameters.values()
    }
    hints = next((each.description for each in docstring.meta if each.args == ["hints"]), None)
    return Function(
        name=name,
        description=one_line(docstring.description),
        parameters={"type": "object", "properties": properties, "required": required},
        returns=one_line((docstring.returns and docstring.returns.description) or ""),
        hints=_hints(where, hints or ""),
    )


def _property(
    where: str, parameter: inspect.Parameter, annotation: Any, description: str | None
) -> dict[str, Any]:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise FunctionError(
            f"{where}: replace *args, **kwargs and positional-only parameters by named ones"
        )
    if not description:
        raise FunctionError(f"{where}: describe it under 'Args:' in the docstring")
    return _schema_of_annotation(where, annotation) | {"description": one_line(description)}


def _hints(where: str, text: str) -> Hints:
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _HINTS:
            raise FunctionError(f"{where}: the hint {word!r} is none of {', '.join(_HINTS)}")
    return Hints(**{_HINTS[word]: True for word in words})


def _functions_of(source: str, module: ModuleType) -> list[Function]:
    functions = []
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if own and not name.startswith("_"):
            try:
                functions.append(describe(value))
            except FunctionError as error:
                raise FunctionError(f"{source}: {error}") from None
    return functions


def _schema_of_annotation(where: str, annotation: Any) -> dict[str, Any]:
    """Turn a type hint into a JSON Schema without description."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        schema = _schema_of_annotation(where, arguments[0])
        return schema | _bounds_of_metadata(where, arguments[1:])
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not types.NoneType]
        if len(others) == 1:
            return _schema_of_annotation(where, others[0])
    elif origin is Literal and all(isinstance(value, str) for value in arguments):
        return {"type": "string", "enum": list(arguments)}
    elif isinstance(annotation, type) and annotation in TYPES:
        return {"type": TYPES[annotation]}
    found = "none" if annotation is None else inspect.formatannotation(annotation)
    raise FunctionError(
        f"{where}: the type hint must be str, int, float, bool or a Literal of strings, not {found}"
    )


def _bounds_of_metadata(where: str, metadata: Iterable[object]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, annotated_types.Ge):
            bounds["minimum"] = item.ge
        elif isinstance(item, annotated_types.Le):
            bounds["maximum"] = item.le
        elif isinstance(item, FieldInfo):
            bounds |= _bounds_of_metadata(where, item.metadata)
        elif isinstance(item, annotated_types.GroupedMetadata):
            bounds |= _bounds_of_metadata(where, item)
        elif isinstance(item, annotated_types.BaseMetadata):
            raise FunctionError(f"{where}: {item} is not supported: use only ge and le")
    return bounds


def _cause(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")
