"""One ``nvidia-smi`` that runs on and on, here or at the other end of an ssh.

Law: one process at a time, in a session of its own, with nothing of our environment but what it needs; its lines are
bounded; it dies with its reader. One that ends is started again, each pause twice as long up to a minute; one that
falls silent is killed first, and one that can't be killed (a driver that hangs) is waited for, never added to.
"""

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, MutableSequence, Sequence
from contextlib import suppress

import msgspec
import trio

from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu.exporter_page import with_others
from lodestard.modules.gpu.figures import choose_card
from lodestard.modules.gpu.settings import Card
from lodestard.modules.gpu.smi_rows import (
    FIELDS,
    Fields,
    LineCutter,
    Row,
    drop_unknown_field,
    parse_row,
    query_words,
)
from lodestard.modules.gpu.troubles import NOT_EXECUTABLE, NOT_FOUND, Trouble, judge_exit, shown

CHUNK_BYTES = 16_384
BREATH_S = 0.1
LAST_WORDS = 8
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
SILENT_INTERVALS = 6
SILENT_S = 30.0
EXIT_S = 2.0
KILL_S = 2.0
# What a shell, ssh and nvidia-smi need; never a key that was given to us by the environment.
ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "LD_LIBRARY_PATH")

Hear = Callable[[Telemetry | Trouble], None]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended: its ``status`` (None: it could not be killed), and the last lines that were no rows."""

    status: int | None
    words: Sequence[str] = ()
    rows: int = 0
    silent: bool = False


class SmiSource:
    """Reads one card. Owner of its process, and of the fields that its driver knows."""

    def __init__(self, card: Card, interval_s: float, hear: Hear) -> None:
        self._card = card
        self._interval_s = interval_s
        self._hear = hear
        self._fields: Fields = FIELDS
        self._cards: dict[str, str] = {}
        self._hung: trio.Process | None = None

    async def run(self) -> None:
        """Read until cancelled; then the process is dead, but for one that can't be killed."""
        pause_s = FIRST_PAUSE_S
        while True:
            ended = await self._live()
            fields = drop_unknown_field(self._fields, ended.words)
            if fields is not None and not ended.rows:
                self._fields = fields
                continue
            if (trouble := self.judge(ended)) is not None:
                self._hear(trouble)
            if ended.rows:
                pause_s = FIRST_PAUSE_S
            # One that ends well after its rows (a forced command without --loop) is asked again at its time.
            await trio.sleep(pause_s if trouble is not None or not ended.rows else self._interval_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            await self._wait_for_hung()

    @property
    def command(self) -> tuple[str, ...]:
        return (*self._card.ssh, *query_words(self._fields, self._interval_s, self._card.gpu))

    async def _live(self) -> Ended:
        """One process from its start to its end."""
        words: deque[str] = deque(maxlen=LAST_WORDS)
        try:
            process: trio.Process = await trio.lowlevel.open_process(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return Ended(status=NOT_FOUND if missing else NOT_EXECUTABLE, words=[shown(str(error))])
        try:
            rows, silent = await self._read(process, words)
            if not silent:
                with trio.move_on_after(EXIT_S):
                    await process.wait()
        finally:
            kill(process)
            with trio.move_on_after(KILL_S, shield=True):
                await process.wait()
            if process.returncode is None:
                self._hung = process
        return Ended(status=process.returncode, words=tuple(words), rows=rows, silent=silent)

    async def _read(self, process: trio.Process, words: MutableSequence[str]) -> tuple[int, bool]:
        """How many rows there were until its output ended, and whether it fell silent instead."""
        assert process.stdout is not None
        rows, cutter = 0, LineCutter()
        patience_s = max(SILENT_S, SILENT_INTERVALS * self._interval_s)
        with trio.move_on_after(patience_s) as patience:
            async with process.stdout:
                while data := await process.stdout.receive_some(CHUNK_BYTES):
                    heard = self.take(cutter.feed(bytes(data)), words)
                    if heard:
                        rows += heard
                        patience.deadline = trio.current_time() + patience_s
                    await trio.sleep(BREATH_S)  # one that babbles is read no faster than this
                rows += self.take(cutter.feed(b"\n"), words)
        return rows, patience.cancelled_caught

    def take(self, lines: Sequence[str], words: MutableSequence[str]) -> int:
        """Hear the latest row of the card, keep what is none. How many rows there were."""
        rows = 0
        latest: Row | None = None
        for line in lines:
            row = parse_row(line, self._fields, self._card.source)
            if row is None:
                words.append(line)
                continue
            rows += 1
            self._cards[row.reading.uuid or row.number] = row.number
            if self._is_ours(row):
                latest = row
        if latest is not None:
            others = len(self._cards) > 1 and not self._card.gpu and latest.reading.state == "ok"
            self._hear(with_others(latest.reading, len(self._cards)) if others else latest.reading)
        return rows

    def _is_ours(self, row: Row) -> bool:
        """Whether it is the card that is meant: ``--id`` chooses it, but a forced command may list them all."""
        if len(self._cards) == 1:
            return True
        chosen = choose_card(((number, uuid) for uuid, number in self._cards.items()), self._card.gpu)
        return chosen is not None and chosen[0] == (row.reading.uuid or row.number)

    def judge(self, ended: Ended) -> Trouble | None:
        """Why it has ended; None where it ended well, after rows."""
        if ended.status is None:
            return Trouble(code="hung", text="nvidia-smi hangs and can't be killed")
        if ended.silent:
            return Trouble(code="silent", text="nvidia-smi has fallen silent")
        if ended.status == 0 and ended.rows:
            return None
        return judge_exit(self._card.source, ended.status, ended.words)

    async def _wait_for_hung(self) -> None:
        if self._hung is not None:
            await self._hung.wait()
            self._hung = None


def kill(process: trio.Process) -> None:
    """End it, and whatever it has started. Harmless where it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
