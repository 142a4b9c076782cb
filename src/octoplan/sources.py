"""Functions from OpenAPI documents, and from MCP servers that run.

    load_function_set("petstore.yaml")               # OpenAPI 3, in YAML or JSON
    load_function_set("mcp:python notes_server.py")  # a server that is started, over stdio
    load_function_set("https://example.org/mcp")     # one that runs, over streamable HTTP

Each operation, and each tool, becomes a function. Their schemas can say more than a function's:
what describes a value, or how its text is made, is dropped, and a parameter that may be null is
optional. Whatever else a function cannot say is left out where it is optional, and refused where it
is required.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from octoplan.functions import Function, FunctionError, FunctionSet, Hints
from octoplan.plans import one_line

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n\s*\n")

_METHODS = {
    "get": Hints(read_only=True),
    "head": Hints(read_only=True),
    "put": Hints(idempotent=True),
    "post": Hints(),
    "patch": Hints(),
    "delete": Hints(destructive=True, idempotent=True),
}

_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\b|\*/\*")

_BEYOND = ("anyOf", "oneOf", "not", "if", "multipleOf", "$dynamicRef")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_MEANING = ("type", "enum", "const", *_BOUNDS, *_BEYOND)  # what two parts must not say differently


def functions_of_server(source: str) -> FunctionSet:
    """Read the functions of an MCP server, as ``octoplan.devices.mcp.McpDevice`` has them."""
    from octoplan.devices.mcp import McpDevice

    with McpDevice(source) as server:
        return server.functions


def snake_case(text: str) -> str:
    """A name for a function: "listPets" and "list-pets" are list_pets; "" where nothing is left."""
    name = "_".join(re.findall(r"[a-z0-9]+", _CAMEL.sub("_", text).lower()))
    return ("_" + name if name[:1].isdigit() else name)[:64].rstrip("_")


@contextmanager
def at(where: str) -> Iterator[None]:
    """Says in an error where it is."""
    try:
        yield
    except (FunctionError, _Unsayable) as error:
        raise FunctionError(f"{where}: {error}") from None
    except RecursionError:
        raise FunctionError(f"{where}: a $ref leads back to itself: correct it") from None


# ---------------------------------------------------------------- schemas


class _Unsayable(ValueError):
    """Why a function cannot have a parameter."""


class Schemas:
    """Reads the schemas of one document, in which its references are looked up."""

    def __init__(self, document: Any) -> None:
        self._document = document

    def resolved(self, part: Any) -> dict[str, Any]:
        """A part of the document, with what its `$ref` and its `allOf` say joined into it."""
        if not isinstance(part, Mapping):
            raise _Unsayable("must be an object")
        own = dict(part)
        others = _items(own.pop("allOf", []))
        if "$ref" in own:
            others = [self._referred(str(own.pop("$ref"))), *others]
        joined: dict[str, Any] = {}
        for other in others:
            joined = _joined(joined, self.resolved(other))
        return _joined(joined, own)

    def _referred(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise _Unsayable(f"{reference} is outside the document")
        part = self._document
        try:
            for step in unquote(reference[2:]).split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                part = part[int(step) if isinstance(part, list) else step]
        except (LookupError, TypeError, ValueError):
            raise FunctionError(f"there is no {reference}: correct the $ref, or add it") from None
        return part

    def members(self, schema: Any) -> Iterator[tuple[str, Any, bool]]:
        """The properties of an object: the name and schema of each, and whether it is required."""
        schema, _ = self._without_null(schema)
        kind = schema.get("type", "object" if "properties" in schema else None)
        _refuse_beyond(schema)
        if kind != "object":
            raise _Unsayable(f"must be an object, not {json.dumps(kind)}")
        properties = schema.get("properties", {})
        if not isinstance(properties, Mapping):
            raise _Unsayable("its properties must be an object")
        required = [name for name in _items(schema.get("required")) if isinstance(name, str)]
        for name in dict.fromkeys([*properties, *required]):
            yield name, properties.get(name), name in required

    def parameters(
        self, where: str, given: Iterable[tuple[str, Any, bool]], otherwise: str
    ) -> dict[str, Any]:
        """The parameters of a function: of those that are given all that it can say.

        Args:
            where: The function, for messages.
            given: The name and schema of each, and whether it is required.
            otherwise: What else to do about a required one that it cannot say.
        """
        properties: dict[str, dict[str, Any]] = {}
        required = []
        for name, schema, needed in given:
            try:
                schema, nullable = self._without_null(schema)
                needed = needed and not nullable
                if schema.get("readOnly") is True:  # the server sets it
                    continue
                said = _said(schema)
            except _Unsayable as reason:
                if needed:
                    raise FunctionError(
                        f"{where}, parameter {name!r}: {reason}: make it optional, or {otherwise}"
                    ) from None
                continue
            # One name in path and body is one parameter, as in PUT /pets/{id}.
            if properties.setdefault(name, said)["type"] != said["type"]:
                raise FunctionError(f"{where}, parameter {name!r}: has two types: rename one")
            if needed:
                required.append(name)
        return {"type": "object", "properties": properties, "required": required}

    def _without_null(self, schema: Any) -> tuple[dict[str, Any], bool]:
        """A schema, resolved, without the null that it admits; and whether it admits it."""
        schema = self.resolved(schema)
        nullable = schema.pop("nullable", False) is True
        for keyword in ("anyOf", "oneOf"):
            if keyword not in schema:
                continue
            choices = [self.resolved(choice) for choice in _items(schema.pop(keyword))]
            others = [choice for choice in choices if choice.get("type") != "null"]
            nullable |= len(others) < len(choices)
            if len(others) == 1:
                inner, inner_nullable = self._without_null(others[0])
                schema, nullable = _joined(inner, schema), nullable or inner_nullable
            else:
                schema[keyword] = others
        if isinstance(kinds := schema.get("type"), list):
            others = [kind for kind in kinds if kind != "null"]
            nullable |= len(others) < len(kinds)
            schema["type"] = others[0] if len(others) == 1 else others
        if isinstance(enum := schema.get("enum"), list) and None in enum:
            nullable, schema["enum"] = True, [value for value in enum if value is not None]
        return schema, nullable


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both say; where they describe differently, the other's words."""
    joined = one | other
    for key in one.keys() & other.keys():
        mine, its = one[key], other[key]
        if key == "properties" and isinstance(mine, Mapping) and isinstance(its, Mapping):
            both = {name: {"allOf": [mine[name], its[name]]} for name in mine if name in its}
            joined[key] = {**mine, **its, **both}
        elif key == "required":
            joined[key] = [*_items(mine), *_items(its)]
        elif key in _MEANING and mine != its:
            raise _Unsayable(f"allOf gives it two different {key}")
    return joined


def _refuse_beyond(schema: Mapping[str, Any]) -> None:
    for keyword in _BEYOND:
        if keyword in schema:
            raise _Unsayable(f"{keyword} is not supported")


def _said(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema, with the keywords that a function knows."""
    _refuse_beyond(schema)
    enum = [schema["const"]] if "const" in schema else schema.get("enum")
    texts = isinstance(enum, list) and enum and all(isinstance(value, str) for value in enum)
    kind = schema.get("type", "string" if texts else None)
    if kind not in ("string", "integer", "number", "boolean"):
        kinds = "string, integer, number or boolean"
        raise _Unsayable(f"type must be {kinds}, not {json.dumps(kind)}")
    said: dict[str, Any] = {"type": kind}
    if schema.get("description"):
        said["description"] = one_line(str(schema["description"]))
    if enum is not None:
        if not texts or kind != "string":
            raise _Unsayable("enum must be a list of strings, of type string")
        said["enum"] = list(dict.fromkeys(enum))
    if kind in ("integer", "number"):
        said |= _bounds(schema, kind == "integer")
    return said


def _bounds(schema: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    """The bounds of a number. Below an exclusive one of a whole number is the next whole number.

    Any other number has no next one, so the bound itself stays in: the server refuses it.
    """
    bounds: dict[str, Any] = {}
    for key in _BOUNDS:
        bound = schema.get(key, False)
        if bound is True:  # OpenAPI 3.0's way to say that the minimum is exclusive
            bound = schema.get(key.removeprefix("exclusive").lower())
        if bound is False:
            continue
        if type(bound) not in (int, float) or not math.isfinite(bound):
            raise _Unsayable(f"{key} must be a number")
        low = key in ("minimum", "exclusiveMinimum")
        if whole and key.startswith("exclusive"):
            bound = math.floor(bound) + 1 if low else math.ceil(bound) - 1
        end, tighter = ("minimum", max) if low else ("maximum", min)
        bounds[end] = tighter(bounds.get(end, bound), bound)
    return bounds


# ---------------------------------------------------------------- OpenAPI


class _Part(BaseModel):
    """What is read of a part of a document; whatever else it holds is ignored."""

    model_config = ConfigDict(alias_generator=to_camel, coerce_numbers_to_str=True)

    @classmethod
    def read(cls, part: dict[str, Any]) -> Self:
        """Read it; what is null, as an empty line of YAML is, is not there."""
        try:
            return cls.model_validate({k: v for k, v in part.items() if v is not None})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise FunctionError(f"{field}: {one_line(first['msg'])}") from None


class _Operation(_Part):
    operation_id: str = ""
    summary: str = ""
    description: str = ""
    parameters: list[Any] = []
    request_body: Any = {}
    responses: dict[str, Any] = {}


class _Parameter(_Part):
    name: str
    place: str = Field(alias="in")
    description: str = ""
    required: bool = False
    definition: Any = Field(None, alias="schema")


def functions_of_yaml(path: str, text: str) -> list[Function]:
    """Read an OpenAPI document in YAML, as ``functions_of_openapi`` does."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads on, off, yes and no as text, as YAML 1.2 does: they are values of many an enum."""

    boolean = "tag:yaml.org,2002:bool"
    Loader.yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != boolean]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(boolean, re.compile("^(?:true|false)$"), ["t", "f"])
    try:
        # Through JSON, so that keys such as 200 and values such as dates are text.
        document = json.loads(json.dumps(yaml.load(text, Loader), default=str))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise FunctionError(f"{path} is not YAML: {one_line(str(error))}") from error
    return functions_of_openapi(path, document)


def functions_of_openapi(path: str, document: Any) -> list[Function]:
    """Make a function of each operation of an OpenAPI 3 document, which is read from a path.

    Its parameters are those of path and query, and the properties of a JSON request body; those of
    headers and cookies are not a matter of what is asked for.

    Raises:
        FunctionError: It is not such a document, or an operation cannot be a function.
    """
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise FunctionError(f"{path} must be an OpenAPI 3 document: convert it to one")
    schemas = Schemas(document)
    functions: dict[str, Function] = {}
    operations: dict[str, str] = {}
    with at(path):
        for where, operation, hints in _operations(schemas, document.get("paths")):
            name = snake_case(operation.operation_id) or snake_case(where)
            if name in functions:
                both = f"{operations[name]} and {where} are both called {name!r}"
                raise FunctionError(f"{both}: change the operationId of one")
            operations[name] = where
            with at(where):
                functions[name] = _function_of_operation(schemas, name, operation, hints)
    return list(functions.values())


def _operations(schemas: Schemas, paths: Any) -> Iterator[tuple[str, _Operation, Hints]]:
    """Each operation as "GET /pets", with its path's parameters after its own, and its hints."""
    for path, item in schemas.resolved(paths).items():
        if not path.startswith("/"):  # an extension
            continue
        with at(path):
            item = schemas.resolved(item)
        for method, hints in _METHODS.items():
            if method in item:
                where = f"{method.upper()} {path}"
                with at(where):
                    operation = _Operation.read(schemas.resolved(item[method]))
                operation.parameters += _items(item.get("parameters"))
                yield where, operation, hints


def _function_of_operation(
    schemas: Schemas, name: str, operation: _Operation, hints: Hints
) -> Function:
    does = operation.summary or _SENTENCE_END.split(operation.description.strip())[0]
    if not one_line(does):
        raise FunctionError("add a summary that says what it does")
    where, otherwise = f"function {name!r}", "leave the operation out of the document"
    given = [*_in_url(schemas, operation), *_in_body(schemas, operation, where, otherwise)]
    returns = ""
    with suppress(_Unsayable):
        answers = operation.responses
        response = schemas.resolved(answers.get("200", answers.get("201")))
        returns = one_line(str(response.get("description") or ""))
    return Function(
        name=name,
        description=one_line(does),
        parameters=schemas.parameters(where, given, otherwise),
        returns=returns,
        hints=hints,
    )


def _in_url(schemas: Schemas, operation: _Operation) -> Iterator[tuple[str, Any, bool]]:
    """The parameters of path and query."""
    seen = set()  # an operation's own parameters come before its path's
    for part in operation.parameters:
        parameter = _Parameter.read(schemas.resolved(part))
        name, place = parameter.name, parameter.place
        if place in ("path", "query") and (name, place) not in seen:
            seen.add((name, place))
            described = {"description": parameter.description} if parameter.description else {}
            schema = {"allOf": [parameter.definition], **described}
            yield name, schema, parameter.required or place == "path"


def _in_body(
    schemas: Schemas, operation: _Operation, where: str, otherwise: str
) -> list[tuple[str, Any, bool]]:
    """The properties of the request body.

    What its schema requires is required even where the body as a whole is not: documents often
    forget to say that it is.
    """
    body = schemas.resolved(operation.request_body)
    try:
        for kind, media in schemas.resolved(body.get("content")).items():
            if _JSON.match(kind):
                return list(schemas.members(schemas.resolved(media).get("schema")))
        raise _Unsayable("must be JSON")
    except _Unsayable as reason:
        if body.get("required") is True:
            where = f"{where}, its request body"
            raise FunctionError(f"{where}: {reason}: make it optional, or {otherwise}") from None
        return []
