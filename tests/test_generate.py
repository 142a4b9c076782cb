"""A teacher writes training data: what is asked for, what is read, and what survives."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher import Mood, teacher
from typer.testing import CliRunner, Result

from octoplan.cli import app
from octoplan.data.generate import read_answer
from octoplan.data.orders import BATCH, orders, question
from octoplan.evaluation.benchmark import check
from octoplan.functions import FunctionSet, load_function_set
from octoplan.plans import Cannot, Example, Step, Wait, read_examples

HOME = load_function_set("smart_home")
NAMES = [function.name for function in HOME]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def generated(url: str, out: Path, examples: int = 20, *more: object) -> Result:
    server = ("--teacher", url, "--model", "m", "--examples", examples)
    return invoke("generate", "smart_home", *server, "--out", out, *more)


def error(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


# ---------------------------------------------------------------- what is asked for


def test_functions_pairs_and_places_come_up_equally_often() -> None:
    wanted = [each for order in islice(orders(HOME), 200) for each in order]
    alone = Counter(name for each in wanted for name in each.functions)
    assert set(alone) == set(NAMES)
    assert max(alone.values()) - min(alone.values()) <= 2
    pairs = Counter(
        pair for each in wanted for pair in zip(each.functions, each.functions[1:], strict=False)
    )
    assert len(pairs) == len(NAMES) * (len(NAMES) - 1)
    assert max(pairs.values()) <= 2 * min(pairs.values())
    first = Counter(each.functions[0] for each in wanted)
    assert max(first.values()) <= 2 * min(first.values())
    lengths = Counter(len(each.functions) for each in wanted)
    assert set(lengths) == {1, 2, 3, 4, 5}


def test_kinds_and_ways_of_speaking_vary_and_are_drawn_by_the_seed() -> None:
    wanted = [each for order in islice(orders(HOME, seed=3), 96) for each in order]
    kinds = Counter(each.kind for each in wanted)
    hard = kinds["cannot"] + kinds["ask"] + kinds["negated"]
    assert hard / len(wanted) == pytest.approx(1 / 8, abs=0.01)
    assert kinds["wait"] and kinds["failure"]
    assert all(HOME[each.functions[0]].hints.read_only for each in wanted if each.kind == "wait")
    assert len({(each.speaker, each.tone, each.form) for each in wanted}) > 300
    assert len({value for each in wanted for value in each.values}) > 500
    again = [each for order in islice(orders(HOME, seed=3), 96) for each in order]
    assert again == wanted
    assert next(orders(HOME, seed=4)) != next(orders(HOME, seed=3))


def test_few_functions_are_enough() -> None:
    one = FunctionSet(name="one", functions=(HOME["dock_vacuum"],))
    wanted = [each for order in islice(orders(one), 40) for each in order]
    assert {each.functions for each in wanted} == {("dock_vacuum",)}
    assert not {each.kind for each in wanted} & {"ask", "wait"}


def test_the_prompt_describes_the_functions_that_are_used_and_for_cannot_all() -> None:
    wanted = list(islice(orders(HOME), 60))
    plain = next(order for order in wanted if all(each.kind == "plain" for each in order))
    used = {name for each in plain for name in each.functions}
    described = {name for name in NAMES if f'{{"name":"{name}"' in question(plain, HOME)}
    assert described == used
    cannot = next(order for order in wanted if any(each.kind == "cannot" for each in order))
    assert all(f'{{"name":"{name}"' in question(cannot, HOME) for name in NAMES)


# ---------------------------------------------------------------- what is read

LINES = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(),
        "function": st.one_of(st.sampled_from(NAMES), st.integers()),
        "arguments": st.dictionaries(st.text(), st.one_of(st.text(), st.floats())),
        "cannot": st.text(),
        "wait": st.booleans(),
        "ask": st.text(),
    },
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "query": st.one_of(st.text(), st.none()),
        "steps": st.lists(LINES),
        "branches": st.lists(st.fixed_dictionaries({"steps": st.lists(LINES)})),
    },
)


@given(st.one_of(st.text(), st.lists(ENTRIES).map(lambda found: json.dumps({"examples": found}))))
def test_whatever_the_teacher_writes_is_read_or_told(text: str) -> None:
    examples, problems = read_answer(text, BATCH, "x", dict.fromkeys(NAMES, "home"))
    assert len(examples) + len(problems) >= min(1, BATCH)
    assert len(examples) <= BATCH
    for example in examples:
        assert Example.model_validate_json(example.model_dump_json()) == example
        assert example.domains in ((), ("home",))


# ---------------------------------------------------------------- the run


def test_a_good_teacher_fills_the_file_with_right_examples(tmp_path: Path) -> None:
    out = tmp_path / "new" / "drafts.jsonl"
    with teacher() as server:
        result = generated(server.url, out, 240, "--price", 1, 2)
    assert result.exit_code == 0, result.output
    questions = len(server.asked)
    assert f"wrote 240 examples to {out}; {7 * questions:,} tokens read" in result.stdout
    assert f"cost {questions * (7 + 2 * 3) / 1e6:.2f}" in result.stdout
    examples = list(read_examples([out]))
    assert len(examples) == len({example.id for example in examples}) == 240
    assert [fault for example in examples for fault in check(example, HOME)] == []
    assert {example.domains for example in examples} <= {("smart_home",), ()}
    assert any(isinstance(line, Wait) for example in examples for line in example.steps)
    assert any(isinstance(line, Cannot) for example in examples for line in example.steps)
    assert HOME["set_lock"].description not in out.read_text("utf-8")
    asked = server.asked[0]
    assert (asked["model"], asked["temperature"]) == ("m", 1.0)
    assert asked["response_format"]["type"] == "json_schema"


def test_bad_answers_are_counted_and_more_is_asked_for(tmp_path: Path) -> None:
    moods: list[Mood] = ["well", "broken", 429, "refuses", 500, "twice", "drops", "too few"]
    with teacher(*moods, "unknown function") as server:
        result = generated(server.url, tmp_path / "drafts.jsonl", 60)
    assert result.exit_code == 0, result.output
    assert "could not be read" in result.stdout
    examples = list(read_examples([tmp_path / "drafts.jsonl"]))
    assert len(examples) >= 60
    # What is wrong with an example that can be read, octoplan validate finds.
    used = {line.function for e in examples for line in e.steps if isinstance(line, Step)}
    assert "fly" in used


def test_more_examples_are_added_and_nothing_is_asked_again(tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    with teacher() as server:
        assert generated(server.url, out, 10).exit_code == 0
        before = out.read_text("utf-8")
        assert generated(server.url, out, 10).exit_code == 0
        assert len(server.asked) == 2
        assert generated(server.url, out, 20).exit_code == 0
    assert len(server.asked) == len(set(server.prompts)) == 4
    assert out.read_text("utf-8").startswith(before)
    assert len(list(read_examples([out]))) == 20


def test_an_order_left_unanswered_is_asked_for_next_time(tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    with teacher(*[500] * 7, *["well"] * 9) as server:
        result = generated(server.url, out, 10, "--concurrency", 1)
        assert "1 questions had no answer" in result.stdout
        assert generated(server.url, out, 15).exit_code == 0
    ids = [example.id for example in read_examples([out])]
    assert ids == sorted(ids) and ids[0] == "drafts-00000-1"


@pytest.mark.slow
def test_a_teacher_that_is_of_no_use_is_not_asked_for_ever(tmp_path: Path) -> None:
    with teacher("refuses") as server:
        message = error(generated(server.url, tmp_path / "a.jsonl"))
    assert "nothing that the teacher wrote can be read" in message
    assert len(server.asked) < 30
    with teacher(500) as server:
        message = error(generated(server.url, tmp_path / "b.jsonl"))
    assert "12 questions in a row without an answer" in message
    assert "cannot reach" in error(generated("http://127.0.0.1:9/v1", tmp_path / "c.jsonl"))


def test_other_functions_or_seeds_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    with teacher() as server:
        assert generated(server.url, out, 5).exit_code == 0
        kept = out.read_bytes()
        assert "was begun with other seed" in error(generated(server.url, out, 9, "--seed", 1))
        options = ("--teacher", server.url, "--model", "m", "--out", out)
        assert "begun with other functions" in error(invoke("generate", "travel", *options))
        assert len(server.asked) == 1
    assert out.read_bytes() == kept
    (tmp_path / "x.jsonl.db").write_bytes(b"no database" * 99)
    assert "is no ledger" in error(generated(server.url, tmp_path / "x.jsonl"))


def test_prompts_can_be_replaced_and_are_shown_without_asking(tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    shown = generated("http://127.0.0.1:9/v1", out, 100, "--dry-run")
    assert shown.exit_code == 0
    assert shown.stdout.count("## What is wanted") == 3
    assert "20 questions would be asked" in shown.stderr
    assert not out.exists()
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "generate.md").write_text("Write {{count}}: {{wanted}}")
    (own / "variety.toml").write_text('speakers = ["Zoë"]\ntones = ["soft"]\nforms = ["song"]')
    shown = generated("http://127.0.0.1:9/v1", out, 5, "--dry-run", "--prompts", own)
    assert shown.stdout.startswith('Write 5: {"n": 1,')
    assert shown.stdout.count('"speaker": "Zoë"') == 5
    (own / "generate.md").write_text("{{nothing}}")
    wrong = error(generated("http://127.0.0.1:9/v1", out, 5, "--dry-run", "--prompts", own))
    assert "there is no {{nothing}}; there are {{functions}}" in wrong
    (own / "variety.toml").write_text("speakers = 3")
    wrong = error(generated("http://127.0.0.1:9/v1", out, 5, "--dry-run", "--prompts", own))
    assert "must hold the lists speakers, tones and forms" in wrong
    gone = generated("http://127.0.0.1:9/v1", out, 5, "--dry-run", "--prompts", tmp_path / "no")
    assert "there is no folder" in error(gone)


def test_how_many_examples_a_function_gets(tmp_path: Path) -> None:
    options = ("--teacher", "http://127.0.0.1:9/v1", "--model", "m", "--out", tmp_path / "x")
    shown = invoke("generate", "smart_home", *options, "--per-function", 30, "--dry-run")
    assert f"{16 * 30 // 3 // BATCH} questions would be asked" in shown.stderr
    both = ("--per-function", 30, "--examples", 9)
    assert invoke("generate", "smart_home", *options, *both).exit_code == 2


@pytest.mark.slow
def test_killed_twenty_times_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    rng = random.Random(0)
    with teacher("slow", "well", 500, "broken", "slow", "drops", seconds=0.05) as server:
        options = ["--teacher", server.url, "--model", "m", "--out", str(out), "--examples"]
        command = [sys.executable, "-m", "octoplan.cli", "generate", "smart_home", *options]
        kept: dict[int, str] = {}
        for _ in range(20):
            process = subprocess.Popen([*command, "99999"], stdout=subprocess.DEVNULL)
            before = len(server.answered)
            while len(server.answered) < before + 2 and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.1)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            now = answers(out)
            assert kept.items() <= now.items()
            kept = now
            if out.exists():
                assert all(json.loads(line) for line in out.read_text("utf-8").splitlines())
        wanted = BATCH * len(kept) + 50
        done = subprocess.run([*command, str(wanted)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    examples = list(read_examples([out]))
    assert len(examples) >= wanted
    assert len({example.id for example in examples}) == len(examples)
    final = answers(out)
    assert kept.items() <= final.items()
    read = [
        example.id
        for number, text in final.items()
        for example in read_answer(text, BATCH, f"drafts-{number:05d}", {})[0]
    ]
    assert [example.id for example in examples] == read


def answers(out: Path) -> dict[int, str]:
    """What the ledger holds."""
    file = sqlite3.connect(f"file:{out}.db?mode=ro", uri=True)
    try:
        return dict(file.execute("SELECT number, text FROM answers ORDER BY number"))
    finally:
        file.close()
