"""The judge: a large model decides whether a plan is right, as GPT-4 did for Octo-planner.

A plan is right if each step calls an existing function, the order is right, nothing is missing and
nothing unasked is done (arXiv 2406.18082, section 3.3). The prompt is ``prompts/judge.md``.

    judge = Judge(Endpoint("gpt-4.1", api_key="…"), load_function_sets("all"))
    judge.verdict(example.query, example.steps, predicted)
"""

import json
from collections.abc import Sequence

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
from octoplan.plans import Line, one_line

ATTEMPTS = 3
"""How often the judge is asked before a case is left undecided."""


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
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
        for _ in range(ATTEMPTS):
            try:
                text = self._endpoint.ask(messages, _Answer, strict=True).text
            except NoAnswerError as error:
                return Verdict(None, str(error))
            answer = _read(text)
            if answer is not None:
                return Verdict(answer.right, one_line(answer.reason))
            # Asked the same again, a greedy model would say the same again.
            messages += [
                {"role": "assistant", "content": text},
                {
                    "role": "user",
                    "content": "Answer with one JSON object and nothing else: "
                    '{"reason": "why, in a sentence", "right": true or false}',
                },
            ]
        return Verdict(None, f"no usable answer in {ATTEMPTS} attempts: {one_line(text)[:80]!r}")


def _written(lines: Sequence[Line]) -> str:
    return json.dumps([line.model_dump(exclude_none=True) for line in lines], ensure_ascii=False)


def _read(text: str) -> _Answer | None:
    """The last answer in a text; a model that thinks aloud may write some before it."""
    for found in reversed(json_objects(text)):
        try:
            return _Answer.model_validate(found)
        except ValidationError:
            continue
    return None
