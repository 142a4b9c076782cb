"""OpenAPI documents as sources of functions."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_cli import error, invoke
from test_functions import message

from octoplan.functions import Function, FunctionError, FunctionSet, Hints, load_function_set
from octoplan.sources import functions_of_openapi, snake_case

PETSTORE = """
openapi: 3.0.3
info: {title: Pets, version: 1.0}
paths:
  /pets:
    get:
      operationId: listPets
      summary: List the pets of the shop
      parameters:
        - $ref: '#/components/parameters/limit'
        - {name: status, in: query, schema: {$ref: '#/components/schemas/Status'}}
        - {name: tags, in: query, schema: {type: array, items: {type: string}}}
        - {name: X-Trace, in: header, required: true, schema: {type: string}}
      responses:
        200: {description: "the pets,\\n one a line", content: {application/json: {}}}
    post:
      operationId: add-pet
      description: |
        Add a pet to the shop, e.g. a cat. It is on sale at once.

        Only for the staff.
      requestBody:
        required: true
        content:
          application/json; charset=utf-8:
            schema: {$ref: '#/components/schemas/Pet'}
      responses:
        201: {$ref: '#/components/responses/Added'}
  /pets/{petId}:
    parameters:
      - {name: petId, in: path, description: Which pet, schema: {type: integer, format: int64}}
      - {name: verbose, in: query, required: true, schema: {type: boolean}}
    get:
      operationId: GETPetByID
      summary: Find a pet
      parameters:
        - {name: verbose, in: query, schema: {type: boolean, default: false}}
    put:
      operationId: update_pet
      summary: Change a pet
      requestBody:
        content:
          application/merge-patch+json:
            schema: {properties: {petId: {type: integer}, name: {type: string, nullable: true}}}
    delete:
      summary: Remove a pet
      requestBody: {content: {text/plain: {schema: {type: string}}}}
    head: {operationId: 2ndLook, summary: Look whether a pet is there}
    x-internal: true
components:
  parameters:
    limit:
      name: limit
      in: query
      description: How many
      schema: {type: integer, minimum: 0, exclusiveMinimum: true, maximum: 100, example: 20}
  responses:
    Added: {description: the new pet}
  schemas:
    Status: {type: string, enum: [on, off, no], description: Whether it is on sale}
    NewPet:
      type: object
      required: [name, price, photo]
      properties:
        name: {type: string, minLength: 1, maxLength: 20, pattern: '^\\w+$', xml: {name: n}}
        price: {type: number, minimum: 0, exclusiveMinimum: true}
        photo: {type: array, nullable: true, items: {type: string}}
        owner: {type: object, properties: {name: {type: string}}}
        born: {type: string, format: date, example: 2020-01-01}
    Pet:
      allOf:
        - $ref: '#/components/schemas/NewPet'
        - type: object
          required: [id, status]
          properties:
            id: {type: integer, readOnly: true}
            status: {allOf: [{$ref: '#/components/schemas/Status'}], default: off}
            name: {description: What it is called}
"""


def object_of(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


STATUS = {"type": "string", "enum": ["on", "off", "no"], "description": "Whether it is on sale"}
PET_ID = {"type": "integer", "description": "Which pet"}


@pytest.fixture
def petstore(tmp_path: Path) -> Path:
    path = tmp_path / "petstore.yaml"
    path.write_text(PETSTORE)
    return path


def document(*parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document of one operation, whose body has these properties, all required."""
    schema = {
        "type": "object",
        "properties": {parameter["name"]: parameter["schema"] for parameter in parameters},
        "required": [parameter["name"] for parameter in parameters if parameter.get("required")],
    }
    operation = {
        "operationId": "f",
        "summary": "Do it.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }
    return {"openapi": "3.1.0", "paths": {"/f": {"post": operation | more}}}


def parameter(schema: Any, required: bool = False) -> Any:
    """What becomes of a property x of a request body: its schema and whether it is required."""
    x = {"name": "x", "schema": schema, "required": required}
    (function,) = functions_of_openapi("f.yaml", document(x))
    return function.parameters["properties"].get("x"), "x" in function.required


# ---------------------------------------------------------------- documents


def test_operations_become_functions(petstore: Path) -> None:
    functions = load_function_set(petstore)
    assert functions.name == "petstore"
    limit = {"type": "integer", "description": "How many", "minimum": 1, "maximum": 100}
    assert functions["list_pets"] == Function(
        name="list_pets",
        description="List the pets of the shop",
        parameters=object_of("", limit=limit, status=STATUS),
        returns="the pets, one a line",
        hints=Hints(read_only=True),
    )
    name = {"type": "string", "description": "What it is called"}
    price = {"type": "number", "minimum": 0}
    assert functions["add_pet"] == Function(
        name="add_pet",
        description="Add a pet to the shop, e.g. a cat.",
        parameters=object_of(
            "name price status", name=name, price=price, born={"type": "string"}, status=STATUS
        ),
        returns="the new pet",
    )
    verbose = {"type": "boolean"}
    assert functions["get_pet_by_id"].parameters == object_of(
        "petId", verbose=verbose, petId=PET_ID
    )
    assert functions["update_pet"].parameters == object_of(
        "petId verbose", petId=PET_ID, verbose=verbose, name={"type": "string"}
    )
    assert functions["update_pet"].hints == Hints(idempotent=True)
    assert functions["delete_pets_pet_id"].hints == Hints(destructive=True, idempotent=True)
    assert functions["_2nd_look"].hints == Hints(read_only=True)
    assert len(functions) == 6


def test_json_reads_the_same_as_yaml(petstore: Path, tmp_path: Path) -> None:
    quoted = PETSTORE.replace("[on, off, no]", "['on', 'off', 'no']")
    text = json.dumps(yaml.safe_load(quoted), default=str)
    for name in ("petstore.json", "petstore.yml"):
        (tmp_path / name).write_text(text)
        assert load_function_set(tmp_path / name) == load_function_set(str(petstore))


def test_the_command_shows_an_operation(petstore: Path) -> None:
    shown = invoke("functions", petstore)
    assert shown.exit_code == 0, shown.output
    assert "get_pet_by_id" in shown.stdout
    petstore.write_text(PETSTORE.replace("nullable: true, items", "items"))
    assert "parameter 'photo'" in error(invoke("functions", petstore))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "photo: {type: array, nullable: true, ",
            "photo: {type: array, ",
            "POST /pets: function 'add_pet', parameter 'photo': type must be string, integer, "
            'number or boolean, not "array": make it optional, or leave the operation out of the '
            "document",
        ),
        (
            "text/plain: {schema: {type: string}}}",
            "text/plain: {}}, required: true",
            "DELETE /pets/{petId}: function 'delete_pets_pet_id', its request body: must be JSON: "
            "make it optional, or leave the operation out of the document",
        ),
        ("summary: Find a pet", "", "GET /pets/{petId}: add a summary that says what it does"),
        (
            "operationId: add-pet",
            "operationId: list_pets",
            "GET /pets and POST /pets are both called 'list_pets': change the operationId of one",
        ),
        (
            "'#/components/responses/Added'",
            "'#/components/Added'",
            "POST /pets: there is no #/components/Added: correct the $ref, or add it",
        ),
        (
            "properties: {petId: {type: integer}",
            "properties: {petId: {type: string}",
            "PUT /pets/{petId}: function 'update_pet', parameter 'petId': has two types: "
            "rename one",
        ),
        (
            "  /pets:\n    get:",
            "  /pets: 3\n  /more:\n    get:",
            "/pets: must be an object",
        ),
        (
            "{type: integer, minimum: 0, exclusiveMinimum: true, maximum: 100, example: 20}",
            "{type: integer, minimum: 9, maximum: 5}",
            "GET /pets: function 'list_pets', parameter 'limit': minimum must not be above maximum",
        ),
        (
            "{name: status, in: query,",
            "{in: query,",
            "GET /pets: name: Field required",
        ),
        (
            "type: object\n          required: [id, status]",
            "$ref: '#/components/schemas/Pet'\n          required: [id, status]",
            "POST /pets: a $ref leads back to itself: correct it",
        ),
    ],
)
def test_what_is_wrong_with_an_operation_is_told(
    petstore: Path, old: str, new: str, problem: str
) -> None:
    assert PETSTORE.count(old) == 1
    petstore.write_text(PETSTORE.replace(old, new))
    assert message(load_function_set, petstore) == f"{petstore}: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "is not YAML: while parsing a flow sequence"),
        ("a: &a [*a]", "is not YAML: Circular reference"),
        ("a: \x00", "is not YAML: unacceptable character"),
        ("", "must be an OpenAPI 3 document: convert it to one"),
        ("[]", "must be an OpenAPI 3 document: convert it to one"),
        ("swagger: '2.0'", "must be an OpenAPI 3 document: convert it to one"),
        ("openapi: 2.0.0", "must be an OpenAPI 3 document: convert it to one"),
        ("openapi: 3.1.0", ": must be an object"),
        ("openapi: 3.1\npaths: {}", "holds no functions"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    told = message(load_function_set, path)
    assert told.startswith(str(path)) and problem in told
    assert message(load_function_set, tmp_path / "gone.yml") == (
        f"there is no file {tmp_path / 'gone.yml'}: check the path"
    )


# ---------------------------------------------------------------- schemas

TEXT, WHOLE, NUMBER = ({"type": kind} for kind in ("string", "integer", "number"))
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"anyOf": [TEXT, NULL], "default": None}, (TEXT, False)),
        ({"oneOf": [NULL, WHOLE | {"minimum": 1}]}, (WHOLE | {"minimum": 1}, False)),
        ({"anyOf": [{"anyOf": [TEXT, NULL]}]}, (TEXT, False)),
        ({"anyOf": [TEXT], "description": "a\n b"}, (TEXT | {"description": "a b"}, True)),
        ({"type": ["string", "null"]}, (TEXT, False)),
        ({"type": ["integer"]}, (WHOLE, True)),
        (TEXT | {"nullable": True}, (TEXT, False)),
        ({"enum": ["a", None, "b", "a"]}, (TEXT | {"enum": ["a", "b"]}, False)),
        (TEXT | {"const": "a"}, (TEXT | {"enum": ["a"]}, True)),
        ({"const": "a"}, (TEXT | {"enum": ["a"]}, True)),
        ({"anyOf": [{"type": "array"}, NULL]}, (None, False)),
        ({"anyOf": [TEXT, WHOLE, NULL]}, (None, False)),
        (WHOLE | {"exclusiveMinimum": 0, "exclusiveMaximum": 10}, ("1 to 9", True)),
        (WHOLE | {"exclusiveMinimum": 0.5, "exclusiveMaximum": 9.5}, ("1 to 9", True)),
        (WHOLE | {"exclusiveMinimum": 0, "minimum": 1, "maximum": 9}, ("1 to 9", True)),
        (WHOLE | {"minimum": 0, "exclusiveMinimum": True, "maximum": 9}, ("1 to 9", True)),
        (NUMBER | {"exclusiveMinimum": 0}, (NUMBER | {"minimum": 0}, True)),
        (TEXT | {"minimum": 3, "x-order": 1, "$comment": "c", "deprecated": True}, (TEXT, True)),
        (TEXT | {"readOnly": True}, (None, False)),
        ({"allOf": [TEXT, {"enum": ["a"]}]}, (TEXT | {"enum": ["a"]}, True)),
    ],
)
def test_what_generators_write_is_understood(schema: dict[str, Any], said: Any) -> None:
    if said[0] == "1 to 9":
        said = (WHOLE | {"minimum": 1, "maximum": 9}, said[1])
    before = deepcopy(schema)
    assert parameter(schema, required=True) == said
    assert parameter(schema) == (said[0], False)
    assert schema == before


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "array"}, 'type must be string, integer, number or boolean, not "array"'),
        ({"type": "object"}, 'type must be string, integer, number or boolean, not "object"'),
        ({"type": ["string", "integer"]}, "type must be string, integer, number or boolean, not ["),
        ({}, "type must be string, integer, number or boolean, not null"),
        (True, "must be an object"),
        ({"oneOf": [TEXT, WHOLE]}, "oneOf is not supported"),
        ({"anyOf": [TEXT, WHOLE]}, "anyOf is not supported"),
        (WHOLE | {"multipleOf": 5}, "multipleOf is not supported"),
        (WHOLE | {"enum": [1, 2]}, "enum must be a list of strings, of type string"),
        ({"const": 1}, "type must be"),
        (TEXT | {"enum": []}, "enum must be a list of strings, of type string"),
        ({"allOf": [TEXT, WHOLE]}, "allOf gives it two different type"),
        (WHOLE | {"maximum": "9"}, "maximum must be a number"),
        ({"$ref": "other.yaml#/X"}, "other.yaml#/X is outside the document"),
    ],
)
def test_what_cannot_be_said_is_left_out_or_refused(schema: Any, problem: str) -> None:
    assert parameter(schema) == (None, False)
    told = message(parameter, schema, required=True)
    assert told.startswith(f"f.yaml: POST /f: function 'f', parameter 'x': {problem}")
    assert told.endswith(": make it optional, or leave the operation out of the document")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "array", "items": TEXT},
        {"oneOf": [{"type": "object"}]} | {"not": {}},
        {"type": "object", "properties": []},
        None,
    ],
)
def test_a_body_that_is_no_object_is_left_out_or_refused(body: Any) -> None:
    def read(required: bool) -> list[Function]:
        media = {"application/json": {"schema": body}}
        content = {"required": required, "content": media}
        return functions_of_openapi("f.yaml", document(requestBody=content))

    assert read(False)[0].parameters["properties"] == {}
    assert "POST /f: function 'f', its request body: " in message(read, True)


def test_references_reach_every_part() -> None:
    read = document(
        {"name": "x", "schema": {"$ref": "#/paths/~1f%7Bid%7D/get/parameters/0/schema"}}
    )
    listed = {"name": "id", "in": "path", "schema": WHOLE}
    read["paths"]["/f{id}"] = {"get": {"summary": "Get it.", "parameters": [listed]}}
    read["paths"]["/g"] = {"$ref": "#/paths/~1f%7Bid%7D"}
    read["paths"]["/g"]["x-note"] = "beside"
    functions = functions_of_openapi("f.yaml", read)
    assert [function.name for function in functions] == ["f", "get_f_id", "get_g"]
    assert functions[0].parameters["properties"] == {"x": WHOLE}
    assert functions[2].required == ("id",)


# ---------------------------------------------------------------- any input


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("listPets", "list_pets"),
        ("list-pets", "list_pets"),
        ("getHTTPStatus2", "get_http_status2"),
        ("oauth2Token", "oauth2_token"),
        ("read_item_items__item_id__get", "read_item_items_item_id_get"),
        ("GET /pets/{petId}", "get_pets_pet_id"),
        ("2fa", "_2fa"),
        ("x" * 70, "x" * 64),
        ("…", ""),
    ],
)
def test_names_are_made_valid(text: str, name: str) -> None:
    assert snake_case(text) == name


@given(st.text(), st.sampled_from(["get", "post"]))
def test_any_operation_id_gives_a_valid_name(text: str, method: str) -> None:
    name = snake_case(text)
    assert snake_case(name) == name
    operation = {"operationId": text, "summary": "Do it."}
    read = {"openapi": "3.0.0", "paths": {"/f": {method: operation}}}
    (function,) = functions_of_openapi("f.yaml", read)  # which checks the name
    assert function.name == (name or f"{method}_f")


@given(st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=1, max_size=5))
def test_words_stay_words(words: list[str]) -> None:
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    assert snake_case(camel) == snake_case("-".join(words)) == "_".join(words)


KEYWORDS = (
    "type properties required enum const anyOf oneOf allOf not nullable minimum maximum readOnly "
    "exclusiveMinimum exclusiveMaximum $ref description"
)
VALUES = "string integer number boolean object array null x #/paths #/x #/paths/~1f/post y.yaml"
keywords, values = st.sampled_from(KEYWORDS.split()), st.sampled_from(VALUES.split())
scalars = st.none() | st.booleans() | st.integers() | st.floats() | values
schemas = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keywords, inner | scalars, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(schemas, st.booleans())
def test_any_schema_is_read_or_refused_in_one_line(schema: Any, required: bool) -> None:
    reads = [document({"name": "x", "schema": schema, "required": required})]
    reads.append(
        document(requestBody={"required": required, "content": {"*/*": {"schema": schema}}})
    )
    reads.append(document(parameters=[{"name": "x", "in": "query", "schema": schema}]))
    reads.append(document(parameters=schema, responses=schema))
    reads.append({"openapi": "3.0.0", "paths": {"/f": schema}})
    for read in reads:
        try:
            FunctionSet(name="f", functions=tuple(functions_of_openapi("f.yaml", read)))
        except FunctionError as problem:
            assert "\n" not in str(problem)
