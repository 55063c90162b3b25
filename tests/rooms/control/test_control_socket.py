"""The control socket whole: our HTTP server on a real Unix socket, the client in a thread."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from lodestarctl import cli, exit_codes
from lodestard.control.access import Access, open_access
from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning
from lodestard.control.messages import LogLevel
from lodestard.control.server import control_handler, write_fault
from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.settings import Control, Limits
from lodestard.domain.verbs import Argument, Emit, Verb
from lodestard.http import HttpServer, open_unix_listener

T = TypeVar("T")
PATIENCE_S = 20.0


async def in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


@asynccontextmanager
async def serving(path: Path, verbs: Mapping[str, Verb], access: Access | None = None) -> AsyncIterator[HttpServer]:
    server = HttpServer(
        control_handler(verbs, access or open_access(Control())),
        limits=Limits(body_bytes=10_000),
        clock=SystemClock(),
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_fault,
    )
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(server.serve, [await open_unix_listener(path)]))
            yield server
            nursery.cancel_scope.cancel()


async def set_level(arguments: Mapping[str, Any]) -> LogLevel:
    return LogLevel(level=arguments["level"], was="info")


LEVEL = Verb(
    name="log-level",
    summary="how much is logged",
    needs="admin",
    arguments=(Argument(name="level", required=True, choices=("debug", "info")),),
    answer=set_level,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.sock"


async def test_calls_refusals_and_the_list(path: Path) -> None:
    client = ControlClient(str(path))
    async with serving(path, {"log-level": LEVEL}):
        level = await in_thread(lambda: client.ask("log-level", {"level": "debug"}, LogLevel))
        assert level == LogLevel(level="debug", was="info")
        (listed,) = await in_thread(client.verbs)
        assert (listed.name, listed.mutates, listed.arguments) == ("log-level", True, LEVEL.arguments)
        with pytest.raises(ControlError, match="must be one of debug, info"):
            await in_thread(lambda: client.call("log-level", {"level": "loud"}))
        with pytest.raises(ControlError, match="Did you mean 'log-level'"):
            await in_thread(lambda: client.call("log-levle"))
        with pytest.raises(ControlError) as caught:
            await in_thread(lambda: client.call("log-level", {"level": "x" * 20_000}))
        assert caught.value.code == Code.REQUEST_TOO_LARGE.value
    with pytest.raises(DaemonNotRunning):
        await in_thread(client.verbs)


async def test_items_come_one_by_one_and_a_late_fault_is_raised(path: Path) -> None:
    go_on = trio.Event()

    async def stream(_arguments: Mapping[str, Any], emit: Emit) -> None:
        await emit({"n": 1})
        await go_on.wait()
        await emit({"n": 2})
        raise UpstreamFault(Code.UPSTREAM_CUT, "Cut.")

    client = ControlClient(str(path))
    async with serving(path, {"s": Verb(name="s", summary="", needs="read", stream=stream)}):
        items = client.stream("s")
        assert bytes(await in_thread(lambda: next(items))) == b'{"n":1}'
        go_on.set()
        assert bytes(await in_thread(lambda: next(items))) == b'{"n":2}'
        with pytest.raises(ControlError, match="Cut"):
            await in_thread(lambda: next(items))


async def test_closing_a_stream_cancels_its_verb(path: Path) -> None:
    cancelled = trio.Event()

    async def stream(_arguments: Mapping[str, Any], emit: Emit) -> None:
        await emit({"n": 1})
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    client = ControlClient(str(path))
    async with serving(path, {"s": Verb(name="s", summary="", needs="read", stream=stream)}):
        items = client.stream("s")
        await in_thread(lambda: next(items))
        items.close()
        await cancelled.wait()


async def test_a_server_that_goes_away_cuts_a_stream_visibly(path: Path) -> None:
    async def stream(_arguments: Mapping[str, Any], emit: Emit) -> None:
        await emit({"n": 1})
        await trio.sleep_forever()

    items = ControlClient(str(path)).stream("s")
    async with serving(path, {"s": Verb(name="s", summary="", needs="read", stream=stream)}):
        await in_thread(lambda: next(items))
    with pytest.raises(ControlError, match="cut off"):
        await in_thread(lambda: next(items))


async def test_a_verb_that_breaks_leaves_the_socket_working(path: Path) -> None:
    async def break_down(_arguments: Mapping[str, Any]) -> object:
        raise ZeroDivisionError

    client = ControlClient(str(path))
    async with serving(path, {"b": Verb(name="b", summary="", needs="read", answer=break_down), "log-level": LEVEL}):
        with pytest.raises(ControlError) as caught:
            await in_thread(lambda: client.call("b"))
        assert caught.value.code == "internal"
        assert await in_thread(lambda: client.call("log-level", {"level": "info"}))


async def test_the_command_line_over_the_socket(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(path, {"log-level": LEVEL}):
        words = ["--socket", str(path), "log-level", "debug"]
        assert await in_thread(lambda: cli.main(words)) == exit_codes.OK
    assert "Logging at debug now" in capsys.readouterr().out
