"""The judge: a large model decides whether a plan is right, as GPT-4 did for Octo-planner.

A plan is right if each step calls an existing function, the order is right, nothing is missing and
nothing unasked is done (arXiv 2406.18082, section 3.3). The prompt is ``prompts/judge.md``.

    judge = Judge(Endpoint("gpt-4.1", api_key="…"), load_function_sets("all"))
    judge.verdict(example.query, example.steps, predicted)

Another judges examples, before they are learned from (``octoplan.data.validate``); its prompt is
``prompts/valid.md``:

    ExampleJudge(Endpoint("gpt-4.1", api_key="…"), load_function_sets("all"))(example)
"""

import json
from collections.abc import Sequence
from typing import TypeVar

from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.evaluation.oracles import Verdict
from octoplan.functions import FunctionSet
from octoplan.models.prompted import (
    Endpoint,
    NoAnswerError,
    describe,
    json_objects,
    write_prompt,
)
from octoplan.plans import Example, Line, one_line

ATTEMPTS = 3
"""How often the judge is asked before a case is left undecided."""

A = TypeVar("A", bound=BaseModel)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    # The reason comes first: what a model has said, it decides by.
    reason: str
    right: bool


class Judge:
    """An oracle (``octoplan.evaluation.oracles``) that asks a large model.

    Args:
        endpoint: the model.
        functions: those that exist.
    """

    name = "judge"

    def __init__(self, endpoint: Endpoint, functions: FunctionSet) -> None:
        self._endpoint = endpoint
        self._described = describe(functions)

    def verdict(self, request: str, gold: Sequence[Line], predicted: Sequence[Line]) -> Verdict:
        """See ``Oracle``. Undecided where the model gave no usable answer, in spite of retries.

        Raises:
            EndpointError: the endpoint cannot be reached, refuses the key or lacks the model.
        """
        prompt = write_prompt(
            "judge",
            functions=self._described,
            request=json.dumps(request, ensure_ascii=False),
            reference=_written(gold),
            predicted=_written(predicted),
        )
        try:
            answer = _ask(self._endpoint, prompt, _Answer, "right")
        except NoAnswerError as error:
            return Verdict(None, str(error))
        return Verdict(answer.right, one_line(answer.reason))


class _Valid(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str
    valid: bool


class ExampleJudge:
    """Asks a large model whether an example may be learned from.

    Args:
        endpoint: the model.
        functions: those that exist.
    """

    def __init__(self, endpoint: Endpoint, functions: FunctionSet) -> None:
        self._endpoint = endpoint
        self._described = describe(functions)

    def __call__(self, example: Example) -> Verdict:
        """Judge an example; undecided where the model gave no usable answer, in spite of retries.

        Raises:
            EndpointError: the endpoint cannot be reached, refuses the key or lacks the model.
        """
        branches = [branch.model_dump(exclude_none=True) for branch in example.branches]
        prompt = write_prompt(
            "valid",
            functions=self._described,
            request=json.dumps(example.query, ensure_ascii=False),
            plan=_written(example.steps),
            branches=json.dumps(branches, ensure_ascii=False),
        )
        try:
            answer = _ask(self._endpoint, prompt, _Valid, "valid")
        except NoAnswerError as error:
            return Verdict(None, str(error))
        return Verdict(answer.valid, one_line(answer.reason))


def _ask(endpoint: Endpoint, prompt: str, answer: type[A], decides: str) -> A:
    """Have a model decide something and say why; a bad answer is told to it, and it is asked again.

    Args:
        answer: the form of its answer: ``reason``, and the field that ``decides``.

    Raises:
        NoAnswerError: it gave no usable answer in ``ATTEMPTS`` attempts, or none at all.
        EndpointError: the endpoint cannot be reached, refuses the key or lacks the model.
    """
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    for _ in range(ATTEMPTS):
        text = endpoint.ask(messages, answer, strict=True).text
        found = _read(text, answer)
        if found is not None:
            return found
        # Asked the same again, a greedy model would say the same again.
        messages += [
            {"role": "assistant", "content": text},
            {
                "role": "user",
                "content": "Answer with one JSON object and nothing else: "
                f'{{"reason": "why, in a sentence", "{decides}": true or false}}',
            },
        ]
    raise NoAnswerError(f"no usable answer in {ATTEMPTS} attempts: {one_line(text)[:80]!r}")


def _written(lines: Sequence[Line]) -> str:
    return json.dumps([line.model_dump(exclude_none=True) for line in lines], ensure_ascii=False)


def _read(text: str, answer: type[A]) -> A | None:
    """The last answer in a text; a model that thinks aloud may write some before it."""
    for found in reversed(json_objects(text)):
        try:
            return answer.model_validate(found)
        except ValidationError:
            continue
    return None
