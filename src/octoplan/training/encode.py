"""Examples as token ids: what the planner and the action model read, and what they learn.

The planner learns request → steps. The action model learns a conversation: step 1, its call, step
2, its call, …; so at every step it sees what the earlier ones were and which function each became,
and one forward pass over an example teaches all of its calls.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from octoplan.functions import FunctionSet
from octoplan.models.adapters import Symbol, action_turn, planner_prompt
from octoplan.plans import Example, Line, Step, told, write_call, write_plan

Row = dict[str, list[int]]
"""One training sequence: ``input_ids`` and ``labels`` (-100 where nothing is to be learned)."""

_REQUEST = "\N{OBJECT REPLACEMENT CHARACTER}"


def planner_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The base's chat template around ``{request}``: the user's turn and the answer's opening.

    What a template puts before the first turn (a system turn of its own, the begin-of-text token)
    it does not put before later ones: the user's turn is what a later one adds to a conversation.
    """
    if tokenizer.chat_template is None:
        return "{request}\n"

    def render(*roles: str, answer: bool) -> str:
        turns = [{"role": role, "content": _REQUEST} for role in roles]
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=answer
        )
        return text

    first = render("user", answer=True)
    before = render("user", "assistant", answer=False)
    after = render("user", "assistant", "user", answer=True)
    # Some templates end a conversation that is not to go on with the end-of-text token.
    end = str(tokenizer.eos_token)
    added = [after.removeprefix(before), after.removeprefix(before.removesuffix(end))]
    turn = next((text for text in added if first.endswith(text)), first)
    if tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]:
        turn = turn.removeprefix(str(tokenizer.bos_token))  # the tokenizer adds it by itself
    return turn.replace("{", "{{").replace("}", "}}").replace(_REQUEST, "{request}")


def planner_rows(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, template: str
) -> Iterator[Row]:
    """One row an example, and one more for each of its branches.

    The prompt, and to learn the plan, or the rest of it, and the end-of-turn token.
    """
    for example in examples:
        yield _answer(planner_prompt(template, example.query), example.steps, tokenizer)
        for branch in example.branches:
            prompt = planner_prompt(template, example.query, told(example.steps, branch))
            yield _answer(prompt, branch.steps, tokenizer)


def _answer(prompt: str, lines: Iterable[Line], tokenizer: PreTrainedTokenizerBase) -> Row:
    before = tokenizer(prompt)["input_ids"]
    plan = [
        *tokenizer(write_plan(lines), add_special_tokens=False)["input_ids"],
        tokenizer.eos_token_id,
    ]
    return {"input_ids": before + plan, "labels": [-100] * len(before) + plan}


def action_rows(
    examples: Iterable[Example],
    tokenizer: PreTrainedTokenizerBase,
    functions: FunctionSet,
    symbols: Mapping[str, Symbol],
) -> Iterator[Row]:
    """One row an example, and one more for each of its branches: the calls are to be learned."""
    for example in examples:
        first = [line for line in example.steps if isinstance(line, Step)]
        runs = [(first, 0)]
        for branch in example.branches:
            rest = [line for line in branch.steps if isinstance(line, Step)]
            runs.append((first + rest, len(first)))
        for steps, known in runs:
            row = _conversation(steps, known, tokenizer, functions, symbols)
            if any(label != -100 for label in row["labels"]):
                yield row


def _conversation(
    steps: list[Step],
    known: int,
    tokenizer: PreTrainedTokenizerBase,
    functions: FunctionSet,
    symbols: Mapping[str, Symbol],
) -> Row:
    ids: list[int] = []
    labels: list[int] = []
    for number, step in enumerate(steps, start=1):
        if step.call is None:
            break
        prompt = tokenizer(action_turn(number, step.text), add_special_tokens=number == 1)
        call = write_call("", functions[step.call.function], step.call.arguments) + "\n"
        answer = [symbols[step.call.function].token]
        answer += tokenizer(call, add_special_tokens=False)["input_ids"]
        ids += prompt["input_ids"] + answer
        learned = answer if number > known else [-100] * len(answer)
        labels += [-100] * len(prompt["input_ids"]) + learned
    return {"input_ids": ids, "labels": labels}


def choose_symbols(
    functions: FunctionSet,
    texts: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    embedding: torch.Tensor,
    taken: Iterable[int] = (),
) -> dict[str, Symbol]:
    """Choose the functional token of each function.

    Tokens of letters alone that stand nowhere in the data and whose embedding is about as long as
    most (little-trained tokens lie close together and could not be told apart); among them, one
    after another, the one farthest from those taken, so that any two are easy to tell apart.

    Args:
        embedding: the base's token embedding, (vocabulary, width).
        taken: tokens that name functions of other adapters.

    Raises:
        ValueError: the vocabulary has too few such tokens.
    """
    used = set(taken)
    for text in texts:
        used.update(tokenizer(text, add_special_tokens=False)["input_ids"])
    norms = embedding.float().norm(dim=1)
    middle = norms.median().item()
    candidates = []
    for token, text in enumerate(tokenizer.batch_decode([[i] for i in range(len(tokenizer))])):
        if (
            token not in used
            and re.fullmatch("[A-Z][a-z]{4,11}", text)
            and tokenizer(text, add_special_tokens=False)["input_ids"] == [token]
            and math.isclose(norms[token].item(), middle, rel_tol=0.15)
        ):
            candidates.append((token, text))
    if len(candidates) < len(functions):
        raise ValueError(
            f"the base's vocabulary has {len(candidates)} free tokens, "
            f"too few for {len(functions)} functions"
        )
    vectors = embedding[[token for token, _ in candidates]].float()
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    nearest = vectors @ vectors.mean(dim=0)
    symbols: dict[str, Symbol] = {}
    for function in functions:
        index = int(nearest.argmin())
        token, text = candidates[index]
        symbols[function.name] = Symbol(token=token, text=text)
        nearest = torch.maximum(nearest, vectors @ vectors[index])
        nearest[index] = torch.inf
    return symbols


def words(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def plan_words(examples: Iterable[Example]) -> tuple[str, ...]:
    """Words of the steps that stand nowhere in what was read: the planner's words, sorted."""
    found: set[str] = set()
    for example in examples:
        known = words(example.query)
        found |= words(write_plan(example.steps)) - known
        for branch in example.branches:
            for line in told(example.steps, branch):
                known |= words(f"{line.line} {line.result or ''}")
            found |= words(write_plan(branch.steps)) - known
    return tuple(sorted(found))


def links(examples: Iterable[Example]) -> dict[str, tuple[str, ...]]:
    """By ``function.parameter``, the functions whose results stand there as ``$k``, sorted."""
    found: dict[str, set[str]] = {}
    for example in examples:
        first = [line for line in example.steps if isinstance(line, Step)]
        runs = [first]
        for branch in example.branches:
            runs.append(first + [line for line in branch.steps if isinstance(line, Step)])
        for steps in runs:
            for step in steps:
                for name, value in (step.arguments or {}).items():
                    if isinstance(value, str) and re.fullmatch(r"\$[1-9]", value):
                        producer = steps[int(value[1:]) - 1].function
                        if producer is not None:
                            found.setdefault(f"{step.function}.{name}", set()).add(producer)
    return {name: tuple(sorted(functions)) for name, functions in sorted(found.items())}


def describe(rows: list[Row]) -> dict[str, Any]:
    """How many rows and tokens there are, and how many tokens are to be learned."""
    return {
        "rows": len(rows),
        "tokens": sum(len(row["input_ids"]) for row in rows),
        "learned_tokens": sum(label != -100 for row in rows for label in row["labels"]),
    }
