"""Log records on their way out: one line each on stderr, or structured records in systemd's journal.

Law: only what is on the list leaves: the message, its priority, where it came from and the figures that the caller
named in ``extra={"lodestar": {...}}``; never ``record.args``, which may hold anything. A log that can't be written
loses records and says how many, but it never raises into a caller and never holds up the loop. Owner: ``__main__``
configures it once; ``set_level`` may be called at any time.
"""

import logging
import os
import re
import select
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]

OURS = ("lodestard", "__main__")
FIGURES = "lodestar"
IDENTIFIER = "lodestard"
GATHERED_IN_VAIN = ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks")
PATIENCE_S = 0.05
MS_PER_S = US_PER_MS = 1_000
US_PER_S = 1_000_000
ATOMIC_BYTES = 4096

# syslog(3)'s priorities, from the most severe down.
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
DEBUG_PRIORITY = 7

PLAIN = re.compile(r'[^\s"=\\]+')
OFFSET_CHARACTERS = len("+00:00")
ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x09: "\\t",
    0x0A: "\\n",
    0x0D: "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def configure_logging(level: Level, *, journal: bool) -> None:
    """Send all records to stderr, or with ``journal`` to systemd's journal (which needs systemd-python).

    Ours from ``level`` up, other libraries' from warnings up. A second call replaces the first.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Outlet)]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(JournalOutlet(_journal_send()) if journal else StderrOutlet())
    root.setLevel(logging.WARNING)
    set_level(level)
    _gather_only_what_leaves()


def set_level(level: Level) -> None:
    """From which severity on our own records leave, from now on."""
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())


class Entry(NamedTuple):
    """A record that was made off the loop of ``logging``: UTC milliseconds, its text, its figures."""

    at_ms: int
    text: str
    figures: Mapping[str, object]


def write_entries(name: str, level: int, entries: Sequence[Entry]) -> None:
    """Write many records at once, as from the logger ``name``: a third of the price of one by one. Raises nothing."""
    for outlet in logging.getLogger().handlers:
        if isinstance(outlet, _Outlet):
            outlet.write_entries(name, level, entries)


def _gather_only_what_leaves() -> None:
    """Spare each record what no outlet of ours shows (logging's own switches)."""
    for switch in GATHERED_IN_VAIN:
        setattr(logging, switch, False)


def figures_of(record: logging.LogRecord) -> Mapping[str, object]:
    """What the caller named in ``extra={"lodestar": {...}}``; empty where it is no mapping."""
    figures = getattr(record, FIGURES, None)
    return figures if isinstance(figures, Mapping) else {}


class _Outlet(logging.Handler):
    """A handler of ours: a failure while writing is nobody's business but its own."""

    def write_entries(self, name: str, level: int, entries: Sequence[Entry]) -> None:
        """One record after the other, in their order."""
        for entry in entries:
            record = logging.LogRecord(name, level, "", 0, "%s", (entry.text,), None)
            record.created = entry.at_ms / MS_PER_S
            setattr(record, FIGURES, entry.figures)
            self.handle(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drop the record: telling would take the log that has just failed."""


class StderrOutlet(_Outlet):
    """One line a record, written only while the reader keeps up; what was lost is counted and told later."""

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self._fd = fd
        self._lost = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(format_line(record))
        except Exception:  # noqa: BLE001 - a log that fails must not fail its caller
            self._lost += 1

    def write_entries(self, name: str, level: int, entries: Sequence[Entry]) -> None:
        """As many lines to a write as are still written whole."""
        place = f"{logging.getLevelName(level).lower()} {name}"
        lines = [_line(_stamp(entry.at_ms), place, entry.text, entry.figures.items()) for entry in entries]
        gathered = ""
        for line in lines:
            if len(gathered) + len(line) > ATOMIC_BYTES:
                self._try_write(gathered)
                gathered = ""
            gathered += line
        self._try_write(gathered)

    def _try_write(self, lines: str) -> None:
        try:
            self._write(lines)
        except Exception:  # noqa: BLE001 - as in emit
            self._lost += 1

    def _write(self, line: str) -> None:
        patience_s = 0.0 if self._lost else PATIENCE_S
        if not self._has_room(patience_s):
            self._lost += 1
            return
        if self._lost:
            line = f"{line}lodestard: {self._lost} log records before this one were lost, nobody read them\n"
            self._lost = 0
        data = line.encode("utf-8", "backslashreplace")
        for start in range(0, len(data), ATOMIC_BYTES):
            if start and not self._has_room(PATIENCE_S):
                self._lost += 1
                return
            os.write(self._fd, data[start : start + ATOMIC_BYTES])

    def _has_room(self, patience_s: float) -> bool:
        # A pipe that polls as writable takes ATOMIC_BYTES (POSIX's PIPE_BUF on Linux) without blocking.
        return any(event & select.POLLOUT for _, event in self._poll.poll(patience_s * 1000))


class JournalOutlet(_Outlet):
    """Structured records for journald. ``send`` takes ``MESSAGE`` and the other fields by name."""

    def __init__(self, send: Callable[..., object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(**dict(_journal_fields(record)))
        except Exception:  # noqa: BLE001 - a log that fails must not fail its caller
            self.handleError(record)


def format_line(record: logging.LogRecord) -> str:
    """``2026-11-21T02:50:07.123Z info lodestard.pipeline: text key=value`` and a newline; control bytes escaped."""
    place = f"{record.levelname.lower()} {record.name}"
    return _line(
        _stamp(round(record.created * US_PER_S) // US_PER_MS), place, record.getMessage(), _named_figures(record)
    )


def _line(at: str, place: str, text: str, figures: Iterable[tuple[str, object]]) -> str:
    pairs = "".join(
        [f" {name}={value if type(value) is int else _quoted_text(str(value))}" for name, value in figures]
    )
    line = f"{at} {place}: {text}{pairs}"
    return f"{line if line.isprintable() else line.translate(ESCAPES)}\n"


def _stamp(at_ms: int) -> str:
    second, ms = divmod(at_ms, MS_PER_S)
    return f"{_second(second)}.{ms:03d}Z"


@lru_cache(maxsize=2)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()[:-OFFSET_CHARACTERS]


def _named_figures(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    yield from figures_of(record).items()
    if record.exc_info and record.exc_info[0]:
        yield "traceback", "".join(traceback.format_exception(*record.exc_info)).rstrip()


@lru_cache(maxsize=256)
def _quoted_text(text: str) -> str:
    """Of a request's figures most are names that come again and again."""
    if text.isidentifier() or PLAIN.fullmatch(text):  # most are names: that is the quicker question
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _journal_fields(record: logging.LogRecord) -> Iterator[tuple[str, str | int]]:
    yield "MESSAGE", _sendable(record.getMessage())
    yield "PRIORITY", str(_priority(record.levelno))
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "LOGGER", record.name
    yield "CODE_FILE", record.pathname
    yield "CODE_LINE", record.lineno
    yield "CODE_FUNC", record.funcName or ""
    for name, value in _named_figures(record):
        yield f"LODESTAR_{_field_name(name)}", "" if value is None else _sendable(str(value))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _priority(levelno: int) -> int:
    return next((priority for level, priority in PRIORITIES if levelno >= level), DEBUG_PRIORITY)


def _field_name(name: str) -> str:
    # systemd.journal-fields(7): upper-case letters, digits and underscores, no other byte; journald drops the rest.
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in str(name)).upper()[:48]


def _journal_send() -> Callable[..., object]:
    from systemd import journal

    send: Callable[..., object] = journal.send
    return send
