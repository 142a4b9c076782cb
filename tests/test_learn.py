"""Teaching an agent functions of one's own: the whole way, on a tiny model."""

from pathlib import Path
from typing import Any

import pytest
from teacher import teacher
from test_training import tiny, tokenizer  # noqa: F401  # fixtures
from typer.testing import CliRunner, Result

from octoplan.cli import app
from octoplan.learn import settings_for
from octoplan.packages import Package

TUTORIAL = Path(__file__).parents[1] / "tutorial"
BOOKS, EXAMPLES = TUTORIAL / "books.py", TUTORIAL / "books.jsonl"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def taught(out: Path, *more: object) -> Result:
    return invoke("learn", BOOKS, "--data", EXAMPLES, "-o", out, *more)


def times(folder: Path) -> dict[str, int]:
    """When each file under a folder was written."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_how_long_is_learned_depends_on_the_data_and_where_it_starts_on_the_base() -> None:
    few, many = (settings_for("planner", "smollm2-135m", count) for count in (100, 10_000))
    assert few.epochs > many.epochs == 2
    assert few.start is not None and few.start.endswith("planner")


def test_what_cannot_be_learned_is_said(tmp_path: Path) -> None:
    assert "give a teacher" in invoke("learn", BOOKS, "-o", tmp_path / "a").output
    both = invoke("learn", BOOKS, BOOKS, "--data", EXAMPLES, "-o", tmp_path / "a")
    assert "a package has one Python file" in error(both)
    few = tmp_path / "few.jsonl"
    lines = EXAMPLES.read_text("utf-8").splitlines(keepends=True)
    few.write_text("".join(lines[:40]), "utf-8")
    told = error(invoke("learn", BOOKS, "--data", few, "-o", tmp_path / "b"))
    assert "examples are too few to learn from" in told
    assert not (tmp_path / "b" / "planner").exists()


@pytest.mark.slow
def test_a_teacher_s_examples_become_an_agent_and_nothing_is_done_twice(
    tiny: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("octoplan.learn.SEEN", 100)
    out = tmp_path / "agent"
    base = tiny("llama")
    with teacher("well", "well", "well", "unknown function", "twice") as server:

        def learned(examples: int) -> Result:
            options = ["--teacher", server.url, "--model", "m", "--examples", examples]
            return invoke("learn", BOOKS, *options, "-o", out, "--base", base, "--no-evaluate")

        result = learned(200)
        assert result.exit_code == 0, result.output
        package = Package.load(out)
        assert {f.name for f in package.functions} >= {"add_book", "find_books"}
        assert package.code is not None
        rejected = (out / "work/validated/rejected.jsonl").read_text("utf-8")
        assert "fly" in rejected and "same request" in rejected
        assert "It was not evaluated." in (out / "README.md").read_text("utf-8")
        asked, before = len(server.asked), times(out / "work")
        assert learned(200).exit_code == 0
        assert len(server.asked) == asked
        after = times(out / "work")
        changed = {name for name in after if after[name] != before.get(name)}
        assert {name.partition("/")[0] for name in changed} <= {"drafts.jsonl", "drafts.jsonl.db"}
