"""``warm`` and ``models pull`` as a person runs them: a process of their own, the real socket, Ctrl-C."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import trio

from lodestarctl import exit_codes
from lodestard.control.access import open_access
from lodestard.control.server import control_handler, write_fault
from lodestard.control.verbs import core_verbs
from lodestard.domain.clock import SystemClock
from lodestard.domain.residency import PullProgress
from lodestard.domain.settings import Control, Limits
from lodestard.domain.upstream import Target
from lodestard.http import HttpServer, open_unix_listener
from tests.fakes import gpu_samples as samples
from tests.fakes.control_desk import SETTINGS, FakeDesk, make_runtime
from tests.fakes.residency_desk import FakeResidency

PATIENCE_S = 60.0
DEEPSEEK = Target("t600", samples.DEEPSEEK)


async def run_and_leave(path: Path, residency: FakeResidency, *words: str, said: str) -> tuple[int, str]:
    """Run ``lodestarctl`` until it has said ``said``, press Ctrl-C, and give its status and its standard error."""
    desk = FakeDesk(make_runtime(SETTINGS), residency=residency)
    server = HttpServer(
        control_handler(core_verbs(desk), open_access(Control())),
        limits=Limits(),
        clock=SystemClock(),
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_fault,
    )
    command = [sys.executable, "-m", "lodestarctl", "--socket", str(path), *words]
    told = bytearray()
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(server.serve, [await open_unix_listener(path)]))
            process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            assert process.stderr is not None
            async for piece in process.stderr:
                told += piece
                if said in told.decode(errors="replace") and process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    said = "\0"
            status = await process.wait()
            await residency.left.wait()
            nursery.cancel_scope.cancel()
    return status, told.decode()


async def test_a_load_that_is_left_is_no_longer_waited_for(tmp_path: Path) -> None:
    residency = FakeResidency({"t600": samples.LOADING}, takes_s=PATIENCE_S)
    status, told = await run_and_leave(
        tmp_path / "c.sock", residency, "warm", samples.DEEPSEEK, said="loading deepseek"
    )
    assert status == exit_codes.INTERRUPTED
    assert told.endswith("deepseek-coder:6.7b goes on loading; lodestarctl gpu shows it.\n")
    assert residency.told == [("warm cancelled", DEEPSEEK)]


async def test_a_download_that_is_left_is_stopped(tmp_path: Path) -> None:
    lines = [PullProgress(status="x", digest="a", total_bytes=10_000, done_bytes=number) for number in range(10_000)]
    residency = FakeResidency({"t600": samples.IDLE}, lines=lines, line_s=0.05)
    words = ("models", "pull", samples.DEEPSEEK)
    status, told = await run_and_leave(tmp_path / "c.sock", residency, *words, said="KB")
    assert status == exit_codes.INTERRUPTED
    assert "goes on from there" in told
    assert residency.told == [("pull", DEEPSEEK), ("stopped", DEEPSEEK)]
