"""Reads the configuration's files: the main one, then ``conf.d/*.toml`` beside it in the order of their names.

Law: the only place that reads them; bounded, and every way in which a file can't be read or parsed becomes a
``ConfigFault``. Syntax errors keep ``tomllib``'s line and column.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from lodestard.config.fault import ConfigError, ConfigFault, KeyPath, Place
from lodestard.config.scan import key_lines

MAX_FILE_BYTES = 4 * 1024 * 1024
DROP_IN_FOLDER = "conf.d"

_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


class Source(msgspec.Struct, frozen=True):
    """The text of one file."""

    file: str
    text: str


class Parsed(msgspec.Struct, frozen=True):
    """One file as plain data, and the line of each of its keys. Fractions are ``Decimal``."""

    file: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def read_sources(path: Path) -> tuple[Source, ...]:
    """The main file and its drop-ins, in the order in which they are merged.

    Raises ``ConfigError`` with a fault for each file that can't be read.
    """
    sources, faults = [], []
    for file in (path, *drop_ins(path)):
        try:
            sources.append(Source(str(file), _read_text(file)))
        except _UnreadableError as error:
            faults.append(error.fault)
    if faults:
        raise ConfigError(faults)
    return tuple(sources)


def read_source(file: Path) -> Source:
    """One file alone. Raises ``ConfigError`` where it can't be read."""
    try:
        return Source(str(file), _read_text(file))
    except _UnreadableError as error:
        raise ConfigError([error.fault]) from None


def drop_ins(path: Path) -> list[Path]:
    """The drop-ins of the configuration at ``path``; hidden files (editors' copies) are none."""
    folder = path.parent / DROP_IN_FOLDER
    try:
        return sorted(file for file in folder.glob("*.toml") if not file.name.startswith("."))
    except OSError as error:
        raise ConfigError([ConfigFault(place=Place(str(folder)), message=_reason(error))]) from None


def parse_sources(sources: Iterable[Source]) -> tuple[Parsed, ...]:
    """Raises ``ConfigError`` with a fault for each text that is not TOML."""
    parsed, faults = [], []
    for source in sources:
        try:
            data = tomllib.loads(source.text, parse_float=_decimal)
        except (ValueError, RecursionError) as error:
            faults.append(_syntax_fault(source.file, error))
        else:
            parsed.append(Parsed(source.file, data, key_lines(source.text)))
    if faults:
        raise ConfigError(faults)
    return tuple(parsed)


class _UnreadableError(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.fault = ConfigFault(place=place, message=message)


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _UnreadableError(Place(str(file)), _reason(error)) from None
    if len(data) > MAX_FILE_BYTES:
        raise _UnreadableError(Place(str(file)), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(Place(str(file), line), "not UTF-8 text") from None


def _reason(error: OSError) -> str:
    return f"can't be read: {error.strerror or type(error).__name__}"


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number with an exponent that is too large") from None


def _syntax_fault(file: str, error: Exception) -> ConfigFault:
    if isinstance(error, RecursionError):
        return ConfigFault(place=Place(file), message="nested too deeply")
    if not isinstance(error, tomllib.TOMLDecodeError):
        return ConfigFault(place=Place(file), message="a number that is too large")
    text = str(error)
    position = _POSITION.search(text)
    line, column = (int(group or 0) for group in position.groups()) if position else (0, 0)
    where = " at the end of the file" if position and not line else ""
    return ConfigFault(place=Place(file, line, column), message=f"not TOML: {_POSITION.sub('', text)}{where}")
