"""Projects' files and quick switches, for people."""

from collections.abc import Mapping, Sequence
from shlex import quote

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table, Tone
from lodestarctl.render.words import moment
from lodestard.control.messages.projects import (
    ProjectList,
    ProjectProblem,
    ProjectReport,
    SwitchList,
    SwitchRow,
    Untrusted,
)

TONES: Mapping[str, Tone] = {
    "trusted": "good",
    "untrusted": "warn",
    "changed": "warn",
    "gone": "warn",
    "invalid": "bad",
}
TOLD: Mapping[str, str] = {
    "trusted": "It is trusted.",
    "untrusted": "It has no effect before it is trusted.",
    "changed": "It is another one than was trusted, and has no effect; what the old one forbids and limits stands.",
    "gone": "It is not there any more; what it forbids and limits stands until it is untrusted.",
    "invalid": "It has no effect.",
}
IN_PLACE = ("is asked in place of others", "would be asked in place of others")
TRUST = "lodestarctl project trust shows it and asks."


def render_project(report: ProjectReport) -> list[Block]:
    """What the file does, what is wrong with it, and how it stands."""
    tone = TONES[report.standing]
    heading = Heading((Cell(report.name or "?", "strong"), Cell(report.standing, tone)), report.folder)
    effects = [Note(f"{effect}.", "", "·") for effect in report.effects]
    faults = [Note(say_fault(fault), "bad", "✗") for fault in report.faults]
    advice = TRUST if report.standing in ("untrusted", "changed") and not report.faults else ""
    return [heading, *effects, *faults, Note(TOLD[report.standing], tone, "", advice)]


def say_fault(fault: ProjectProblem) -> str:
    place = f"line {fault.line}" if fault.line else ""
    return ": ".join(part for part in (place, fault.key, fault.message) if part)


def render_projects(found: ProjectList) -> list[Block]:
    columns = (Column("project"), Column("standing"), Column("trusted"), Column("folder", flexible=True))
    rows = [
        (
            Cell(row.name or "?", "strong"),
            Cell(row.standing, TONES[row.standing]),
            Cell(moment(row.trusted_ms, "%Y-%m-%d") if row.trusted_ms is not None else "", "dim"),
            Cell(row.folder),
        )
        for row in found.projects
    ]
    return [Table(columns, rows, empty="No project's file is trusted.")]


def render_untrusted(told: Untrusted) -> list[Block]:
    text = f"{told.folder} is not trusted any more." if told.was else f"{told.folder} was not trusted."
    return [Note(text, "good" if told.was else "dim", "✓" if told.was else "·")]


def render_switches(found: SwitchList) -> list[Block]:
    """What is asked in place of what."""
    if not found.switches:
        return [Note("Nothing is switched: every alias is asked as it is named.", "dim", "·")]
    return [Facts(tuple((whose(row), Cell(say_switch(row), "strong")) for row in found.switches))]


def render_ended(found: SwitchList) -> list[Block]:
    """What is still asked in place of what, after one was taken back."""
    none = [] if found.changed else [Note("There was no such switch to take back.", "warn", "·")]
    return [*none, *render_switches(found)]


def whose(row: SwitchRow) -> str:
    return f"{row.scope.capitalize()} {row.of}".strip()


def say_switch(row: SwitchRow) -> str:
    until = f" until {moment(row.until_ms, '%m-%d %H:%M')}" if row.until_ms is not None else ""
    return f"{row.alias}{until}{' (no model of that name any more)' if row.gone else ''}"


def render_switched(switches: Sequence[SwitchRow]) -> list[Block]:
    """A line for each, where something else is on the screen."""
    return [
        Note(f"{say_switch(row)} {IN_PLACE[row.gone]} ({whose(row)}).", "warn", "!", say_take_back(row))
        for row in switches
    ]


def say_take_back(row: SwitchRow) -> str:
    """The command that does just that."""
    scope = "" if row.scope == "all" else f" --{row.scope} {quote(row.of)}"
    return f"lodestarctl use -{scope} takes it back."
