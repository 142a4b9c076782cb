"""The endpoint and the prompted single-model agent, against real HTTP servers on loopback."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import xllamacpp

from octoplan.functions import FunctionSet, load_function_set
from octoplan.models.bases import find_base
from octoplan.models.prompted import Endpoint, EndpointError, NoAnswerError, PromptedModel
from octoplan.plans import Ask, Cannot, Done, Step, Wait

ANDROID = load_function_set("android")
DROP = "drop"
"""In a script: the server closes the connection without a word."""


class Server:
    """What a script makes the server say, request by request, and what it was asked."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""

    def prompt(self) -> str:
        return self.asked[-1]["messages"][0]["content"]


@contextmanager
def scripted(*script: Any) -> Iterator[Server]:
    """A server that gives each answer of the script once: a text, ``DROP``, or (status, body).

    A body that is no text is sent as JSON.
    """
    told = Server(list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.keys.append(self.headers["Authorization"])
            told.asked.append(json.loads(self.rfile.read(length)))
            answer = told.script.pop(0)
            if answer == DROP:
                self.close_connection = True
                return
            status, body = answer if isinstance(answer, tuple) else (200, completion(answer))
            raw = (body if isinstance(body, str) else json.dumps(body)).encode()
            kind = "text/html" if str(body).startswith("<") else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Retry-After-Ms", "5")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield told
        server.shutdown()


def completion(text: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    about = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
    return {**about, "choices": [choice], "usage": usage, **more}


def refusal(message: str) -> Mapping[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


@cache
def llama_cpp() -> Any:
    """llama.cpp's own server, with the default base; it has an address."""
    params = xllamacpp.CommonParams()
    params.model.path = str(find_base().gguf)
    params.n_ctx = 1536
    params.cpuparams.n_threads = 1
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    return xllamacpp.Server(params)


def planned(text: str, functions: FunctionSet = ANDROID):
    with scripted(text) as server:
        return PromptedModel(Endpoint("m", server.url), functions).plan("do it")


def plan(*lines: Any) -> str:
    return json.dumps({"steps": lines})


def step(function: str, **arguments: Any) -> dict[str, Any]:
    return {"text": "Do it", "function": function, "arguments": arguments}


PHOTO = step("take_photo", camera="back")


# ---------------------------------------------------------------- the agent


def test_a_plan_comes_with_calls_tokens_and_time():
    email = {**step("send_email", recipient="Ama", attachment="$1"), "text": "Email it to Ama"}
    found = planned(plan(PHOTO, email))
    assert found.lines == (
        Step(text="Do it", function="take_photo", arguments={"camera": "back"}),
        Step(
            text="Email it to Ama",
            function="send_email",
            arguments={"recipient": "Ama", "attachment": "$1"},
        ),
    )
    assert found.problems == ()
    assert (found.prompt_tokens, found.completion_tokens) == (7, 3)
    assert 0 < found.seconds < 60


def test_every_kind_of_line_is_read():
    found = planned(plan({"cannot": "iron"}, {"ask": "When?"}, {"done": True}, {"wait": True}))
    assert found.lines == (
        Cannot(cannot="iron"),
        Ask(ask="When?"),
        Done(done=True),
        Wait(wait=True),
    )
    assert found.problems == ()


def test_the_model_reads_the_functions_and_the_request_and_is_held_to_a_schema():
    request = 'say "{{functions}}" to Zoë'
    with scripted(plan(PHOTO)) as server:
        PromptedModel(Endpoint("some-model", server.url), ANDROID).plan(request)
    assert server.asked[0]["model"] == "some-model"
    assert server.asked[0]["response_format"]["type"] == "json_schema"
    assert all(f'"name":"{function.name}"' in server.prompt() for function in ANDROID)
    assert '"say \\"{{functions}}\\" to Zoë"' in server.prompt()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no plan in the answer"),
        ("I would take a photo.", "no plan in the answer"),
        ('{"steps": "take_photo"}', "no plan in the answer"),
        ('{"steps": [{"text": "Do', "no plan in the answer"),
        (plan(), "a plan without lines"),
        (plan("take_photo"), "line 1: no line of a plan"),
        (plan({"text": "Do it"}), "line 1: a step without a function"),
        (plan({**PHOTO, "text": " "}), "line 1: text: Value error, a step's text is empty"),
        (plan({**PHOTO, "arguments": "back"}), "line 1: arguments: Input should be a valid dict"),
        (plan({"wait": False}), "line 1: wait: Input should be True"),
        (plan(step("fly_home")), "line 1: there is no function 'fly_home'"),
        (plan(step("take_photo")), "line 1: camera is missing"),
        (plan(step("take_photo", camera="top")), "line 1: camera must be one of"),
        (plan(step("take_photo", camera=["\ud800"])), "line 1: camera must be one of"),
        (plan(step("set_screen_brightness", percent=10**400)), "no plan in the answer"),
        (plan(step("set_screen_brightness", percent=float("nan"))), "no plan in the answer"),
        (
            plan(PHOTO, step("send_email", recipient="Ama", attachment="$2")),
            "line 2: attachment: $2 is the result of no earlier step",
        ),
        (plan(*[PHOTO] * 6), "more than 5 lines"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_and_never_raises(text, says):
    found = planned(text)
    assert found.problems and found.problems[0].startswith(says)
    assert len(found.lines) <= 5
    json.dumps([line.model_dump() for line in found.lines], ensure_ascii=False).encode()


def test_a_wrong_call_is_kept_for_the_oracles():
    (line,) = planned(plan(step("fly_home", to="Ama"))).lines
    assert (line.function, line.arguments) == ("fly_home", {"to": "Ama"})


def test_amounts_of_money_are_no_references():
    assert planned(plan(step("send_email", recipient="Ama", title="$50"))).problems == ()


def test_a_plan_is_found_among_other_text():
    thought = f"<think>maybe {plan({'done': True})} or {{no}}</think>"
    found = planned(f"{thought}\n```json\n{plan({**PHOTO, 'step': 1})}\n```\nDone!")
    assert [line.function for line in found.lines] == ["take_photo"]
    assert found.problems == ()


@pytest.mark.slow
def test_a_plan_from_llama_cpp():
    functions = FunctionSet(name="two", functions=(ANDROID["set_wifi"], ANDROID["take_photo"]))
    endpoint = Endpoint("smollm2", llama_cpp().listening_address + "/v1")
    found = PromptedModel(endpoint, functions).plan("turn the wifi off")
    assert found.lines or found.problems
    assert found.prompt_tokens > 300 and found.completion_tokens > 0


# ---------------------------------------------------------------- the endpoint


def ask(url: str, key: str | None = None) -> tuple[str, ...]:
    return PromptedModel(Endpoint("m", url, key), ANDROID).plan("do it").problems


@pytest.mark.parametrize(
    "failure", [(429, refusal("slow down")), (500, "{}"), (503, "{}"), DROP], ids=str
)
def test_rate_limits_and_failures_of_the_network_are_retried(failure):
    with scripted(failure, plan(PHOTO)) as server:
        assert ask(server.url) == ()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        ("response_format is not supported", "response_format"),
        ("unknown field", "response_format"),
        ("Unsupported parameter: 'max_tokens'", "max_tokens"),
        ("'temperature' does not support 0", "temperature"),
    ],
)
def test_a_refused_parameter_is_left_out_from_then_on(message, parameter):
    with scripted((400, refusal(message)), plan(PHOTO), plan(PHOTO)) as server:
        model = PromptedModel(Endpoint("m", server.url), ANDROID)
        assert model.plan("do it").problems == model.plan("again").problems == ()
    assert [parameter in asked for asked in server.asked] == [True, False, False]


def test_a_request_that_is_refused_whatever_it_asks_costs_no_parameter():
    with scripted(*[(400, refusal("too long"))] * 4, plan(PHOTO)) as server:
        model = PromptedModel(Endpoint("m", server.url), ANDROID)
        with pytest.raises(NoAnswerError, match="refused the request: .*too long"):
            model.plan("do it")
        assert model.plan("again").problems == ()
    assert "response_format" in server.asked[-1]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, refusal("no such key")), "refuses the key: .*no such key.*; set OPENAI_API_KEY"),
        ((403, refusal("not you")), "refuses the key"),
        ((404, refusal("no model m")), "has no model 'm': .*no model m.*; give the name of one"),
        ((200, "<html>a page</html>"), "not as an OpenAI-compatible server does"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_one_clear_line(answer, says):
    with scripted(answer) as server, pytest.raises(EndpointError, match=says) as error:
        ask(server.url)
    assert "\n" not in str(error.value) and server.url in str(error.value)
    assert not isinstance(error.value, NoAnswerError)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([(429, refusal("slow down"))] * 4, "did not answer: .*slow down"),
        ([(200, '{"choices": [')], "did not answer"),
        ([(200, {"error": "overloaded"})], "without a message"),
    ],
)
def test_a_request_without_an_answer_is_told_apart(answers, says):
    with scripted(*answers) as server, pytest.raises(NoAnswerError, match=says):
        ask(server.url)


def test_a_server_that_goes_away_leaves_one_request_without_an_answer():
    with scripted(plan(PHOTO), *[DROP] * 4) as server:
        model = PromptedModel(Endpoint("m", server.url), ANDROID)
        model.plan("do it")
        with pytest.raises(NoAnswerError, match="did not answer"):
            model.plan("again")


def test_an_endpoint_that_is_not_there_is_one_clear_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match="cannot reach .*; start the server") as error:
            ask(url)
    assert "\n" not in str(error.value)


def test_the_key_is_the_given_one_or_the_environment_s(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    with scripted(plan(PHOTO), plan(PHOTO)) as server:
        ask(server.url, "given")
        ask(server.url)
    assert server.keys == ["Bearer given", "Bearer from-environment"]
