"""What is wrong, for people: the configuration's faults and the doctor's findings."""

from lodestarctl.render.blocks import Block, Cell, Lines, Note
from lodestarctl.render.status import note
from lodestarctl.render.words import plural
from lodestard.control.messages import (
    ConfigEntry,
    ConfigProblem,
    ConfigReport,
    ConfigValues,
    DoctorReport,
    ReloadReport,
    Restarted,
)


def render_config_report(report: ConfigReport) -> list[Block]:
    """Every fault with its place, then the warnings, then the verdict."""
    files = ", ".join(report.files)
    verdict = (
        Note(f"The configuration is good{f': {files}' if files else ''}.", "good", "✓")
        if report.ok
        else Note(f"{plural(len(report.faults), 'fault')} in the configuration.", "bad", "✗")
    )
    return [*_problems(report.faults, "error"), *_problems(report.warnings, "warning"), verdict]


def _problems(problems: tuple[ConfigProblem, ...], severity: str) -> list[Block]:
    return [note(severity, _place(problem) + problem.message, "") for problem in problems]


def _place(problem: ConfigProblem) -> str:
    place = f"{problem.file}:{problem.line}" if problem.file and problem.line else problem.file
    return "".join(f"{part}: " for part in (place, problem.key) if part)


def render_reload(report: ReloadReport) -> list[Block]:
    """What changed, what waits for a restart, or why nothing was taken in."""
    if not report.ok:
        kept = Note("The configuration that was in force stays in force.", "bad", "✗")
        return [*_problems(report.faults, "error"), kept]
    if not report.changed:
        return [Note("Nothing has changed.", "dim", "·")]
    taken = [key for key in report.changed if key not in report.restart]
    notes: list[Block] = [Note(f"Taken in: {', '.join(taken)}.", "good", "✓")] if taken else []
    if report.restart:
        notes.append(Note(f"Needs a restart: {', '.join(report.restart)}.", "warn", "!"))
    return notes


def render_not_restarted(report: Restarted) -> list[Block]:
    """Why a restart was refused."""
    return [*_problems(report.faults, "error"), Note("Not restarted: a new lodestard would refuse this.", "bad", "✗")]


def render_values(values: ConfigValues, *, origin: bool) -> list[Block]:
    """``key = value`` a line, with the place that it comes from where asked."""
    return [Lines([_value(entry, origin=origin) for entry in values.entries])]


def _value(entry: ConfigEntry, *, origin: bool) -> tuple[Cell, ...]:
    line = (Cell(entry.key, "strong"), Cell(" = "), Cell(entry.value))
    return (*line, Cell(f"  # {entry.origin}", "dim")) if origin else line


def render_doctor(report: DoctorReport) -> list[Block]:
    """Worst first, each with how to mend it."""
    order = {"error": 0, "warning": 1, "info": 2}
    findings = sorted(report.findings, key=lambda finding: order[finding.severity])
    notes: list[Block] = [note(finding.severity, finding.what, finding.mend) for finding in findings]
    bad = sum(finding.severity != "info" for finding in findings)
    looked = f"{plural(report.checks, 'check')}, {'daemon running' if report.running else 'daemon not running'}"
    verdict = (
        Note(f"{plural(bad, 'problem')} ({looked}).", "warn", "!")
        if bad
        else Note(
            f"{'All is well' if report.running else 'Nothing is wrong that can be seen'} ({looked}).", "good", "✓"
        )
    )
    return [*notes, verdict]
