"""What goes over the control socket: the data of each verb (and, for its readers, the envelopes).

Law: version 1 of this format only grows; a member is never renamed and never changes its unit. Money is integer
nano-USD, instants are UTC milliseconds since 1970, ``None`` is "not known" and never stands for zero.
"""

from collections.abc import Mapping
from typing import Any, Literal

from lodestard.control.envelope import MEDIA_JSON as MEDIA_JSON
from lodestard.control.envelope import MEDIA_NDJSON as MEDIA_NDJSON
from lodestard.control.envelope import VERBS_PATH as VERBS_PATH
from lodestard.control.envelope import VERSION as VERSION
from lodestard.control.envelope import Envelope as Envelope
from lodestard.control.envelope import Message as Message
from lodestard.control.envelope import Refusal as Refusal
from lodestard.control.envelope import VerbInfo as VerbInfo
from lodestard.control.envelope import VerbList as VerbList
from lodestard.control.envelope import write_answer as write_answer
from lodestard.control.envelope import write_refusal as write_refusal
from lodestard.domain.errors import Code as Code
from lodestard.domain.money import format_usd as format_usd
from lodestard.domain.near import did_you_mean as did_you_mean
from lodestard.domain.verbs import Argument as Argument

Severity = Literal["error", "warning", "info"]


# status


class Listener(Message, frozen=True):
    """An address that is listened on. ``kind`` is proxy, control, or a module's own word."""

    address: str
    kind: str = "proxy"


class UpstreamStatus(Message, frozen=True):
    """One upstream. ``resident`` are the models that its GPU holds, where that is known."""

    name: str
    state: Literal["up", "down", "unknown"] = "unknown"
    dialect: str = ""
    free: bool = False
    latency_ms: float | None = None
    connections: int = 0
    busy: int = 0
    resident: tuple[str, ...] | None = None
    detail: str = ""


class Figures(Message, frozen=True):
    """A span of the ledger. ``saved_nano_usd`` is None without a baseline model."""

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


class Problem(Message, frozen=True):
    """Something that a person should know, with what to do about it."""

    severity: Severity
    what: str
    advice: str = ""


class Status(Message, frozen=True):
    """One screen about the house. ``parts`` are the modules' own words, by name."""

    version: str
    pid: int
    state: Literal["starting", "ready", "degraded", "draining"]
    uptime_s: float
    config: str = ""
    simulated: bool = False
    listeners: tuple[Listener, ...] = ()
    upstreams: tuple[UpstreamStatus, ...] = ()
    today: Figures = Figures()
    problems: tuple[Problem, ...] = ()
    connections: int = 0
    exchanges: int = 0
    parts: Mapping[str, Any] = {}


class VersionReport(Message, frozen=True):
    """The daemon's version and what it runs on (``{"python": "3.11.2", "sqlite": …}``)."""

    version: str
    runs_on: Mapping[str, str] = {}


# figures


class CostRow(Message, frozen=True):
    """The sums of one group. ``unknown_nano_usd`` is the part of the cost that was charged at its hold.

    ``held_nano_usd`` is what requests under way hold now: it stands in the total alone.
    """

    name: str
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    held_nano_usd: int = 0
    saved_nano_usd: int | None = None


class CostsReport(Message, frozen=True):
    """``since_ms`` inclusive, ``until_ms`` exclusive; None where open."""

    by: str
    rows: tuple[CostRow, ...]
    total: CostRow
    since_ms: int | None = None
    until_ms: int | None = None
    baseline: str = ""


class CachedModel(Message, frozen=True):
    model: str
    entries: int
    bytes: int


class CacheReport(Message, frozen=True):
    """Both tiers, and what they did since the start."""

    enabled: bool
    disk: bool = False
    entries: int = 0
    bytes: int = 0
    max_bytes: int = 0
    memory_entries: int = 0
    memory_bytes: int = 0
    memory_max_bytes: int = 0
    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    evicted: int = 0
    models: tuple[CachedModel, ...] = ()


class CacheCleared(Message, frozen=True):
    entries: int


class CacheWarmed(Message, frozen=True):
    """One line of a warming: what became of the request on line ``line`` of the file."""

    line: int
    outcome: str
    alias: str = ""
    target: str = ""
    cost_nano_usd: int = 0
    detail: str = ""


# models


class ModelTarget(Message, frozen=True):
    """One target of an alias. Rates are pico-USD a token; None where there is no price."""

    target: str
    dialect: str = ""
    free: bool = False
    state: Literal["up", "down", "unknown"] = "unknown"
    input_pico_usd: int | None = None
    output_pico_usd: int | None = None
    note: str = ""


class ModelRow(Message, frozen=True):
    alias: str
    targets: tuple[ModelTarget, ...]
    description: str = ""


class ModelsReport(Message, frozen=True):
    models: tuple[ModelRow, ...]


class TestPlan(Message, frozen=True):
    """One call that ``models.test`` would make, and the most that it can cost; None where nobody knows."""

    __test__ = False

    alias: str
    target: str
    max_cost_nano_usd: int | None
    note: str = ""


class TestPlans(Message, frozen=True):
    __test__ = False

    calls: tuple[TestPlan, ...]


class TestResult(Message, frozen=True):
    """How one small real call went. ``outcome`` is ``ok`` or a code."""

    __test__ = False

    alias: str
    target: str
    outcome: str
    total_ms: int = 0
    cost_nano_usd: int = 0
    detail: str = ""


# requests


class RequestRow(Message, frozen=True):
    """One request. ``outcome`` is ``ok`` or a code; ``cost_nano_usd`` is what is charged or still held."""

    request_id: str
    started_ms: int
    alias: str = ""
    target: str = ""
    outcome: str = ""
    status: int = 0
    cache: str = ""
    stream: bool = False
    attempts: int = 0
    total_ms: int | None = None
    first_piece_ms: int | None = None
    overhead_us: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano_usd: int = 0
    saved_nano_usd: int | None = None
    principal: str = ""
    project: str = ""
    user: str = ""
    session: str = ""
    client: str = ""


class AttemptRow(Message, frozen=True):
    """One attempt. ``state`` is held, captured, released or unknown; ``price`` says where its price came from."""

    target: str
    outcome: str = ""
    state: str = ""
    detail: str = ""
    hold_nano_usd: int = 0
    cost_nano_usd: int = 0
    wait_ms: int | None = None
    first_piece_ms: int | None = None
    total_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    price: str = ""


class CandidateRow(Message, frozen=True):
    """A target that was looked at. ``chosen`` is False for one that was ruled out; ``reason`` says why."""

    target: str
    chosen: bool
    reason: str = ""
    up: bool = True
    predicted_wait_s: float | None = None


class Explanation(Message, frozen=True):
    """All that is known of one request."""

    request: RequestRow
    reason: str = ""
    candidates: tuple[CandidateRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    notes: tuple[str, ...] = ()


class RequestList(Message, frozen=True):
    """Oldest first."""

    requests: tuple[RequestRow, ...]


# configuration


class ConfigProblem(Message, frozen=True):
    """One fault or warning. ``line`` counts from 1; 0 where it is not known."""

    message: str
    key: str = ""
    file: str = ""
    line: int = 0


class ConfigReport(Message, frozen=True):
    """What a check found. ``ok`` is True where the daemon would start with it."""

    ok: bool
    files: tuple[str, ...] = ()
    faults: tuple[ConfigProblem, ...] = ()
    warnings: tuple[ConfigProblem, ...] = ()


class ConfigEntry(Message, frozen=True):
    """One value in force. ``origin`` is "file:line" or "default". ``value`` is JSON text."""

    key: str
    value: str
    origin: str = ""


class ConfigValues(Message, frozen=True):
    entries: tuple[ConfigEntry, ...]


class ReloadReport(Message, frozen=True):
    """``changed`` are the keys that differ; ``restart`` those of them that only a restart takes in."""

    ok: bool
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    faults: tuple[ConfigProblem, ...] = ()


# the house


class LedgerVerification(Message, frozen=True):
    """``faults`` are sentences; none of them means that every row adds up."""

    ok: bool
    file: str = ""
    requests: int = 0
    attempts: int = 0
    cost_nano_usd: int = 0
    faults: tuple[str, ...] = ()


class LogLevel(Message, frozen=True):
    level: str
    was: str


class Draining(Message, frozen=True):
    """A drain has begun; ``exchanges`` are still under way and have ``drain_s`` to end."""

    exchanges: int
    drain_s: float


class Finding(Message, frozen=True):
    """Something that the doctor found: what it is and how to mend it."""

    severity: Severity
    code: str
    what: str
    mend: str = ""


class DoctorReport(Message, frozen=True):
    """``checks`` is how many things were looked at; ``running`` whether the daemon answered for itself."""

    findings: tuple[Finding, ...]
    checks: int
    running: bool = False


class AskItem(Message, frozen=True):
    """A part of an answer to ``ask``: text or reasoning as it comes; the last item has ``request_id``."""

    text: str = ""
    reasoning: str = ""
    request_id: str = ""
    target: str = ""
    cost_nano_usd: int | None = None
    cache: str = ""
