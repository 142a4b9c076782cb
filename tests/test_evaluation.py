"""Evaluation: the oracles, the figures, the reports, and ``octoplan evaluate`` itself."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from octoplan.action import ActionModel
from octoplan.agent import Agent
from octoplan.cli import app
from octoplan.confidence import Calibration
from octoplan.evaluation.evaluate import ADDED, DROPPED, Answer, Evaluation, Octoplan, evaluate
from octoplan.evaluation.oracles import (
    CallOracle,
    LenientOracle,
    PlanOracle,
    Verdict,
    simulated_execution,
)
from octoplan.evaluation.report import ReportError, compare, markdown, page
from octoplan.functions import load_function_sets
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.planner import Planner
from octoplan.plans import Ask, Cannot, Example, Line, Step, Wait, read_examples

DATA = Path(__file__).parents[1] / "data" / "validation"
KNOWN = load_function_sets("all")


def step(function: str, **arguments: Any) -> Step:
    return Step(text="Do it", function=function, arguments=arguments)


BRIGHT = step("set_screen_brightness", percent=80)
WIFI = step("set_wifi", enabled=False)
FIND = step("find_document", query="tax return")
MAIL = step("send_email", recipient="Ama", attachment="$1")
PLAN = (FIND, MAIL, BRIGHT)


# ---------------------------------------------------------------- oracles


@pytest.mark.parametrize(
    ("predicted", "plan", "call", "lenient", "executed"),
    [
        (PLAN, True, True, True, True),
        ((FIND, step("send_email", recipient="the Ama", attachment="$1"), BRIGHT), *[True] * 4),
        ((FIND, MAIL, step("set_screen_brightness", percent=8)), True, False, False, False),
        ((step("find_document", query="my tax return"), MAIL, BRIGHT), True, False, True, True),
        ((BRIGHT, FIND, step("send_email", recipient="Ama", attachment="$2")), *[False] * 3, True),
        ((FIND, MAIL), *[False] * 4),
        ((*PLAN, WIFI), *[False] * 4),
        ((*PLAN, Cannot(cannot="dance")), *[False] * 4),
        ((FIND, MAIL, Step(text="Do it")), *[False] * 4),
        ((), *[False] * 4),
    ],
)
def test_what_each_oracle_says(
    predicted: tuple[Line, ...], plan: bool, call: bool, lenient: bool, executed: bool
) -> None:
    oracles = (PlanOracle(), CallOracle(), LenientOracle(KNOWN), simulated_execution())
    verdicts = {oracle.name: oracle.verdict("…", PLAN, predicted).right for oracle in oracles}
    assert verdicts == {"plan": plan, "call": call, "lenient": lenient, "executed": executed}


@pytest.mark.parametrize(
    ("ours", "theirs", "alike"),
    [
        ("packs of card sleeves", "card sleeves", True),
        ("the Hajj quota", "Hajj quota in Indonesia", True),
        ("Hotel Elektra", "Hotel Electra", True),
        ("at 5:30 pm", "at 6:30 pm", False),
        ("$1", "$2", False),
        ("$1", "the forecast", False),
        ("Lisbon", "Porto", False),
    ],
)
def test_free_text_may_differ_in_wording(ours: str, theirs: str, alike: bool) -> None:
    lenient = LenientOracle(KNOWN)
    for one, other in ((ours, theirs), (theirs, ours)):
        plans = ((step("announce", message=text),) for text in (one, other))
        assert lenient.verdict("…", *plans).right is alike


def test_values_that_a_schema_lists_may_not() -> None:
    locked, unlocked = (
        (step("set_lock", door="front door", state=state),) for state in ("locked", "unlocked")
    )
    assert LenientOracle(KNOWN).verdict("…", locked, unlocked).right is False
    assert LenientOracle(KNOWN).verdict("…", locked, locked).right is True


@pytest.mark.parametrize(
    "call",
    [
        step("fly", to="the moon"),
        step("set_wifi"),
        step("set_wifi", enabled="perhaps"),
        step("set_screen_brightness", percent=80, colour="red"),
    ],
)
def test_a_call_that_is_not_valid_is_never_run(call: Step) -> None:
    assert simulated_execution().verdict("…", (BRIGHT,), (call,)).right is False


def test_the_execution_oracle_says_what_is_wrong() -> None:
    verdict = simulated_execution().verdict("…", (BRIGHT,), (WIFI,))
    assert verdict.right is False
    assert "missing: " in verdict.reason
    assert "not asked for: " in verdict.reason
    asks, waits = (Ask(ask="Which room?"),), (Wait(wait=True),)
    assert simulated_execution().verdict("…", asks, (Ask(ask="What room is it?"),)).right
    assert not simulated_execution().verdict("…", asks, waits).right


# ---------------------------------------------------------------- figures

EXAMPLES = [
    Example(id="android_a-0001", domains=("android",), query="a", steps=(BRIGHT,)),
    Example(id="android_a-0002", domains=("android",), query="b", steps=PLAN),
    Example(id="hard_b-0003", query="c", steps=(Cannot(cannot=""),)),
    Example(id="cross_a-0004", domains=("android", "travel"), query="d", steps=(WIFI, FIND)),
]
ANSWERS = {
    "a": (BRIGHT,),
    "b": (FIND, BRIGHT),
    "c": (WIFI,),
    "d": (WIFI, FIND, Ask(ask="Which?")),
}


class Scripted:
    """A subject that gives set answers."""

    parallel = 2

    def answer(self, request: str) -> Answer:
        return Answer(lines=ANSWERS[request], seconds=0.25, problems=("odd",), prompt_tokens=9)


class Undecided:
    name = "judge"

    def verdict(self, request: str, gold: object, predicted: object) -> Verdict:
        return Verdict(None if request == "a" else request == "b", "because | of <this>")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    seen: list[tuple[int, int]] = []
    made = evaluate(
        Scripted(),
        EXAMPLES,
        [PlanOracle(), CallOracle(), Undecided()],
        {"command": "octoplan evaluate", "data": {"a.jsonl": "0123456789abcdef"}},
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    return made


def test_figures_are_counted_by_group(evaluation: Evaluation) -> None:
    def counts(group: str, oracle: str) -> tuple[int, int]:
        score = evaluation.figures[group][oracle]
        return score.right, score.n

    assert list(evaluation.figures)[0] == "all"
    assert counts("all", "plan") == counts("all", "call") == (1, 4)
    assert counts("all", "judge") == (1, 3)
    assert counts("1 step", "plan") == counts("android", "plan")[:1] + (1,)
    assert counts("steps only", "plan") == (1, 3)
    assert counts("with cannot", "plan") == counts("no domain", "plan") == (0, 1)
    assert counts("several domains", "plan") == counts("file cross", "plan") == (0, 1)
    assert counts("file android", "plan") == (1, 2)
    agree = evaluation.agreement
    assert {name: (s.right, s.n) for name, s in agree.items()} == {
        "plan and call": (4, 4),
        "plan and judge": (2, 3),
        "call and judge": (2, 3),
    }


def test_confusion_names_what_stood_in_a_lines_place(evaluation: Evaluation) -> None:
    assert evaluation.confusion == {
        ADDED: {"ask": 1},
        "cannot": {"set_wifi": 1},
        "send_email": {DROPPED: 1},
    }


def test_an_evaluation_survives_its_file(evaluation: Evaluation) -> None:
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


# ---------------------------------------------------------------- reports


class _Checked(HTMLParser):
    """Every link of the page, and every element that is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_is_whole_in_itself(evaluation: Evaluation) -> None:
    text = page(evaluation)
    checked = _Checked()
    checked.feed(text)
    assert {"h1", "table", "svg", "details"} <= set(checked.tags)
    assert not [link for link in checked.links if "//" in link]
    assert "because | of &lt;this&gt;" in text
    assert "<this>" not in text


class Sure:
    """A subject that is right where it is sure."""

    parallel = 1

    def answer(self, request: str) -> Answer:
        sure = int(request) % 3 > 0
        lines = (BRIGHT,) if sure else (WIFI,)
        return Answer(lines=lines, seconds=0.1, probability={"plan": 0.5 if sure else 0.1})


def test_confidence_is_measured_and_reported() -> None:
    examples = [Example(id=f"a-{n:04}", query=str(n), steps=(BRIGHT,)) for n in range(60)]
    made = evaluate(Sure(), examples, [PlanOracle()], {})
    found = made.reliability["plan"]
    assert found.n == 60 and found.calibrated_error < 0.06
    assert found.error == pytest.approx(0.36)  # six of 60 in each bin
    assert found.handed_on[4].share == 0.2 and found.handed_on[4].caught == pytest.approx(0.6)
    assert made.cases[0].probability == {"plan": 0.1}
    text = markdown(made)
    assert "has an expected calibration error of 0.360; calibrated on the other four" in text
    assert "| 20% | 83.3% | 60.0% |" in text
    assert page(made).count("<svg") == 2
    assert not evaluate(Sure(), examples[:9], [PlanOracle()], {}).reliability


def test_markdown_lists_every_wrong_case_with_both_plans(evaluation: Evaluation) -> None:
    text = markdown(evaluation)
    assert "| all | 4 | 25.0 % [" in text
    for case in evaluation.cases:
        assert (f"**{case.id}**" in text) is not all(case.verdicts.values())
    assert "gold       Do it → send_email(recipient='Ama', attachment='$1')" in text
    assert "predicted  ask: Which?" in text


def test_comparison_counts_who_alone_was_right(evaluation: Evaluation) -> None:
    better = evaluation.model_copy(
        update={
            "cases": tuple(
                case.model_copy(update={"verdicts": {"plan": True, "call": case.id[0] == "h"}})
                for case in evaluation.cases
            )
        }
    )
    found = compare(evaluation, better)
    assert set(found) == {"plan", "call"}
    assert (found["plan"].only_first, found["plan"].only_second) == (0, 3)
    assert found["plan"].p_value == pytest.approx(0.25)
    assert (found["call"].only_first, found["call"].only_second) == (1, 1)
    assert found["call"].p_value == 1
    with pytest.raises(ReportError, match="no request in common"):
        compare(evaluation, evaluation.model_copy(update={"cases": ()}))


def test_wrong_plans_are_those_with_the_wrong_functions(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    (tmp_path / "evaluation.json").write_text(evaluation.model_dump_json(), encoding="utf-8")
    wrong = Evaluation.load(tmp_path).wrong_plans()
    assert set(wrong) == {case.id for case in evaluation.cases if not case.verdicts["plan"]}
    assert wrong
    assert all(wrong[case.id] == case.predicted for case in evaluation.cases if case.id in wrong)


# ---------------------------------------------------------------- the command

runner = CliRunner()


@pytest.fixture
def few(tmp_path: Path) -> Path:
    examples = list(read_examples([DATA / "android_a.jsonl"]))[:3]
    lines = [example.model_dump_json(exclude_none=True) + "\n" for example in examples]
    path = tmp_path / "few.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.slow
def test_evaluate_writes_its_results_and_compares_them(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calibration = tmp_path / "out", tmp_path / "calibration.json"
    command = ["evaluate", str(few), "--out", str(out), "--calibrate", str(calibration)]
    done = runner.invoke(app, command)
    assert done.exit_code == 2
    assert "takes 50 examples" in done.output
    assert not out.exists() and not calibration.exists()
    monkeypatch.setattr("octoplan.evaluation.calibration.FEWEST", 2)
    done = runner.invoke(app, command)
    assert done.exit_code == 0, done.output
    measured = Calibration.load(calibration)
    planner, action = (Adapter.load(shipped_adapter(r), r) for r in ("planner", "action"))
    assert (measured.planner, measured.action) == (planner.digest, action.digest)
    assert 0 <= measured.call(0.5) <= 1
    assert {path.name for path in out.iterdir()} == {
        f"evaluation.{e}" for e in ("json", "md", "html")
    }
    made = Evaluation.model_validate_json((out / "evaluation.json").read_bytes())
    assert set(made.figures["all"]) == {"plan", "call", "lenient", "executed"}
    assert made.figures["all"]["plan"].n == 3
    assert made.figures["action model alone, gold steps"]["call"].n >= 3
    assert list(made.about["data"]) == [str(few)]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in made.about["data"].values())

    again = runner.invoke(app, ["evaluate", str(few), "--out", str(out)])
    assert again.exit_code == 2
    assert "exists; name another folder" in again.output

    same = runner.invoke(app, ["evaluate", "--compare", str(out), str(out), "--json"])
    assert same.exit_code == 0
    told = json.loads(same.stdout)
    assert told["plan"]["p_value"] == 1
    assert told["plan"]["n"] == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--out", "x"], "give data"),
        (["FEW"], "--out DIR"),
        (["FEW", "--server", "http://127.0.0.1:9"], "--server goes with --model"),
        (
            [*("FEW", "--json", "--calibrate", "x", "--model", "m"), "--server", "http://[::1]:9"],
            "leave --server out",
        ),
        (
            ["FEW", "--json", "--calibrate", "x", "--planner", "a", "--planner", "b"],
            "for one planner",
        ),
        (["no.jsonl", "--out", "x"], "no.jsonl"),
        (["FEW", "--out", "x", "--functions", "travel"], "there is no function"),
        (["--compare", "FEW", "FEW"], "is no evaluation"),
        (["--compare", "no", "no"], "no: No such file"),
    ],
)
def test_what_cannot_be_evaluated_is_said(few: Path, arguments: list[str], problem: str) -> None:
    given = [str(few) if argument == "FEW" else argument for argument in arguments]
    done = runner.invoke(app, ["evaluate", *given])
    assert done.exit_code == 2
    assert problem in " ".join(done.output.replace("│", " ").split())


@pytest.mark.slow
def test_the_action_model_alone_is_not_told_the_function(models: Any) -> None:
    planner = Planner(models.engine, models.planner)
    subject = Octoplan(Agent(planner, ActionModel(models.engine, models.action)), 1, {})
    example = replace_functions(next(read_examples([DATA / "android_a.jsonl"])))
    assert [gold.function == read.function for gold, read in subject.calls(example)].count(False)


def replace_functions(example: Example) -> Example:
    """The example with every step's function exchanged for one that does not fit."""
    steps = [
        line.model_copy(update={"function": "take_screenshot", "arguments": {}})
        if isinstance(line, Step)
        else line
        for line in example.steps
    ]
    return example.model_copy(update={"steps": tuple(steps)})
