"""The house at a glance: ``status``."""

from collections.abc import Mapping
from typing import Any, Literal

from lodestard.control.envelope import Message
from lodestard.control.messages.gpu import GpuHost
from lodestard.control.messages.projection import Projected
from lodestard.control.messages.projects import SwitchRow
from lodestard.control.messages.severity import Severity


class Listener(Message, frozen=True):
    """An address that is listened on. ``kind`` is proxy, control, or a module's own word."""

    address: str
    kind: str = "proxy"


class UpstreamStatus(Message, frozen=True):
    """One upstream. ``resident`` are the models that its GPU holds, where that is known. ``breaker``: closed, open or
    half_open; ``broken`` are its models whose breakers are not closed, and why.
    """

    name: str
    state: Literal["up", "down", "unknown"] = "unknown"
    dialect: str = ""
    free: bool = False
    latency_ms: float | None = None
    connections: int = 0
    busy: int = 0
    resident: tuple[str, ...] | None = None
    detail: str = ""
    breaker: str = "closed"
    broken: tuple[str, ...] = ()


class Figures(Message, frozen=True):
    """A span of the ledger. What was saved is None without a baseline model, and the sum of its four levers."""

    requests: int = 0
    free_requests: int = 0
    failed_requests: int = 0
    cache_hits: int = 0
    cache_lookups: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    held_nano_usd: int = 0
    saved_nano_usd: int | None = None
    saved_local_nano_usd: int | None = None
    saved_cache_nano_usd: int | None = None
    saved_cheaper_nano_usd: int | None = None
    saved_prompt_cache_nano_usd: int | None = None


class MonthFigures(Message, frozen=True):
    """The month so far."""

    cost_nano_usd: int = 0
    saved_nano_usd: int | None = None
    projection: Projected | None = None


class Problem(Message, frozen=True):
    """Something that a person should know, with what to do about it."""

    severity: Severity
    what: str
    advice: str = ""


class Status(Message, frozen=True):
    """One screen about the house. ``parts`` are the modules' own words, by name; ``alerts`` are the budgets'.

    ``cards`` are the hosts whose card somebody looks after; ``switches``: who is asked in place of others.
    """

    version: str
    pid: int
    state: Literal["starting", "ready", "degraded", "draining"]
    uptime_s: float
    config: str = ""
    simulated: bool = False
    listeners: tuple[Listener, ...] = ()
    upstreams: tuple[UpstreamStatus, ...] = ()
    cards: tuple[GpuHost, ...] = ()
    today: Figures = Figures()
    month: MonthFigures | None = None
    alerts: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    connections: int = 0
    exchanges: int = 0
    parts: Mapping[str, Any] = {}
    switches: tuple[SwitchRow, ...] = ()


class VersionReport(Message, frozen=True):
    """The daemon's version and what it runs on (``{"python": "3.11.2", "sqlite": …}``)."""

    version: str
    runs_on: Mapping[str, str] = {}
