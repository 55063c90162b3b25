"""An alert with what became of it, and which alerts speak of the present. Pure."""

from collections.abc import Iterable

import msgspec

from lodestard.domain.money import format_usd
from lodestard.domain.news import Alert, BudgetAlert

DAY_MS = 86_400_000
FULL = 100
MAX_LINE = 200
MAX_TEXT = 1_500


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was heard at ``at_ms``. ``pending`` are the channels that have not got it yet.

    ``failed`` says why a channel never got it.
    """

    alert: Alert
    at_ms: int
    pending: tuple[str, ...] = ()
    failed: dict[str, str] = {}


def alert_of(news: BudgetAlert) -> Alert:
    """A budget's alert as one of all."""
    whose = f" of {one_line(news.value)}" if news.value else ""
    limit = f"{news.level} % of its limit" if news.level else "is likely to end above its limit"
    topic = f"budget:{news.budget}:{news.value}:{news.unit}"
    figures: dict[str, str | int] = {
        "budget": news.budget,
        "scope": news.scope,
        "value": one_line(news.value),
        "unit": news.unit,
        "level": news.level,
        "used": news.used,
        "limit": news.limit,
        "hard": int(news.hard),
    }
    if news.unit == "usd":
        figures |= {"used_usd": format_usd(news.used), "limit_usd": format_usd(news.limit)}
    return Alert(
        key=f"{topic}:{news.window_start_ms}:{news.level}",
        topic=topic,
        source="budget",
        severity="error" if news.level >= FULL else "warning",
        title=f"Budget {news.budget}{whose}: {limit}",
        text=news.text,
        until_ms=news.window_end_ms,
        figures=figures,
    )


def presentable(alert: Alert) -> Alert:
    """With texts that fit a line of a log, a header and a screen: names in them are what clients said."""
    return msgspec.structs.replace(alert, title=one_line(alert.title, MAX_LINE), text=one_line(alert.text, MAX_TEXT))


def one_line(text: str, longest: int = MAX_LINE) -> str:
    """Printable, on one line, and no longer than that."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def choose_current(notices: Iterable[Notice], now_ms: int) -> list[Notice]:
    """Those that still say something of the present, the newest first: one a topic, and no good news.

    An alert without an end speaks of the day after it.
    """
    latest = {notice.alert.topic: notice for notice in sorted(notices, key=lambda notice: notice.at_ms)}
    current = [notice for notice in latest.values() if notice.alert.severity != "info" and _ends_ms(notice) > now_ms]
    return sorted(current, key=lambda notice: -notice.at_ms)


def _ends_ms(notice: Notice) -> int:
    until_ms = notice.alert.until_ms
    return notice.at_ms + DAY_MS if until_ms is None else until_ms
