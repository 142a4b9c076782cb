"""Training data from a large teacher model, for functions of one's own.

    teacher = Endpoint("qwen3-32b", "http://127.0.0.1:8080/v1", retries=6)
    generate(load_function_set("my_functions.py"), teacher, Path("drafts.jsonl"), examples=1000)

After Octo-planner (arXiv 2406.18082, section 3.2): functions are chosen, one to five for an
example, and the teacher, which reads their descriptions, writes a request for them and its plan.
What it is asked for is drawn by us, so that functions, pairs of functions and places in the plan
come up equally often, and speakers, tones, forms and values vary. The descriptions are in the
prompt alone, never in the data.

Every answer is kept, as it came, in a ledger beside the examples (SQLite), before anything is made
of it. So a run that was killed goes on where it stopped: what was answered is not asked again. The
file of examples is written as a whole, under another name first, and is valid at any moment.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ValidationError

from octoplan.data.orders import BATCH, GenerateError, orders, question
from octoplan.functions import FunctionSet
from octoplan.models.prompted import (
    NoAnswerError,
    Reply,
    json_objects,
)
from octoplan.plans import (
    Ask,
    Branch,
    Cannot,
    Done,
    Example,
    Step,
    Wait,
    one_line,
    write_example,
)
from octoplan.workers import THREADS, Workers

TEMPERATURE = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS begun (what TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, text TEXT NOT NULL,
                                    prompt_tokens INTEGER, completion_tokens INTEGER);
"""
# After so many questions in a row that bring nothing, the teacher is not asked for more.
_PATIENCE = 12
# So many questions are handed out at once, at most; then the stragglers are waited for.
_ROUND = 2000


class Teacher(Protocol):
    """What answers: ``octoplan.models.prompted.Endpoint``."""

    def ask(
        self,
        messages: Sequence[ChatCompletionMessageParam],
        answer: type[BaseModel],
        *,
        temperature: float,
    ) -> Reply:
        """See ``Endpoint.ask``."""
        ...


class Progress(BaseModel):
    """How far it is.

    Attributes:
        wanted: how many examples there shall be; written: how many there are.
        unread: how many that the teacher wrote, or should have written, could not be read.
        prompt_tokens, completion_tokens: what the teacher read and wrote.
        unanswered: how many questions had no answer, in spite of retries.
    """

    wanted: int
    written: int = 0
    unread: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unanswered: int = 0

    @property
    def left(self) -> int:
        """How many examples are still to be written."""
        return self.wanted - self.written


# ---------------------------------------------------------------- what is answered


class _Draft(BaseModel):
    query: str
    steps: list[Step | Cannot | Ask | Wait | Done]
    branches: list[Branch] = []


class _Drafts(BaseModel):
    examples: list[_Draft]


def read_answer(
    text: str, wanted: int, name: str, domains: Mapping[str, str]
) -> tuple[list[Example], list[str]]:
    """The examples in an answer, and why others could not be read. Never raises.

    Args:
        wanted: how many were asked for; what is missing is a problem too.
        name: the examples are ``NAME-1``, ``NAME-2`` and so on, by their place in the answer.
        domains: the domain of each function; an unknown function has none.
    """
    answers = [found["examples"] for found in json_objects(text) if "examples" in found]
    entries = answers[-1] if answers and isinstance(answers[-1], list) else []
    examples: list[Example] = []
    problems: list[str] = []
    for number, entry in enumerate(entries[:wanted], start=1):
        try:
            draft = _Draft.model_validate(entry)
            lines = [*draft.steps, *(line for each in draft.branches for line in each.steps)]
            called = {line.function for line in lines if isinstance(line, Step) and line.function}
            example = Example(
                id=f"{name}-{number}",
                domains=tuple(sorted({domains[each] for each in called if each in domains})),
                query=one_line(draft.query),
                steps=tuple(draft.steps),
                branches=tuple(draft.branches),
            )
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            problems.append(one_line(f"{name}-{number}: {place}: {first['msg']}"))
        else:
            examples.append(example)
    if len(entries) < wanted:
        problems += [f"{name}: {wanted - len(entries)} of {wanted} examples are missing"]
    return examples, problems


# ---------------------------------------------------------------- the run


def generate(
    functions: FunctionSet,
    teacher: Teacher,
    out: Path,
    examples: int,
    *,
    domains: Mapping[str, str] | None = None,
    seed: int = 0,
    concurrency: int = 8,
    per_minute: int | None = None,
    prompts: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    workers: Workers = THREADS,
) -> Progress:
    """Have a teacher write examples, until there are as many as wanted.

    Started again with the same arguments it goes on; with more ``examples`` it adds to those that
    there are.

    Args:
        functions: the functions to plan with.
        out: the JSONL file; the ledger is ``OUT.db`` beside it.
        domains: the domain of each function; the set's name where left out.
        seed: draws what is asked for.
        concurrency: how many questions are under way at once.
        per_minute: how many questions are asked in a minute, at most.
        prompts: a folder whose ``generate.md`` and ``variety.toml`` take the place of ours.
        progress: told after every answer.
        workers: the machines that ask, each its share of what is asked at once and in a minute.

    Raises:
        GenerateError: the ledger is of other functions or another seed, or the teacher's answers
            cannot be read.
        EndpointError: the teacher cannot be reached, refuses the key or lacks the model.
    """
    by_function = domains or {function.name: functions.name for function in functions}
    with closing(_Ledger(out, functions, seed)) as ledger:
        run = _Run(ledger, out, by_function, Progress(wanted=examples))
        wanted = orders(functions, seed, prompts)
        try:
            run.read_all()
            progress(run.progress)
            ask = _Asking(teacher, per_minute and max(1, per_minute // workers.count))
            fresh = (
                (number, question(order, functions, prompts))
                for number, order in enumerate(wanted)
                if number not in run.answered
            )
            while not run.is_done:
                questions = islice(fresh, min(_ROUND, -(-run.progress.left // BATCH)))
                at_once = -(-concurrency // workers.count)
                for asked in workers.map(ask, questions, at_once, ordered=False):
                    run.take(*asked)
                    progress(run.progress)
        finally:
            run.write()
    return run.progress


class _Ledger:
    """The teacher's answers, as they came.

    Raises:
        GenerateError: it was begun with other functions or another seed, or is no ledger.
    """

    def __init__(self, out: Path, functions: FunctionSet, seed: int) -> None:
        path = out.with_name(out.name + ".db")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None)
        try:
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.executescript(_SCHEMA)
            for what, value in (("functions", functions.digest), ("seed", str(seed))):
                self._file.execute("INSERT OR IGNORE INTO begun VALUES (?, ?)", (what, value))
                told = self._file.execute("SELECT value FROM begun WHERE what = ?", (what,))
                if told.fetchone() != (value,):
                    raise GenerateError(f"{path} was begun with other {what}; name another --out")
        except sqlite3.DatabaseError as error:
            raise GenerateError(f"{path} is no ledger ({error}); move it away") from error

    def answers(self) -> Iterator[tuple[int, Reply]]:
        """All answers, by the number of their order."""
        rows = self._file.execute("SELECT * FROM answers ORDER BY number")
        for number, text, *tokens in rows:
            yield number, Reply(text, *tokens)

    def keep(self, number: int, reply: Reply) -> None:
        """Keep an answer; when this returns, it survives a crash."""
        self._file.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (number, *reply))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Run:
    """What has come of the answers so far."""

    def __init__(
        self, ledger: _Ledger, out: Path, domains: Mapping[str, str], progress: Progress
    ) -> None:
        self.progress = progress
        self.answered: dict[int, list[Example]] = {}
        self._ledger = ledger
        self._out = out
        self._domains = domains
        self._written = -1
        self._in_vain = 0

    @property
    def is_done(self) -> bool:
        """Whether there are as many examples as wanted."""
        return self.progress.left <= 0

    def read_all(self) -> None:
        """Read what is in the ledger."""
        for number, reply in self._ledger.answers():
            self._count(number, reply)

    def take(self, number: int, reply: Reply | None) -> None:
        """Keep an answer; None is a question without one."""
        if reply is None:
            self.progress.unanswered += 1
            self._in_vain += 1
            if self._in_vain >= _PATIENCE:
                raise GenerateError(
                    f"the teacher left {self._in_vain} questions in a row without an answer; "
                    "see to it, and run the same command again"
                )
            return
        self._in_vain = 0
        self._ledger.keep(number, reply)
        self._count(number, reply)
        if self.progress.written > 1.1 * self._written:  # so the writing stays in proportion
            self.write()

    def _count(self, number: int, reply: Reply) -> None:
        name = f"{self._out.stem}-{number:05d}"
        examples, problems = read_answer(reply.text, BATCH, name, self._domains)
        self.answered[number] = examples
        self.progress.written += len(examples)
        self.progress.unread += BATCH - len(examples)
        self.progress.prompt_tokens += reply.prompt_tokens or 0
        self.progress.completion_tokens += reply.completion_tokens or 0
        if not self.progress.written and len(self.answered) >= _PATIENCE:
            raise GenerateError(
                f"nothing that the teacher wrote can be read ({problems[0]}); the answers are in "
                f"{self._out.name}.db: take a larger model, or mend the prompt (--prompts)"
            )

    def write(self) -> None:
        """Write the examples, in the order in which they were wanted, as a whole."""
        part = self._out.with_name(self._out.name + ".part")
        found = (example for number in sorted(self.answered) for example in self.answered[number])
        with part.open("w", encoding="utf-8") as file:
            for example in found:
                file.write(write_example(example) + "\n")
        part.replace(self._out)
        self._written = self.progress.written


class _Asking:
    """Asks the teacher; goes to other machines as what it was made of.

    Args:
        per_minute: at most so many questions a minute.
    """

    def __init__(self, teacher: Teacher, per_minute: int | None) -> None:
        from pyrate_limiter import Duration, Limiter, Rate

        self._made_of = (teacher, per_minute)
        self._teacher = teacher
        self._limiter = Limiter(Rate(per_minute, Duration.MINUTE)) if per_minute else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Asking, self._made_of

    def __call__(self, asked: tuple[int, str]) -> tuple[int, Reply | None]:
        """Ask a question, given with its number; None where there is no answer."""
        number, content = asked
        if self._limiter is not None:
            self._limiter.try_acquire("teacher")
        try:
            reply = self._teacher.ask(
                [{"role": "user", "content": content}], _Drafts, temperature=TEMPERATURE
            )
        except NoAnswerError:
            return number, None
        return number, reply
