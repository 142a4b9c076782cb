"""The action model: calls are valid and grounded whatever the step says; references are right."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoplan.action import ActionModel
from octoplan.functions import Function, FunctionSet
from octoplan.models.adapters import Symbol
from octoplan.plans import Step, one_line


@pytest.fixture(scope="module")
def action(models) -> ActionModel:
    return ActionModel(models.engine, models.action)


@pytest.mark.parametrize(
    ("text", "function", "arguments"),
    [
        ("Set the screen brightness to 80%", "set_screen_brightness", {"percent": 80}),
        ("Turn the Wi-Fi off", "set_wifi", {"enabled": False}),
        ("Turn the garage lights on", "set_light", {"room": "garage", "state": "on"}),
        ("Take a screenshot", "take_screenshot", {}),
        (
            "Text Baptiste: dinner at eight",
            "send_text_message",
            {"contact_name": "Baptiste", "message": "dinner at eight"},
        ),
    ],
)
def test_a_step_becomes_its_call(action, text, function, arguments):
    result = action.act(text)
    assert result.problems == ()
    assert result.call is not None
    assert (result.call.function, result.call.arguments) == (function, arguments)
    assert 0 < result.probability <= 1


@pytest.mark.parametrize(
    ("texts", "arguments"),
    [
        (
            [
                "Set the screen brightness to 80%",
                "Find my tax return",
                "Email the tax return to Ama",
            ],
            {"recipient": "Ama", "attachment": "$2"},
        ),
        (
            ["Find the presentation", "Take a screenshot", "Email the screenshot to Ama"],
            {"recipient": "Ama", "attachment": "$2"},
        ),
        (
            ["Find the fence bylaws", "Take a photo of the fence", "Print the fence bylaws"],
            {"document": "$1"},
        ),
    ],
)
def test_a_reference_is_to_the_step_that_is_meant(action, texts, arguments):
    earlier = []
    for text in texts:
        call = action.act(text, earlier).call
        assert call is not None
        earlier.append(Step(text=text, function=call.function, arguments=call.arguments))
    assert call.arguments == arguments


def assert_grounded(call, functions: FunctionSet, text: str, earlier: int) -> None:
    function = functions[call.function]
    assert function.problems(call.arguments) == []
    for name, value in call.arguments.items():
        if isinstance(value, str) and "enum" not in function.parameters["properties"][name]:
            reference = re.fullmatch(r"\$(\d)", value)
            if reference and value not in text:
                assert 1 <= int(reference[1]) <= earlier
            else:
                assert value in one_line(text)


TEXTS = st.one_of(
    st.text(min_size=1, max_size=60),
    st.lists(
        st.sampled_from(
            ["send", "the", "email", "to", '"Zoë"', "7", "50%", "$1", "tomorrow,", "O'Hara", "日本"]
        ),
        min_size=1,
        max_size=9,
    ).map(" ".join),
).filter(lambda text: re.search(r"\w|[^\w\s]", one_line(text)) is not None)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(text=TEXTS, earlier=st.integers(0, 3))
def test_any_text_gives_a_valid_grounded_call(action, models, text, earlier):
    before = [
        Step(text="Find the report", function="find_document", arguments={"query": "report"})
    ] * earlier
    result = action.act(text, before)
    if result.call is not None:
        assert_grounded(result.call, models.action.functions, text, earlier)
    else:  # only where the text is cut off
        assert result.problems


@pytest.mark.slow
def test_functions_never_seen_in_training_get_valid_calls_too(models):
    """The grammar alone makes calls valid: here the model has not learned the functions."""
    bounds = {"type": "integer", "minimum": -3, "maximum": 7}
    odd = Function(
        name="odd",
        description="x",
        parameters={
            "type": "object",
            "properties": {
                "flag": {"type": "boolean"},
                "level": bounds,
                "ratio": {"type": "number", "minimum": 0.25, "maximum": 4},
                "price": {"type": "number", "minimum": 0},
                "mode": {"type": "string", "enum": ['with "quotes"', "back\\slash", "plain"]},
                "name": {"type": "string"},
            },
            "required": ["name", "level", "mode", "ratio", "flag"],
        },
    )
    functions = FunctionSet(name="odd", functions=(odd,))
    adapter = models.action.model_copy(
        update={"functions": functions, "symbols": {"odd": Symbol(token=9629, text="About")}}
    )
    action = ActionModel(models.engine, adapter)
    for text in ("Do the thing at 3", "Buy 9.99 of “it”", "x", '"\\"'):
        result = action.act(text)
        assert result.call is not None, result.problems
        assert_grounded(result.call, functions, text, 0)
