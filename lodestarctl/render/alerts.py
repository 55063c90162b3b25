"""Alerts for people, as a list."""

from lodestarctl.render.blocks import Block, Cell, Column, Note, Table
from lodestarctl.render.status import SEVERITY_TONES
from lodestarctl.render.words import millis, moment
from lodestard.control.messages.alerts import AlertList, AlertRow, AlertTest

COLUMNS = (Column("when"), Column("alert", flexible=True), Column("told"))


def render_alerts(data: AlertList) -> list[Block]:
    """One row an alert, with whom it has reached; what is wrong with a way to a person below."""
    rows = [_row(alert) for alert in data.alerts]
    notes = [
        Note(f"{channel.name}: {channel.detail}", "bad", "✗", "Tried again and again for a day.")
        for channel in data.channels
        if channel.detail
    ]
    return [Table(COLUMNS, rows, empty="Nothing was told yet."), *notes]


def _row(alert: AlertRow) -> tuple[Cell, Cell, Cell]:
    tone = SEVERITY_TONES.get(alert.severity, "") if alert.current else "dim"
    return Cell(moment(alert.at_ms, "%Y-%m-%d %H:%M")), Cell(alert.title, tone), _told(alert)


def _told(alert: AlertRow) -> Cell:
    if alert.failed:
        return Cell(f"never by {', '.join(alert.failed)}", "bad")
    if alert.pending:
        return Cell(f"not yet by {', '.join(alert.pending)}", "warn")
    return Cell("yes", "good")


def tested_line(item: AlertTest) -> str:
    """``webhook: ok (41 ms)``."""
    if item.outcome == "ok":
        return f"{item.channel}: ok" + (f" ({millis(item.total_ms)})" if item.total_ms else "")
    return f"{item.channel}: failed: {item.detail}"
