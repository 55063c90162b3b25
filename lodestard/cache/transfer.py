"""Kept answers as JSON lines, to carry them to another machine. Pure.

One line is ``{"key", "target", "created_ms", "cost_nano_usd", "reply", "logprobs"}``; ``reply.body`` is base64.

Law: a line that is wrong is told with its number and costs only itself; one that is too long is never held whole.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from lodestard.cache.entry import CorruptError, Entry, Stored, pack, restore, store, unpack
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.reply import Reply
from lodestard.domain.upstream import Target

MAX_LINE_BYTES = 16 * 1024 * 1024

_KEY = re.compile(r"[0-9a-f]{64}")


class _Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: str
    target: str
    created_ms: int
    cost_nano_usd: int
    reply: Reply
    logprobs: tuple[msgspec.Raw, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """An answer that was on line ``number``, counted from 1."""

    number: int
    entry: Entry


class BadLine(msgspec.Struct, frozen=True):
    """Line ``number`` is no answer; ``reason`` says why and repeats nothing of it."""

    number: int
    reason: str


_lines = msgspec.json.Decoder(_Wire)


def write_line(entry: Entry) -> bytes:
    """One line, without its end. Raises ``CorruptError`` where the entry can't be read."""
    stored = store(unpack(entry.packed))
    wire = _Wire(
        key=entry.key,
        target=str(entry.target),
        created_ms=entry.created_ms,
        cost_nano_usd=entry.cost_nano_usd,
        reply=stored.reply,
        logprobs=stored.logprobs,
    )
    return msgspec.json.encode(wire)


def read_lines(chunks: Iterable[bytes]) -> Iterator[Line | BadLine]:
    """The lines of a file that comes in ``chunks`` of any size. Blank lines are skipped. Raises nothing."""
    for number, line in _split(chunks):
        if line is None:
            yield BadLine(number, f"longer than {MAX_LINE_BYTES} bytes")
        elif line.strip():
            yield _read_line(number, line)


def _read_line(number: int, line: bytes) -> Line | BadLine:
    try:
        wire = _lines.decode(line)
        target, reply = Target.parse(wire.target), restore(Stored(wire.reply, wire.logprobs))
    except (msgspec.DecodeError, ValueError, RecursionError, CorruptError):
        return BadLine(number, "not an answer as `export` writes it")
    if not _KEY.fullmatch(wire.key) or not 0 <= wire.cost_nano_usd <= MAX_NANO_USD or not reply.complete:
        return BadLine(number, "its key, cost or answer can't be right")
    entry = Entry(
        key=wire.key,
        target=target,
        created_ms=wire.created_ms,
        cost_nano_usd=wire.cost_nano_usd,
        packed=pack(reply),
    )
    return Line(number, entry)


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Line by line; None for one that is too long, of which nothing is kept."""
    number, held, too_long = 1, bytearray(), False
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            held += end
            yield number, None if too_long or len(held) > MAX_LINE_BYTES else bytes(held)
            number, too_long = number + 1, False
            held.clear()
        held += rest
        if len(held) > MAX_LINE_BYTES:
            held.clear()
            too_long = True
    if held or too_long:
        yield number, None if too_long else bytes(held)
