"""A large model behind an OpenAI-compatible endpoint, prompted with the function descriptions.

It is what Octo-planner (arXiv 2406.18082) compares with: one model, not fine-tuned, reads all the
function descriptions and writes the whole plan with its calls. The prompt is ``prompts/plan.md``.

    endpoint = Endpoint("gpt-4.1", api_key="…")
    prompted = PromptedModel(endpoint, load_function_sets("all")).plan("turn the wifi off")
    prompted.lines, prompted.problems

A user may configure one for the requests that the planner is not sure of. The judge
(``octoplan.evaluation.judge``) asks its model through the same ``Endpoint``.
"""

import json
import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.functions import FunctionSet
from octoplan.models.engine import EngineError
from octoplan.plans import MAX_STEPS, Ask, Cannot, Done, Line, Step, Wait, one_line

MAX_TOKENS = 4096
"""The most that a model may write for one answer; room for those that think aloud first."""

RETRIES = 3
"""How often the client sends a request again where somebody waits for the answer."""


class EndpointError(EngineError):
    """An endpoint that cannot be used; one line that says what to do."""


class NoAnswerError(EndpointError):
    """The endpoint is there, but gave no answer to this one request; one line that says why."""


# ---------------------------------------------------------------- the endpoint


class Reply(NamedTuple):
    """What a model answered: its text, and the tokens read and written (None if not told)."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None


class Endpoint:
    """One model of an OpenAI-compatible server; threads may share it.

    Args:
        model: the model's name on that server.
        base_url: the server's address, such as ``http://127.0.0.1:8080/v1``; ``OPENAI_BASE_URL``
            or OpenAI itself where left out.
        api_key: ``OPENAI_API_KEY`` where left out; a server of one's own mostly needs none.
        retries: how often a request is sent again, each time after a longer pause, after a rate
            limit or a failure of server or network.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        retries: int = RETRIES,
    ) -> None:
        self.model = model
        self._client = openai.OpenAI(
            base_url=base_url,
            # The client insists on a key, also for servers that want none.
            api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
            max_retries=retries,
        )
        self._retries = retries
        self._refused: frozenset[str] = frozenset()
        self._answered = False

    def __reduce__(self) -> tuple[Any, ...]:
        # On other machines a connection is made anew.
        return Endpoint, (self.model, self._url, self._client.api_key, self._retries)

    def ask(
        self,
        messages: Sequence[ChatCompletionMessageParam],
        answer: type[BaseModel],
        *,
        strict: bool = False,
        temperature: float = 0,
    ) -> Reply:
        """Have the model answer by a JSON object.

        Parameters that the server refuses (the JSON schema, the temperature, the token limit) are
        left out from then on; so the answer may be any text.

        Args:
            messages: the conversation so far.
            answer: the form of the JSON object.
            strict: whether the form keeps to what OpenAI's strict mode can enforce.
            temperature: 0 for the likeliest answer; the higher, the more varied.

        Raises:
            EndpointError: the server cannot be reached, refuses the key or lacks the model.
            NoAnswerError: it failed to answer this one request, in spite of retries.
        """
        form = {"name": "answer", "strict": strict, "schema": answer.model_json_schema()}
        parameters: dict[str, Any] = {
            "response_format": {"type": "json_schema", "json_schema": form},
            "max_tokens": MAX_TOKENS,
            "temperature": temperature,
        }
        refused = self._refused
        while True:
            kept = {name: value for name, value in parameters.items() if name not in refused}
            try:
                reply = self._reply(messages, kept)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not kept:
                    raise NoAnswerError(
                        f"{self._url} refused the request: {_said(error)}"
                    ) from error
                # Most servers name the parameter; where one does not, the schema is the rarest.
                named = [name for name in kept if name in str(error)]
                refused |= {(named or list(kept))[0]}
            else:
                self._refused = refused
                return reply

    @property
    def _url(self) -> str:
        return str(self._client.base_url).rstrip("/")

    def _reply(
        self, messages: Sequence[ChatCompletionMessageParam], parameters: dict[str, Any]
    ) -> Reply:
        try:
            completion: ChatCompletion | str = self._client.chat.completions.create(
                model=self.model, messages=list(messages), **parameters
            )
        except openai.APIConnectionError as error:
            why = _said(error.__cause__ or error)
            if self._answered:
                raise NoAnswerError(f"{self._url} did not answer: {why}") from error
            raise EndpointError(
                f"cannot reach {self._url}: {why}; start the server, or give its right address"
            ) from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise EndpointError(
                f"{self._url} refuses the key: {_said(error)}; set OPENAI_API_KEY to a right one"
            ) from error
        except openai.NotFoundError as error:
            raise EndpointError(
                f"{self._url} has no model {self.model!r}: {_said(error)}; "
                "give the name of one that it has, and an address that ends as its API does (/v1)"
            ) from error
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            raise
        except (openai.APIError, ValueError) as error:  # ValueError: half a JSON body
            raise NoAnswerError(f"{self._url} did not answer: {_said(error)}") from error
        self._answered = True
        if isinstance(completion, str):
            raise EndpointError(
                f"{self._url} answers, but not as an OpenAI-compatible server does; "
                "give an address that ends as its API does (/v1)"
            )
        if not completion.choices:
            raise NoAnswerError(f"{self._url} answered without a message")
        usage = completion.usage
        return Reply(
            completion.choices[0].message.content or "",
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
        )


def _said(error: BaseException) -> str:
    return one_line(str(error))[:200] or type(error).__name__


class PromptError(EngineError):
    """A prompt's file that cannot be used; one line that says what to do."""


def find_prompt(name: str, folder: Path | None = None) -> Path:
    """The file of a prompt: in the folder if it is there, else ours."""
    if folder is not None and not folder.is_dir():
        raise PromptError(f"there is no folder {folder} with prompts")
    own = folder / name if folder is not None else None
    return own if own and own.exists() else Path(__file__).parents[1] / "prompts" / name


def write_prompt(name: str, folder: Path | None = None, /, **values: str) -> str:
    """The prompt in ``NAME.md``, every ``{{key}}`` of it replaced by its value.

    Raises:
        PromptError: it cannot be read, or holds a key that has no value.
    """
    path = find_prompt(f"{name}.md", folder)

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            known = ", ".join(f"{{{{{key}}}}}" for key in values)
            raise PromptError(f"{path}: there is no {found[0]}; there are {known}")
        return values[found[1]]

    try:
        # In one pass: a value may hold {{key}} too.
        return re.sub(r"{{(\w+)}}", value, path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is not UTF-8 text: save it as UTF-8") from error


def describe(functions: FunctionSet) -> str:
    """The function descriptions as prompts hold them: JSON, one function a line."""
    return "\n".join(
        function.model_dump_json(include={"name", "description", "parameters", "returns"})
        for function in functions
    )


def json_objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects in a text, in order, whatever stands around them.

    One that holds a number that no computation could use (``NaN``, ``1e999``) is none. Half of a
    surrogate pair, which no file could hold, becomes a question mark.
    """
    decoder = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_number)
    found: list[dict[str, Any]] = []
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
            encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            found.append(json.loads(encoded))
        except (ValueError, RecursionError):
            end = start + 1
        start = text.find("{", end)
    return found


def _number(text: str) -> int | float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no finite number")
    return int(text) if text.lstrip("-").isdecimal() else float(text)


# ---------------------------------------------------------------- the single-model agent


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    function: str
    arguments: dict[str, str | bool | int | float]


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: list[_Step | Cannot | Ask | Wait | Done]


@dataclass(frozen=True)
class Prompted:
    """What a prompted model made of a request.

    Attributes:
        lines: the plan; its steps carry the calls as the model wrote them, wrong ones too.
        problems: what is wrong with what the model wrote, in plain words; empty for a plan that
            can be carried out.
        prompt_tokens: what the model read; None where the server does not tell.
        completion_tokens: what it wrote; None where the server does not tell.
        seconds: from the request to the plan, retries included.
    """

    lines: tuple[Line, ...]
    problems: tuple[str, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


class PromptedModel:
    """The single-model agent: it reads all function descriptions and writes plan and calls.

    Args:
        endpoint: the model.
        functions: those that it may call.
    """

    def __init__(self, endpoint: Endpoint, functions: FunctionSet) -> None:
        self.name = endpoint.model
        self._endpoint = endpoint
        self._functions = functions
        self._described = describe(functions)

    def plan(self, request: str) -> Prompted:
        """Plan a request, with its calls. What the model writes never raises.

        Raises:
            EndpointError: the endpoint cannot be used.
            NoAnswerError: the endpoint gave no answer to this request.
        """
        started = time.perf_counter()
        prompt = write_prompt(
            "plan",
            functions=self._described,
            most=str(MAX_STEPS),
            request=json.dumps(request, ensure_ascii=False),
        )
        reply = self._endpoint.ask([{"role": "user", "content": prompt}], _Plan)
        lines, problems = self._read(reply.text)
        return Prompted(
            lines=tuple(lines),
            problems=tuple(problems),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=time.perf_counter() - started,
        )

    def _read(self, text: str) -> tuple[list[Line], list[str]]:
        """The lines of the last plan in a text, and what is wrong with it."""
        plans = [found["steps"] for found in json_objects(text) if "steps" in found]
        if not plans or not isinstance(plans[-1], list):
            return [], [f"no plan in the answer: {one_line(text)[:80]!r}"]
        lines: list[Line] = []
        problems: list[str] = [] if plans[-1] else ["a plan without lines"]
        if len(plans[-1]) > MAX_STEPS:
            problems.append(f"more than {MAX_STEPS} lines")
        for number, entry in enumerate(plans[-1][:MAX_STEPS], start=1):
            line, problem = _read_line(entry)
            found = [problem] if problem else []
            if isinstance(line, Step):
                found += self._problems(line, sum(isinstance(other, Step) for other in lines))
            if line is not None:
                lines.append(line)
            problems += (one_line(f"line {number}: {problem}") for problem in found)
        return lines, problems

    def _problems(self, step: Step, earlier: int) -> list[str]:
        """What is wrong with the call of a step that comes after so many others."""
        if step.function is None:
            return ["a step without a function"]
        if step.function not in self._functions:
            return [f"there is no function {step.function!r}"]
        arguments = step.arguments or {}
        references = {f"${number}" for number in range(earlier + 1, MAX_STEPS + 1)}
        return self._functions[step.function].problems(arguments) + [
            f"{name}: {value} is the result of no earlier step"
            for name, value in arguments.items()
            if isinstance(value, str) and value in references
        ]


_KINDS: dict[str, type[Step | Cannot | Ask | Wait | Done]] = {
    "text": Step,
    "cannot": Cannot,
    "ask": Ask,
    "wait": Wait,
    "done": Done,
}


def _read_line(entry: Any) -> tuple[Line | None, str | None]:
    kind = next((_KINDS[key] for key in _KINDS if isinstance(entry, dict) and key in entry), None)
    if kind is None:
        return None, f"no line of a plan: {repr(entry)[:80]}"
    try:
        # What a model adds to a line, a number for instance, changes nothing.
        return kind.model_validate({k: v for k, v in entry.items() if k in kind.model_fields}), None
    except ValidationError as error:
        first = error.errors()[0]
        return None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
