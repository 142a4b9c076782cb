"""The judge, against real HTTP servers on loopback."""

import json

import pytest
from test_prompted import ANDROID, DROP, completion, llama_cpp, refusal, scripted

from octoplan.evaluation.judge import Judge
from octoplan.evaluation.oracles import Oracle, Verdict
from octoplan.functions import FunctionSet
from octoplan.models.prompted import Endpoint, EndpointError
from octoplan.plans import Cannot, Line, Step

REQUEST = "turn the wifi off and iron my shirt"
GOLD: list[Line] = [
    Step(text="Turn the Wi-Fi off", function="set_wifi", arguments={"enabled": False}),
    Cannot(cannot="iron the shirt"),
]
PREDICTED: list[Line] = [Step(text="Switch it off")]
RIGHT = '{"reason": "all is there", "right": true}'
WRONG = '{"reason": "the shirt is missing", "right": false}'


def judge(url: str) -> Oracle:
    functions = FunctionSet(name="two", functions=(ANDROID["set_wifi"], ANDROID["take_photo"]))
    return Judge(Endpoint("m", url), functions)


def judged(*script):
    """The verdict, and what the server was asked for it."""
    with scripted(*script) as server:
        return judge(server.url).verdict(REQUEST, GOLD, PREDICTED), server.asked


def test_the_model_s_answer_is_the_verdict():
    assert judged(RIGHT)[0] == Verdict(True, "all is there")
    assert judged(WRONG)[0] == Verdict(False, "the shirt is missing")
    assert Judge.name == "judge"


def test_the_model_reads_functions_request_and_both_plans_and_is_held_to_a_strict_schema():
    _, (asked,) = judged(RIGHT)
    prompt = asked["messages"][0]["content"]
    for part in ('"name":"set_wifi"', json.dumps(REQUEST), '{"cannot": "iron the shirt"}'):
        assert part in prompt
    assert '[{"text": "Switch it off"}]' in prompt
    form = asked["response_format"]["json_schema"]
    assert form["strict"] is True
    assert set(form["schema"]["required"]) == {"right", "reason"}
    assert form["schema"]["additionalProperties"] is False


def test_an_answer_is_found_among_other_text():
    verdict, _ = judged(f"<think>{WRONG}? No.</think> ```json\n{RIGHT}\n```")
    assert verdict == Verdict(True, "all is there")


def test_a_server_without_schemas_is_asked_for_plain_text():
    verdict, asked = judged((400, refusal("response_format is unknown")), f"Well: {WRONG}")
    assert verdict == Verdict(False, "the shirt is missing")
    assert "response_format" not in asked[-1]


@pytest.mark.parametrize(
    "bad", ["It is right.", '{"right": "yes", "reason": ""}', '{"right": true}', "[true]", ""]
)
def test_after_a_bad_answer_the_model_is_told_and_asked_again(bad):
    verdict, asked = judged(bad, RIGHT)
    assert verdict.right is True
    assert [message["role"] for message in asked[1]["messages"]] == ["user", "assistant", "user"]
    assert asked[1]["messages"][1]["content"] == bad


def test_a_model_that_never_answers_well_leaves_the_case_undecided():
    verdict, asked = judged("yes", "no", "perhaps")
    assert verdict == Verdict(None, "no usable answer in 3 attempts: 'perhaps'")
    assert len(asked) == 3


def test_a_rate_limit_is_waited_for_and_a_lasting_one_leaves_the_case_undecided():
    slow = (429, refusal("slow down"))
    assert judged(slow, RIGHT)[0].right is True
    verdict, _ = judged(*[slow] * 4)
    assert verdict.right is None and "slow down" in verdict.reason


def test_a_dropped_connection_is_tried_again():
    assert judged(DROP, RIGHT)[0].right is True


def test_an_answer_without_content_is_a_bad_one():
    assert judged((200, completion(None)), RIGHT)[0].right is True


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_key_or_a_missing_model_ends_the_evaluation(status):
    with pytest.raises(EndpointError, match="refuses the key|has no model"):
        judged((status, refusal("no")))


@pytest.mark.slow
def test_a_verdict_from_llama_cpp():
    verdict = judge(llama_cpp().listening_address + "/v1").verdict(REQUEST, GOLD, PREDICTED)
    assert isinstance(verdict.right, bool)
    assert verdict.reason
