"""What a live screen is fed with: a busy small office at noon, and names that mean harm."""

import msgspec

from lodestard.control.messages import Problem, RequestRow
from lodestard.control.messages.dashboard import BudgetGauge, LiveHour, LiveItem, LiveRow, LiveSpan
from tests.fakes import control_samples as samples
from tests.fakes import gpu_samples

NOON_MS = samples.NOON_MS
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOSTILE = ("\x1b[2Jgone", "tab\there", "ri\u202eght", "日本語プロジェクト" * 4, "e\u0301tude", "", "x" * 300)

MODELS = (
    LiveRow(
        name="openai/gpt-4o-mini",
        requests=203,
        failed=3,
        prompt_tokens=812_344,
        completion_tokens=99_100,
        cost_nano_usd=181_311_600,
        unknown_nano_usd=1_200,
        saved_nano_usd=3_200_000_000,
        last_ms=NOON_MS - 12_000,
    ),
    LiveRow(
        name="anthropic/claude-sonnet-4-5-20250929",
        requests=12,
        prompt_tokens=91_002,
        completion_tokens=8_120,
        cost_nano_usd=394_806_000,
        saved_nano_usd=-12_000_000,
        last_ms=NOON_MS - HOUR_MS,
    ),
    LiveRow(
        name="t600/deepseek-coder:6.7b",
        requests=989,
        cache_hits=200,
        prompt_tokens=4_000_000,
        completion_tokens=291_922,
        saved_nano_usd=16_378_830_000,
        last_ms=NOON_MS - 1_000,
    ),
)
PROJECTS = (
    LiveRow(name="lodestar", requests=900, cost_nano_usd=400_000_000, saved_nano_usd=9_000_000_000, last_ms=NOON_MS),
    LiveRow(name="日本語プロジェクト", requests=204, cost_nano_usd=176_117_600, saved_nano_usd=1, last_ms=NOON_MS),
    LiveRow(name="", requests=100, saved_nano_usd=0, last_ms=NOON_MS - 40 * HOUR_MS),
)
SESSIONS = tuple(
    LiveRow(
        name=f"s{number:03}", requests=number, cost_nano_usd=number * 1_000_000, last_ms=NOON_MS - number * 60_000
    )
    for number in range(60)
)
PROVIDERS = (
    LiveRow(name="openai", requests=203, cost_nano_usd=181_311_600, saved_nano_usd=3_200_000_000, last_ms=NOON_MS),
    LiveRow(name="t600", requests=989, saved_nano_usd=16_378_830_000),
)
TABLES = {"model": MODELS, "project": PROJECTS, "session": SESSIONS, "provider": PROVIDERS}

REQUESTS = (
    samples.REQUEST,
    samples.FAILED,
    samples.CACHED,
    *(
        RequestRow(
            request_id=f"req_06e3ioq1m8hthg9b0opg{number:04}",
            started_ms=NOON_MS + number * 1_000,
            alias="auto",
            target="t600/llama3.1:8b",
            outcome="ok",
            cache="miss",
            total_ms=100 * number,
            prompt_tokens=number,
            completion_tokens=10 * number,
            cost_nano_usd=number * 1_000,
            project=("lodestar", "日本語プロジェクト")[number % 2],
            session=f"s{number:03}",
        )
        for number in range(30)
    ),
)

TODAY = LiveSpan(
    since_ms=NOON_MS - 12 * HOUR_MS,
    requests=1_204,
    failed=3,
    cache_hits=200,
    cache_lookups=998,
    free_requests=789,
    prompt_tokens=4_903_346,
    completion_tokens=399_142,
    cost_nano_usd=576_117_600,
    unknown_nano_usd=1_200,
    saved_nano_usd=19_566_830_000,
    saved_by={"local": 12_000_000_000, "cache": 4_378_830_000, "cheaper": 3_188_000_000, "prompt_cache": 0},
)
MONTH = msgspec.structs.replace(TODAY, since_ms=NOON_MS - 20 * DAY_MS, requests=30_112, cost_nano_usd=12_503_100_001)

SNAPSHOT = LiveItem(
    kind="snapshot",
    at_ms=NOON_MS,
    version="0.2.0",
    state="degraded",
    started_ms=NOON_MS - 75 * HOUR_MS,
    timezone="UTC",
    today=TODAY,
    month=MONTH,
    held_nano_usd=3_100_000,
    open_requests=1,
    baseline="openai/gpt-4o",
    upstreams=samples.STATUS.upstreams,
    cards=(gpu_samples.LOADS,),
    alerts=samples.STATUS.problems,
    budgets=(
        BudgetGauge(
            name="month", unit="usd", used=12_506_200_001, limit=20_000_000_000, resets_ms=NOON_MS + 9 * DAY_MS
        ),
        BudgetGauge(
            name="daily", value="lodestar", unit="tokens", used=91_000, limit=90_000, resets_ms=NOON_MS + HOUR_MS
        ),
    ),
    hours=tuple(
        LiveHour(start_ms=NOON_MS - (23 - ago) * HOUR_MS, cost_nano_usd=(ago % 7) * 11_000_000) for ago in range(24)
    ),
    rows={"today": TABLES, "month": {**TABLES, "model": MODELS[:2]}},
    requests=REQUESTS,
    left_out={"month/session": 1_204},
)
EMPTY = LiveItem(
    kind="snapshot",
    at_ms=NOON_MS,
    version="0.2.0",
    state="ready",
    started_ms=NOON_MS - 1_000,
    timezone="UTC",
    today=LiveSpan(since_ms=TODAY.since_ms),
    month=LiveSpan(since_ms=MONTH.since_ms),
    exact=False,
    simulated=True,
)
NASTY = msgspec.structs.replace(
    SNAPSHOT,
    rows={"today": {table: tuple(LiveRow(name=name, requests=1) for name in HOSTILE) for table in TABLES}},
    requests=tuple(
        RequestRow(
            request_id=f"req_{name}", started_ms=NOON_MS, alias=name, target=name, outcome=name or "ok", project=name
        )
        for name in HOSTILE
    ),
    cards=(gpu_samples.NASTY,),
    alerts=(Problem(severity="error", what=HOSTILE[0] + HOSTILE[3], advice=HOSTILE[6]),),
)


def delta(**members: object) -> LiveItem:
    """An item after ``SNAPSHOT`` in which nothing but ``members`` is new."""
    quiet = {"kind": "delta", "rows": {}, "requests": (), "left_out": {}}
    return msgspec.structs.replace(SNAPSHOT, **{**quiet, **members})
