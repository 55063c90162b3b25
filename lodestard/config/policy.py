"""A candidate policy: a configuration of which only what decides who answers is taken, over another one.

Law: the tables in ``TABLES`` alone. A file that says ``[upstreams]`` is a whole configuration, and what it does not
say of them has its default; one that does not is a part, which is laid over what runs as a drop-in is (tables merge,
all else replaces). It is checked as every configuration is, and nothing but ``ConfigError`` leaves.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lodestard.config.check import Declared, check
from lodestard.config.convert import UNUSABLE, Converter, Finding, unknown_key
from lodestard.config.fault import ConfigError, ConfigFault, dotted
from lodestard.config.merge import Merged, merge
from lodestard.config.source import Source, parse_sources, read_source
from lodestard.domain.record import Record
from lodestard.domain.routing_settings import Routing, Rule, Traits
from lodestard.domain.settings import Model, ModelPrice, Settings


class Policy(Record, frozen=True):
    """What decides who answers."""

    models: Mapping[str, Model] = {}
    rules: tuple[Rule, ...] = ()
    routing: Routing = Routing()
    traits: Mapping[str, Traits] = {}
    prices: Mapping[str, ModelPrice] = {}


TABLES = Policy.__struct_fields__


def read_policy(file: Path, running: Settings) -> Settings:
    """``running`` with the policy of ``file``. Blocks on the disk. Raises ``ConfigError``."""
    return lay_policy(read_source(file), running)


def lay_policy(source: Source, running: Settings) -> Settings:
    """``running`` with the policy that ``source`` says. Pure. Raises ``ConfigError``."""
    merged = merge(parse_sources([source]))
    whole = "upstreams" in merged.data
    _refuse_unknown(merged)
    converter = Converter()
    said = {name: table for name, table in merged.data.items() if name in TABLES}
    policy = converter.record((), said if whole else lay_over(plain_tables(running), said), Policy)
    faults = [finding for finding in converter.findings if finding.fatal]
    if faults or policy is UNUSABLE:
        raise ConfigError([_placed(merged, finding) for finding in faults])
    settings = replace(running, **{name: getattr(policy, name) for name in TABLES if whole or name in said})
    _refuse_wrong(settings, merged)
    return settings


def plain_tables(running: Settings) -> dict[str, Any]:
    """What runs as plain data, without what has no value."""
    tables = {name: getattr(running, name) for name in TABLES}
    return _without_none(msgspec.json.decode(msgspec.json.encode(tables)))  # type: ignore[no-any-return]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(member) for name, member in value.items() if member is not None}
    return [_without_none(member) for member in value] if isinstance(value, list) else value


def lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge, everything else replaces (``merge.py``, for what has no places)."""
    laid = dict(below)
    for name, value in above.items():
        under = laid.get(name)
        laid[name] = lay_over(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return laid


def _refuse_unknown(merged: Merged) -> None:
    """A misspelt table would otherwise be passed over in silence."""
    known: Mapping[str, Any] = dict.fromkeys(Settings.__struct_fields__)
    unknown = [Finding((name,), unknown_key(name, known)) for name in merged.data if name not in known]
    if unknown:
        raise ConfigError([_placed(merged, finding) for finding in unknown])


def _refuse_wrong(settings: Settings, merged: Merged) -> None:
    """What is wrong with the tables that were taken; all else is as it runs."""
    declared = Declared(frozenset(settings.upstreams), frozenset(settings.prices))
    wrong = [finding for finding in check(settings, declared) if finding.fatal and finding.path[0] in TABLES]
    if wrong:
        raise ConfigError([_placed(merged, finding) for finding in wrong])


def _placed(merged: Merged, finding: Finding) -> ConfigFault:
    return ConfigFault(key=dotted(finding.path), place=merged.place(finding.path), message=finding.message)
