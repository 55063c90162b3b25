"""A project's ``.lodestar.toml`` → what it says, or all that is wrong with it, each with its line. Pure.

Law: a schema of its own, and a strict one: what it does not know is a fault, never passed over.
"""

from collections.abc import Iterator

from lodestard.budget.windows import parse_window
from lodestard.config.check_routing import check_when
from lodestard.config.convert import Converter, Finding
from lodestard.config.fault import ConfigError, KeyPath, dotted
from lodestard.config.merge import Merged, merge
from lodestard.config.source import Source, parse_sources
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.project import FILE, MOST_BYTES, ProjectBudget, ProjectFault, ProjectFile
from lodestard.domain.routing_settings import Rule

MOST_RULES, MOST_TAGS, MOST_MODELS = 50, 16, 50
MOST_DESCRIPTION = 200
NOT_HERE = {
    "priority": "a project's rules come after the configuration's: their own order is all there is",
    "last": "a project's rule can't keep others from being looked at",
}


def read_project(text: str) -> ProjectFile | tuple[ProjectFault, ...]:
    """See ``domain.project.ReadProject``."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        return (ProjectFault(message=f"larger than {MOST_BYTES} bytes"),)
    try:
        merged = merge(parse_sources([Source(FILE, text)]))
    except ConfigError as error:
        return tuple(
            ProjectFault(message=fault.message, key=fault.key, line=fault.place.line) for fault in error.faults
        )
    converter = Converter()
    file = converter.record((), merged.data, ProjectFile)
    findings = list(converter.findings)
    if isinstance(file, ProjectFile):
        findings += check_project(file)
    if findings:
        return tuple(sorted(_placed(merged, findings), key=lambda fault: fault.line))
    assert isinstance(file, ProjectFile)
    return file


def _placed(merged: Merged, findings: list[Finding]) -> Iterator[ProjectFault]:
    for finding in findings:
        path = finding.path
        line = merged.place(path).line or first_line(merged, path)
        yield ProjectFault(message=finding.message, key=dotted(path), line=line)


def first_line(merged: Merged, path: KeyPath) -> int:
    """Where a table that is never named by itself is first written into; 0 where it is nowhere."""
    lines = [place.line for known, place in merged.places.items() if known[: len(path)] == path and place.line]
    return min(lines, default=0)


def check_project(file: ProjectFile) -> Iterator[Finding]:
    """What is wrong with what was understood."""
    yield from _check_words(file)
    for name, most in (("tags", MOST_TAGS), ("models", MOST_MODELS), ("rules", MOST_RULES)):
        if len(getattr(file, name)) > most:
            yield Finding((name,), f"expected at most {most} of them")
    for alias, other in file.models.items():
        if "/" in other:
            yield Finding(("models", alias), "expected an alias: a project's file names no upstream")
    if file.budget is not None:
        yield from _check_budget(file.budget)
    for index, rule in enumerate(file.rules):
        yield from _check_rule(index, rule)


def _check_words(file: ProjectFile) -> Iterator[Finding]:
    if not file.name.isprintable() or file.name != file.name.strip() or set(file.name) & set(':/"'):
        yield Finding(("name",), "expected printable characters without : / and quotes: it is part of keys")
    if len(file.description) > MOST_DESCRIPTION or not file.description.isprintable():
        yield Finding(("description",), f"expected at most {MOST_DESCRIPTION} printable characters")
    for index, tag in enumerate(file.tags):
        if not tag.isprintable():
            yield Finding(("tags", index), "expected printable characters")


def _check_budget(budget: ProjectBudget) -> Iterator[Finding]:
    if budget.usd is None and budget.tokens is None and budget.requests is None:
        yield Finding(("budget",), "limits nothing: set usd, tokens or requests")
    try:
        if budget.usd is not None:
            parse_nano_usd(budget.usd)
    except ValueError:
        yield Finding(("budget", "usd"), "expected US dollars, from 0 up")
    try:
        parse_window(budget.window)
    except ValueError as error:
        yield Finding(("budget", "window"), str(error))


def _check_rule(index: int, rule: Rule) -> Iterator[Finding]:
    path = ("rules", index)
    for name, why in NOT_HERE.items():
        if getattr(rule, name):
            yield Finding((*path, name), why)
    if "/" in rule.model:
        yield Finding((*path, "model"), "expected an alias: a project's file names no upstream")
    yield from check_when((*path, "when"), rule.when)
