"""``status``, ``version``, ``drain``, ``restart``, ``log-level``."""

from collections.abc import Iterator, Mapping, Sequence
from os import getpid
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec

from lodestard import __version__
from lodestard.breakers import BreakerView
from lodestard.control.messages import (
    Draining,
    Figures,
    LogLevel,
    Problem,
    RestartReport,
    Status,
    UpstreamStatus,
    VersionReport,
)
from lodestard.control.messages.alerts import AlertsPart
from lodestard.control.messages.gpu import GpuHost
from lodestard.control.messages.house_status import MonthFigures
from lodestard.control.verbs.cost_rows import AGAINST_BASELINE, cost_row, sum_rows
from lodestard.control.verbs.desk import CostFigures, Desk, HouseState
from lodestard.control.verbs.gpu_hosts import look_at_hosts
from lodestard.control.verbs.projecting import read_month
from lodestard.control.verbs.switches import switch_rows
from lodestard.control.verbs.when import today_ms
from lodestard.domain.settings import Log, Upstream
from lodestard.domain.verbs import Argument, Arguments, Verb
from lodestard.runtime import Runtime

MS_PER_S = 1_000
HEALTH_PART = "upstreams"
ALERTS_PART = "alerts"
OF_BUDGETS = "budget"
LEVELS: tuple[str, ...] = get_args(Log.__annotations__["level"])
LOOKED_UP = ("hit", "shared", "miss")
HIT = ("hit", "shared")
SAVED = tuple(name for name in AGAINST_BASELINE if name.startswith("saved"))


def house_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def status(_arguments: Arguments) -> Status:
        return await read_status(desk)

    async def version(_arguments: Arguments) -> VersionReport:
        return VersionReport(version=__version__, runs_on=desk.versions())

    async def drain(_arguments: Arguments) -> Draining:
        answer = Draining(exchanges=desk.state().exchanges, drain_s=desk.runtime.settings.server.drain_s)
        desk.begin_drain()
        return answer

    async def restart(_arguments: Arguments) -> RestartReport:
        return await desk.restart()

    async def log_level(arguments: Arguments) -> LogLevel:
        level: str = arguments["level"]
        return LogLevel(level=level, was=desk.set_log_level(level))

    levels = (Argument(name="level", required=True, choices=LEVELS, help="the level"),)
    return (
        Verb(name="status", summary="one screen about the house", needs="read", answer=status),
        Verb(name="version", summary="what is running", needs="read", answer=version),
        Verb(name="drain", summary="take no new work, end what is under way, and exit", needs="admin", answer=drain),
        Verb(name="restart", summary="end what is under way, and begin anew", needs="admin", answer=restart),
        Verb(name="log-level", summary="how much is logged", needs="admin", arguments=levels, answer=log_level),
    )


async def read_status(desk: Desk) -> Status:
    """The house now and today's figures."""
    runtime, state = desk.runtime, desk.state()
    parts = {name: part() for name, part in runtime.hooks.status_parts.items()}
    health = part_of(parts, HEALTH_PART)
    uptime_s = runtime.clock.now_ms() / MS_PER_S - runtime.started_s
    cards = look_at_hosts(desk)
    breakers = tuple(runtime.breakers.views())
    upstreams = tuple(
        of_breakers(
            of_card(upstream_status(name, upstream, part_of(health, name), state, missing_key(runtime, name)), cards),
            breakers,
        )
        for name, upstream in runtime.settings.upstreams.items()
    )
    return Status(
        version=__version__,
        pid=getpid(),
        state=state.state,
        uptime_s=max(0.0, uptime_s),
        config=state.config_file,
        simulated=state.simulated,
        listeners=state.listeners,
        upstreams=upstreams,
        cards=cards,
        today=await read_today(desk, state.held_nano_usd),
        month=await read_month_figures(desk),
        alerts=tuple(find_alerts(desk.budgets.banner(), part_of(parts, ALERTS_PART))),
        problems=tuple(find_problems(runtime, state, upstreams)),
        connections=state.connections,
        exchanges=state.exchanges,
        switches=switch_rows(desk),
        parts={name: part for name, part in parts.items() if name not in (HEALTH_PART, ALERTS_PART)},
    )


def find_alerts(budgets: Sequence[str], part: Mapping[str, Any]) -> Iterator[Problem]:
    """What is alerted now: the budgets' own, and what else the alerts module (where it is there) tells of."""
    yield from (Problem(severity="warning", what=text) for text in budgets)
    try:
        told = msgspec.convert(part, AlertsPart)
    except msgspec.ValidationError:
        return
    for alert in told.current:
        if alert.source != OF_BUDGETS:
            yield Problem(severity=alert.severity, what=alert.title, advice=alert.text)
    if told.undelivered:
        what = f"Alerts that could not be delivered yet: {told.undelivered}."
        yield Problem(severity="warning", what=what, advice="lodestarctl alerts says why.")


def part_of(parts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part that is a mapping; empty where it is not there, or something else."""
    part = parts.get(name)
    return part if isinstance(part, Mapping) else {}


def upstream_status(
    name: str, upstream: Upstream, health: Mapping[str, Any], state: HouseState, key_missing: str
) -> UpstreamStatus:
    """One upstream, as its pool and the health module (where it is there) see it. Pure."""
    connections, busy = state.pools.get(name, (0, 0))
    known = health.get("state")
    resident = health.get("resident")
    error = str(health.get("error") or "")
    if error.startswith(f"upstream {name} ("):  # its row says already whose it is
        error = error.partition(") ")[2] or error
    return UpstreamStatus(
        name=name,
        state=known if known in ("up", "down") else "unknown",
        dialect=upstream.dialect,
        free=upstream.free,
        latency_ms=health.get("latency_ms"),
        connections=connections,
        busy=busy,
        resident=tuple(resident) if resident is not None else None,
        detail=str(error or health.get("note") or ("has no key" if key_missing else "")),
    )


def missing_key(runtime: Runtime, name: str) -> str:
    return runtime.keys_missing.get(name, "")


def of_card(status: UpstreamStatus, cards: Sequence[GpuHost]) -> UpstreamStatus:
    """What its card's owner says is in memory, where there is one: a probe is as old as its interval. Pure."""
    for card in cards:
        if card.host == status.name and card.reachable:
            resident = tuple(model.model for model in card.models if model.resident)
            return msgspec.structs.replace(status, resident=resident)
    return status


def of_breakers(status: UpstreamStatus, breakers: Sequence[BreakerView]) -> UpstreamStatus:
    """Whether it, or a model of it, is passed over. Pure."""
    tripped = {view.name: view for view in breakers if view.state != "closed"}
    if not tripped:
        return status
    own = tripped.get(status.name)
    models = [view for name, view in tripped.items() if name.startswith(f"{status.name}/")]
    return msgspec.structs.replace(
        status,
        breaker="closed" if own is None else own.state,
        broken=tuple(f"{view.name} {view.state}: {view.why}" for view in models),
        detail=status.detail or (f"breaker {own.state}: {own.why}" if own is not None else ""),
    )


def find_problems(runtime: Runtime, state: HouseState, upstreams: Sequence[UpstreamStatus]) -> Iterator[Problem]:
    """What a person should know, worst first."""
    if state.why:
        yield Problem(severity="error", what=f"No request should be sent here: {state.why}.")
    if state.overload:
        advice = "Who sends or reads so much? [server.limits] buffered_bytes and connections say how much may be."
        yield Problem(severity="warning", what=f"Too much at once: {state.overload}.", advice=advice)
    for upstream in upstreams:
        if upstream.state == "down":
            what = f"{upstream.name} is down{f': {upstream.detail}' if upstream.detail else ''}."
            yield Problem(severity="error", what=what, advice=down_advice(runtime.settings.upstreams[upstream.name]))
        elif upstream.breaker != "closed":
            what = f"The breaker of {upstream.name} is {upstream.breaker.replace('_', '-')}."
            yield Problem(severity="warning", what=what, advice="Others are asked first.")
        for broken in upstream.broken:
            yield Problem(severity="warning", what=f"The breaker of {broken}.", advice="Others are asked first.")
    for name, why in runtime.keys_missing.items():
        yield Problem(severity="warning", what=f"{name} has no key: {why}", advice="lodestarctl doctor says more.")


def down_advice(upstream: Upstream) -> str:
    """What to look at where an upstream does not answer."""
    if upstream.dialect == "ollama":
        return f"Is Ollama running there and listening? curl {upstream.url}/api/version"
    return f"Is the network up? curl -I {upstream.url}"


async def read_month_figures(desk: Desk) -> MonthFigures:
    """The month so far, and how it is likely to end."""
    days, projection = await read_month(desk)
    baseline = bool(desk.runtime.settings.ledger.baseline)
    total = sum_rows("month", [cost_row(row, baseline=baseline) for row in days])
    return MonthFigures(cost_nano_usd=total.cost_nano_usd, saved_nano_usd=total.saved_nano_usd, projection=projection)


async def read_today(desk: Desk, held_nano_usd: int) -> Figures:
    """Today's figures, from the ledger's reports."""
    runtime = desk.runtime
    zone = ZoneInfo(desk.timezone)
    since_ms = today_ms(runtime.clock.now_ms(), zone)
    by_upstream = await desk.reports.costs("upstream", since_ms=since_ms, timezone=desk.timezone)
    by_cache = await desk.reports.costs("cache", since_ms=since_ms, timezone=desk.timezone)
    free = frozenset(name for name, upstream in runtime.settings.upstreams.items() if upstream.free)
    baseline = bool(runtime.settings.ledger.baseline)
    return sum_figures(by_upstream, by_cache, free, baseline=baseline, held_nano_usd=held_nano_usd)


def sum_figures(
    by_upstream: Sequence[CostFigures],
    by_cache: Sequence[CostFigures],
    free: frozenset[str],
    *,
    baseline: bool,
    held_nano_usd: int,
) -> Figures:
    """Two reports of one span → its figures. Pure. What came from the cache was free, whoever had answered it."""
    return Figures(
        requests=sum(row.requests for row in by_cache),
        free_requests=sum(row.requests if row.key in free else row.cache_hits for row in by_upstream),
        failed_requests=sum(row.errors for row in by_cache),
        cache_hits=sum(row.requests for row in by_cache if row.key in HIT),
        cache_lookups=sum(row.requests for row in by_cache if row.key in LOOKED_UP),
        prompt_tokens=sum(row.prompt_tokens for row in by_upstream),
        completion_tokens=sum(row.completion_tokens for row in by_upstream),
        cost_nano_usd=sum(row.cost_nano_usd for row in by_cache),
        held_nano_usd=held_nano_usd,
        **{name: sum(getattr(row, name) for row in by_cache) for name in (SAVED if baseline else ())},
    )
