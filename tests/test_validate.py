"""Drafts of examples: what is mended, what is rejected and why, and the folder that is written."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import error, invoke
from test_prompted import completion, scripted

from octoplan.data.card import count, summary, write
from octoplan.data.validate import (
    Rejected,
    Unreadable,
    Validated,
    faults,
    mend,
    read_drafts,
    validate,
)
from octoplan.evaluation.judge import ExampleJudge
from octoplan.evaluation.oracles import Verdict
from octoplan.functions import FunctionSet, load_function_sets
from octoplan.models import bases
from octoplan.models.prompted import Endpoint, EndpointError
from octoplan.plans import (
    Ask,
    Branch,
    Cannot,
    Done,
    Example,
    Line,
    PlanError,
    Step,
    Wait,
    read_examples,
)

DATA = Path(__file__).parents[1] / "data"
WAIT, DONE = Wait(wait=True), Done(done=True)
KNOWN = load_function_sets("all")
VALID = '{"reason": "as a person says it", "valid": true}'
NOT_VALID = '{"reason": "nobody asked for it", "valid": false}'


def step(text: str, function: str | None, **arguments: Any) -> Step:
    return Step(text=text, function=function, arguments=arguments)


def example(query: str, *lines: Line, id: str = "x", branches: tuple[Branch, ...] = ()) -> Example:
    return Example(id=id, domains=("android",), query=query, steps=lines, branches=branches)


WIFI = step("Turn the Wi-Fi off", "set_wifi", enabled=False)
WEATHER = step("Check the weather in Cork", "get_weather_forecast", location="Cork")
GOOD = example("turn the wifi off", WIFI, id="good")
LOOK = "check the weather in Cork, if it rains text Bo to bring the tarp"
RAIN = Branch(
    results={1: "rain from 3 pm"},
    steps=(
        step(
            "Text Bo to bring the tarp",
            "send_text_message",
            contact_name="Bo",
            message="bring the tarp",
        ),
    ),
)


@pytest.fixture
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(bases.BASES[bases.DEFAULT_BASE], module="no_such_module")
    monkeypatch.setitem(bases.BASES, bases.DEFAULT_BASE, missing)


def only(found: Validated) -> tuple[str, ...]:
    """Why the only draft was rejected."""
    assert not found.kept
    (rejected,) = found.rejected
    return rejected.reasons


# ---------------------------------------------------------------- mending


@pytest.mark.parametrize(
    ("line", "arguments", "what"),
    [
        (
            step("Set the brightness to 80", "set_screen_brightness", percent=" 80 "),
            {"percent": 80},
            ["white space around a text", "a number written as text"],
        ),
        (
            step("Set the heat to 20.5", "set_thermostat", temperature="20.5"),
            {"temperature": 20.5},
            ["a number written as text"],
        ),
        (
            step("Turn the Wi-Fi off", "set_wifi", enabled="False"),
            {"enabled": False},
            ["a truth value written as text"],
        ),
        (
            step("Take a selfie", "take_photo", camera="FRONT"),
            {"camera": "front"},
            ["a listed value in other case"],
        ),
        (
            step("Call uncle  Bob", "make_phone_call", recipient="Uncle\n bob"),
            {"recipient": "uncle Bob"},
            ["case or white space of a value"],
        ),
        (
            step("Wake me at 7am", "set_timer_alarm", time="7 AM", label=""),
            {"time": "7am"},
            ["case or white space of a value", "an optional argument that is empty"],
        ),
        (
            step("Email Bo", "send_email", recipient="Bo", title=None),
            {"recipient": "Bo"},
            ["an optional argument that is empty"],
        ),
    ],
)
def test_what_is_certain_is_mended_and_said(
    line: Step, arguments: dict[str, Any], what: list[str]
) -> None:
    mended = mend(example("do it", line), KNOWN)
    (got,) = mended.example.steps
    assert isinstance(got, Step) and got.arguments == arguments
    assert list(mended.what) == what
    for name, value in arguments.items():
        assert type(got.arguments[name]) is type(value)


@pytest.mark.parametrize(
    "line",
    [
        step("Set the brightness to max", "set_screen_brightness", percent="max"),
        step("Set the volume to 2.5", "set_volume", level="2.5", volume_type="ring"),
        step("Call bob, not BOB", "make_phone_call", recipient="Bob"),
        step("Call Bob", "make_phone_call", recipient=None),
        step("Call Bob", "make_phone_call", recipient=""),
        step("Call Bobby", "make_phone_call", recipient="bob"),
        step("Call Bob", "phone", recipient="BOB"),
        step("Print it", "print_document", document="$1"),
    ],
)
def test_nothing_else_is_guessed(line: Step) -> None:
    assert mend(example("do it", line), KNOWN) == (example("do it", line), ())


def test_white_space_around_the_texts_of_an_example_is_mended() -> None:
    ask = Ask(ask="Who should I call?")
    call = step("Call Bo", "make_phone_call", recipient="bo")
    drafted = example(" call him\n", ask, branches=(Branch(answers=("Bo ",), steps=(call,)),))
    mended = mend(drafted, KNOWN)
    assert mended.example.query == "call him"
    (branch,) = mended.example.branches
    assert branch.answers == ("Bo",)
    assert isinstance(branch.steps[0], Step) and branch.steps[0].arguments == {"recipient": "Bo"}
    assert mended.what.count("white space around a text") == 2


words = st.sampled_from(["Bob", "bob", "BOB", " uncle  Bob ", "7 AM", "7am", "Straße", "İ", "$1"])
values = st.one_of(
    words,
    st.text(max_size=8),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["80", " 2.5", "TRUE", "Front", "", "  ", [], {}, "1e3", "9" * 400]),
)


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    function = draw(st.sampled_from(KNOWN.functions))
    names = st.sampled_from([*function.parameters["properties"], "other"])
    pieces = draw(st.lists(words, min_size=1, max_size=4))
    arguments = draw(st.none() | st.dictionaries(names, values, max_size=4))
    return {"text": "Do " + " ".join(pieces), "function": function.name, "arguments": arguments}


@given(st.lists(steps(), min_size=1, max_size=5), st.text())
def test_mending_what_was_mended_changes_nothing(lines: list[dict[str, Any]], query: str) -> None:
    drafted = example(query, *map(Step.model_validate, lines))
    mended = mend(drafted, KNOWN).example
    again = mend(mended, KNOWN)
    assert again.what == ()
    assert again.example.model_dump_json() == mended.model_dump_json()


# ---------------------------------------------------------------- the rules


def test_good_examples_have_no_faults() -> None:
    ask = Ask(ask="Whom should I text that you are late?")
    late = step("Text Bo: I'm late", "send_text_message", contact_name="Bo", message="I'm late")
    for good in (
        GOOD,
        example(LOOK, WEATHER, WAIT, branches=(RAIN,)),
        example("im late, text him that", ask, branches=(Branch(answers=("Bo",), steps=(late,)),)),
        example("iron my shirt", Cannot(cannot="")),
        example(LOOK, WEATHER, WAIT, branches=(Branch(results={1: "dry"}, steps=(DONE,)),)),
        example("how cold is it in there", step("Read the temperature", "get_sensor",
                                               sensor="temperature")),
        example("shut the blinds", step("Set the blinds to closed", "set_cover", cover="blinds",
                                        position="closed")),
        example("Print Mom's plans twice", step("Print my Mom's plan", "print_document",
                                                document="Mom's plan", copies=2)),
    ):  # fmt: skip
        assert faults(good, KNOWN) == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (example("", WIFI), "the request is empty"),
        (example(" \n", WIFI), "the request is empty"),
        (example("wifi off " * 223, WIFI), "the request has 2006 characters"),
        (example("make tea", step("Make tea", "make_tea")), "there is no function make_tea"),
        (
            example("tell Bo", step("Call Mia", "make_phone_call", recipient="Mia")),
            'step 1: recipient is "Mia", but "mia" does not stand in the request',
        ),
        (
            example("turn on the lamp", step("Turn the kitchen lights on", "set_light",
                                             room="kitchen", state="on")),
            'room is "kitchen", but "kitchen" does not stand in the request',
        ),
        (
            example("find news", step("Find news in Spanish", "get_trending_news", query="news",
                                      language="Spanish")),
            '"spanish" does not stand in the request',
        ),
        (
            example("I am not late, tell Bo", step("Text Bo: I am late, not", "send_text_message",
                                                   contact_name="Bo", message="late never")),
            '"never" does not stand',
        ),
        (example("wifi off", WIFI, DONE), "done stands in the first plan"),
        (example(LOOK, WAIT, WEATHER, branches=(RAIN,)), "lines stand after wait"),
        (example("iron it", Cannot(cannot=""), WIFI), "cannot without words"),
        (
            example("wifi off", WIFI, WAIT, branches=(Branch(results={1: "rain"}, steps=()),)),
            "branch 1: no lines",
        ),
        (
            example(LOOK, WEATHER, WAIT, branches=(RAIN, Branch(steps=(DONE,)))),
            "branch 2: neither results nor answers",
        ),
        (
            example(LOOK, WEATHER, WAIT, branches=(Branch(results={2: "a"}, steps=(DONE,)),)),
            "branch 1: the result of a step that is not there",
        ),
        (
            example(LOOK, WEATHER, WAIT, branches=(Branch(answers=("a",), steps=(DONE,)),)),
            "branch 1: more answers than questions",
        ),
        (
            example(LOOK, WEATHER, WAIT,
                    branches=(Branch(results={1: "dry"}, steps=(WIFI, DONE)),)),
            "branch 1: done stands beside other lines",
        ),
        (
            example("check the weather in Cork, if it rains text him", WEATHER, WAIT,
                    branches=(RAIN,)),
            'branch 1: step 2: contact_name is "Bo", but "bo" does not stand in the request, its '
            "results or answers",
        ),
        (
            example("dim it", step("Dim it", "set_screen_brightness", percent=float("nan"))),
            "an argument holds a number that is too large, or none",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(bad: Example, fault: str) -> None:
    found = faults(bad, KNOWN)
    assert any(fault in each for each in found), found


def test_what_a_result_or_an_answer_says_may_be_used_in_its_branch() -> None:
    call = step("Call Mia", "make_phone_call", recipient="Mia")
    drafted = example("look at it and call her", WEATHER, WAIT, id="a")
    assert len(faults(drafted, KNOWN)) == 1
    branch = Branch(results={1: "Mia says: rain in Cork"}, steps=(call,))
    found = faults(drafted.model_copy(update={"branches": (branch,)}), KNOWN)
    assert len(found) == 1 and "cork" in found[0]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("short_a", 1), ("hard_b", 0), ("cross_a", 2)])
def test_the_rules_keep_good_examples(name: str, most: int) -> None:
    found = validate(read_drafts([DATA / "train" / f"{name}.jsonl"]), KNOWN)
    assert not found.mended
    assert len(found.rejected) <= most


# ---------------------------------------------------------------- the judge


def test_the_judge_reads_the_whole_example_and_decides() -> None:
    drafted = example(LOOK, WEATHER, WAIT, branches=(RAIN,))
    functions = FunctionSet(name="one", functions=(KNOWN["set_wifi"],))
    with scripted(VALID, NOT_VALID) as server:
        judge = ExampleJudge(Endpoint("m", server.url), functions)
        assert judge(drafted) == Verdict(True, "as a person says it")
        assert judge(drafted) == Verdict(False, "nobody asked for it")
    prompt = server.asked[0]["messages"][0]["content"]
    for part in ('"name":"set_wifi"', json.dumps(LOOK), '{"wait": true}', "rain from 3 pm"):
        assert part in prompt
    assert server.asked[0]["response_format"]["json_schema"]["schema"]["required"] == [
        "reason",
        "valid",
    ]


def test_what_the_judge_finds_not_valid_is_rejected() -> None:
    drafts = [example(f"text Bo to bring {n}", WIFI, id=str(n)) for n in ("milk", "tea", "salt")]
    done: list[tuple[int, int, str]] = []
    with scripted(VALID, NOT_VALID, VALID) as server:
        judge = ExampleJudge(Endpoint("m", server.url), KNOWN)
        found = validate(drafts, KNOWN, judge=judge, progress=lambda *each: done.append(each))
    assert len(found.kept) == 2
    (rejected,) = found.rejected
    assert rejected.reasons == ("judged not valid: nobody asked for it",)
    assert done[-1] == (3, 3, "judging")


def test_what_could_not_be_judged_is_rejected_as_such() -> None:
    with scripted("yes", (200, completion(None)), "perhaps") as server:
        found = validate([GOOD], KNOWN, judge=ExampleJudge(Endpoint("m", server.url), KNOWN))
    assert only(found) == ("not judged: no usable answer in 3 attempts: 'perhaps'",)
    told = server.asked[1]["messages"][-1]["content"]
    assert '"valid": true or false' in told


def test_what_the_rules_reject_is_not_judged() -> None:
    asked: list[str] = []

    def judge(given: Example) -> Verdict:
        asked.append(given.id)
        return Verdict(True)

    bad = example("make tea", step("Make tea", "make_tea"), id="bad")
    assert validate([bad, GOOD], KNOWN, judge=judge).kept == (GOOD,)
    assert asked == ["good"]


def test_an_endpoint_that_cannot_be_used_ends_it() -> None:
    judge = ExampleJudge(Endpoint("m", "http://127.0.0.1:9/v1", retries=0), KNOWN)
    with pytest.raises(EndpointError, match="cannot reach"):
        validate([GOOD, example("wifi off", WIFI)], KNOWN, judge=judge)


# ---------------------------------------------------------------- duplicates


def test_the_first_of_those_alike_stays() -> None:
    long = "please turn the wifi off when I am in the big red car again today, and that at once"
    drafts = [
        example("turn the wifi off", WIFI, id="a"),
        example("Turn the WiFi off!", WIFI, id="b"),
        example(long, WIFI, id="c"),
        example(f"{long} now", WIFI, id="c"),
        example("no more wifi", WIFI, id="d"),
    ]
    found = validate(drafts, KNOWN)
    assert found.kept == (drafts[0], drafts[2], drafts[4])
    assert [each.reasons for each in found.rejected] == [
        ("the same request as a",),
        ("nearly the same request as c",),
    ]


def test_one_that_is_rejected_for_another_reason_shadows_none() -> None:
    bad = example("Turn the wifi off.", step("Make tea", "make_tea"), id="bad")
    assert validate([bad, GOOD], KNOWN).kept == (GOOD,)
    verdicts = {"bad": Verdict(False, "no"), "good": Verdict(True)}
    drafts = [GOOD.model_copy(update={"id": "bad"}), GOOD]
    assert validate(drafts, KNOWN, judge=lambda given: verdicts[given.id]).kept == (GOOD,)


def test_held_out_examples_are_not_learned() -> None:
    held_out = [example("Turn off the wifi", WIFI, id="h")]
    assert only(validate([GOOD], KNOWN, held_out)) == (
        "nearly the same request as a held-out example",
    )
    other = example("no more wifi", WIFI, id="h")
    assert only(validate([other], KNOWN, held_out)) == ("a held-out example has the id h",)


# ---------------------------------------------------------------- files


def test_a_line_that_is_no_example_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "drafts.jsonl"
    good = GOOD.model_dump_json(exclude_unset=True).encode()
    path.write_bytes(b'{"id": "a",\n\n' + good + b'\r\n{"id": "b"}\n"\xff"\n[1]\n' + good[:-1])
    drafts = read_drafts([tmp_path])
    assert drafts[1] == GOOD
    broken = [draft for draft in drafts if isinstance(draft, Unreadable)]
    assert [draft.line for draft in broken] == [1, 4, 5, 6, 7]
    assert broken[1].text == '{"id": "b"}'
    assert broken[1].reasons == (f"line 4 of {path} is no example: query: Field required",)
    assert broken[2].text == '"\\xff"'


def test_files_that_hold_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(PlanError, match="no examples"):
        read_drafts([tmp_path])
    with pytest.raises(OSError):
        read_drafts([tmp_path / "none.jsonl"])


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
lines = st.one_of(
    steps(),
    st.sampled_from([{"wait": True}, {"done": True}, {"ask": "Who?"}, {"cannot": ""}, {}]),
)
branches = st.fixed_dictionaries(
    {"steps": st.lists(lines, max_size=3)},
    optional={
        "results": st.dictionaries(st.integers(0, 6).map(str), st.text(), max_size=2),
        "answers": st.lists(st.text(), max_size=2),
    },
)
shaped = st.fixed_dictionaries(
    {"id": st.text(max_size=3), "query": st.text() | words, "steps": st.lists(lines, max_size=6)},
    optional={"branches": st.lists(branches, max_size=2), "domains": jsons},
)
raw_lines = st.one_of(
    (shaped | jsons).map(json.dumps).map(str.encode),
    st.binary().map(lambda raw: raw.replace(b"\n", b"")),
)


@settings(max_examples=200)
@given(st.lists(raw_lines, min_size=1, max_size=8))
@case([b'{"id":"","query":"q","steps":[{"text":"A","function":"set_wifi","arguments":[]}]}'])
@case([b"[" * 5000, b"1" * 9000, b'"\\ud800"', b"\x00", b"\xef\xbb\xbf{}"])
@case(
    [
        b'{"id":"","query":"book it tomorrow at 25:99","steps":[{"text":"Book tomorrow at 25:99",'
        b'"function":"book_flight","arguments":{"flight":"tomorrow at 25:99"}},'
        b'{"text":"Turn the Wi-Fi off","function":"set_wifi","arguments":{"enabled":false}}]}'
    ]
)
def test_whatever_a_file_holds_no_line_is_lost(raw: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "drafts.jsonl")
        path.write_bytes(b"\n".join([*raw, b"{}"]))
        drafts = read_drafts([path])
    found = validate(drafts, KNOWN)
    assert len(drafts) == sum(bool(each.strip()) for each in raw) + 1
    assert found.read == len(found.kept) + len(found.rejected) == len(drafts)
    assert all(each.reasons for each in found.rejected)
    assert all(faults(each, KNOWN) == [] for each in found.kept)


# ---------------------------------------------------------------- the folder


def all_kinds() -> list[Example | Unreadable]:
    dim = step("Set the brightness to 80", "set_screen_brightness", percent="80")
    return [
        GOOD,
        example("brightness 80", dim, id="dim"),
        example(LOOK, WEATHER, WIFI, WAIT, Ask(ask="Who?"), id="late", branches=(RAIN,)),
        example(LOOK, WEATHER, WAIT, id="rain", branches=(RAIN,)),
        example("iron my shirt", Cannot(cannot=""), id="iron"),
        example("dim", step("Dim", "set_screen_brightness", percent=float("inf")), id="inf"),
        example("make tea", step("Make tea", "make_tea"), DONE, id="tea"),
        Unreadable(7, "{", ("line 7 of x.jsonl is no example: Invalid JSON",)),
    ]


@pytest.mark.usefixtures("no_base")
def test_what_is_written_is_what_was_found(tmp_path: Path) -> None:
    found = validate(all_kinds(), KNOWN)
    about = {"command": "octoplan validate x.jsonl", "data": {"x.jsonl": {"sha256": "12ab"}}}
    counts = write(found, KNOWN, tmp_path / "out", about)
    assert tuple(read_examples([tmp_path / "out" / "kept.jsonl"])) == found.kept
    assert [each.id for each in found.kept] == ["good", "dim", "rain", "iron"]
    rejected = [
        json.loads(line)
        for line in (tmp_path / "out" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [Example.model_validate(each["example"]) for each in rejected[:1]] == [
        each.example for each in found.rejected[:1] if isinstance(each, Rejected)
    ]
    assert rejected[1]["example"]["steps"][0]["arguments"] == {"percent": "Infinity"}
    assert rejected[3] == {
        "line": 7,
        "text": "{",
        "reasons": ["line 7 of x.jsonl is no example: Invalid JSON"],
    }
    assert (tmp_path / "out" / "plots.png").read_bytes().startswith(b"\x89PNG")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for part in ("12ab", summary(counts), "| set_wifi | 1 |", "is not installed", "| cannot | 1 |"):
        assert part in card
    with pytest.raises(PlanError, match="is not empty"):
        write(found, KNOWN, tmp_path / "out", about)


@pytest.mark.usefixtures("no_base")
def test_counts() -> None:
    functions = FunctionSet(
        name="three",
        functions=tuple(
            KNOWN[name] for name in ("set_wifi", "set_screen_brightness", "take_screenshot")
        ),
    )
    dim = step("Set the brightness to 80", "set_screen_brightness", percent="80")
    drafts = [
        example("wifi off, brightness 80", WIFI, dim, id="a"),
        example("brightness 80, wifi off", dim, WIFI, id="b"),
        example("make tea", step("Make tea", "make_tea"), DONE, id="c"),
    ]
    counts = count(validate(drafts, functions), functions)
    assert (counts.read, counts.kept, counts.mended, counts.rejected) == (3, 2, 2, 1)
    assert counts.mended_by == {"a number written as text": 2}
    assert counts.rejected_by == {
        "calls of functions that do not exist": 1,
        "lines that are not used as the format says": 1,
    }
    assert counts.steps == {2: 2}
    assert counts.lines == {"step": 4}
    assert counts.domains == {"android": 2}
    assert counts.functions == {"set_wifi": 2, "set_screen_brightness": 2, "take_screenshot": 0}
    assert counts.unused == ["take_screenshot"]
    assert counts.pairs == pytest.approx(2 / 9)
    assert counts.distinct["requests"] == pytest.approx([4 / 8, 4 / 6, 4 / 4])
    assert counts.spread is None and "pip install" in counts.spread_of
    assert summary(counts) == (
        "kept 2 of 3 (2 mended), rejected 1: 1 calls of functions that do not exist, "
        "1 lines that are not used as the format says"
    )


@pytest.mark.slow
def test_requests_that_differ_more_are_spread_more() -> None:
    def spread(*requests: str) -> float:
        drafts = tuple(example(request, WIFI) for request in requests)
        found = count(Validated(drafts, (), ()), KNOWN)
        assert found.spread is not None and found.spread_of == f"{len(requests)} requests"
        return found.spread

    assert spread("wifi off", "wifi off") == pytest.approx(0, abs=1e-3)
    alike = spread("turn the wifi off", "turn the wifi on", "wifi off please")
    other = spread("turn the wifi off", "how is the weather in Cork", "play " * 190)
    assert 0 < alike < other < 2


# ---------------------------------------------------------------- the command


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    path = tmp_path / "drafts.jsonl"
    bad = example("make tea", step("Make tea", "make_tea"), id="bad")
    written = [each.model_dump_json(exclude_unset=True) for each in (GOOD, bad)]
    path.write_text("\n".join([*written, "{"]), encoding="utf-8")
    return path


@pytest.mark.usefixtures("no_base")
def test_the_command_keeps_and_tells(drafts: Path, tmp_path: Path) -> None:
    done = invoke("validate", drafts, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stdout == (
        "kept 1 of 3 (0 mended), rejected 2: 1 calls of functions that do not exist, "
        "1 lines that are no example\n"
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(drafts.read_bytes()).hexdigest() in card
    again = invoke("validate", drafts, "--out", tmp_path / "out")
    assert "is not empty; name another folder" in error(again)
    told = invoke("validate", drafts, "--out", tmp_path / "two", "--json", "--against", drafts)
    assert told.exit_code == 2  # held-out data must be whole


@pytest.mark.usefixtures("no_base")
def test_the_command_exits_with_1_when_nothing_is_kept(drafts: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text(GOOD.model_dump_json(exclude_unset=True), encoding="utf-8")
    arguments = ("--out", tmp_path / "out", "--against", held_out, "--json")
    done = invoke("validate", drafts, *arguments)
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["kept"], told["rejected"]) == (0, 3)
    assert (tmp_path / "out" / "kept.jsonl").read_bytes() == b""
    assert len((tmp_path / "out" / "rejected.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.usefixtures("no_base")
def test_the_command_asks_a_judge(drafts: Path, tmp_path: Path) -> None:
    with scripted(NOT_VALID) as server:
        arguments = ("--out", tmp_path / "out", "--judge", server.url, "--judge-model", "m")
        done = invoke("validate", drafts, *arguments)
    assert done.exit_code == 1
    assert "1 examples that the judge finds not valid" in done.stdout
    assert f"judge: m at {server.url}" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_the_command_says_what_is_wrong_with_what_it_was_given(
    drafts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    none = invoke("validate", tmp_path / "none.jsonl", "--out", out)
    assert "none.jsonl" in error(none)
    assert "there is no function set" in error(
        invoke("validate", drafts, "--functions", "nonsense", "--out", out)
    )
    alone = invoke("validate", drafts, "--out", out, "--judge-model", "m")
    assert alone.exit_code == 2
    assert "--judge goes with --judge-model" in alone.output.replace("\n", " ")
    dead = ("--judge", "http://127.0.0.1:9/v1", "--judge-model", "m")
    assert "cannot reach" in error(invoke("validate", drafts, "--out", out, *dead))
    assert not out.exists()
