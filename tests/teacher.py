"""A teacher for the tests: an OpenAI-compatible server on loopback that does as it is told, well or
badly."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any, Literal

from test_prompted import completion, refusal

Mood = Literal[
    "well", "broken", "unknown function", "refuses", "twice", "too few", "slow", 429, 500, "drops"
]


class Teacher:
    """What the server was asked, and how it answers.

    Args:
        moods: how it answers one question after the other, over and over.
    """

    def __init__(self, moods: Sequence[Mood]) -> None:
        self.url = ""
        self.prompts: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.answered: Counter[str] = Counter()
        self._moods = cycle(moods)
        self._lock = threading.Lock()

    def next_mood(self, asked: dict[str, Any]) -> Mood:
        """Note a question, and say how to answer it."""
        with self._lock:
            self.asked.append(asked)
            self.prompts.append(asked["messages"][0]["content"])
            return next(self._moods)


def lines(prompt: str, begin: str) -> list[dict[str, Any]]:
    """The JSON lines of a prompt that begin so."""
    return [json.loads(line) for line in prompt.splitlines() if line.startswith(begin)]


def examples(prompt: str) -> list[dict[str, Any]]:
    """What a good teacher writes: an example for each that is wanted, right by construction."""
    functions = {each["name"]: each for each in lines(prompt, '{"name"')}
    return [example(wanted, functions) for wanted in lines(prompt, '{"n"')]


def example(wanted: dict[str, Any], functions: dict[str, Any]) -> dict[str, Any]:
    steps = [
        step(functions[name], f"{wanted['values'][number % 4]} {number}")
        for number, name in enumerate(wanted["functions"])
    ]
    query = ", then ".join(each["text"].lower() for each in steps)
    found: dict[str, Any] = {"query": query, "steps": steps}
    match wanted["kind"]:
        case "cannot":
            found["query"] += " and iron my shirt"
            found["steps"] = [*steps, {"cannot": "iron the shirt"}][-5:]
        case "ask":
            found["query"] = found["query"].replace(steps[0]["text"].lower(), "do it")
            found["steps"][0] = {"ask": "What should I do?"}
        case "wait":
            found["steps"] = [steps[0], {"wait": True}]
            found["branches"] = [
                {"results": {"1": "yes"}, "steps": steps[1:]},
                {"results": {"1": "no"}, "steps": [{"done": True}]},
            ]
        case "failure":
            failed = {"results": {"1": "failed: no"}, "steps": [{"cannot": ""}]}
            found["branches"] = [failed]
    return found


def step(function: dict[str, Any], value: str) -> dict[str, Any]:
    """A call with its required arguments, said plainly."""
    arguments: dict[str, Any] = {}
    for name in function["parameters"]["required"]:
        schema = function["parameters"]["properties"][name]
        given = {"string": value, "boolean": True}.get(schema["type"], schema.get("minimum", 7))
        arguments[name] = schema["enum"][0] if "enum" in schema else given
    said = [str(given) for given in arguments.values()]
    text = " ".join([function["name"].replace("_", " ").capitalize(), *said])
    return {"text": text, "function": function["name"], "arguments": arguments}


def answer(prompt: str, mood: Mood) -> str:
    """What the teacher writes in a mood."""
    if '{"n"' not in prompt:  # it is asked to judge
        return json.dumps({"reason": "as it should be", "valid": True})
    found = examples(prompt)
    match mood:
        case "broken":
            return json.dumps({"examples": found})[:-40]
        case "unknown function":
            for each in found:
                each["steps"][0] = {"text": "Fly away", "function": "fly", "arguments": {}}
        case "refuses":
            return "I am sorry, but I cannot help with that."
        case "twice":
            found = found[:1] * len(found)
        case "too few":
            found = found[:1]
    return f"<think>Hm.</think>\n```json\n{json.dumps({'examples': found})}\n```"


@contextmanager
def teacher(*moods: Mood, seconds: float = 0) -> Iterator[Teacher]:
    """A running teacher; well-tempered where no mood is given.

    Args:
        seconds: how long it thinks, where it is slow.
    """
    told = Teacher(moods or ("well",))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mood = told.next_mood(asked)
            if mood == "drops":
                self.close_connection = True
                return
            if mood == "slow":
                time.sleep(seconds)
            prompt = asked["messages"][0]["content"]
            status = mood if isinstance(mood, int) else 200
            body = refusal("not now") if status != 200 else completion(answer(prompt, mood))
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Retry-After-Ms", "5")
            self.end_headers()
            self.wfile.write(raw)
            with told._lock:
                told.answered[prompt] += 1

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield told
        server.shutdown()
