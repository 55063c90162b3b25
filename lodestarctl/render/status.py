"""``status`` for people: one screen of 80 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from lodestarctl.render.banner import render_banner
from lodestarctl.render.blocks import Block, Cell, Column, Facts, Grid, Heading, Note, Table, Tone
from lodestarctl.render.costs import interval, levers_of
from lodestarctl.render.gpu import render_cards
from lodestarctl.render.projects import render_switched
from lodestarctl.render.words import UNKNOWN, about, count, millis, plural, share, span, usd, usd_about
from lodestard.control.messages import Figures, Listener, Problem, Status, UpstreamStatus, VersionReport
from lodestard.control.messages.house_status import MonthFigures

STATE_TONES: Mapping[str, Tone] = {"ready": "good", "degraded": "warn", "draining": "warn", "starting": "dim"}
UP_TONES: Mapping[str, Tone] = {"up": "good", "down": "bad", "unknown": "dim"}
SEVERITY_TONES: Mapping[str, Tone] = {"error": "bad", "warning": "warn", "info": "dim"}
SEVERITY_MARKS: Mapping[str, str] = {"error": "✗", "warning": "!", "info": "·"}
ACRONYM = 3
GPU_PART = "gpu"
UPSTREAM_COLUMNS = (
    Column("name"),
    Column("state"),
    Column("latency", "right"),
    Column("connections", "right"),
    Column("on the GPU", flexible=True),
    Column("", flexible=True),
)


def render_status(status: Status) -> list[Block]:
    """What a person wants to know first, then where to look further."""
    return [
        *render_banner(status.alerts, "lodestarctl status --json has all"),
        _heading(status),
        *render_switched(status.switches),
        _where(status),
        _today(status.today),
        *_money(status.today, status.month),
        _upstreams(status),
        *render_cards(status.cards),
        *_parts(_other_parts(status)),
        *_problems(status.problems),
    ]


def _heading(status: Status) -> Heading:
    left = (
        Cell(f"Lodestar {status.version}", "strong"),
        Cell(f"● {status.state}", STATE_TONES.get(status.state, "")),
        *((Cell("simulated upstreams", "warn"),) if status.simulated else ()),
    )
    return Heading(left, f"up {span(status.uptime_s)} · pid {status.pid}")


def _where(status: Status) -> Facts:
    listening = ", ".join(_address(listener) for listener in status.listeners) or "nowhere"
    traffic = f"{plural(status.connections, 'open connection')}, {plural(status.exchanges, 'request')} under way"
    pairs = [("Listening", Cell(listening)), ("Traffic", Cell(traffic))]
    if status.config:
        pairs.append(("Config", Cell(status.config)))
    return Facts(tuple(pairs))


def _address(listener: Listener) -> str:
    return listener.address if listener.kind == "proxy" else f"{listener.address} ({listener.kind})"


def _today(figures: Figures) -> Grid:
    failed: Tone = "bad" if figures.failed_requests else ""
    pairs = (
        ("Requests", Cell(count(figures.requests), "strong")),
        ("Cost", Cell(usd(figures.cost_nano_usd), "strong")),
        ("Cache hits", Cell(share(figures.cache_hits, figures.cache_lookups))),
        ("Free", Cell(share(figures.free_requests, figures.requests), "good" if figures.free_requests else "")),
        ("Saved", Cell(usd(figures.saved_nano_usd), "good" if figures.saved_nano_usd else "")),
        ("Tokens", Cell(about(figures.prompt_tokens + figures.completion_tokens))),
        ("Failed", Cell(count(figures.failed_requests), failed)),
        ("Held", Cell(usd(figures.held_nano_usd))),
    )
    return Grid("Today", pairs)


def _money(today: Figures, month: MonthFigures | None) -> Iterator[Facts]:
    """What saved today's money, and the month."""
    pairs = []
    if levers := [f"{word} {usd(amount)}" for word, amount in levers_of(today) if amount]:
        pairs.append(("Saved by", Cell(", ".join(levers))))
    if month is not None:
        saved = f", {usd(month.saved_nano_usd)} saved" if month.saved_nano_usd else ""
        pairs.append(("Month", Cell(f"{usd(month.cost_nano_usd)}{saved}{_ending(month)}")))
    if pairs:
        yield Facts(tuple(pairs))


def _ending(month: MonthFigures) -> str:
    """Nothing is said of an end that can't be told: ``costs`` says why."""
    projection = month.projection
    if projection is None or projection.low_nano_usd is None:
        return ""
    return f"; at its end {interval(projection, 'to')}, likely {usd_about(projection.likely_nano_usd)}"


def _upstreams(status: Status) -> Table:
    rows = [_upstream(upstream) for upstream in status.upstreams]
    return Table(UPSTREAM_COLUMNS, rows, "Upstreams", empty="No upstream is configured.")


def _upstream(upstream: UpstreamStatus) -> tuple[Cell, ...]:
    return (
        Cell(upstream.name, "strong"),
        Cell(f"● {upstream.state}", UP_TONES[upstream.state]),
        Cell(millis(upstream.latency_ms)),
        Cell(f"{upstream.busy} of {upstream.connections} busy" if upstream.connections else "none"),
        Cell(_resident(upstream)),
        Cell(upstream.detail, "dim"),
    )


def _resident(upstream: UpstreamStatus) -> str:
    if upstream.resident is None:
        return "" if not upstream.free else UNKNOWN
    return ", ".join(upstream.resident) or "nothing"


def _other_parts(status: Status) -> Mapping[str, Any]:
    """Without what the line of a host says already."""
    told = any(card.reading is not None for card in status.cards)
    return {name: part for name, part in status.parts.items() if name != GPU_PART or not told}


def _parts(parts: Mapping[str, Any]) -> Iterator[Block]:
    """What modules add: mappings of plain values become facts, anything else is left to ``--json``."""
    for name, part in sorted(parts.items()):
        pairs = _plain_pairs(part)
        if pairs:
            title = name.replace("_", " ")
            yield Facts(pairs, title.upper() if len(name) <= ACRONYM else title.capitalize())


def _plain_pairs(part: object) -> tuple[tuple[str, Cell], ...]:
    if not isinstance(part, dict):
        return (("", Cell(str(part))),) if isinstance(part, str | int | float) else ()
    return tuple(
        (str(key).replace("_", " "), Cell(str(value)))
        for key, value in part.items()
        if isinstance(value, str | int | float)
    )


def _problems(problems: tuple[Problem, ...]) -> Iterator[Block]:
    for problem in problems:
        yield note(problem.severity, problem.what, problem.advice)


def note(severity: str, what: str, advice: str) -> Note:
    """A problem or finding, with the mark of its severity."""
    return Note(what, SEVERITY_TONES.get(severity, ""), SEVERITY_MARKS.get(severity, "·"), advice)


def render_version(report: VersionReport, own: str) -> list[Block]:
    """Both programs' versions: after an upgrade they may differ until the daemon's restart."""
    pairs = [("lodestarctl", Cell(own)), ("lodestard", Cell(report.version))]
    pairs += [(name, Cell(version)) for name, version in report.runs_on.items()]
    return [Facts(tuple(pairs))]
