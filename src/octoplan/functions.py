"""The functions that a device offers, and the sets that they come in.

A `Function` has a name, a description, parameters (a small subset of JSON Schema), what it returns
and hints about its effects. A `FunctionSet` holds the functions of one domain, or of several. Sets
are read from the ones that ship, from JSON in the OpenAI tools format, and from Python functions
(``octoplan.callables``), OpenAPI documents and MCP servers (``octoplan.sources``):

    functions = load_function_sets("android,travel")
    functions["set_volume"].problems({"level": 11, "volume_type": "ring"})
    # ['level must be a whole number from 0 to 10, not 11']
"""

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_SHIPPED = Path(__file__).with_name("function_sets")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
"""JSON Schema's names of Python's types."""

_PARAMETER_KEYWORDS = ("type", "description", "enum", "minimum", "maximum")
_OBJECT_KEYWORDS = ("type", "properties", "required", "additionalProperties")
# These describe a value without constraining it; generators add them freely, so they are dropped.
_IGNORED_KEYWORDS = ("title", "default", "examples")


class FunctionError(ValueError):
    """A function, or a set of them, that cannot be used; the message says what to do about it."""


class _Model(BaseModel):
    """A frozen model whose constructor raises a one-line `FunctionError` for bad values."""

    model_config = ConfigDict(frozen=True)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, FunctionError):
                raise cause from None
            what = type(self).__name__.lower()
            if isinstance(data.get("name"), str):
                what += f" {data['name']!r}"
            field = ".".join(str(part) for part in first["loc"])
            problem = first["msg"][0].lower() + first["msg"][1:]
            raise FunctionError(f"{what}: {field}: {problem}") from None


class Hints(_Model):
    """What running a function does, as MCP's tool annotations tell it.

    Attributes:
        read_only: It changes nothing.
        destructive: It cannot simply be undone, or spends money, or reaches other people.
        idempotent: Running it again with the same arguments changes nothing more.
    """

    model_config = ConfigDict(
        alias_generator=lambda field: to_camel(field) + "Hint", validate_by_name=True
    )

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False


class Function(_Model):
    """One function that a device can run.

    Attributes:
        name: Letters, digits and underscores, 64 at most, not beginning with a digit.
        description: What it does, in a sentence.
        parameters: JSON Schema of an object whose properties are strings (with or without `enum`),
            integers and numbers (with or without `minimum` and `maximum`) and booleans. It is
            kept in one canonical form: all of `type`, `properties`, `required` and
            `additionalProperties`, which is false.
        returns: What it returns, in a few words.
        hints: What running it does.

    Raises:
        FunctionError: If a value is not as described; the message names the function and the
            parameter.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    returns: str = ""
    hints: Hints = Hints()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise FunctionError(
                f"function {name!r}: use letters, digits and underscores for the name, "
                "64 at most, and no digit first"
            )
        return name

    @field_validator("parameters")
    @classmethod
    def _canonical_parameters(
        cls, parameters: dict[str, Any], info: ValidationInfo
    ) -> dict[str, Any]:
        return _canonical_schema(f"function {info.data.get('name')!r}", parameters)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the parameters that every call must give."""
        return tuple(self.parameters["required"])

    def problems(self, arguments: Mapping[str, Any]) -> list[str]:
        """Say in plain words what is wrong with the arguments of a call.

        Any text does for a string without an enum, so "$k", the result of step k, always does.

        Args:
            arguments: The value of each parameter given.

        Returns:
            One line a problem; empty when the call is valid.
        """
        properties = self.parameters["properties"]
        problems: list[str] = []
        for error in _validator(json.dumps(self.parameters)).iter_errors(dict(arguments)):
            if error.validator == "required":
                problems += (
                    f"{name} is missing: give {_expected(properties[name])}"
                    for name in self.required
                    if name not in arguments
                )
            elif error.validator == "additionalProperties":
                takes = ", ".join(properties) or "none"
                problems += (
                    f"{name} is not a parameter of {self.name}, which takes {takes}"
                    for name in arguments
                    if name not in properties
                )
            else:
                name = error.path[0]
                value = json.dumps(error.instance, ensure_ascii=False, default=repr)
                problems.append(f"{name} must be {_expected(properties[name])}, not {value}")
        # One value can break several rules of its schema, and the line is the same for each.
        return list(dict.fromkeys(problems))

    def to_openai(self) -> dict[str, Any]:
        """Return the function in the OpenAI tools format, with `returns` and MCP `annotations`."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": copy.deepcopy(self.parameters),
                "returns": self.returns,
                "annotations": self.hints.model_dump(by_alias=True),
            },
        }

    @classmethod
    def from_openai(cls, tool: Mapping[str, Any]) -> Self:
        """Read a function in the OpenAI tools format.

        Args:
            tool: `{"type": "function", "function": {"name": …, "description": …, …}}`. Without
                `parameters` it takes none; `returns` and `annotations` may be left out too.

        Raises:
            FunctionError: If it is not in that format or its parameters are not supported.
        """
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            raise FunctionError('write each function as {"type": "function", "function": {…}}')
        fields = {
            key: function[key] for key in ("name", "description", "returns") if key in function
        }
        parameters = function.get("parameters", {"type": "object"})
        return cls(**fields, parameters=parameters, hints=function.get("annotations", {}))


class FunctionSet(_Model):
    """Functions with distinct names, in order: those of one domain, or of several joined by `|`.

    Iterating gives the functions, `functions[name]` one of them; `name in functions` and
    `len(functions)` do what they say.

    Attributes:
        name: The domain, or the domains joined by "+".
        functions: The functions.

    Raises:
        FunctionError: If two functions have one name.
    """

    name: str
    functions: tuple[Function, ...]

    @field_validator("functions")
    @classmethod
    def _check_names(cls, functions: tuple[Function, ...]) -> tuple[Function, ...]:
        names: set[str] = set()
        for function in functions:
            if function.name in names:
                raise FunctionError(f"function {function.name!r} is defined twice: rename one")
            names.add(function.name)
        return functions

    @cached_property
    def _by_name(self) -> dict[str, Function]:
        return {function.name: function for function in self.functions}

    def __iter__(self) -> Iterator[Function]:  # type: ignore[override]  # pydantic's gives fields
        return iter(self.functions)

    def __len__(self) -> int:
        return len(self.functions)

    def __contains__(self, item: object) -> bool:
        return item in self._by_name if isinstance(item, str) else item in self.functions

    def __getitem__(self, name: str) -> Function:
        """Return the function of that name; the error for an unknown one suggests near names."""
        if name not in self._by_name:
            raise FunctionError(
                f"there is no function {name!r} in {self.name}{_nearest(name, self._by_name)}"
            )
        return self._by_name[name]

    def __or__(self, other: "FunctionSet") -> "FunctionSet":
        """Join two sets; a function that both define alike is kept once."""
        for function in other:
            if function.name in self and self[function.name] != function:
                raise FunctionError(
                    f"{self.name} and {other.name} define {function.name!r} differently: "
                    "rename one, or load one of the sets"
                )
        names = dict.fromkeys([*self.name.split("+"), *other.name.split("+")])
        return FunctionSet(
            name="+".join(names),
            functions=(*self.functions, *(f for f in other if f.name not in self)),
        )

    def to_openai(self) -> list[dict[str, Any]]:
        """Return the functions in the OpenAI tools format."""
        return [function.to_openai() for function in self.functions]

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that identify the functions and their order, not the name."""
        canonical = json.dumps(self.to_openai(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def shipped_function_sets() -> tuple[str, ...]:
    """Return the names of the function sets that ship with octoplan."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.json")))


def load_function_set(source: str | Path) -> FunctionSet:
    """Load one function set.

    Args:
        source: The name of a set that ships; the path of a .json file in the OpenAI tools format;
            the path of an OpenAPI 3 document, a .json, .yaml or .yml file; the path of a .py file,
            or the dotted name of a module that can be imported, whose public functions are the set;
            or an MCP server, "mcp:COMMAND …" or its http or https address, whose tools are.

    Raises:
        FunctionError: If there is no such set, or it cannot be read; the message says where.
    """
    path = Path(source)
    if source in shipped_function_sets():
        name, functions = str(source), _read_json(_SHIPPED / f"{source}.json")
    elif isinstance(source, str) and re.match("mcp:|https?://", source):
        from octoplan.sources import functions_of_server

        return functions_of_server(source)
    elif path.suffix == ".json":
        name, functions = path.stem, _read_json(path)
    elif path.suffix in (".yaml", ".yml"):
        from octoplan.sources import functions_of_yaml

        name, functions = path.stem, functions_of_yaml(str(path), read_text(path))
    elif path.suffix == ".py":
        from octoplan.callables import functions_of_file

        name, functions = path.stem, functions_of_file(path)
    elif isinstance(source, str) and re.fullmatch(r"\w+(\.\w+)+", source):
        from octoplan.callables import functions_of_module

        name, functions = source.rpartition(".")[2], functions_of_module(source)
    else:
        shipped = shipped_function_sets()
        raise FunctionError(
            f"there is no function set {str(source)!r}{_nearest(str(source), shipped)}: "
            f"use {', '.join(shipped)}, a .json or .py file, or a module such as package.module"
        )
    if not functions:
        raise FunctionError(f"{source} holds no functions: add at least one public function")
    try:
        return FunctionSet(name=name, functions=tuple(functions))
    except FunctionError as error:
        raise FunctionError(f"{source}: {error}") from None


def load_function_sets(sources: str | Iterable[str | Path]) -> FunctionSet:
    """Load function sets and join them into one.

    Args:
        sources: What `load_function_set` reads, several in a list or separated by commas; or
            "all", the sets that ship.

    Raises:
        FunctionError: If one cannot be loaded, none is given, or two define a name differently.
    """
    if sources == "all":
        sources = shipped_function_sets()
    elif isinstance(sources, str):
        sources = [source.strip() for source in sources.split(",") if source.strip()]
    loaded = [load_function_set(source) for source in sources]
    if not loaded:
        raise FunctionError(
            f"no function set is given: use all, or some of {', '.join(shipped_function_sets())}"
        )
    return reduce(or_, loaded)


def _read_json(path: Path) -> list[Function]:
    try:
        tools = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FunctionError(
            f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from error
    if isinstance(tools, dict) and "openapi" in tools:
        from octoplan.sources import functions_of_openapi

        return functions_of_openapi(str(path), tools)
    if not isinstance(tools, list):
        raise FunctionError(f"{path} must hold a list of functions in the OpenAI tools format")
    functions = []
    for number, tool in enumerate(tools, 1):
        try:
            functions.append(Function.from_openai(tool))
        except FunctionError as error:
            raise FunctionError(f"{path}, entry {number}: {error}") from None
    return functions


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        FunctionError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FunctionError(f"there is no file {path}: check the path") from None
    except OSError as error:
        raise FunctionError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FunctionError(f"{path} is not UTF-8 text: save it as UTF-8") from error


@cache
def _validator(schema: str) -> "Draft202012Validator":
    # Importing jsonschema takes longer than loading every function set that ships.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _canonical_schema(where: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Check that a schema is in the supported subset and write it in the one canonical form."""
    if schema.get("type") != "object":
        raise FunctionError(f"{where}: parameters must be a JSON Schema of type object")
    _refuse_other_keywords(where, schema, (*_OBJECT_KEYWORDS, "description", "$schema"))
    if schema.get("additionalProperties", False) is not False:
        raise FunctionError(f"{where}: additionalProperties must be false: list every parameter")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise FunctionError(f"{where}: properties must map each parameter to its schema")
    required = schema.get("required", [])
    if not isinstance(required, (list, tuple)):
        raise FunctionError(f"{where}: required must be a list of parameter names")
    for name in required:
        if name not in properties:
            raise FunctionError(f"{where}, parameter {name!r}: required, but not in properties")
    return {
        "type": "object",
        "properties": {
            name: _canonical_property(f"{where}, parameter {name!r}", property_)
            for name, property_ in properties.items()
        },
        "required": [name for name in properties if name in required],
        "additionalProperties": False,
    }


def _canonical_property(where: str, schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise FunctionError(f"{where}: must be a JSON Schema such as {{'type': 'string'}}")
    kind = schema.get("type")
    if kind not in TYPES.values():
        kinds = "string, integer, number or boolean"
        raise FunctionError(f"{where}: type must be {kinds}, not {json.dumps(kind)}")
    _refuse_other_keywords(where, schema, _PARAMETER_KEYWORDS)
    if not isinstance(schema.get("description", ""), str):
        raise FunctionError(f"{where}: description must be text")
    if "enum" in schema:
        _check_enum(where, schema)
    _check_bounds(where, schema)
    return {key: copy.copy(schema[key]) for key in _PARAMETER_KEYWORDS if key in schema}


def _refuse_other_keywords(
    where: str, schema: Mapping[str, Any], supported: tuple[str, ...]
) -> None:
    for keyword in schema:
        if keyword not in supported and keyword not in _IGNORED_KEYWORDS:
            raise FunctionError(
                f"{where}: {keyword!r} is not supported: use only {', '.join(supported)}"
            )


def _check_enum(where: str, schema: Mapping[str, Any]) -> None:
    enum = schema["enum"]
    texts = isinstance(enum, list) and all(isinstance(value, str) for value in enum)
    if schema["type"] != "string" or not texts or not enum or len(set(enum)) < len(enum):
        raise FunctionError(f"{where}: enum must be a list of different strings, of type string")


def _check_bounds(where: str, schema: Mapping[str, Any]) -> None:
    bounds = [schema[key] for key in ("minimum", "maximum") if key in schema]
    if bounds and schema["type"] not in ("integer", "number"):
        raise FunctionError(f"{where}: minimum and maximum are for type integer or number only")
    if any(isinstance(bound, bool) or not isinstance(bound, (int, float)) for bound in bounds):
        raise FunctionError(f"{where}: minimum and maximum must be numbers")
    if bounds != sorted(bounds):
        raise FunctionError(f"{where}: minimum must not be above maximum")


def _expected(schema: Mapping[str, Any]) -> str:
    """Say in words which values a parameter takes."""
    if "enum" in schema:
        return "one of " + ", ".join(
            json.dumps(value, ensure_ascii=False) for value in schema["enum"]
        )
    kinds = {"string": "text", "boolean": "true or false", "integer": "a whole number"}
    words = kinds.get(schema["type"], "a number")
    match schema.get("minimum"), schema.get("maximum"):
        case None, None:
            return words
        case least, None:
            return f"{words} of at least {least}"
        case None, most:
            return f"{words} of at most {most}"
        case least, most:
            return f"{words} from {least} to {most}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known))
    return f" (did you mean {' or '.join(near)}?)" if near else ""
