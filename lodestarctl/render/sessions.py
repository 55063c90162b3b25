"""Sessions for people: the list, and all about one."""

from collections.abc import Iterator, Sequence

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table, Tone
from lodestarctl.render.words import about, count, moment, plural, span, usd
from lodestard.control.messages.sessions import (
    ModelSwitch,
    SessionChanged,
    SessionList,
    SessionPart,
    SessionReport,
    SessionRow,
)

MS_PER_S = 1_000
SHOWN_SWITCHES = 20
TONES: dict[str, Tone] = {"live": "good", "silent": "dim", "ended": "dim"}
ORIGINS = {"named": "named by its client", "asked": "lodestarctl session start", "gap": "after a silence"}


def render_sessions(found: SessionList) -> list[Block]:
    """The latest first."""
    columns = (
        Column("session"),
        Column("project", flexible=True),
        Column("state"),
        Column("last"),
        Column("requests", "right"),
        Column("cost", "decimal"),
    )
    rows = [
        (
            Cell(row.id, "strong"),
            Cell(row.project),
            Cell(row.state, TONES[row.state]),
            Cell(moment(row.last_ms, "%m-%d %H:%M"), "dim"),
            Cell(count(row.requests)),
            Cell(usd(row.cost_nano_usd)),
        )
        for row in found.sessions
    ]
    return [Table(columns, rows, empty="No session yet.")]


def render_session(report: SessionReport) -> list[Block]:
    """Whose it is, how long it has lasted, what it cost, what for, and when another model took over."""
    row = report.session
    heading = Heading((Cell(row.id, "strong"), Cell(row.state, TONES[row.state])), moment(row.started_ms))
    return [
        heading,
        Facts(tuple(_facts(row))),
        *_parts(report.tasks, "task", "By task"),
        *_parts(report.models, "model", "By model"),
        *_switches(report.switches),
    ]


def _facts(row: SessionRow) -> Iterator[tuple[str, Cell]]:
    yield "Began", Cell(ORIGINS.get(row.origin, row.origin))
    claims = (("client", row.client), ("project", row.project), ("user", row.user))
    said = [f"{name} {value}" for name, value in claims if value]
    yield "Of", Cell(", ".join([row.principal or "local", *said]))
    yield "Lasted", Cell(_lasted(row), "bad" if _is_overlong(row) else "")
    cached = f", {count(row.cache_hits)} from the cache" if row.cache_hits else ""
    failed = f", {count(row.failed)} failed" if row.failed else ""
    yield "Requests", Cell(f"{count(row.requests)}{cached}{failed}")
    yield "Tokens", Cell(f"{count(row.prompt_tokens)} in, {count(row.completion_tokens)} out")
    unknown = f" ({usd(row.unknown_nano_usd)} of it at the worst case)" if row.unknown_nano_usd else ""
    yield "Cost", Cell(f"{usd(row.cost_nano_usd)}{unknown}", "strong")
    if row.saved_nano_usd is not None:
        yield "Saved", Cell(usd(row.saved_nano_usd), "good" if row.saved_nano_usd > 0 else "")
    yield "Last model", Cell(row.last_target or "none yet")
    yield "Switches", Cell(count(row.switches))


def _is_overlong(row: SessionRow) -> bool:
    return row.limit_ms is not None and row.last_ms - row.started_ms > row.limit_ms


def _lasted(row: SessionRow) -> str:
    lasted = span((row.last_ms - row.started_ms) / MS_PER_S)
    if row.limit_ms is None:
        return lasted
    limit = f"{lasted} of at most {span(row.limit_ms / MS_PER_S)}"
    return f"{limit}: its requests are refused until it is ended" if _is_overlong(row) else limit


def _parts(parts: Sequence[SessionPart], what: str, title: str) -> list[Block]:
    if not parts:
        return []
    saved = any(part.saved_nano_usd is not None for part in parts)
    columns = (
        Column(what, flexible=True),
        Column("requests", "right"),
        Column("tokens in", "right"),
        Column("out", "right"),
        Column("cost", "decimal"),
        *((Column("saved", "decimal"),) if saved else ()),
    )
    rows = [
        (
            Cell(part.name or "(none)"),
            Cell(count(part.requests)),
            Cell(about(part.prompt_tokens)),
            Cell(about(part.completion_tokens)),
            Cell(usd(part.cost_nano_usd)),
            *((Cell(usd(part.saved_nano_usd)),) if saved else ()),
        )
        for part in parts
    ]
    return [Table(columns, rows, title)]


def _switches(switches: Sequence[ModelSwitch]) -> list[Block]:
    if not switches:
        return []
    columns = (Column("time"), Column("from", flexible=True), Column("to", flexible=True), Column("request"))
    rows = [
        (
            Cell(moment(switch.at_ms, "%H:%M:%S"), "dim"),
            Cell(switch.from_target),
            Cell(switch.to_target, "strong"),
            Cell(switch.request_id[-8:]),
        )
        for switch in switches[-SHOWN_SWITCHES:]
    ]
    more = len(switches) - len(rows)
    notes = (
        [Note(f"{plural(more, 'earlier switch', 'earlier switches')}: --json has all.", "dim", "·")] if more else []
    )
    return [Table(columns, rows, "Model switches"), *notes]


def render_started(change: SessionChanged) -> list[Block]:
    """What belongs to it from now on."""
    claims = (("client", change.client), ("project", change.project), ("user", change.user))
    whose = ", ".join(f"{name} {value}" for name, value in claims if value)
    only = f" ({whose})" if whose else ""
    text = f"Session {change.id} has begun: requests without a session of their own belong to it{only}."
    return [Note(text, "good", "✓", f"lodestarctl session end {change.id}, or a silence, ends it.")]


def render_ended(change: SessionChanged) -> list[Block]:
    lasted = span(((change.ended_ms or change.started_ms) - change.started_ms) / MS_PER_S)
    text = f"Session {change.id} has ended after {lasted}."
    return [Note(text, "good", "✓", f"lodestarctl session show {change.id} says what it cost.")]
