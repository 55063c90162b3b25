"""Joins the steps: read, parse, merge, convert, check; and hands out the configuration whole or not at all.

Law: nothing but ``ConfigError`` leaves, with all faults of the step that failed. Types and meaning are one step:
what could be converted is checked even where other members are wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lodestard.config.check import Declared, check
from lodestard.config.convert import UNUSABLE, Converter, Finding
from lodestard.config.fault import ConfigError, ConfigFault, KeyPath, dotted, or_nearest
from lodestard.config.merge import Merged, merge
from lodestard.config.source import Source, parse_sources, read_sources
from lodestard.domain.settings import Settings

ModuleSchemas = Mapping[str, type[msgspec.Struct]]


class Loaded(msgspec.Struct, frozen=True):
    """A configuration that can be used.

    ``origins`` maps the dotted path of each key that a file says to ``"file:line"``; keys that are not in it
    have their defaults. ``warnings`` don't stop anything.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[ConfigFault, ...]


def load(path: Path | str, *, module_schemas: ModuleSchemas | None = None) -> Loaded:
    """Read the configuration at ``path`` and its drop-ins. Blocks on the disk. Raises ``ConfigError`` only."""
    return build(read_sources(Path(path)), module_schemas=module_schemas)


def build(sources: Iterable[Source], *, module_schemas: ModuleSchemas | None = None) -> Loaded:
    """The configuration that the texts of ``sources`` say. Pure. Raises ``ConfigError`` only."""
    merged = merge(parse_sources(sources))
    converter = Converter()
    settings = _convert(converter, merged, module_schemas or {})
    findings = [*converter.findings, *_semantic(settings, merged, converter.findings)]
    faults = _placed(merged, (finding for finding in findings if finding.fatal))
    if faults:
        raise ConfigError(faults)
    origins = {dotted(path): str(place) for path, place in merged.places.items()}
    return Loaded(settings, origins, _placed(merged, findings))


def _convert(converter: Converter, merged: Merged, schemas: ModuleSchemas) -> Settings:
    _refuse_literal_keys(converter, merged)
    modules = merged.data.pop("modules", {})
    settings: Settings = converter.record((), merged.data, Settings)
    return msgspec.structs.replace(settings, modules=_convert_modules(converter, modules, schemas))


def _refuse_literal_keys(converter: Converter, merged: Merged) -> None:
    """The commonest mistake gets an explanation of its own, in place of "expected a table"."""
    upstreams = merged.data.get("upstreams")
    for name, upstream in upstreams.items() if isinstance(upstreams, dict) else ():
        if isinstance(upstream, dict) and "key" in upstream and not isinstance(upstream["key"], dict):
            del upstream["key"]
            converter.fault(
                ("upstreams", name, "key"),
                "a key itself has no place in this file, which others may read; say where it is: "
                'key = { credential = "NAME" }, { env = "NAME" } or { file = "/path" }',
            )


def _convert_modules(converter: Converter, tables: Any, schemas: ModuleSchemas) -> dict[str, Any]:
    """Every module that is known gets its settings, with or without a table of its own."""
    if not isinstance(tables, dict):
        converter.fault(("modules",), "expected tables, [modules.NAME]")
        return {}
    for name in tables.keys() - schemas.keys():
        message = f"no module of this name is installed; its table is ignored{or_nearest(name, schemas)}"
        converter.findings.append(Finding(("modules", name), message, fatal=False))
    converted = {name: _convert_module(converter, name, tables, schema) for name, schema in schemas.items()}
    return {name: settings for name, settings in converted.items() if settings is not UNUSABLE}


def _convert_module(converter: Converter, name: str, tables: dict[str, Any], schema: type[msgspec.Struct]) -> Any:
    return converter.record(("modules", name), tables.get(name, {}), schema)


def _semantic(settings: Settings, merged: Merged, found: list[Finding]) -> Iterator[Finding]:
    """Findings about what was understood: nothing is said twice about a path that is wrong already."""
    declared = Declared(_names(merged, "upstreams"), _names(merged, "prices"))
    wrong = {finding.path for finding in found if finding.fatal}
    for finding in check(settings, declared):
        if not any(finding.path[:size] in wrong for size in range(1, len(finding.path) + 1)):
            yield finding


def _names(merged: Merged, table: str) -> frozenset[str]:
    members = merged.data.get(table)
    return frozenset(members) if isinstance(members, dict) else frozenset()


def _placed(merged: Merged, findings: Iterable[Finding]) -> tuple[ConfigFault, ...]:
    faults = [_fault(merged, finding) for finding in findings]
    return tuple(sorted(faults, key=lambda fault: fault.place))


def _fault(merged: Merged, finding: Finding) -> ConfigFault:
    path: KeyPath = finding.path
    return ConfigFault(key=dotted(path), place=merged.place(path), message=finding.message)
