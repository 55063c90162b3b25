"""The first screen: what it costs, what it saves, and whether anything is wrong. Pure."""

from collections.abc import Callable, Iterator, Mapping

from lodestarctl.dashboard.cells import EMPTY, Line, Span, beside, columns, cut, left, line, right
from lodestarctl.dashboard.live import Live
from lodestarctl.dashboard.screens.gpu import card_lines
from lodestarctl.dashboard.words import bar, money, percent, saving, spark
from lodestarctl.render.words import about, count, millis, moment, plural, share, span
from lodestard.control.messages import Problem, UpstreamStatus
from lodestard.control.messages.dashboard import BudgetGauge, LiveSpan

WIDE = 120
LABEL, VALUE = 12, 15
ALERTS_MOST = 3
BUDGETS_MOST = 6
DEAREST_MOST = 8
CHIP = 26
MARGIN = " "
LEVERS: Mapping[str, str] = {
    "local": "local models",
    "cache": "cache",
    "cheaper": "cheaper models",
    "prompt_cache": "prompt caches",
}
MARKS: Mapping[str, tuple[str, str]] = {"error": ("✗", "bad"), "warning": ("!", "warn"), "info": ("·", "dim")}
UP: Mapping[str, tuple[str, str]] = {"up": ("●", "good"), "down": ("✗", "bad"), "unknown": ("○", "dim")}
MS_PER_S = 1_000


def overview(live: Live, width: int, height: int) -> list[Line]:
    """Everything that there is to say, most wanted first. Where it is more than ``height``, it is set closer."""
    roomy = _set(live, width, close=False)
    return roomy if len(roomy) <= height else _set(live, width, close=True)


def _set(live: Live, width: int, *, close: bool) -> list[Line]:
    alerts = list(_alerts(live.last.alerts, width))
    figures, budgets = list(_figures(live)), list(_budgets(live))
    chart = list(_chart(live))[: 2 if close else None]
    upstreams, cards = live.last.upstreams, list(card_lines(live.last.cards))
    if width < WIDE:
        below = [*_upstreams_in_short(upstreams, width), *cards]
        blocks = (alerts, figures, budgets, chart, below)
        return [each for block in blocks for each in block] if close else _apart(*blocks)
    models, projects = list(_dearest(live, "model")), list(_dearest(live, "project"))
    first = _apart(figures, chart, models)
    second = _apart(budgets, [*_upstreams(upstreams), *cards], projects)
    return [*_apart(alerts), *beside(first, second, width // 2)]


def _apart(*blocks: list[Line]) -> list[Line]:
    """One under the other, an empty line before each."""
    return [each for block in blocks if block for each in (EMPTY, *block)]


# -- alerts ----------------------------------------------------------------------------------------------------------


def _alerts(alerts: tuple[Problem, ...], width: int) -> Iterator[Line]:
    for alert in alerts[:ALERTS_MOST]:
        mark, role = MARKS.get(alert.severity, MARKS["info"])
        room = width - len(MARGIN) - 2
        what = cut(alert.what, room)
        advice = f"  {alert.advice}" if alert.advice else ""
        yield line(MARGIN, Span(f"{mark} {what}", role), Span(cut(advice, room - columns(what)), "dim"))
    if len(alerts) > ALERTS_MOST:
        yield line(MARGIN, Span(f"  and {len(alerts) - ALERTS_MOST} more: lodestarctl status", "dim"))


# -- figures ---------------------------------------------------------------------------------------------------------


def _figures(live: Live) -> Iterator[Line]:
    today, month = live.last.today, live.last.month
    now = list(_now(live))
    yield line(
        MARGIN,
        Span(left("Money", LABEL), "title"),
        Span(right("today", VALUE) + right("this month", VALUE), "dim"),
        Span("    now", "dim"),
    )
    for at, (label, say, role) in enumerate(_said(live)):
        aside = now[at] if at < len(now) else EMPTY
        values = Span(right(say(today), VALUE) + right(say(month), VALUE), role)
        yield line(MARGIN, Span(left(label, LABEL), "dim"), values, *aside)
    yield from _levers(today, month)


def _said(live: Live) -> Iterator[tuple[str, Callable[[LiveSpan], str], str]]:
    failed = "bad" if live.last.today.failed else ""
    yield "Cost", lambda of: money(of.cost_nano_usd), "strong"
    if live.last.baseline:
        yield "Saved", lambda of: saving(of.saved_nano_usd), "good"
    yield "Requests", lambda of: count(of.requests), ""
    yield "Free", lambda of: share(of.free_requests + of.cache_hits, of.requests), ""
    yield "Cache hits", lambda of: share(of.cache_hits, of.cache_lookups), ""
    yield "Failed", lambda of: count(of.failed), failed
    yield "Tokens", lambda of: about(of.prompt_tokens + of.completion_tokens), ""


def _now(live: Live) -> Iterator[Line]:
    """What is so at this moment, beside the figures."""
    last = live.last
    yield line("    ", Span(money(last.held_nano_usd), "strong"), " held")
    yield line("    ", Span(plural(last.open_requests, "request"), "strong"), " under way")
    up = sum(upstream.state == "up" for upstream in last.upstreams)
    yield line("    ", Span(f"{up} of {plural(len(last.upstreams), 'upstream')}", "strong"), " up")
    yield line("    ", Span(f"up {span((last.at_ms - last.started_ms) / MS_PER_S)}", "dim"))
    if last.today.unknown_nano_usd:
        yield line("    ", Span(f"{money(last.today.unknown_nano_usd)} charged at the hold", "warn"))


def _levers(today: LiveSpan, month: LiveSpan) -> Iterator[Line]:
    """What saved it, where more than one thing did."""
    for of, said in ((today, "today"), (month, "month")):
        parts = [f"{LEVERS.get(name, name)} {saving(amount)}" for name, amount in of.saved_by.items() if amount]
        if len(parts) > 1 and (said == "today" or not today.saved_by):
            yield line(MARGIN, Span(f"{left('saved by', LABEL)}{' · '.join(parts)}", "dim"))


# -- budgets ---------------------------------------------------------------------------------------------------------


def _budgets(live: Live) -> Iterator[Line]:
    budgets = live.last.budgets
    if not budgets:
        return
    yield line(MARGIN, Span("Budgets", "title"))
    for budget in sorted(budgets, key=lambda each: -each.used * 1_000 // max(each.limit, 1))[:BUDGETS_MOST]:
        yield _budget(budget, live.last.at_ms)
    if len(budgets) > BUDGETS_MOST:
        yield line(MARGIN, Span(f"and {len(budgets) - BUDGETS_MOST} more: lodestarctl budget", "dim"))


def _budget(budget: BudgetGauge, now_ms: int) -> Line:
    name = f"{budget.name} {budget.value}".strip()
    say = money if budget.unit == "usd" else about
    of = f"{say(budget.used)} of {say(budget.limit)}{'' if budget.unit == 'usd' else f' {budget.unit}'}"
    resets = f"  {span((budget.resets_ms - now_ms) / MS_PER_S)} left" if budget.resets_ms else ""
    role = "bad" if budget.used >= budget.limit else "warn" if budget.used * 10 >= budget.limit * 8 else "good"
    return line(
        MARGIN,
        left(name, 16),
        " ",
        Span(bar(budget.used, budget.limit, 12), role),
        right(percent(budget.used, budget.limit), 6),
        f"  {of}",
        Span(resets, "dim"),
    )


# -- the last hours --------------------------------------------------------------------------------------------------


def _chart(live: Live) -> Iterator[Line]:
    hours = live.last.hours
    if not hours:
        return
    costs = [hour.cost_nano_usd for hour in hours]
    most = f"most in an hour {money(max(costs))}" if any(costs) else "nothing was spent"
    yield line(MARGIN, Span(f"Cost, last {len(hours)} hours", "title"), Span(f"   {most}", "dim"))
    drawn = "".join(char * 2 for char in spark(costs))
    yield line(MARGIN, Span(drawn, "chart"))
    start, middle = moment(hours[0].start_ms, "%H:%M"), moment(hours[len(hours) // 2].start_ms, "%H:%M")
    scale = left(start, len(hours)) + left(middle, len(hours) - 3) + "now"
    yield line(MARGIN, Span(scale, "dim"))


# -- who costs most ------------------------------------------------------------------------------------------------


def _dearest(live: Live, table: str) -> Iterator[Line]:
    """The dearest few of this month, where there is room for them."""
    rows = live.rows.get(("month", table), {}).values()
    dearest = [row for row in sorted(rows, key=lambda row: (-row.cost_nano_usd, row.name)) if row.cost_nano_usd]
    if not dearest:
        return
    whole = live.last.month.cost_nano_usd
    yield line(MARGIN, Span(f"Dearest {table}s this month", "title"))
    for row in dearest[:DEAREST_MOST]:
        yield line(
            MARGIN,
            left(row.name or f"no {table}", 28),
            Span(right(money(row.cost_nano_usd), 12), "strong"),
            right(share(row.cost_nano_usd, whole), 9),
            "  ",
            Span(bar(row.cost_nano_usd, whole, 12), "chart"),
        )


# -- upstreams -------------------------------------------------------------------------------------------------------


def _upstreams(upstreams: tuple[UpstreamStatus, ...]) -> Iterator[Line]:
    if not upstreams:
        return
    yield line(MARGIN, Span("Upstreams", "title"))
    longest = min(20, max(columns(upstream.name) for upstream in upstreams))
    for upstream in upstreams:
        mark, role = UP[upstream.state]
        busy = f"{upstream.busy} of {upstream.connections} busy" if upstream.connections else "idle"
        resident = ", ".join(upstream.resident or ())
        yield line(
            MARGIN,
            Span(f"{mark} {left(upstream.state, 8)} ", role),
            Span(left(upstream.name, longest), "strong"),
            right(millis(upstream.latency_ms) if upstream.latency_ms is not None else "", 9),
            f"  {left(busy, 12)}",
            f"  {resident}" if resident else "",
            Span(f"  {upstream.detail}" if upstream.detail else "", "dim"),
        )


def _upstreams_in_short(upstreams: tuple[UpstreamStatus, ...], width: int) -> Iterator[Line]:
    """Several in a line; what is wrong with one is said among the alerts."""
    if not upstreams:
        return
    yield line(MARGIN, Span("Upstreams", "title"))
    across = max(1, (width - len(MARGIN)) // CHIP)
    for start in range(0, len(upstreams), across):
        parts: list[Span | str] = [MARGIN]
        for upstream in upstreams[start : start + across]:
            mark, role = UP[upstream.state]
            latency = f"  {millis(upstream.latency_ms)}" if upstream.latency_ms is not None else ""
            parts += [
                Span(f"{mark} {left(upstream.state, 4)} " if upstream.state != "unknown" else f"{mark} ?    ", role)
            ]
            parts += [Span(left(f"{cut(upstream.name, 11)}{latency}", CHIP - 7))]
        yield line(*parts)
