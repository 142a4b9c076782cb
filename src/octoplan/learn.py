"""Teach an agent functions of your own: from functions to an agent package, in one go.

    octoplan learn my_functions.py --teacher http://127.0.0.1:8080/v1 --model qwen3-32b -o my_agent
    octoplan learn my_functions.py --data my.jsonl -o my_agent

The stages are those of Octo-planner (arXiv 2406.18082, section 3.2): a teacher *generates*
examples, unless you bring them; they are *validated*; a planner and an action model are *trained*
on nine tenths, on from those that ship; *evaluated* on the rest; and packaged. What a stage has
made is kept under ``work`` in the package's folder with a digest of what it was made from: started
again, a stage is done again only if that has changed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from octoplan.confidence import CALIBRATION_FILE
from octoplan.data.card import write as write_validated
from octoplan.data.held_out import without_held_out
from octoplan.data.validate import read_drafts, validate
from octoplan.evaluation.calibration import FEWEST
from octoplan.evaluation.evaluate import Evaluation, Octoplan, evaluate
from octoplan.evaluation.oracles import Verdict, oracles_of
from octoplan.evaluation.report import write as write_evaluation
from octoplan.functions import FunctionSet
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter
from octoplan.models.bases import DEFAULT_BASE, find_base
from octoplan.packages import CODE_FILE, SERVER_FILE, Package
from octoplan.plans import Example, fingerprint, read_examples
from octoplan.training.train import Settings, train

Role = Literal["planner", "action"]

_ROLES: tuple[Role, ...] = ("planner", "action")

HELD_OUT, FEWEST_HELD_OUT, MOST_HELD_OUT = 0.1, 30, 300
"""The share of the examples that is held out, and the bounds of their number."""

SEEN = 1500
"""So many examples are learned from, repeated where there are fewer, twelve times at most."""


class LearnError(ValueError):
    """What cannot be learned; one line that says what to do."""


@dataclass(frozen=True)
class Lesson:
    """What is to be learned.

    Attributes:
        functions: the functions to plan with.
        out: the package's folder.
        data: the files of examples.
        held_out: examples to evaluate on; a part of the data where None.
        code: the Python file of the functions, which the package shall carry.
        server: or the MCP server on which they run; neither where a device carries them out.
        base: what to train.
        judge: decides which examples are valid, after the rules.
        command: what the cards say of how it was made.
        validate, evaluate: whether these stages are done.
    """

    functions: FunctionSet
    out: Path
    data: Sequence[Path]
    held_out: Path | None = None
    code: Path | None = None
    server: str | None = None
    base: str = DEFAULT_BASE
    judge: Callable[[Example], Verdict] | None = None
    command: str = ""
    validate: bool = True
    evaluate: bool = True

    @property
    def work(self) -> Path:
        """Where the stages keep what they have made."""
        return self.out / "work"


def learn(
    lesson: Lesson, told: Callable[[int, int, str], None] = lambda *_: None
) -> Evaluation | None:
    """Make an agent package; what it scores on held-out examples, if that was not left out.

    Args:
        told: what is done, of how much, and which stage it is.

    Raises:
        LearnError: there is too little to learn from.
        ValueError: it cannot be trained.
        BaseError, AdapterError: the base is not there, or a model is broken.
    """
    training, held_out = _split(lesson, _examples(lesson, told))
    adapters = {role: _trained(lesson, role, training, held_out, told) for role in _ROLES}
    made = _evaluated(lesson, adapters, held_out, told) if lesson.evaluate else None
    _package(lesson, adapters, made, len(training), len(held_out))
    return made


# ---------------------------------------------------------------- data


def _examples(lesson: Lesson, told: Callable[[int, int, str], None]) -> list[Example]:
    """The examples that are fit to learn from."""
    if not lesson.validate:
        return list(read_examples(lesson.data))
    place = lesson.work / "validated"
    held_out = list(read_examples([lesson.held_out])) if lesson.held_out else []
    data = [file["sha256"] for file in fingerprint(lesson.data).values()]
    key = _key(lesson.functions.digest, lesson.judge is not None, data, held_out)
    if not _is_made(place, key):
        found = validate(
            read_drafts(lesson.data),
            lesson.functions,
            held_out,
            lesson.judge,
            told,
        )
        shutil.rmtree(place, ignore_errors=True)
        about = {"command": lesson.command, "data": _files(lesson.data)}
        write_validated(found, lesson.functions, place, about)
        _made(place, key)
    if not (place / "kept.jsonl").stat().st_size:
        raise LearnError(
            f"none of the examples can be learned from; {place / 'rejected.jsonl'} says why"
        )
    return list(read_examples([place / "kept.jsonl"]))


def _split(lesson: Lesson, examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """What is learned, and what is held out: drawn by a hash, so that it stays when more come."""
    if lesson.held_out is not None:
        held_out = list(read_examples([lesson.held_out]))
    else:
        count = min(MOST_HELD_OUT, max(FEWEST_HELD_OUT, round(HELD_OUT * len(examples))))
        by_hash = sorted(examples, key=lambda example: _key(example.query))
        held_out = by_hash[:count]
    ids = {example.id for example in held_out}
    rest = [example for example in examples if example.id not in ids]
    training, _ = without_held_out(rest, held_out)
    if len(training) < FEWEST_HELD_OUT:
        raise LearnError(
            f"{len(training)} examples are too few to learn from; {2 * FEWEST_HELD_OUT} are the "
            "least, some hundreds are better (why others were rejected stands in "
            f"{lesson.work / 'validated' / 'rejected.jsonl'})"
        )
    return training, held_out


# ---------------------------------------------------------------- training


def settings_for(role: Role, base: str, examples: int) -> Settings:
    """How to train on so many examples: on from the adapter that ships, where there is one.

    A new adapter takes a higher rate. Small batches, thus many updates, teach few examples best
    (``experiments/results/close-the-gap.md``).
    """
    epochs = max(2, min(12, round(SEEN / examples)))
    try:
        start = shipped_adapter(role)
        Adapter.load(start, role).check(find_base(base))
    except AdapterError:
        return Settings(role=role, base=base, epochs=epochs, batch_size=4, rank=32, alpha=64)
    return Settings(role=role, base=base, epochs=epochs, batch_size=4, start=str(start), lr=5e-4)


def _trained(
    lesson: Lesson,
    role: Role,
    training: list[Example],
    held_out: list[Example],
    told: Callable[[int, int, str], None],
) -> Path:
    """The folder of the trained adapter."""
    place = lesson.work / role
    settings = settings_for(role, lesson.base, len(training))
    key = _key(lesson.functions.digest, settings.model_dump(exclude={"start"}), training, held_out)
    if not _is_made(place, key):
        begun = place / "begun"
        if not begun.exists() or begun.read_text(encoding="utf-8") != key:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            begun.write_text(key, encoding="utf-8")
        train(
            settings,
            training,
            held_out,
            lesson.functions,
            place,
            lambda done, total, _: told(done, total, f"training the {role} model"),
            {"command": lesson.command, "data": _files(lesson.data)},
            measure_loss=False,
        )
        begun.unlink()
        _made(place, key)
    return place


# ---------------------------------------------------------------- the package


def _evaluated(
    lesson: Lesson,
    adapters: Mapping[Role, Path],
    held_out: list[Example],
    told: Callable[[int, int, str], None],
) -> Evaluation:
    """What the two score on the held-out examples."""
    place = lesson.work / "evaluation"
    key = _key(*(Adapter.read(folder).digest for folder in adapters.values()), held_out)
    if _is_made(place, key):
        return Evaluation.load(place)
    subject = Octoplan.load(None, adapters["planner"], adapters["action"])
    measured = [lesson.held_out] if lesson.held_out else lesson.data
    about = {
        "command": lesson.command,
        "subject": subject.named,
        "data": {name: file["sha256"] for name, file in _files(measured).items()},
        "sample": f"{len(held_out)} examples, held out",
    }
    made = evaluate(
        subject,
        held_out,
        oracles_of(lesson.functions),
        about,
        lambda done, total: told(done, total, "evaluating"),
    )
    shutil.rmtree(place, ignore_errors=True)
    write_evaluation(made, place)
    if len(held_out) >= FEWEST:
        calibration = subject.calibration(made).model_dump_json(indent=1)
        (place / CALIBRATION_FILE).write_text(calibration + "\n", encoding="utf-8")
    _made(place, key)
    return made


def _package(
    lesson: Lesson,
    adapters: Mapping[Role, Path],
    made: Evaluation | None,
    training: int,
    held_out: int,
) -> None:
    """Put together what another machine needs, and check it."""
    for role, folder in adapters.items():
        shutil.rmtree(lesson.out / role, ignore_errors=True)
        shutil.copytree(folder, lesson.out / role, ignore=shutil.ignore_patterns("made"))
    for name in (CODE_FILE, SERVER_FILE, CALIBRATION_FILE):
        (lesson.out / name).unlink(missing_ok=True)
    if lesson.code is not None:
        shutil.copy(lesson.code, lesson.out / CODE_FILE)
    if lesson.server is not None:
        (lesson.out / SERVER_FILE).write_text(lesson.server + "\n", encoding="utf-8")
    shutil.rmtree(lesson.out / "evaluation", ignore_errors=True)
    if made is not None:
        place = lesson.work / "evaluation"
        shutil.copytree(place, lesson.out / "evaluation", ignore=shutil.ignore_patterns("made"))
        if (lesson.out / "evaluation" / CALIBRATION_FILE).exists():
            (lesson.out / "evaluation" / CALIBRATION_FILE).replace(lesson.out / CALIBRATION_FILE)
    package = Package.load(lesson.out)
    report = _report(lesson, package, made, training, held_out)
    (lesson.out / "README.md").write_text(report, encoding="utf-8")


def _report(
    lesson: Lesson, package: Package, made: Evaluation | None, training: int, held_out: int
) -> str:
    """The final report, which is the package's card."""
    name = package.name
    parts = [
        f"# {name}: an octoplan agent",
        f'```sh\noctoplan run --agent {name} "…"\noctoplan agents add {name}\n```',
        "\n".join(f"- `{each.name}`: {each.description}" for each in package.functions),
        f"Trained on {training} examples, on {package.planner.base}. Made by: `{lesson.command}`. "
        "See [planner](planner/README.md) and [action](action/README.md) for how.",
    ]
    if made is None:
        parts.append("It was not evaluated.")
    else:
        figures = made.figures["all"]
        rows = "\n".join(f"| {oracle} | {score} |" for oracle, score in figures.items())
        parts.append(
            f"## How well it does\n\nOn {held_out} examples that it was not trained on "
            f"([all figures, and every wrong case](evaluation/evaluation.md)):\n\n"
            f"| right by | |\n|---|---|\n{rows}"
        )
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- what was made from what


def _made(place: Path, key: str) -> None:
    (place / "made").write_text(key, encoding="utf-8")


def _is_made(place: Path, key: str) -> bool:
    """Whether a stage has made it, from the same."""
    stamp = place / "made"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == key


def _key(*things: Any) -> str:
    """A digest of JSON values, paths, examples and lists of these."""

    def plain(thing: Any) -> Any:
        return thing.model_dump() if isinstance(thing, Example) else str(thing)

    return hashlib.sha256(json.dumps(things, default=plain, sort_keys=True).encode()).hexdigest()


def _files(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The data's files, as cards tell them: by name, not by where they are on this machine."""
    return {Path(path).name: file for path, file in fingerprint(paths).items()}
