"""F15: reloads, good and bad: what a configuration may be spoilt by, and what a process holds after many of them."""

import os
import random
import re
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tomli_w

from lodestard.control.client import ControlClient
from lodestard.control.messages import ConfigValues, ReloadReport
from tests.fakes.process import Daemon, Overlay, overlay, wait_for

SECRET = "sk-canary-77aa01be5c"
FODDER: Overlay = {
    "cache": {"ttl_s": 600.0, "max_bytes": 50_000_000, "enabled": True},
    "ledger": {"timezone": "Europe/Berlin", "retention_days": 30, "anonymise": False},
    "log": {"level": "info"},
}
CLOSED_TABLES = ("server", "cache", "ledger", "log", "upstreams.paid", "upstreams.gpu", "models.auto")
_HEADER = re.compile(r"\[(.+)\]")
_SETTING = re.compile(r"([\w-]+) = (.+)")
_MIB = 1 << 20


@dataclass(frozen=True)
class Spoilt:
    """A configuration with one thing wrong: at this line, with this key (empty: TOML itself is broken)."""

    text: str
    line: int
    key: str
    how: str


@dataclass(frozen=True)
class Setting:
    """A line that sets something. ``line`` counts from 1."""

    line: int
    table: str
    name: str
    value: str

    @property
    def key(self) -> str:
        return ".".join(filter(None, (self.table, self.name)))


def write_good(daemon: Daemon, more: Overlay | None = None) -> str:
    """The daemon's configuration as TOML with a setting a line, written."""
    text = tomli_w.dumps(overlay(overlay(daemon.settings, FODDER), more or {}))
    daemon.config.write_text(text)
    return text


def settings_of(text: str) -> list[Setting]:
    """The settings of one line each."""
    found, table = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = header[1].replace('"', "")
        elif setting := _SETTING.fullmatch(line):
            found.append(Setting(number, table, setting[1], setting[2]))
    return found


def _replace(text: str, line: int, new: str) -> str:
    lines = text.splitlines()
    lines[line - 1] = new
    return "\n".join(lines) + "\n"


def break_syntax(text: str, luck: random.Random) -> Spoilt:
    setting = luck.choice([each for each in settings_of(text) if each.value != "["])
    wrong = luck.choice(
        (
            f"{setting.name} {setting.value}",
            f'{setting.name} = "never closed',
            f"{setting.name} = = {setting.value}",
            f"{setting.name} = 1979-99-99x",
            f"[{setting.name}",
            f"{setting.name} = {setting.value} {setting.value}",
        )
    )
    return Spoilt(_replace(text, setting.line, wrong), setting.line, "", wrong)


def change_type(text: str, luck: random.Random) -> Spoilt:
    plain = [each for each in settings_of(text) if each.table in CLOSED_TABLES and each.value[0] not in "[{"]
    setting = luck.choice(plain)
    wrong = luck.choice(("{ a = 1 }", "[[1]]", "1979-05-27", f'["{SECRET}", 7]', "{}"))
    return Spoilt(_replace(text, setting.line, f"{setting.name} = {wrong}"), setting.line, setting.key, wrong)


def add_unknown(text: str, luck: random.Random) -> Spoilt:
    table = luck.choice(CLOSED_TABLES)
    line = text.splitlines().index(f"[{table}]") + 1
    name = luck.choice(("colour", "tiemout_s", "Ttl_s", "x-y"))
    return Spoilt(
        _replace(text, line, f'[{table}]\n{name} = "{SECRET}"'), line + 1, f"{table}.{name}", f"unknown {name}"
    )


BAD_VALUES = {
    "server.drain_s": ("-1.0", "0.0", '"soon"', "nan", "inf", "true"),
    "cache.ttl_s": ("-5.0", '"1 h"', "nan"),
    "cache.max_bytes": ("-1", "1.5", "9223372036854775808"),
    "cache.enabled": ('"yes"', "2"),
    "ledger.timezone": ('"Mars/Olympus"', '"../../etc/passwd"', "7"),
    "ledger.retention_days": ("0", "-3", '"all"'),
    "log.level": ('"loud"', '"INFO "', "3"),
    "upstreams.paid.dialect": ('"klingon"', '""', "1"),
    "upstreams.paid.url": ('"ftp://127.0.0.1"', '"not a url"', '""', f'"http://user:{SECRET}@127.0.0.1/v1"'),
    "upstreams.gpu.free": ('"very"', "1"),
}


def spoil_value(text: str, luck: random.Random) -> Spoilt:
    at = {setting.key: setting for setting in settings_of(text)}
    key = luck.choice([key for key in BAD_VALUES if key in at])
    wrong = luck.choice(BAD_VALUES[key])
    return Spoilt(_replace(text, at[key].line, f"{at[key].name} = {wrong}"), at[key].line, key, wrong)


def put_key_in(text: str, luck: random.Random) -> Spoilt:
    """A key where only the place of a key may be."""
    line = text.splitlines().index("[upstreams.paid.key]") + 1
    wrong = luck.choice((f'literal = "{SECRET}"', f'env = "{SECRET}-"', f'file = ["{SECRET}"]', 'env = ""'))
    told = (
        line if wrong.startswith("literal") or '""' in wrong else line + 1
    )  # what is missing is missing in the table
    return Spoilt(_replace(text, line + 1, wrong), told, "upstreams.paid.key", "a key in the configuration")


WAYS: Sequence[Callable[[str, random.Random], Spoilt]] = (
    break_syntax,
    change_type,
    add_unknown,
    spoil_value,
    put_key_in,
)


class Desk:
    """The daemon's control socket, without a process for each question."""

    def __init__(self, daemon: Daemon) -> None:
        self._client = ControlClient(str(daemon.socket))

    def reload(self) -> ReloadReport:
        return self._client.ask("config.reload", {}, ReloadReport)

    def values(self) -> dict[str, str]:
        """What is in force."""
        report = self._client.ask("config.show", {}, ConfigValues)
        return {entry.key: entry.value for entry in report.entries}


def check_refused(report: ReloadReport, spoilt: Spoilt) -> None:
    """It was refused for what is wrong with it, with its place and its key, and nothing of a key was echoed."""
    told = [(fault.line, fault.key, fault.message) for fault in report.faults]
    assert not report.ok, f"taken in: {spoilt.how}"
    assert SECRET not in str(report), f"echoed: {report}"
    named = [key for line, key, _ in told if line == spoilt.line]
    assert named, f"{spoilt.how}: line {spoilt.line} is not named in {told}"
    key = spoilt.key
    assert any(not key or name.startswith(key) or key.startswith(name or "-") for name in named), (spoilt, told)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    descriptors: int
    resident_mib: float


def look(daemon: Daemon) -> Held:
    assert daemon.process is not None
    folder = f"/proc/{daemon.process.pid}"
    with open(f"{folder}/statm") as statm:
        pages = int(statm.read().split()[1])
    return Held(len(os.listdir(f"{folder}/fd")), pages * resource.getpagesize() / _MIB)


def come_down_to(daemon: Daemon, descriptors: int) -> Held:
    """Wait until no more than so many descriptors are open; retired generations may take a moment."""
    wait_for(
        lambda: look(daemon).descriptors <= descriptors,
        f"{descriptors} descriptors at most, seen {look(daemon).descriptors}",
        patience_s=3.0,
    )
    return look(daemon)
