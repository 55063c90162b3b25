"""What ``nvidia-smi --query-gpu`` is asked, and what its lines say. Pure.

Law: NVIDIA promises nothing about this output, so a line is a row only where it has all its cells, and a cell is a
figure only where it is a number; everything else (``[N/A]``, ``[Not Supported]``, ``[Unknown Error]``, empty …) is
unknown. A field that a driver does not know fails the whole call: it is asked by its older name, or not at all.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.telemetry import Source, Telemetry
from lodestard.modules.gpu.figures import MIB, Named, make_reading, reasons_of
from lodestard.modules.gpu.troubles import find_in_words

MAX_LINE_BYTES = 4_096


class Field(msgspec.Struct, frozen=True):
    """``query`` is nvidia-smi's name; ``older`` what drivers before 535 call it. ``member``: of ``Telemetry``."""

    query: str
    member: str
    scale: float = 1.0
    older: str = ""


Fields = tuple[Field, ...]

UUID = Field("uuid", "uuid")
FIELDS: Fields = (
    UUID,
    Field("index", "index"),
    Field("name", "card"),
    Field("pstate", "performance_state"),
    Field("utilization.gpu", "used_percent"),
    Field("memory.total", "memory_total_bytes", MIB),
    Field("memory.used", "memory_used_bytes", MIB),
    Field("temperature.gpu", "temperature_c"),
    Field("power.draw", "power_w"),
    Field("power.limit", "power_limit_w"),
    Field("power.default_limit", "power_default_w"),
    Field("clocks.sm", "clock_mhz"),
    Field("clocks.max.sm", "clock_max_mhz"),
    Field("pcie.link.gen.current", "pcie_generation"),
    Field("pcie.link.gen.max", "pcie_generation_max"),
    Field("pcie.link.width.current", "pcie_width"),
    Field("pcie.link.width.max", "pcie_width_max"),
    Field("clocks_event_reasons.active", "throttled", older="clocks_throttle_reasons.active"),
)
_TEXTS = ("uuid", "card", "performance_state", "index", "throttled")
_VITAL = ("used_percent", "memory_used_bytes", "temperature_c")
# With its unit too: a forced command may leave out `nounits`.
_NUMBER = re.compile(r"([+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?) ?(?:%|MiB|W|MHz|C)?")
_MASK = re.compile(r"0x[0-9a-fA-F]{1,16}")
_UNKNOWN_FIELD = re.compile(r'[Ff]ield "([^"]{1,80})" is not a valid field')
_ABSENT = ("", "n/a", "not supported", "unknown error", "err!", "not found")
_ERRORS = ("[unknown error]", "unknown error", "err!")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One card at one moment. ``number`` is how nvidia-smi counts it, empty where it does not say."""

    number: str
    reading: Telemetry


def query_words(fields: Fields, interval_s: float, gpu: str) -> tuple[str, ...]:
    """nvidia-smi and its arguments. None of them means anything to a shell."""
    names = ",".join(field.query for field in fields)
    which = (f"--id={gpu}",) if gpu else ()
    loop = f"--loop={max(1, round(interval_s))}"
    return ("nvidia-smi", f"--query-gpu={names}", "--format=csv,noheader,nounits", loop, *which)


def drop_unknown_field(fields: Fields, words: Sequence[str]) -> Fields | None:
    """``fields`` without the one that a driver does not know; None where it complains of something else.

    Without its UUID a line would be nobody's, so that field is never dropped.
    """
    for line in words:
        if (said := _UNKNOWN_FIELD.search(line)) is None:
            continue
        for index, field in enumerate(fields):
            if field.query == said[1] and field is not UUID:
                instead = (Field(field.older, field.member, field.scale),) if field.older else ()
                return (*fields[:index], *instead, *fields[index + 1 :])
    return None


def parse_row(line: str, fields: Fields, source: Source) -> Row | None:
    """A line as a row; None where it is something else: a banner, a header, a complaint."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(fields) or cells[fields.index(UUID)] == UUID.query:
        return None
    by_member = {field.member: cell for field, cell in zip(fields, cells, strict=True)}
    figures = {
        field.member: read_number(by_member[field.member], field.scale)
        for field in fields
        if field.member not in _TEXTS
    }
    reading = make_reading(
        source,
        figures,
        Named(
            uuid=read_text(by_member["uuid"]),
            name=read_text(by_member.get("card", "")),
            performance_state=read_text(by_member.get("performance_state", "")),
            throttled=reasons_of(_read_mask(by_member.get("throttled", ""))),
        ),
    )
    return Row(number=read_text(by_member.get("index", "")), reading=_with_fault(reading, by_member))


def read_number(cell: str, scale: float = 1.0) -> float | None:
    """``38.20`` → 38.2; every form of "not available" → None."""
    said = _NUMBER.fullmatch(cell.strip())
    return float(said[1]) * scale if said else None


def read_text(cell: str) -> str:
    """A name; every form of "not available" → empty."""
    text = cell.strip()
    return "" if text.lower() in _ABSENT or (text.startswith("[") and text.endswith("]")) else text


def _read_mask(cell: str) -> int | None:
    return int(cell, 16) if _MASK.fullmatch(cell) else None


def _with_fault(reading: Telemetry, cells: Mapping[str, str]) -> Telemetry:
    """A card that is lost still has its line, with that in its cells.

    One ``[Unknown Error]`` says nothing (fans answer it on healthy cards); in place of every vital figure it does.
    """
    trouble = find_in_words(list(cells.values()))
    if trouble is not None:
        code, text = trouble.code, trouble.text
    else:
        vital = [cells.get(member, "").lower() for member in _VITAL]
        if not all(cell in _ERRORS for cell in vital):
            return reading
        code, text = "gpu_lost", "the driver answers with errors in place of figures"
    return Telemetry(
        source=reading.source, state="unknown", fault=code, problem=text, card=reading.card, uuid=reading.uuid
    )


class LineCutter:
    """Cuts a stream of bytes into lines. Owner of the one that is not whole yet; one that is too long is left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without their ends."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._skipping and whole:
            self._skipping = False
            del whole[0]
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest, self._skipping = b"", True
        return [
            line.decode(errors="replace").strip() for line in whole if line.strip() and len(line) <= MAX_LINE_BYTES
        ]
