"""A backtest from the daemon's side: reads the candidate configuration, and has a process of its own do the work.

Law: the loop only passes lines on; whoever leaves takes the child with them. No key and no text is in what the child
is given. Owner: the caller's scope.
"""

import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from lodestard.advice.backtest import Job
from lodestard.config import ConfigError
from lodestard.config.policy import lay_policy
from lodestard.config.source import Source
from lodestard.control.messages import ConfigProblem
from lodestard.control.messages.advice import BacktestItem
from lodestard.control.verbs.advice_desk import WantedBacktest
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.feedback import MIDDLING, Cell
from lodestard.domain.price import Quote
from lodestard.domain.request import Conversation, Request
from lodestard.domain.settings import Settings
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import Target
from lodestard.runtime import Runtime

COMMAND = (sys.executable, "-m", "lodestard.advice.backtest")
CHUNK_BYTES = 64 * 1024
LAST_WORDS_BYTES = 2_000
NOBODY = Request(
    dialect="", alias="", stream=False, include_usage=False, members={}, conversation=Conversation(messages=()),
    size_bytes=0,
)  # fmt: skip


@asynccontextmanager
async def open_backtest(
    wanted: WantedBacktest, ledger_file: Path, quotes: Mapping[str, Quote], runtime: Runtime
) -> AsyncIterator[AsyncIterator[BacktestItem]]:
    """Begin one; leaving ends it, however far it is. Items raise ``HouseFault`` where it breaks off."""
    running = runtime.settings
    try:
        read = partial(lay_policy, Source(wanted.name, wanted.text), running)
        candidate = await trio.to_thread.run_sync(read)
    except ConfigError as error:
        async with aclosing(_refused(error)) as items:
            yield items
        return
    job = Job(
        file=str(ledger_file),
        name=wanted.name,
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        now_ms=runtime.clock.now_ms(),
        timezone=runtime.timezone,
        running=_bare(running),
        candidate=_bare(candidate),
        quotes=quotes,
        judged=judge_all(runtime, candidate),
    )
    async with _run(job) as child, aclosing(_items(child)) as items:
        yield items


def _bare(settings: Settings) -> Settings:
    """Modules' settings decide nothing here, and have forms that only they know."""
    return msgspec.structs.replace(settings, modules={})


def judge_all(runtime: Runtime, candidate: Settings) -> Mapping[str, tuple[Cell, ...]]:
    """What was seen of the answers of each model that either of them names."""
    names = {
        name for model in (*runtime.settings.models.values(), *candidate.models.values()) for name in model.route
    }
    seen = {name: tuple(_seen_of(Target.parse(name), runtime)) for name in names}
    return {name: cells for name, cells in seen.items() if cells}


def _seen_of(target: Target, runtime: Runtime) -> Iterator[Cell]:
    yield from runtime.outcomes.cells(target)
    for kind in KINDS:
        measured = runtime.hooks.evidence(kind, target)
        if measured is not None:
            good = measured.quality * measured.count
            yield Cell(kind, MIDDLING, good, measured.count - good)


async def _refused(error: ConfigError) -> AsyncGenerator[BacktestItem]:
    faults = [
        ConfigProblem(message=fault.message, key=fault.key, file=fault.place.file, line=fault.place.line)
        for fault in error.faults
    ]
    yield BacktestItem(faults=tuple(faults))


@asynccontextmanager
async def _run(job: Job) -> AsyncIterator[trio.Process]:
    try:
        child = await trio.lowlevel.open_process(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise HouseFault(Code.INTERNAL, f"The backtest could not be started: {error.strerror}.") from error
    try:
        assert child.stdin is not None
        try:
            async with child.stdin as stdin:
                await stdin.send_all(msgspec.json.encode(job))
        except trio.BrokenResourceError:
            pass  # it has ended already; its last words say why
        yield child
    finally:
        with trio.CancelScope(shield=True):
            child.kill()
            await child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    await pipe.aclose()


async def _items(child: trio.Process) -> AsyncGenerator[BacktestItem]:
    stdout, stderr = child.stdout, child.stderr
    if stdout is None or stderr is None:
        raise HouseFault(Code.INTERNAL, "The backtest was started without its pipes.")
    rest = b""
    while chunk := await stdout.receive_some(CHUNK_BYTES):
        *lines, rest = (rest + bytes(chunk)).split(b"\n")
        for line in lines:
            yield msgspec.json.decode(line, type=BacktestItem)
    said = bytes(await stderr.receive_some(LAST_WORDS_BYTES))
    if await child.wait() != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise HouseFault(Code.STORE_UNAVAILABLE, f"The backtest broke off: {last[0]}.")
