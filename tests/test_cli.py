"""The command line: what each command writes, how it fails, and how it stops.

pytest tests/test_cli.py -m "not slow"
"""

import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from octoplan import __version__
from octoplan.cli import app
from octoplan.display import RunDisplay, write_call, write_json
from octoplan.functions import load_function_sets
from octoplan.loading import ON
from octoplan.models.adapters import Adapter, shipped_adapter
from octoplan.models.bases import find_base
from octoplan.plans import Call, Cannot, Step
from octoplan.run import Called, Ended, Event, Observation, Run

REQUEST = "set the screen brightness to 80 and turn on do not disturb"
FIVE_STEPS = (
    "turn the wifi on, set the screen brightness to 40, turn on do not disturb, "
    "set an alarm for 7 am and take a screenshot"
)
COMMANDS = (
    *("run", "plan", "act", "runs", "show", "resume", "undo", "functions", "models", "train"),
    *("evaluate", "benchmark", "experiment"),
)


def invoke(*arguments: str | Path, input: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


def octoplan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, where llama.cpp's own output would be seen too."""
    command = [sys.executable, "-m", "octoplan.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def answer(result: Result) -> Any:
    """The JSON that a command wrote, and nothing beside it."""
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def error(done: Result | subprocess.CompletedProcess[str]) -> str:
    """The one line that a command ended in, with exit code 2."""
    code = done.exit_code if isinstance(done, Result) else done.returncode
    assert code == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").rstrip()


def write_lines(path: Path, *lines: object) -> Path:
    """A JSONL file; a string stands for a line as it is."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What a JSONL file holds."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------- help, version, imports


def test_version_and_help() -> None:
    assert invoke("--version").stdout == f"octoplan {__version__}\n"
    assert invoke("-h").stdout == invoke("--help").stdout
    for command in COMMANDS:
        shown = invoke(command, "-h")
        assert shown.exit_code == 0
        assert f"Example: octoplan {command}" in shown.stdout
        assert command in invoke("--help").stdout


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["plan"], ["act"], ["train"], ["evaluate"], ["benchmark"]]
)
def test_without_arguments_the_help_is_shown(arguments: list[str]) -> None:
    assert "Usage: " in invoke(*arguments).output


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["run", REQUEST, "--input", "requests.jsonl"],
        ["run", REQUEST, "--output", "plans.jsonl"],
        ["run", REQUEST, "--threads", "0"],
        ["run", REQUEST, "--confirm", "perhaps"],
        ["resume", "1", "--interrupted", "perhaps"],
        ["train", "dancer", "--data", "x", "--out", "y"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def imported(*arguments: str) -> set[str]:
    """The top-level packages that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "octoplan.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_help_imports_little(arguments: list[str]) -> None:
    heavy = {"xllamacpp", "torch", "transformers", "jsonschema", "dateparser", "openai"}
    assert not imported(*arguments) & heavy


def test_run_never_imports_what_training_needs() -> None:
    found = imported("run", REQUEST)
    assert "xllamacpp" in found
    assert not found & {"torch", "transformers", "peft", "trl", "datasets", "openai", "matplotlib"}


# ---------------------------------------------------------------- functions and models


def test_functions() -> None:
    sets = invoke("functions").stdout
    assert all(name in sets for name in ("android", "travel", "smart_home"))
    android = invoke("functions", "android").stdout
    assert "set_screen_brightness" in android
    assert "book_flight" not in android
    assert answer(invoke("functions", "--json")) == load_function_sets("all").to_openai()
    two = load_function_sets("android,travel")
    assert answer(invoke("functions", "android", "travel", "--json")) == two.to_openai()


def test_functions_checks_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        'def ring(times: int) -> str:\n    """Ring.\n\n    Args:\n        times: how often\n    """'
    )
    assert "times: integer" in invoke("functions", file).stdout
    file.write_text("def ring(times: int) -> str: ...")
    assert "add a docstring" in error(invoke("functions", file))


def test_function_sets_that_cannot_be_used(tmp_path: Path) -> None:
    assert "did you mean android?" in error(invoke("functions", "andriod"))
    schema = {"type": "object", "properties": {"x": {"type": "array"}}}
    tool = {
        "type": "function",
        "function": {"name": "f", "description": "F.", "parameters": schema},
    }
    (tmp_path / "f.json").write_text(json.dumps([tool]))
    assert "parameter 'x'" in error(invoke("functions", tmp_path / "f.json"))
    (tmp_path / "f.json").write_text("[{")
    assert "is not JSON" in error(invoke("functions", tmp_path / "f.json", "--json"))


def test_models() -> None:
    found = answer(invoke("models", "--json"))
    base, larger = found["bases"]
    assert base["installed"] and base["name"] == "smollm2-135m"
    assert larger["name"] == "gemma3-270m"
    assert base["size"] == Path(base["path"]).stat().st_size
    assert [adapter["role"] for adapter in found["adapters"]] == ["planner", "action"]
    assert all(adapter["functions"] == 87 for adapter in found["adapters"])
    shown = invoke("models").stdout
    assert "smollm2-135m" in shown and "planner" in shown


# ---------------------------------------------------------------- run, plan, act


def test_run_as_json() -> None:
    told = answer(invoke("run", REQUEST, "--json"))
    assert told["request"] == REQUEST
    assert [step["function"] for step in told["steps"]] == [
        "set_screen_brightness",
        "set_do_not_disturb",
    ]
    assert told["steps"][0]["arguments"] == {"percent": 80}
    assert all(step["text"] and step["result"] for step in told["steps"])
    assert told["status"] == "done" and told["message"]
    assert any("brightness" in change for change in told["changes"])
    assert 0 < told["probability"] <= 1
    assert told["seconds"] > 0


def test_run_in_plain_lines() -> None:
    result = invoke("run", REQUEST)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("1. ") and lines[1].startswith("2. ")
    assert "1 → set_screen_brightness(percent=80)" in lines
    assert any(line.startswith("2 ✓ ") for line in lines)
    assert any(line.startswith("changed: ") for line in lines)
    assert lines[-1].startswith("done: ")


def test_a_device_file_is_kept(tmp_path: Path) -> None:
    device = tmp_path / "phone.db"
    first = answer(invoke("run", REQUEST, "--device", device, "--json"))
    again = answer(invoke("run", REQUEST, "--device", device, "--json"))
    assert first["changes"] and not again["changes"]


def test_a_failure_on_the_device_is_exit_code_1() -> None:
    result = invoke("run", "text Zebulon Quux that dinner is ready", "--json", "--yes")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert told["status"] in ("failed", "asks", "cannot")
    assert "Zebulon" in told["steps"][0]["failed"]


SURE = ("planned_by", "probability", "confidence")


def test_plan() -> None:
    told = answer(invoke("plan", REQUEST, "--json"))
    assert list(told) == ["request", "steps", "seconds", *SURE]
    assert told["steps"][0]["arguments"] == {"percent": 80}
    shown = invoke("plan", REQUEST).stdout.splitlines()
    assert shown[0] == f"1. {told['steps'][0]['text']}"
    assert shown[1] == "   set_screen_brightness(percent=80)"


def test_act() -> None:
    told = answer(invoke("act", "Set the screen brightness to 35 percent", "--json"))
    assert told["function"] == "set_screen_brightness"
    assert told["arguments"] == {"percent": 35}
    shown = invoke("act", "Set the screen brightness to 35 percent").stdout
    assert shown.startswith("set_screen_brightness(percent=35)")


def test_act_after_earlier_steps() -> None:
    told = answer(
        invoke("act", "Email the screenshot to Ana", "--earlier", "Take a screenshot", "--json")
    )
    assert told["function"] == "send_email"
    assert "$1" in told["arguments"].values()


# ---------------------------------------------------------------- many requests


BAD_LINES = [
    {"id": "a", "query": REQUEST},
    '{"id": "b", "query": "turn on the fla',
    {"id": "c"},
    {"id": "d", "query": ""},
    {"id": "e", "query": "x" * 10_000},
    "[" * 100_000,
    {"id": "g", "query": "take a screenshot"},
]


def test_bad_lines_are_named_and_the_others_answered(tmp_path: Path) -> None:
    requests = write_lines(tmp_path / "requests.jsonl", *BAD_LINES)
    plans = tmp_path / "plans.jsonl"
    result = invoke("plan", "--input", requests, "--output", plans)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    told = read_lines(plans)
    assert [line.get("id") for line in told] == ["a", None, "c", "d", "e", None, "g"]
    assert [line.get("line") for line in told] == [None, 2, 3, 4, 5, 6, None]
    words = ("not JSON", "query", "empty", "10000 characters", "not JSON")
    assert all(word in line["error"] for word, line in zip(words, told[1:6], strict=True))
    assert list(told[0]) == ["id", "query", "steps", "seconds", *SURE]
    assert told[6]["steps"][0]["function"] == "take_screenshot"


def test_run_many(tmp_path: Path) -> None:
    requests = write_lines(tmp_path / "requests.jsonl", {"id": 1, "query": REQUEST})
    told = answer(invoke("run", "--input", requests))
    assert (told["id"], told["query"], told["status"]) == (1, REQUEST, "done")
    assert [result["step"] for result in told["results"]] == [1, 2]
    assert all(result["result"] for result in told["results"])


def test_answers_come_one_by_one() -> None:
    command = [sys.executable, "-m", "octoplan.cli", "plan", "--input", "-", "--output", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for number in (1, 2):
            process.stdin.write(json.dumps({"id": number, "query": "take a screenshot"}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    requests = write_lines(tmp_path / "requests.jsonl", {"id": 1, "query": REQUEST})
    missing = error(invoke("plan", "--input", tmp_path / "no.jsonl"))
    assert missing.endswith("no.jsonl: No such file or directory; check the path")
    assert "Is a directory" in error(invoke("plan", "--input", tmp_path))
    assert "exists" in error(invoke("plan", "--input", requests, "--output", requests))
    assert read_lines(requests) == [{"id": 1, "query": REQUEST}]


# ---------------------------------------------------------------- requests, models and devices


@pytest.mark.parametrize(
    ("request_", "message"), [("", "empty"), (" \t\n", "empty"), ("x" * 10_000, "at most 2000")]
)
@pytest.mark.parametrize("command", ["run", "plan", "act"])
def test_requests_that_cannot_be_served(command: str, request_: str, message: str) -> None:
    assert message in error(invoke(command, request_))


def changed_adapter(tmp_path: Path, **changes: str) -> Path:
    """A copy of the planner adapter, without the one that plans on, whose card says otherwise."""
    folder = tmp_path / "changed"
    shutil.copytree(shipped_adapter("planner"), folder, ignore=shutil.ignore_patterns(ON))
    Adapter.load(folder, "planner").model_copy(update=changes).save(folder)
    return folder


def test_bases_that_cannot_be_used(tmp_path: Path) -> None:
    assert "unknown base 'smollm3'" in error(invoke("run", REQUEST, "--base", "smollm3"))
    missing = error(invoke("run", REQUEST, "--base", tmp_path / "no.gguf"))
    assert "cannot read the base" in missing
    text = tmp_path / "text.gguf"
    text.write_text("once upon a time")
    assert "is no GGUF model" in error(invoke("plan", REQUEST, "--base", text))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x07" * 1000)
    planner = changed_adapter(tmp_path, base_digest=find_base(str(broken)).digest)
    action = tmp_path / "action"
    shutil.copytree(shipped_adapter("action"), action)
    card = Adapter.load(action, "action")
    card.model_copy(update={"base_digest": find_base(str(broken)).digest}).save(action)
    done = octoplan("run", REQUEST, "--base", broken, "--planner", planner, "--action", action)
    assert "llama.cpp cannot load" in error(done)


def test_adapters_that_cannot_be_used(tmp_path: Path) -> None:
    planner, action = shipped_adapter("planner"), shipped_adapter("action")
    assert "no adapter in" in error(invoke("run", REQUEST, "--planner", tmp_path / "no"))
    assert "holds the planner model" in error(invoke("act", "Take a photo", "--action", planner))
    assert "holds the action model" in error(invoke("plan", REQUEST, "--planner", action))
    other = changed_adapter(tmp_path, base_digest="0" * 64)
    assert "made for another base" in error(invoke("run", REQUEST, "--planner", other))
    (other / "octoplan.json").write_text('{"role": "planner"')
    assert "is broken" in error(invoke("run", REQUEST, "--planner", other))


@pytest.mark.parametrize("keep", [0, 1000])
def test_adapter_weights_that_are_cut_off(tmp_path: Path, keep: int) -> None:
    folder = changed_adapter(tmp_path)
    weights = folder / "adapter.gguf"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "broken" in error(octoplan("plan", REQUEST, "--planner", folder))


def test_devices_that_cannot_be_used(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("Dear diary, today I opened a database. " * 50)
    error(invoke("run", REQUEST, "--device", text))
    assert text.read_text().startswith("Dear diary")
    error(invoke("run", REQUEST, "--device", tmp_path / "no" / "phone.db"))
    phone = tmp_path / "phone.db"
    assert invoke("run", REQUEST, "--device", phone).exit_code == 0
    with closing(sqlite3.connect(phone, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error(invoke("run", REQUEST, "--device", phone, "--json"))


# ---------------------------------------------------------------- stopping


def test_ctrl_c_stops_in_one_line() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "octoplan.cli", "run", FIVE_STEPS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been started with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, stderr = process.communicate()
    assert first.startswith("1. ")
    assert process.returncode == 130
    assert stderr == "stopped; nothing more was done\n"
    assert "done: " not in rest


def test_a_closed_pipe_is_silent() -> None:
    for arguments in (["functions", "--json"], ["functions", "android"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "octoplan.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


# ---------------------------------------------------------------- what the terminal shows


def shown(events: Iterator[Event], run: Run) -> str:
    """What a terminal is sent for a run."""
    file = io.StringIO()
    terminal = {"force_terminal": True, "force_interactive": True, "width": 70}
    RunDisplay(Console(file=file, highlight=False, **terminal)).show(events, run)
    return file.getvalue()


def play(run: Run, result: str, failed: bool) -> Iterator[Event]:
    """The events of a run of one step, as an agent tells them."""
    step = Step(text="Find [b]my[/b] keys")
    run.planning.lines = [step, Cannot(cannot="massage my feet")]
    yield from run.planning.lines
    run.rounds = 1
    call = Call(function="find", arguments={"what": "[red]keys", "n": 2})
    run.steps.append(step.model_copy(update=call.model_dump()))
    yield Called(1, run.steps[0], 0.5)
    run.observations.append(Observation(1, call, result, failed, 0.25))
    yield run.observations[0]
    run.ended = Ended("failed", f"step 1 failed: {result}") if failed else Ended("done", "all done")
    run.confidence, run.seconds = 0.5, 1.21
    yield run.ended
    run.changes = ["keys: [b]found[/b]\x1b[2J"]


def test_a_run_on_a_terminal() -> None:
    run = Run("find my keys")
    text = shown(play(run, "on the [i]shelf[/i]\nbehind the\x1b[2J door", failed=False), run)
    for part in (
        "✓",
        "Find [b]my[/b] keys",
        'find(what="[red]keys", n=2)',
        "0.75 s",
        "on the [i]shelf[/i]",
        "behind the [2J door",
        "cannot: massage my feet",
        "keys: [b]found[/b] [2J",
        "all done",
        "1.2 s, confidence 50%",
    ):
        assert part in text
    assert "\x1b[2J" not in text


def test_a_failure_on_a_terminal() -> None:
    run = Run("find my keys")
    text = shown(play(run, "nothing found", failed=True), run)
    assert "✗" in text and "✓" not in text
    assert "step 1 failed: nothing found" in text


def test_ctrl_c_on_a_terminal_leaves_what_was_done() -> None:
    def stopped(run: Run) -> Iterator[Event]:
        yield from play(run, "on the shelf", failed=False)
        raise KeyboardInterrupt

    run = Run("find my keys")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, force_interactive=True, width=70)
    with pytest.raises(KeyboardInterrupt):
        RunDisplay(console).show(stopped(run), run)
    assert "on the shelf" in file.getvalue()
    assert file.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


def test_written_calls_and_json_hold_no_control_characters() -> None:
    call = Call(function="f", arguments={"a": "\x1b[31m\x9b", "b": "$1", "c": True, "d": "$5 off"})
    assert write_call(call) == r'f(a="\u001b[31m ", b=$1, c=true, d="$5 off")'
    text = write_json({"a": "\x1b\x9b\u202e é\ud800\n"})
    assert text.isprintable() and "é" in text
    assert json.loads(text) == {"a": "\x1b\x9b\u202e é\ud800\n"}


# ---------------------------------------------------------------- training


def example(id_: str, query: str, text: str, function: str, **arguments: Any) -> dict[str, Any]:
    """One line of a data file, with one step."""
    step = {"text": text, "function": function, "arguments": arguments}
    return {"id": id_, "query": query, "steps": [step]}


EXAMPLES = [
    example(
        "1", "brighter!", "Set the screen brightness to 90", "set_screen_brightness", percent=90
    ),
    example("2", "no wifi", "Turn the Wi-Fi off", "set_wifi", enabled=False),
    example("3", "grab my screen", "Take a screenshot", "take_screenshot"),
]


def train(tmp_path: Path, *more: str | Path, data: Any = None, held_out: Any = None) -> Result:
    """Train an action model on two examples, with a third one held out."""
    learned = write_lines(tmp_path / "train.jsonl", *(data or EXAMPLES[:2]))
    validation = write_lines(tmp_path / "validation.jsonl", *(held_out or EXAMPLES[2:]))
    files = ("--data", learned, "--validation", validation, "--out", tmp_path / "out")
    return invoke("train", "action", *files, *more)


def test_training_data_that_cannot_be_used(tmp_path: Path) -> None:
    steps = [{"text": "Fly away", "function": "fly", "arguments": {}}]
    unknown = EXAMPLES[0] | {"steps": steps}
    assert "no function 'fly'" in error(train(tmp_path, data=[unknown]))
    in_branch = EXAMPLES[0] | {"branches": [{"results": {"1": "ok"}, "steps": steps}]}
    assert "no function 'fly'" in error(train(tmp_path, data=[in_branch]))
    assert "in smart_home" in error(train(tmp_path, "--functions", "smart_home"))
    assert "line 2: not JSON" in error(train(tmp_path, data=[EXAMPLES[0], '{"id": "x']))
    assert "is empty" in error(train(tmp_path, data=[""]))
    assert "cannot read" in error(train(tmp_path, "--data", tmp_path / "no.jsonl"))
    assert "unknown base" in error(train(tmp_path, "--base", "smollm3"))


def test_training_never_writes_over_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "octoplan.json").write_text("{}")
    assert "is not empty" in error(train(tmp_path))
    assert (tmp_path / "out" / "octoplan.json").read_text() == "{}"


def test_training_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "octoplan.training.train", None)
    message = "training needs more packages: pip install 'octoplan[train]'"
    assert error(train(tmp_path)) == message


@pytest.mark.slow
def test_training_an_adapter_that_then_acts(tmp_path: Path) -> None:
    result = train(tmp_path, "--rank", "1", "--epochs", "1", "--batch-size", "2")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    provenance = json.loads((out / "training.json").read_text())["provenance"]
    assert provenance["command"].startswith("octoplan ")
    assert [file["examples"] for file in provenance["data"].values()] == [2, 1]
    told = answer(
        invoke("act", "Set the screen brightness to 35 percent", "--action", out, "--json")
    )
    assert told["function"] in load_function_sets("all")
    assert "not empty" in error(train(tmp_path))


def test_only_the_mistakes_of_the_planner_itself_are_learned(tmp_path: Path) -> None:
    learned = write_lines(tmp_path / "train.jsonl", *EXAMPLES)
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(
        json.dumps(
            {
                "about": {"subject": {"planner": "0" * 64}},
                "figures": {},
                "agreement": {},
                "confusion": {},
                "cases": [],
            }
        )
    )
    given = ["train", "planner", "--data", learned, "--out", tmp_path / "out"]
    mistakes = ["--mistakes", evaluation]
    assert "name it with --start" in error(invoke(*given, *mistakes))
    start = ["--start", shipped_adapter("planner")]
    assert "is of another planner" in error(invoke(*given, *mistakes, *start))
    assert "no.json" in error(invoke(*given, "--mistakes", tmp_path / "no.json", *start))
    assert "is no evaluation" in error(invoke(*given, "--mistakes", learned, *start))


@pytest.mark.slow
def test_several_planners_share_a_request(tmp_path: Path) -> None:
    both: list[str | Path] = []
    for role in ("planner", "action"):
        shutil.copytree(shipped_adapter(role), tmp_path / role)
        both += [f"--{role}", shipped_adapter(role), f"--{role}", tmp_path / role]
    told = answer(invoke("plan", "turn the wifi off", *both, "--json"))
    assert [step["function"] for step in told["steps"]] == ["set_wifi"]
    assert told["confidence"] is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no/such", "adapters/planner"], "no adapter in no/such"),
        (["adapters/planner", "adapters/action"], "merge those of one role"),
    ],
)
def test_what_cannot_be_merged_is_said(
    arguments: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert problem in error(invoke("merge", *arguments, "--out", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["a"], "two adapters or more"),
        (["a", "b", "--weight", "1"], "2 adapters, but 1 weights"),
    ],
)
def test_a_merge_needs_parts_and_a_weight_for_each(
    arguments: list[str], problem: str, tmp_path: Path
) -> None:
    result = invoke("merge", *arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2 and problem in result.output


def test_merging_never_writes_over_anything(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("mine")
    result = invoke("merge", "a", "b", "--out", str(tmp_path / "out"))
    assert "is not empty" in error(result)
