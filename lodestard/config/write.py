"""Writes what a program changes to a drop-in of its own, ``conf.d/90-lodestarctl.toml``.

Law: no other file is ever written to, so a person's comments stay. A change is validated with everything that it
would be laid over before it is swapped in, whole or not at all; after a power cut there is the old file or the
new one. Owned by the daemon's one task that handles control verbs.
"""

import copy
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from lodestard.config.fault import ConfigError, ConfigFault, Place
from lodestard.config.load import Loaded, ModuleSchemas, build
from lodestard.config.source import DROP_IN_FOLDER, Source, parse_sources, read_sources

DROP_IN_NAME = "90-lodestarctl.toml"
HEADER = """\
# Written by lodestarctl. Don't edit: the next change by a program writes this file anew. Your own settings belong
# in the main file, or in a drop-in of another name; one that sorts after this one has the last word.

"""

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\\\x00-\x1f\x7f]*"|'[^'\x00-\x1f\x7f]*')"""
_KEY = re.compile(rf"{_NAME}(?:\.{_NAME})*")

Change = Mapping[tuple[str, ...], Any]
"""Key path → its new value, or None to take back what a program had said."""


def read_change(key: str, value: str | None) -> Change:
    """What a person typed → a change. ``key`` is dotted as in TOML; ``value`` is TOML, or else a text; None unsets.

    Raises ``ConfigError``.
    """
    if not _KEY.fullmatch(key):
        raise ConfigError([ConfigFault(message='not a key; names with dots in them are quoted: models."gpt-4.1"')])
    if value is not None and not value.isprintable():
        raise ConfigError([ConfigFault(key=key, message="a value is one line of printable characters")])
    path, read = _read_line(key, "0" if value is None else value)
    return {path: None if value is None else read}


def _read_line(key: str, value: str) -> tuple[tuple[str, ...], Any]:
    for text in (value, msgspec.json.encode(value).decode()):
        try:
            tables: Any = tomllib.loads(f"{key} = {text}", parse_float=Decimal)
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        path: list[str] = []
        while isinstance(tables, dict) and len(tables) == 1:
            ((name, tables),) = tables.items()
            path.append(name)
        return tuple(path), tables
    raise ConfigError([ConfigFault(key=key, message="not a value")])


def drop_in_path(config_file: Path) -> Path:
    """Where the changes to the configuration at ``config_file`` are."""
    return config_file.parent / DROP_IN_FOLDER / DROP_IN_NAME


def write_drop_in(config_file: Path, change: Change, *, module_schemas: ModuleSchemas | None = None) -> Loaded:
    """Lay ``change`` over the drop-in; returns the configuration that is now in the files. Blocks on the disk.

    Raises ``ConfigError`` where the result would be wrong or can't be written; nothing has changed then.
    """
    drop_in = drop_in_path(config_file)
    sources = read_sources(config_file)
    text = _changed(next((source for source in sources if source.file == str(drop_in)), None), change)
    loaded = build(_with(sources, Source(str(drop_in), text)), module_schemas=module_schemas)
    try:
        _replace(drop_in, text)
    except OSError as error:
        message = f"can't be written: {error.strerror or type(error).__name__}"
        raise ConfigError([ConfigFault(place=Place(str(drop_in)), message=message)]) from None
    return loaded


def _changed(present: Source | None, change: Change) -> str:
    tables = copy.deepcopy(dict(parse_sources([present])[0].data)) if present else {}
    for path, value in change.items():
        if value is None:
            _unset(tables, path)
        else:
            _set(tables, path, value)
    try:
        return HEADER + tomli_w.dumps(tables)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError([ConfigFault(message="a value that TOML can't hold")]) from None


def _set(tables: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, name = path
    for parent in parents:
        inner = tables.get(parent)
        if not isinstance(inner, dict):
            inner = tables[parent] = {}
        tables = inner
    tables[name] = value


def _unset(tables: dict[str, Any], path: tuple[str, ...]) -> None:
    """Take the key away, and the tables that are empty without it."""
    head, rest = path[0], path[1:]
    inner = tables.get(head)
    if rest and isinstance(inner, dict):
        _unset(inner, rest)
        if inner:
            return
    elif rest:
        return
    tables.pop(head, None)


def _with(sources: tuple[Source, ...], drop_in: Source) -> list[Source]:
    """The drop-in in its place among the others: the main file first, then by name."""
    main, *others = (source for source in sources if source.file != drop_in.file)
    return [main, *sorted([*others, drop_in], key=lambda source: source.file)]


def _replace(path: Path, text: str) -> None:
    """Atomic and durable: a new file, synced, renamed over the old one, and the folder synced."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, 0o644)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
