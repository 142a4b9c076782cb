"""The journal: a durable record of every run, in one SQLite file.

    with Journal("journal.db") as journal, journal.begin("turn the wifi off") as record:
        agent.run(record.request, record)

What is about to happen is written before it happens, and what came of it afterwards; so wherever a
process dies, the record says which calls are finished and which one may have been carried out.
Several processes may write to one journal; a run is held by one of them at a time.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import platformdirs
from pydantic import TypeAdapter

from octoplan.plans import Call, Line, Step

# "octj" marks the file as ours; the version goes up with every change of the schema.
_APPLICATION_ID = 0x6F63746A
_VERSION = 1
_TIMEOUT = 10.0  # seconds that a process waits for another one's write

_SCHEMA = """
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL,
                   device TEXT NOT NULL, started TEXT NOT NULL, status TEXT, message TEXT);
CREATE TABLE entries (run INTEGER NOT NULL REFERENCES runs, number INTEGER NOT NULL,
                      at TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
                      PRIMARY KEY (run, number));
"""

_LINES: TypeAdapter[tuple[Line, ...]] = TypeAdapter(tuple[Line, ...])


class JournalError(Exception):
    """The journal or a run in it cannot be used; one line that says what to do."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened in a run.

    Attributes:
        at: when, in UTC.
        kind: ``plan``, ``call``, ``result``, ``answer``, ``decision``, ``undone`` or ``end``.
        content: what, as JSON has it.
    """

    at: datetime
    kind: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What came of a call.

    Attributes:
        text: the device's words.
        failed: whether it could not be carried out.
        receipt: what the device takes to undo it; None where it cannot be undone.
    """

    text: str
    failed: bool
    receipt: str | None = None


@dataclass(frozen=True)
class Summary:
    """A run in a list of them; without an end its status is ``under way`` or ``interrupted``."""

    id: int
    request: str
    device: str
    started: datetime
    status: str
    message: str


@dataclass
class Record:
    """A run in the journal, held by this process.

    Attributes:
        id: its number in the journal.
        device: the device's file; empty for one in memory.
        lines: the plan, after planning on all that was followed and the new one; None where there
            was none yet.
        rounds: how many times it was planned.
        settled: how many results, and how many answers, the last planning knew.
        first: the lines of the first plan.
        handed_on: the larger model that made the first plan; empty where the planner did.
        read: how many steps had been done when the planner may first have read a result, or 0.
        steps: the steps that were acted on, with their calls as planned, by number from 1.
        calls: the calls that were begun, every ``$k`` filled, by step number.
        results: what came of them, by step number; a call without a result was interrupted.
        answers: the user's, in order.
        undone: the steps whose calls have been undone.
        probability: the models' own probability of all that they wrote so far, 0 to 1.
        status, message: how the run ended; None while it has not.
    """

    journal: "Journal"
    id: int
    request: str
    device: str
    started: datetime
    status: str | None = None
    message: str | None = None
    lines: tuple[Line, ...] | None = None
    rounds: int = 0
    settled: tuple[int, int] = (0, 0)
    first: tuple[Line, ...] = ()
    handed_on: str = ""
    read: int = 0
    steps: dict[int, Step] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    probability: float = 1.0
    undone: set[int] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    _held: ExitStack = field(default_factory=ExitStack)

    def planned(self, lines: Sequence[Line], probability: float, by: str = "") -> None:
        """The plan is there, or the rest of it; nothing of that has been done.

        Args:
            by: the larger model that wrote it, if one did.
        """
        told = _LINES.dump_python(tuple(lines), mode="json")
        self._write("plan", {"lines": told, "probability": probability, "by": by})

    def begins(self, number: int, step: Step, call: Call, probability: float) -> None:
        """A call is about to be made; ``probability`` is the models' own of the run so far."""
        told = {"step": number, "of": step.model_dump(), "call": call.model_dump()}
        self._write("call", told | {"probability": probability})

    def came(self, number: int, result: str, failed: bool, receipt: str | None = None) -> None:
        """The device has answered."""
        told = {"step": number, "result": result, "failed": failed, "receipt": receipt}
        self._write("result", told)

    def undid(self, number: int) -> None:
        """The call of a step has been undone."""
        self._write("undone", {"step": number})

    def answered(self, question: str, answer: str) -> None:
        """The user has answered a question of the plan."""
        self._write("answer", {"question": question, "answer": answer})

    def decided(self, question: str, answer: str) -> None:
        """Somebody, or a rule, has decided something."""
        self._write("decision", {"question": question, "answer": answer})

    def ended(self, status: str, message: str) -> None:
        """The run is over."""
        self._write("end", {"status": status, "message": message})

    def release(self) -> None:
        """Let other processes have the run."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write(self, kind: str, content: dict[str, Any]) -> None:
        entry = Entry(_now(), kind, content)
        self.journal._add(self.id, len(self.entries), entry)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        """Bring what the entry says into the record."""
        self.entries.append(entry)
        content = entry.content
        self.probability = content.get("probability", self.probability)
        match entry.kind:
            case "plan":
                self.lines = _LINES.validate_python(content["lines"])
                self.first = self.first or self.lines
                self.handed_on = self.handed_on or content.get("by", "")
                self.rounds += 1
                self.read = self.read or len(self.results)
                self.settled = len(self.results), len(self.answers)
            case "call":
                number = content["step"]
                self.steps[number] = Step.model_validate(content["of"])
                self.calls[number] = Call.model_validate(content["call"])
                self.results.pop(number, None)
            case "result":
                found = content["result"], content["failed"], content["receipt"]
                self.results[content["step"]] = Result(*found)
            case "answer":
                self.answers.append(content["answer"])
            case "undone":
                self.undone.add(content["step"])
            case "end":
                self.status, self.message = content["status"], content["message"]


class Journal:
    """An open journal.

    Args:
        path: its file, made if it does not exist.

    Raises:
        JournalError: the file cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=_TIMEOUT, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            with self._errors():
                self._db.execute("PRAGMA journal_mode = WAL")
                # Each entry is on the disk before what it announces is done.
                self._db.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def begin(self, request: str, device: str | Path | None = None) -> Record:
        """A new run, held by this process.

        Args:
            device: the device's file; None for one in memory.
        """
        place = "" if device is None else str(Path(device).resolve())
        now = _now()
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO runs (request, device, started) VALUES (?, ?, ?)",
                (_storable(request), _storable(place), now.isoformat()),
            )
            number = cursor.lastrowid
            assert number is not None
            record = Record(self, number, request, place, now)
            # Held before others can see it.
            record._held.enter_context(self._hold(number))
        return record

    def take(self, number: int) -> Record:
        """A run that is there, held by this process.

        Raises:
            JournalError: there is no such run, or another process holds it.
        """
        held = ExitStack()
        try:
            held.enter_context(self._hold(number))
        except filelock.Timeout:
            raise JournalError(
                f"run {number} is under way in another process; wait until it ends"
            ) from None
        try:
            record = self.read(number)
        except BaseException:
            held.close()
            raise
        record._held = held
        return record

    def read(self, number: int) -> Record:
        """A run to look at; nobody holds it for that.

        Raises:
            JournalError: there is no such run.
        """
        with self._errors():
            run = self._db.execute(
                "SELECT request, device, started FROM runs WHERE id = ?", (number,)
            ).fetchone()
            if run is None:
                raise JournalError(f"there is no run {number}; see octoplan runs")
            entries = self._db.execute(
                "SELECT at, kind, content FROM entries WHERE run = ? ORDER BY number", (number,)
            ).fetchall()
        request, device, started = run
        record = Record(self, number, request, device, datetime.fromisoformat(started))
        for at, kind, content in entries:
            record._take(Entry(datetime.fromisoformat(at), kind, json.loads(content)))
        return record

    def runs(self, limit: int = 20) -> list[Summary]:
        """The latest runs, the newest first."""
        with self._errors():
            rows = self._db.execute(
                "SELECT id, request, device, started, status, message FROM runs "
                "ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            Summary(
                number,
                request,
                device,
                datetime.fromisoformat(started),
                status or ("under way" if self._is_held(number) else "interrupted"),
                message or "",
            )
            for number, request, device, started, status, message in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, run: int, number: int, entry: Entry) -> None:
        """Write an entry; when this returns, it is on the disk."""
        content = json.dumps(entry.content)  # ASCII: halves of surrogate pairs are kept too
        with self._transaction():
            self._db.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
                (run, number, entry.at.isoformat(), entry.kind, content),
            )
            if entry.kind == "end":
                self._db.execute(
                    "UPDATE runs SET status = ?, message = ? WHERE id = ?",
                    (entry.content["status"], _storable(entry.content["message"]), run),
                )
            elif entry.kind == "call":  # a run that goes on has not ended
                self._db.execute(
                    "UPDATE runs SET status = NULL, message = NULL WHERE id = ?", (run,)
                )

    @contextmanager
    def _hold(self, number: int) -> Iterator[None]:
        """The run's lock, which the system takes back when the process dies."""
        folder = self._path.with_name(f"{self._path.name}-locks")
        folder.mkdir(exist_ok=True)
        path = folder / f"{number}.lock"
        with filelock.FileLock(path, timeout=0):
            try:
                yield
            finally:
                # A lock on a file that is gone counts for nothing, so nobody can hold it beside us.
                with suppress(PermissionError):  # Windows deletes no open file
                    path.unlink(missing_ok=True)

    def _is_held(self, number: int) -> bool:
        try:
            with self._hold(number):
                return False
        except filelock.Timeout:
            return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _prepare(self) -> None:
        mark = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        elif mark != _APPLICATION_ID:
            raise JournalError(f"{self._path} is a file of something else; choose another path")
        elif version != _VERSION:
            raise JournalError(
                f"{self._path} was made by another version of octoplan; move it away"
            )

    def _unusable(self, error: Exception) -> JournalError:
        return JournalError(
            f"the journal {self._path} cannot be used ({error}); mend that, "
            "or name another file with --journal"
        )


def default_journal() -> Path:
    """Where the journal is: the user's folder for state, ``~/.local/state/octoplan`` on Linux."""
    return platformdirs.user_state_path("octoplan") / "journal.db"


def _now() -> datetime:
    return datetime.now(UTC)


def _storable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode()
