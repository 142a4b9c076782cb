"""MCP servers, as sources of functions and as devices: real ones, over stdio and over HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_cli import error, invoke
from test_functions import message

from octoplan.devices import Device, DeviceError, DeviceFailure
from octoplan.devices import mcp as devices_mcp
from octoplan.devices.mcp import McpDevice
from octoplan.devices.timed import TimedDevice
from octoplan.functions import Function, FunctionSet, Hints, load_function_set

NOTES = '''
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

server = MCPServer("Notes Server")
notes = []


class Count(BaseModel):
    notes: int


@server.tool(annotations=ToolAnnotations(destructive_hint=False))
def add_note(
    text: Annotated[str, Field(description="What to\\n note", min_length=1)],
    color: Literal["red", "blue"] | None,
    priority: Annotated[int, Field(gt=0, le=5)] = 3,
    tags: list[str] = [],
) -> str:
    """Add a note.

    It is kept until the server ends.
    """
    notes.append(text)
    return f"noted: {text}, {color}, {priority}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True))
def list_notes() -> list[str]:
    """List all notes."""
    return notes


@server.tool(name="delete-note", annotations=ToolAnnotations(destructive_hint=True))
def delete_note(text: str) -> str:
    """Delete a note."""
    if text not in notes:
        raise ToolError(f"there is no\\nnote {text!r}")
    notes.remove(text)
    return "deleted"


@server.tool()
def countNotes() -> CallToolResult:
    """Count the notes."""
    return CallToolResult(content=[], structured_content={"notes": len(notes)})


@server.tool(structured_output=False)
def forget() -> None:
    """Forget all notes."""
    notes.clear()


@server.tool(structured_output=False)
def draw() -> ImageContent:
    """Draw the notes."""
    return ImageContent(data="", mime_type="image/png")


@server.tool()
def fail() -> CallToolResult:
    """Fail and do not say why."""
    return CallToolResult(content=[], is_error=True)


@server.tool()
def hang() -> str:
    """Hang."""
    time.sleep(600)


@server.tool()
def crash() -> str:
    """Crash."""
    print("out of paper", file=sys.stderr, flush=True)
    os._exit(3)


if __name__ == "__main__":
    Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
    if sys.argv[1:]:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("servers") / "notes.py"
    path.write_text(NOTES)
    return path


def stdio(script: Path) -> str:
    return f"mcp:'{sys.executable}' '{script}'"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def http(script: Path) -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, script, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(params=["stdio", "http"])
def source(request: pytest.FixtureRequest, script: Path) -> str:
    if request.param == "http":
        return str(request.getfixturevalue("http"))
    return stdio(script)


def wait_for(port: int) -> None:
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("the server does not listen")


def server_of(tmp_path: Path, *tools: str) -> str:
    """A server with other tools, over stdio."""
    path = tmp_path / "other.py"
    path.write_text("\n\n".join([NOTES.partition("@server.tool")[0], *tools, "server.run()"]))
    return stdio(path)


# ---------------------------------------------------------------- functions


def test_tools_become_functions(source: str) -> None:
    functions = load_function_set(source)
    assert functions.name == "notes_server"
    names = " ".join(function.name for function in functions)
    assert names == "add_note list_notes delete_note countNotes forget draw fail hang crash"
    assert functions["add_note"] == Function(
        name="add_note",
        description="Add a note. It is kept until the server ends.",
        parameters={
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "What to note"},
                "color": {"type": "string", "enum": ["red", "blue"]},
                "priority": {"type": "integer", "minimum": 1, "maximum": 5},
            },
            "required": ["text"],
        },
    )
    assert functions["list_notes"].hints == Hints(read_only=True, idempotent=True)
    assert functions["delete_note"].hints == Hints(destructive=True)
    assert functions["forget"].hints == Hints(destructive=True)  # as MCP has it, unless it says so


TAKES_MANY = '''
@server.tool()
def add_notes(texts: list[str]) -> str:
    """Add notes."""
'''
UNDESCRIBED = """
@server.tool()
def add_note(text: str) -> str: ...
"""
ALIKE = '''
@server.tool(name="add-note")
def one() -> str:
    """Add a note."""

@server.tool(name="add.note")
def other() -> str:
    """Add a note."""
'''


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        (
            TAKES_MANY,
            "tool add_notes: function 'add_notes', parameter 'texts': type must be string, "
            'integer, number or boolean, not "array": make it optional, or leave the tool out of '
            "the server",
        ),
        (UNDESCRIBED, "tool add_note: add a description that says what it does"),
        (ALIKE, "its tools add-note and add.note are both called add_note: rename one"),
    ],
)
def test_tools_that_cannot_be_functions(tmp_path: Path, tools: str, problem: str) -> None:
    source = server_of(tmp_path, tools)
    assert message(load_function_set, source) == f"{source}: {problem}"


def test_a_server_without_tools_is_refused(tmp_path: Path) -> None:
    source = server_of(tmp_path)
    assert message(load_function_set, source) == f"{source} has no tools: add at least one"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("nowhere_at_all", "[Errno 2] No such file or directory: 'nowhere_at_all'"),
        ("", "[Errno 2] No such file or directory: 'no command'"),
        ("'", "No closing quotation"),
        ("echo hello", "Connection closed"),
        ("sh -c 'echo no paper >&2; exit 1'", "Connection closed: no paper"),
    ],
)
def test_a_server_that_cannot_be_started(command: str, why: str) -> None:
    problem = message(load_function_set, f"mcp:{command}")
    assert problem == f"mcp:{command} cannot be started ({why}): check the command"


def test_a_server_that_cannot_be_reached() -> None:
    source = f"http://127.0.0.1:{free_port()}/mcp"
    problem = message(load_function_set, source)
    assert problem.startswith(f"{source} cannot be reached (")
    assert problem.endswith("): start the server, or correct the address")


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_mcp, "ANSWER_WITHIN", 0.5)
    assert message(load_function_set, "mcp:sleep 600") == (
        "mcp:sleep 600 cannot be started (no answer in 0.5 s): check the command"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        assert f"{source} cannot be reached (no answer in 0.5 s)" in message(
            load_function_set, source
        )


def test_without_the_sdk_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert message(load_function_set, "mcp:python notes.py") == (
        "mcp:python notes.py needs more packages: pip install 'octoplan[mcp]'"
    )


def test_the_command_shows_a_server_s_functions(script: Path) -> None:
    shown = invoke("functions", stdio(script))
    assert shown.exit_code == 0, shown.output
    assert "delete_note" in shown.stdout
    told = json.loads(invoke("functions", "--json", stdio(script)).stdout)
    assert [tool["function"]["name"] for tool in told][:2] == ["add_note", "list_notes"]
    assert "cannot be started" in error(invoke("functions", "mcp:nowhere_at_all"))


# ---------------------------------------------------------------- the device


def test_a_server_is_a_device(source: str) -> None:
    with McpDevice(source) as device:
        same: Device = device
        assert same.call("list_notes", {}) == '{"result": []}'
        assert same.call("add_note", {"text": "buy milk"}) == "noted: buy milk, None, 3"
        arguments = {"text": "eggs", "color": "red", "priority": 1}
        assert same.call("add_note", arguments) == "noted: eggs, red, 1"
        assert same.call("list_notes", {}) == "buy milk\neggs"
        assert same.call("countNotes", {}) == '{"notes": 2}'
        assert same.call("delete_note", {"text": "eggs"}) == "deleted"
        with pytest.raises(DeviceFailure, match=": there is no note 'eggs'$"):
            same.call("delete_note", {"text": "eggs"})
        with pytest.raises(DeviceFailure, match="^the server does not say why$"):
            same.call("fail", {})
        with pytest.raises(DeviceFailure, match="^this device has no function send_email$"):
            same.call("send_email", {})
        assert same.call("draw", {}) == "done"
        assert same.call("forget", {}) == "done"
        assert same.call("countNotes", {}) == '{"notes": 0}'
        assert same.changes() == []


def test_a_lost_connection_ends_the_device(source: str) -> None:
    with McpDevice(source) as device:
        for function in ("crash", "list_notes"):
            with pytest.raises(DeviceError, match=f"has not answered {function} .*resume") as lost:
                device.call(function, {})
            if source.startswith("mcp:"):
                assert "(Connection closed: out of paper)" in str(lost.value)


def test_a_call_that_hangs_ends_with_the_device(script: Path) -> None:
    device = McpDevice(stdio(script))
    process = int(script.with_suffix(".pid").read_text())
    with TimedDevice(lambda: device, seconds=1) as timed:
        with pytest.raises(DeviceError, match="did not answer in 1 s"):
            timed.call("hang", {})
        assert device.call("list_notes", {}) == '{"result": []}'  # it keeps no other from working
        with ThreadPoolExecutor() as pool:
            hanging = pool.submit(device.call, "hang", {})
            device.close()
            with pytest.raises(DeviceError, match="has not answered hang"):
                hanging.result(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(DeviceError, match="has not answered list_notes"):
        device.call("list_notes", {})
    device.close()


@pytest.mark.slow
def test_a_session_lasts(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_mcp, "ANSWER_WITHIN", 10)
    with McpDevice(stdio(script)) as device:
        device.call("add_note", {"text": "buy milk"})
        time.sleep(11)
        assert device.call("list_notes", {}) == "buy milk"


def test_a_device_that_is_left_open_ends_with_python(script: Path) -> None:
    code = "import sys; from octoplan.devices.mcp import McpDevice; device = McpDevice(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, stdio(script)], check=True, timeout=120)
    with pytest.raises(ProcessLookupError):
        os.kill(int(script.with_suffix(".pid").read_text()), 0)


def test_a_device_may_offer_some_of_a_server_s_tools(tmp_path: Path, script: Path) -> None:
    all_of_them = load_function_set(stdio(script))
    some = FunctionSet(name="some", functions=(all_of_them["list_notes"],))
    with McpDevice(stdio(script), some) as device:
        assert device.functions == some
        assert device.call("list_notes", {}) == '{"result": []}'
        with pytest.raises(DeviceFailure, match="has no function forget"):
            device.call("forget", {})
    other = server_of(tmp_path, TAKES_MANY, '@server.tool()\ndef forget(): "Forget all notes."')
    with McpDevice(other, FunctionSet(name="one", functions=(all_of_them["forget"],))) as device:
        assert len(device.functions) == 1  # although another tool cannot be a function
    with pytest.raises(DeviceError, match="has no tool list_notes; add it there"):
        McpDevice(other, some)
    changed = Function(
        name="list_notes",
        description="List all notes.",
        parameters={"type": "object", "properties": {"text": {"type": "string"}}},
    )
    with pytest.raises(DeviceError, match="list_notes takes other parameters"):
        McpDevice(stdio(script), FunctionSet(name="other", functions=(changed,)))
