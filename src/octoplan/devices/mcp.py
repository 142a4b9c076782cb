"""A device that is an MCP server: each call runs the tool of that name.

    with McpDevice("mcp:python notes_server.py") as device:  # or "https://example.org/mcp"
        device.call("add_note", {"text": "buy milk"})

The server is spoken to in one session, for the life of the device, in a thread of its own. A call
may take as long as it likes: put the device into a ``octoplan.devices.timed.TimedDevice`` where it
might hang.
"""

import json
import logging
import math
import shlex
import weakref
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from octoplan.devices import DeviceError, DeviceFailure
from octoplan.devices.python import shape_of
from octoplan.functions import Function, FunctionError, FunctionSet, Hints
from octoplan.plans import one_line
from octoplan.sources import Schemas, at, snake_case

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, Tool

ANSWER_WITHIN = 30.0
"""Seconds in which a server must have started and told its tools."""

_COMMAND = "mcp:"
_LOST = (-32000, -32001, -32600)  # MCP's codes: closed, timed out, of no session

# What goes wrong is told by the errors; the SDK's logs, tracebacks among them, would be told too.
logging.getLogger("mcp").addHandler(logging.NullHandler())


class McpDevice:
    """The tools of an MCP server.

    Args:
        source: "mcp:COMMAND …", a server to start that speaks over stdio; or the http or https
            address of one that runs.
        functions: what can be called there; all of its tools where left out.

    Raises:
        FunctionError: the server cannot be started or reached, or a tool cannot be a function.
        DeviceError: it lacks one of the functions, or has another of that name.
    """

    def __init__(self, source: str, functions: FunctionSet | None = None) -> None:
        self._source = source
        self._opened = ExitStack()
        # Python's end waits forever for a session that was left open, so that is closed before.
        self._end = weakref.finalize(self, _close, self._opened)
        # Appended to by the server, read from here: the two do not move each other's place.
        log = TemporaryFile("a+", errors="replace")  # noqa: SIM115
        self._log = cast(TextIO, self._opened.enter_context(log))
        try:
            self._tools = _by_name(source, self._connect())
            self.functions = self._offered() if functions is None else self._checked(functions)
        except BaseException:  # told to the session, it would come back as a group of errors
            self.close()
            raise

    def call(self, function: str, arguments: dict[str, Any]) -> str:
        """See ``Device``."""
        from mcp import MCPError

        if function not in self.functions:
            raise DeviceFailure(f"this device has no function {function}")
        tool = self._tools[function]
        # What must be given, but may be null, is optional in a function.
        given = dict.fromkeys(tool.input_schema.get("required", ())) | arguments
        try:
            result = self._portal.call(self._client.call_tool, tool.name, given)
        except Exception as error:  # of the server, the network, the SDK or its libraries
            if isinstance(error, MCPError) and error.code not in _LOST:
                raise DeviceFailure(one_line(error.message)) from error
            raise DeviceError(
                f"{self._source} has not answered {function} ({self._reason(error)}); see what it "
                "has done, then octoplan resume"
            ) from error
        return _text(result)

    def changes(self) -> list[str]:
        """Nothing: what the tools change, only their results say."""
        return []

    def close(self) -> None:
        """End the session, and the server if it was started here."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> list["Tool"]:
        """Open the session and list the server's tools."""
        try:
            from anyio.from_thread import start_blocking_portal
            from mcp import Client  # noqa: F401
        except ImportError:
            raise FunctionError(
                f"{self._source} needs more packages: pip install 'octoplan[mcp]'"
            ) from None
        self._portal = self._opened.enter_context(start_blocking_portal())
        session = _session(self._source, self._log)
        try:
            self._client, tools = self._opened.enter_context(
                self._portal.wrap_async_context_manager(session)
            )
        except Exception as error:  # as above
            late = isinstance(error, TimeoutError)
            why = f"no answer in {ANSWER_WITHIN:g} s" if late else self._reason(error)
            problem = f"cannot be reached ({why}): start the server, or correct the address"
            if self._source.startswith(_COMMAND):
                problem = f"cannot be started ({why}): check the command"
            raise FunctionError(f"{self._source} {problem}") from error
        return tools

    def _offered(self) -> FunctionSet:
        """All tools as functions."""
        if not self._tools:
            raise FunctionError(f"{self._source} has no tools: add at least one")
        functions = tuple(map(self._function, self._tools.values()))
        server = self._client.server_info
        name = snake_case(server.name) if server else ""
        return FunctionSet(name=name or "mcp", functions=functions)

    def _checked(self, functions: FunctionSet) -> FunctionSet:
        """The functions, if each is a tool."""
        for function in functions:
            if function.name not in self._tools:
                raise DeviceError(f"{self._source} has no tool {function.name}; add it there")
            if shape_of(self._function(self._tools[function.name])) != shape_of(function):
                raise DeviceError(
                    f"{self._source}: {function.name} takes other parameters than the agent has "
                    "learned; change them back, or train again"
                )
        return functions

    def _function(self, tool: "Tool") -> Function:
        """A tool as a function.

        One that does not say whether it is destructive is, unless it only reads: so MCP has it.
        """
        name, hints = _name(tool), tool.annotations
        read_only = bool(hints and hints.read_only_hint)
        destructive = not read_only and not (hints and hints.destructive_hint is False)
        idempotent = bool(hints and hints.idempotent_hint)
        schemas = Schemas(tool.input_schema)
        with at(f"{self._source}: tool {tool.name}"):
            does = one_line(tool.description or tool.title or "")
            if not does:
                raise FunctionError("add a description that says what it does")
            given = schemas.members(tool.input_schema)
            otherwise = "leave the tool out of the server"
            function = Function(
                name=name,
                description=does,
                parameters=schemas.parameters(f"function {name!r}", given, otherwise),
                hints=Hints(read_only=read_only, destructive=destructive, idempotent=idempotent),
            )
        return function

    def _reason(self, error: BaseException) -> str:
        """What an error says, and the last line that the server wrote of its own."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = one_line(str(error)) or type(error).__name__
        if self._log.closed:
            return said
        self._log.seek(0)
        written = self._log.read().strip().splitlines()
        return f"{said}: {one_line(written[-1])}" if written else said


@asynccontextmanager
async def _session(source: str, log: TextIO) -> AsyncIterator[tuple["Client", list["Tool"]]]:
    """A session with a server, which writes what is no answer into the log; and its tools."""
    import anyio
    from mcp import Client, StdioServerParameters, stdio_client

    server: Any = source
    if source.startswith(_COMMAND):
        command, *arguments = shlex.split(source.removeprefix(_COMMAND)) or ["no command"]
        server = stdio_client(StdioServerParameters(command=command, args=arguments), log)
    with anyio.fail_after(ANSWER_WITHIN) as limit:
        async with Client(server) as client:
            page = await client.list_tools()
            tools = page.tools
            while page.next_cursor:
                page = await client.list_tools(cursor=page.next_cursor)
                tools += page.tools
            limit.deadline = math.inf  # it has answered: from now on the session lasts
            yield client, tools


def _close(opened: ExitStack) -> None:
    with suppress(Exception):  # a connection that is lost cannot be closed in good order
        opened.close()


def _by_name(source: str, tools: list["Tool"]) -> dict[str, "Tool"]:
    """The tools of a server, by the names of their functions."""
    named: dict[str, Tool] = {}
    for tool in tools:
        name = _name(tool)
        if name in named:
            both = f"{named[name].name} and {tool.name}"
            raise FunctionError(f"{source}: its tools {both} are both called {name}: rename one")
        named[name] = tool
    return named


def _name(tool: "Tool") -> str:
    """The name of a tool's function: its own, where a function can have it."""
    valid = tool.name.isascii() and tool.name.isidentifier() and len(tool.name) <= 64
    return tool.name if valid else snake_case(tool.name)


def _text(result: "CallToolResult") -> str:
    """What a tool answers.

    Raises:
        DeviceFailure: it says that it failed.
    """
    text = "\n".join(content.text for content in result.content if content.type == "text")
    if result.is_error:
        raise DeviceFailure(one_line(text) or "the server does not say why")
    if text or result.structured_content is None:
        return text or "done"
    return json.dumps(result.structured_content, ensure_ascii=False)
