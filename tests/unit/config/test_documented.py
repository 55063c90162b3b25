"""docs/configuration.md tells every key, with its type and default, and no key that isn't there."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lodestard.__main__ import MODULES
from lodestard.config.describe import Key, describe
from lodestard.config.diff import needs_restart
from lodestard.domain.record import Record

PAGE = Path(__file__).parents[3] / "docs/configuration.md"
ROW = re.compile(r"^\| `([^`]+)`( ↻)? \| ([^|]+) \| (?:`([^`]+)`|(\w+)) \| (.+) \|$", re.MULTILINE)

SCHEMAS: dict[str, type[msgspec.Struct]] = {module.name: module.settings for module in MODULES}


def documented() -> dict[str, tuple[Key, bool, str]]:
    """The page's rows by key, without those of modules that are not installed."""
    return {
        name: (Key(name, kind, quoted or word), bool(restart), meaning)
        for name, restart, kind, quoted, word, meaning in ROW.findall(PAGE.read_text())
        if not name.startswith("modules.") or name.split(".")[1] in SCHEMAS
    }


def test_every_key_has_its_row_and_every_row_its_key() -> None:
    told = documented()

    assert list(told) == [key.name for key in describe(SCHEMAS)]


def test_types_and_defaults_are_right() -> None:
    assert [told for told, _, _ in documented().values()] == list(describe(SCHEMAS))


def test_keys_that_need_a_restart_are_marked() -> None:
    for name, (_, marked, _) in documented().items():
        assert marked == needs_restart(name), name


def test_every_meaning_is_a_sentence_and_names_the_unit() -> None:
    for name, (_, _, meaning) in documented().items():
        assert meaning.endswith((".", ")")), name
        if name.endswith("_s"):
            assert "econd" in meaning or name.endswith("load_timeout_s"), name
        if name.endswith("_bytes"):
            assert "bytes" in meaning or "larger" in meaning.lower(), name


class Inner(Record, frozen=True):
    name: str


class Outer(Record, frozen=True):
    inner: tuple[Inner, ...] = ()
    table: Mapping[str, Inner] = msgspec.field(default_factory=dict)
    anything: object = None


def test_a_module_s_keys_are_described_too() -> None:
    keys = [key for key in describe({"m": Outer}) if key.name.startswith("modules.")]

    assert keys == [
        Key("modules.m.inner[].name", "string", "required"),
        Key("modules.m.table.<name>.name", "string", "required"),
        Key("modules.m.anything", "any", "none"),
    ]
