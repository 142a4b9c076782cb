"""Agent packages: several as one agent, installed by name, with code of their own."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from octoplan import packages
from octoplan.cli import app
from octoplan.devices import DeviceError, DeviceFailure
from octoplan.devices.joined import JoinedDevice
from octoplan.devices.python import PythonDevice
from octoplan.devices.simulated import SimulatedDevice
from octoplan.functions import FunctionError, FunctionSet, load_function_set
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter
from octoplan.plans import Step, read_examples
from octoplan.routing import count_words

DATA = Path(__file__).parents[1] / "data" / "train"
NOTES = '''
"""Notes and alarms."""
from pathlib import Path

FILE = Path(__file__).with_name("notes.txt")


def create_note(content: str, title: str | None = None) -> str:
    """Save a note.

    Args:
        content: what it says.
        title: its title.
    """
    if "fail" in content:
        raise RuntimeError("the disk is\\nfull")
    with FILE.open("a") as file:
        print(content, file=file)
    return f"noted: {content}"


def set_timer_alarm(time: str, label: str | None = None) -> None:
    """Set an alarm.

    Args:
        time: when.
        label: why.
    """
'''


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def package(folder: Path, names: Iterable[str], words: Iterable[str], code: str = "") -> Path:
    """The shipped adapters as a package that knows only some functions, and words of its own."""
    wanted, counts = set(names), count_words(words)
    for role in ("planner", "action"):
        shutil.copytree(
            shipped_adapter(role),
            folder / role,
            ignore=shutil.ignore_patterns("*.safetensors", "training.json"),
        )
        adapter = Adapter.read(folder / role)
        functions = tuple(f for f in adapter.functions if f.name in wanted)
        update = {
            "functions": FunctionSet(name=folder.name, functions=functions),
            "symbols": {name: s for name, s in adapter.symbols.items() if name in wanted},
            "word_counts": counts,
        }
        adapter.model_copy(update=update).save(folder / role)
    if code:
        (folder / "functions.py").write_text(code)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package for the home alone, its calls carried out by the simulated device."""
    examples = [e for e in read_examples([DATA]) if e.domains == ("smart_home",)]
    steps = [line.text for e in examples for line in e.steps if isinstance(line, Step)]
    names = [function.name for function in load_function_set("smart_home")]
    queries = [example.query for example in examples]
    return package(tmp_path_factory.mktemp("packages") / "home", names, queries + steps)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with code: calls write into a file beside it."""
    words = ["make a note", "note down that the door sticks", "set an alarm", "save a note"] * 50
    folder = tmp_path_factory.mktemp("packages") / "notes"
    return package(folder, ["create_note", "set_timer_alarm"], words, NOTES)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture(autouse=True)
def no_notes(notes: Path) -> None:
    (notes / "notes.txt").unlink(missing_ok=True)


def noted(folder: Path) -> list[str]:
    path = folder / "notes.txt"
    return path.read_text().splitlines() if path.exists() else []


# ---------------------------------------------------------------- packages


def test_the_shipped_adapters_are_a_package() -> None:
    shipped = packages.find_package("octoplan")
    assert len(shipped.functions) == 87
    assert shipped.code is None
    assert shipped.size > 3e7
    assert packages.find_packages(()) == [shipped]


def test_a_package_is_installed_by_name_and_removed(home: Path, notes: Path) -> None:
    added = packages.install(home)
    packages.install(notes, "my-notes")
    assert [p.name for p in packages.find_packages(())] == ["octoplan", "home", "my-notes"]
    assert packages.find_package("home") == added
    assert added.folder.parent == packages.installed_in()
    packages.remove("home")
    assert packages.installed_names() == ["my-notes"]
    assert home.is_dir()
    assert sorted(path.name for path in packages.installed_in().iterdir()) == ["my-notes"]


@pytest.mark.parametrize("name", ["octoplan", "home", "../home", "a/b", ".hidden", "+home"])
def test_a_name_that_is_taken_or_none_is_refused(home: Path, name: str) -> None:
    packages.install(home)
    with pytest.raises(AdapterError, match="there is an agent|cannot be a name"):
        packages.install(home, name)
    assert packages.installed_names() == ["home"]


def test_what_does_not_fit_together_is_refused(home: Path, tmp_path: Path) -> None:
    def changed(role: str, **update: Any) -> Path:
        if not (tmp_path / "other").exists():
            shutil.copytree(home, tmp_path / "other")
        card = json.loads((tmp_path / "other" / role / "octoplan.json").read_text())
        (tmp_path / "other" / role / "octoplan.json").write_text(json.dumps(card | update))
        return tmp_path / "other"

    functions = json.loads((home / "planner" / "octoplan.json").read_text())["functions"]
    with pytest.raises(AdapterError, match="its action model does not know set_light"):
        packages.Package.load(changed("action", functions=functions | {"functions": []}))
    changed("action", functions=functions)
    changed("action", base_digest="0" * 64)
    changed("planner", base_digest="0" * 64)
    with pytest.raises(AdapterError, match="was made for another base"):
        packages.install(tmp_path / "other")
    shipped = packages.shipped_package()
    with pytest.raises(AdapterError, match="octoplan is given twice"):
        packages.check_together([shipped, shipped])
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(AdapterError, match="does not say what requests it was trained on"):
        packages.install(changed("planner", word_counts={}))
    shutil.rmtree(tmp_path / "other")
    functions["functions"][0]["description"] = "Set fire to a light."
    changed("planner", functions=functions)
    with pytest.raises(FunctionError, match="define 'set_light' differently"):
        packages.install(changed("action", functions=functions))
    assert packages.installed_names() == []


def test_a_copy_that_breaks_off_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "adapter.gguf")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="No space"):
        packages.install(home)
    assert list(packages.installed_in().iterdir()) == []


# ---------------------------------------------------------------- devices


def test_a_python_file_is_a_device(notes: Path) -> None:
    functions = packages.Package.load(notes).functions
    device = PythonDevice(notes / "functions.py", functions)
    assert device.call("create_note", {"content": "buy milk"}) == "noted: buy milk"
    assert device.call("set_timer_alarm", {"time": "7"}) == "done"
    assert noted(notes) == ["buy milk"]
    with pytest.raises(DeviceFailure, match="^the disk is full$"):
        device.call("create_note", {"content": "fail"})
    with pytest.raises(DeviceFailure, match="no function send_email"):
        device.call("send_email", {})


def test_code_that_is_not_what_was_learned_is_refused(notes: Path, tmp_path: Path) -> None:
    functions = packages.Package.load(notes).functions
    code = tmp_path / "functions.py"
    code.write_text(NOTES.replace("def set_timer_alarm", "def set_alarm"))
    with pytest.raises(DeviceError, match="has no function set_timer_alarm"):
        PythonDevice(code, functions)
    code.write_text(NOTES.replace("content: str,", "content: int,"))
    with pytest.raises(DeviceError, match="create_note takes other parameters"):
        PythonDevice(code, functions)
    code.write_text("raise SystemError('no')")
    with pytest.raises(FunctionError, match="cannot be imported: SystemError: no"):
        PythonDevice(code, functions)


def test_joined_devices_are_one(notes: Path) -> None:
    mine = PythonDevice(notes / "functions.py", packages.Package.load(notes).functions)
    with SimulatedDevice() as phone:
        device = JoinedDevice([mine, phone])
        assert len(device.functions) == 87
        device.call("create_note", {"content": "mine"})
        assert device.receipt() is None
        assert noted(notes) == ["mine"]
        assert device.changes() == []
        device.call("set_screen_brightness", {"percent": 5})
        assert device.changes() == ["screen brightness: 60 % → 5 %"]
        receipt = device.receipt()
        assert receipt is not None
        device.undo(receipt)
        device.call("set_screen_brightness", {"percent": 7})
        assert device.changes()[-1] == "screen brightness: 60 % → 7 %"
        with pytest.raises(DeviceFailure, match="have no function fly"):
            device.call("fly", {})


def test_functions_that_nothing_carries_out_are_told(home: Path, notes: Path) -> None:
    here = packages.Package.load(home)
    mine = PythonDevice(notes / "functions.py", packages.Package.load(notes).functions)
    with (
        packages.devices_of([here]) as joined,
        pytest.raises(DeviceError, match=r"nothing carries out set_light of home; put .*\.py"),
    ):
        joined(mine)


# ---------------------------------------------------------------- commands


@pytest.mark.slow
def test_an_installed_agent_takes_part_at_once(home: Path, notes: Path) -> None:
    assert invoke("agents", "add", home).stdout == "added home: 16 functions\n"
    assert invoke("agents", "add", notes).exit_code == 0
    told = json.loads(invoke("agents", "--json").stdout)
    assert [(agent["name"], len(agent["functions"])) for agent in told] == [
        ("octoplan", 87),
        ("home", 16),
        ("notes", 2),
    ]
    run = invoke("run", "--json", "--yes", "note down that the tap drips")
    assert json.loads(run.stdout)["status"] == "done", run.output
    assert noted(notes) == []  # the installed copy is used, not the folder that it came from
    (written,) = noted(packages.installed_in() / "notes")
    assert "drips" in written
    both = invoke(
        "run",
        "--json",
        "--yes",
        "note down that the tap drips and dim the kitchen lights to 30 percent",
    )
    calls = [step["function"] for step in json.loads(both.stdout)["steps"]]
    assert calls == ["create_note", "set_light"]
    dry = invoke("run", "--dry-run", "--agent", "notes", "note down that the tap leaks")
    assert "not done: a dry run" in dry.stdout
    assert len(noted(packages.installed_in() / "notes")) == 2
    assert invoke("agents", "remove", "notes").stdout == "removed notes\n"
    assert "there is no agent notes" in error(invoke("plan", "--agent", "notes", "note it"))


@pytest.mark.slow
def test_code_that_fails_is_told(notes: Path) -> None:
    failed = invoke("run", "--agent", notes, "note down that the fail safe is off")
    assert failed.exit_code == 1
    assert "the disk is full" in failed.stdout
    acted = invoke("act", "--agent", notes, "--json", "Set an alarm for 7:00")
    assert json.loads(acted.stdout)["arguments"] == {"time": "7:00"}


def test_a_broken_agent_is_told_and_can_be_removed(home: Path) -> None:
    packages.install(home)
    (packages.installed_in() / "home" / "action" / "octoplan.json").write_text("{")
    told = json.loads(invoke("agents", "--json").stdout)
    assert "is broken" in told[1]["problem"]
    assert "is broken" in invoke("agents").stdout
    assert "octoplan agents remove home" in error(invoke("plan", "lock the door"))
    assert invoke("agents", "remove", "home").exit_code == 0
    assert "no agent home is installed" in error(invoke("agents", "remove", "home"))


def test_an_agent_is_checked(home: Path, notes: Path, tmp_path: Path) -> None:
    assert "home is whole: set_light," in invoke("agents", "check", home).stdout
    broken = shutil.copytree(notes, tmp_path / "broken")
    (broken / "functions.py").write_text("def create_note(")
    assert "cannot be imported: SyntaxError" in error(invoke("agents", "check", broken))
    (broken / "planner" / "adapter.gguf").write_bytes(b"")
    assert "adapter.gguf is broken" in error(invoke("agents", "check", broken))
    assert "no adapter in" in error(invoke("agents", "add", tmp_path))
    assert "either --agent, or --planner" in invoke(
        "plan", "--agent", home, "--planner", home, "x"
    ).output.replace("\n", " ")
