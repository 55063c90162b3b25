"""One sample of each verb's data, as a busy small office would see it."""

from msgspec.structs import replace

from lodestard.control.messages import (
    AttemptRow,
    CachedModel,
    CacheReport,
    CandidateRow,
    ConfigEntry,
    ConfigProblem,
    ConfigReport,
    ConfigValues,
    CostRow,
    CostsReport,
    DoctorReport,
    Explanation,
    Figures,
    Finding,
    LedgerVerification,
    Listener,
    ModelRow,
    ModelsReport,
    ModelTarget,
    Problem,
    RequestRow,
    Status,
    TestPlan,
    TestPlans,
    TestResult,
    UpstreamStatus,
)
from lodestard.control.messages.alerts import AlertChannel, AlertList, AlertRow
from lodestard.control.messages.figures import CostSection
from lodestard.control.messages.gpu import Estimate
from lodestard.control.messages.house_status import MonthFigures
from lodestard.control.messages.projection import Projected
from lodestard.control.messages.reconcile import LookRow, ReconcileProblem, ReconcileReport
from lodestard.control.messages.reports import MonthReport

NOON_MS = 1_763_726_400_000  # 2025-11-21 12:00 UTC

STATUS = Status(
    version="0.1.0",
    pid=4711,
    state="degraded",
    uptime_s=273_000,
    config="/etc/lodestard/lodestard.toml",
    listeners=(Listener(address="127.0.0.1:4000"), Listener(address="/run/lodestard.sock", kind="control")),
    upstreams=(
        UpstreamStatus(
            name="t600", state="up", free=True, latency_ms=3.8, connections=2, busy=1, resident=("llama3.1:8b",)
        ),
        UpstreamStatus(name="openai", state="up", latency_ms=81.2, connections=4),
        UpstreamStatus(name="xai", state="down", detail="connection refused"),
    ),
    today=Figures(
        requests=1204,
        free_requests=1001,
        failed_requests=3,
        cache_hits=214,
        cache_lookups=998,
        prompt_tokens=4_812_344,
        completion_tokens=391_022,
        cost_nano_usd=412_345_678,
        held_nano_usd=3_100_000,
        saved_nano_usd=12_041_200_000,
    ),
    problems=(
        Problem(severity="error", what="xai is down: connection refused.", advice="Is the network up?"),
        Problem(severity="warning", what="anthropic has no key.", advice="lodestarctl doctor says more."),
    ),
    connections=12,
    exchanges=1,
    parts={"gpu": {"power_w": 31, "cards": [1]}, "note": "hello"},
)

COSTS = CostsReport(
    by="model",
    since_ms=NOON_MS,
    rows=(
        CostRow(
            name="openai/gpt-4o-mini",
            requests=203,
            prompt_tokens=812_344,
            completion_tokens=99_100,
            cost_nano_usd=181_311_600,
            unknown_nano_usd=1_200,
            saved_nano_usd=3_200_000_000,
        ),
        CostRow(
            name="t600/deepseek-coder:6.7b",
            requests=1001,
            cache_hits=200,
            prompt_tokens=4_000_000,
            completion_tokens=291_922,
            saved_nano_usd=16_378_830_000,
        ),
    ),
    total=CostRow(
        name="all",
        requests=1204,
        cache_hits=200,
        prompt_tokens=4_812_344,
        completion_tokens=391_022,
        cost_nano_usd=181_311_600,
        unknown_nano_usd=1_200,
        held_nano_usd=1_000,
        saved_nano_usd=19_578_830_000,
    ),
    baseline="openai/gpt-4o",
)


def _lever_row(name: str, cost: int, saved: tuple[int, int, int, int], **figures: int) -> CostRow:
    """A row whose four levers sum to what it saved."""
    local, cache, cheaper, prompt_cache = saved
    return CostRow(
        name=name,
        cost_nano_usd=cost,
        baseline_nano_usd=cost + sum(saved),
        saved_nano_usd=sum(saved),
        saved_local_nano_usd=local,
        saved_cache_nano_usd=cache,
        saved_cheaper_nano_usd=cheaper,
        saved_prompt_cache_nano_usd=prompt_cache,
        **figures,
    )


PROJECTED = Projected(
    window="2025-11",
    ends_ms=NOON_MS + 9 * 86_400_000,
    spent_nano_usd=4_213_400_000,
    low_nano_usd=4_908_112_345,
    likely_nano_usd=6_020_000_001,
    high_nano_usd=8_114_000_000,
    error_per_mille=221,
    method="weekday",
    days=45,
    back_tests=25,
    back_test_days=7,
)
NOT_PROJECTED = Projected(
    window="2025-11",
    ends_ms=NOON_MS,
    spent_nano_usd=5,
    days=9,
    reason="9 of the 14 days that a projection needs have passed since the first cost",
)
DAYS = (
    _lever_row("2025-11-18", 1_000_000_000, (2_000_000_000, 0, 0, 0), requests=40, free_requests=0),
    _lever_row("2025-11-19", 0, (0, 0, 0, 0)),
    _lever_row("2025-11-20", 12_345, (500_000_000, 20_000_000, 0, 0), requests=7, free_requests=0, cache_hits=1),
    _lever_row(
        "2025-11-21",
        412_345_678,
        (13_878_830_000, 1_200_000_000, 1_900_000_000, -20_000_000),
        requests=1157,
        failed=3,
        free_requests=1001,
        cache_hits=199,
        prompt_tokens=4_812_344,
        completion_tokens=391_022,
        cached_tokens=1_024,
        unknown_nano_usd=1_200,
        total_us=1_730_000_000,
    ),
)
COURSE = CostsReport(
    by="model",
    since_ms=NOON_MS - 20 * 86_400_000,
    rows=(
        _lever_row(
            "openai/gpt-4o-mini",
            1_412_358_023,
            (0, 20_000_000, 1_900_000_000, -20_000_000),
            requests=203,
            failed=3,
            prompt_tokens=812_344,
            completion_tokens=99_100,
            cached_tokens=1_024,
            unknown_nano_usd=1_200,
            total_us=730_000_000,
        ),
        _lever_row(
            "t600/deepseek-coder:6.7b",
            0,
            (16_378_830_000, 1_200_000_000, 0, 0),
            requests=1001,
            free_requests=1001,
            cache_hits=200,
            prompt_tokens=4_000_000,
            completion_tokens=291_922,
            total_us=1_000_000_000,
        ),
    ),
    total=_lever_row(
        "all",
        1_412_358_023,
        (16_378_830_000, 1_220_000_000, 1_900_000_000, -20_000_000),
        requests=1204,
        failed=3,
        free_requests=1001,
        cache_hits=200,
        prompt_tokens=4_812_344,
        completion_tokens=391_022,
        cached_tokens=1_024,
        unknown_nano_usd=1_200,
        held_nano_usd=1_000,
        total_us=1_730_000_000,
    ),
    baseline="openai/gpt-4o",
    trend=CostSection(by="day", rows=DAYS),
    projection=PROJECTED,
)
TOP = replace(
    COURSE,
    by="session",
    rows=COURSE.rows[:1],
    rest=replace(COURSE.rows[1], name="others"),
    others=1_204,
    trend=None,
    projection=NOT_PROJECTED,
)
HOURS = CostsReport(
    by="hour",
    rows=(CostRow(name="2025-11-21T20:00", requests=2, cost_nano_usd=30, total_us=9_000),),
    total=CostRow(name="all", requests=2, cost_nano_usd=30, total_us=9_000),
    since_ms=NOON_MS - 3_600_000,
    until_ms=NOON_MS,
    timezone="Asia/Tokyo",
    trend=CostSection(
        by="hour",
        rows=(CostRow(name="2025-11-21T20:00", requests=2, cost_nano_usd=30), CostRow(name="2025-11-21T21:00")),
    ),
)
WIDE = CostsReport(
    by="user",
    rows=(
        CostRow(name="王小明", requests=3, cost_nano_usd=1_500_000_000),
        CostRow(name="é\u0301ve \x1b[31m", requests=2, cost_nano_usd=20),
        CostRow(name="a" * 70, requests=1),
    ),
    total=CostRow(name="all", requests=6, cost_nano_usd=1_500_000_020),
)
BANNER = (
    Problem(severity="info", what="project lodestar has used 50 % of its month's $10.00."),
    Problem(severity="error", what="user mia is at the limit of $5.00 a day: only free models answer."),
    Problem(
        severity="warning", what="The month is likely to end at $120.00, above its $100.00.", advice="See budget."
    ),
    Problem(severity="info", what="project kitchen has used 50 % of its month's $10.00."),
    Problem(severity="info", what="project garden has used 50 % of its month's $10.00."),
)
MONEY_STATUS = replace(
    STATUS,
    today=replace(
        STATUS.today,
        saved_local_nano_usd=10_841_200_000,
        saved_cache_nano_usd=1_200_000_000,
        saved_cheaper_nano_usd=0,
        saved_prompt_cache_nano_usd=0,
    ),
    month=MonthFigures(cost_nano_usd=4_213_400_000, saved_nano_usd=120_000_000_000, projection=PROJECTED),
    alerts=BANNER[:2],
)
HOSTILE = "<script>alert(1)</script> | a_b*c* [x](http://e.vil) @all $1$ `\x1b[2J"
MONTH = MonthReport(
    month="2025-11",
    timezone="Europe/Berlin",
    since_ms=NOON_MS - 20 * 86_400_000 - 13 * 3_600_000,
    until_ms=NOON_MS,
    made_ms=NOON_MS,
    total=COURSE.total,
    sections=(
        CostSection(by="day", rows=DAYS),
        CostSection(by="model", rows=COURSE.rows),
        CostSection(
            by="session",
            rows=(_lever_row(HOSTILE, 1_000_000_000, (1, 0, 0, 0), requests=4),),
            rest=_lever_row("others", 412_358_023, (16_378_829_999, 1_220_000_000, 1_900_000_000, -20_000_000)),
            others=17,
        ),
        CostSection(by="user", rows=(_lever_row("王小明", 1_412_358_023, (19_478_830_000, 0, 0, 0), requests=1204),)),
        CostSection(by="task", rows=()),
    ),
    charged_unknown=(COURSE.rows[0],),
    baseline="openai/gpt-4o",
    over=False,
    projection=PROJECTED,
)

CACHE = CacheReport(
    enabled=True,
    disk=True,
    entries=312,
    bytes=2_411_322,
    max_bytes=100_000_000,
    memory_entries=200,
    memory_bytes=1_000_000,
    memory_max_bytes=16_000_000,
    hits=214,
    misses=784,
    bypassed=206,
    models=(CachedModel(model="t600/llama3.1:8b", entries=300, bytes=2_000_000),),
)

MODELS = ModelsReport(
    models=(
        ModelRow(
            alias="gpt-3.5-turbo",
            targets=(
                ModelTarget(target="t600/deepseek-coder:6.7b", free=True, state="up"),
                ModelTarget(target="openai/gpt-4o-mini", state="up", input_pico_usd=150_000, output_pico_usd=600_000),
            ),
        ),
        ModelRow(
            alias="claude-opus",
            targets=(
                ModelTarget(
                    target="anthropic/claude-opus-4-5-20251101",
                    input_pico_usd=5_000_000,
                    output_pico_usd=25_000_000,
                    note="its upstream speaks a dialect that this version can't speak",
                ),
            ),
        ),
    )
)

LOCAL_MODELS = ModelsReport(
    models=tuple(
        ModelRow(alias=f"local-{place}", targets=(ModelTarget(target=f"t600/{place}:8b", free=True, place=place),))
        for place in ("resident", "loading", "absent", "missing", "missing")
    )
)
PLANS = TestPlans(
    calls=(
        TestPlan(alias="gpt-4o", target="openai/gpt-4o", max_cost_nano_usd=120_000),
        TestPlan(alias="grok", target="xai/grok-beta", max_cost_nano_usd=None, note="has no price: not called"),
    )
)
RESULT_OK = TestResult(alias="gpt-4o", target="openai/gpt-4o", outcome="ok", total_ms=812, cost_nano_usd=51_000)
RESULT_BAD = TestResult(
    alias="grok", target="xai/grok-beta", outcome="upstream_auth", total_ms=90, detail="The key is refused."
)

REQUEST = RequestRow(
    request_id="req_06e3ioq1m8hthg9b0opg1a2c",
    started_ms=NOON_MS,
    alias="gpt-4o-mini",
    target="openai/gpt-4o-mini",
    outcome="ok",
    status=200,
    cache="miss",
    stream=True,
    attempts=1,
    total_ms=1834,
    first_piece_ms=412,
    overhead_us=380,
    prompt_tokens=2811,
    completion_tokens=301,
    cached_tokens=1024,
    reasoning_tokens=64,
    cost_nano_usd=602_250,
    saved_nano_usd=9_435_000,
    client="aider",
    project="lodestar",
    task="edit",
    session="aider-20251121-1130-k3f",
    switched_from="t600/llama3.1:8b",
)
FAILED = RequestRow(
    request_id="req_06e3ioq1m8hthg9b0opg9z8x",
    started_ms=NOON_MS + 14_000,
    alias="local-llama",
    outcome="upstream_unreachable",
    cache="bypass",
)
CACHED = RequestRow(
    request_id="req_06e3ioq1m8hthg9b0opg7y6w",
    started_ms=NOON_MS + 15_000,
    alias="local-llama",
    target="t600/llama3.1:8b",
    outcome="ok",
    cache="hit",
    total_ms=1,
    prompt_tokens=12_345,
    completion_tokens=10,
)
RUNNING = RequestRow(request_id="req_06e3ioq1m8hthg9b0opg5u4t", started_ms=NOON_MS + 16_000, alias="auto")

EXPLANATION = Explanation(
    request=REQUEST,
    reason="alias gpt-4o-mini; t600 down",
    candidates=(
        CandidateRow(target="openai/gpt-4o-mini", chosen=True, predicted_wait_s=0.4),
        CandidateRow(target="t600/llama3.1:8b", chosen=True, up=False, reason="free"),
        CandidateRow(target="xai/grok-beta", chosen=False, reason="it has no price"),
    ),
    attempts=(
        AttemptRow(
            target="openai/gpt-4o-mini",
            outcome="ok",
            state="captured",
            hold_nano_usd=12_400_000,
            cost_nano_usd=602_250,
            wait_ms=1,
            total_ms=1800,
            detail="a second try on a fresh connection",
        ),
    ),
    notes=("the cache was passed by: no temperature was given",),
)

WAITED = replace(
    EXPLANATION,
    attempts=(
        AttemptRow(
            target="t600/deepseek-coder:6.7b",
            outcome="ok",
            state="captured",
            wait_ms=3_204,
            place_ms=3_201,
            first_piece_ms=410,
            total_ms=9_800,
            notes=(
                "waited 3.2 s: swap from llama3.1:8b to deepseek-coder:6.7b",
                "num_ctx 16000 of the client ignored: 4096 is pinned",
            ),
            wait=Estimate(likely_s=2.94, low_s=1.81, high_s=4.4, why="swap"),
            room_tokens=1_284,
        ),
    ),
    notes=(),
)

CONFIG_BAD = ConfigReport(
    ok=False,
    faults=(
        ConfigProblem(
            message="there is no such key; did you mean listen?", key="server.lisen", file="a.toml", line=3
        ),
        ConfigProblem(message="can't be read", file="b.toml"),
    ),
    warnings=(ConfigProblem(message="has no price", key="models.grok"),),
)
CONFIG_GOOD = ConfigReport(ok=True, files=("/etc/lodestard/lodestard.toml",))
CONFIG_VALUES = ConfigValues(
    entries=(
        ConfigEntry(key="server.listen", value='["127.0.0.1:4000"]', origin="a.toml:3"),
        ConfigEntry(key="log.level", value='"info"', origin="default"),
    )
)

VERIFIED = LedgerVerification(ok=True, file="/x/ledger.db", requests=1204, attempts=1210, cost_nano_usd=18)
BROKEN_LEDGER = LedgerVerification(ok=False, requests=1, attempts=1, faults=("the books sum to 3 nano-USD",))

DOCTOR = DoctorReport(
    findings=(
        Finding(severity="warning", code="no_key", what="anthropic has no key.", mend="Give it one."),
        Finding(severity="error", code="upstream_down", what="t600 does not answer.", mend="ollama serve"),
    ),
    checks=11,
    running=True,
)
HEALTHY = DoctorReport(findings=(), checks=11)

BUDGET_ALERT = AlertRow(
    at_ms=NOON_MS,
    key="budget:team:alice:usd:0:80",
    source="budget",
    title="Budget team of alice: 80 % of its limit",
    text="$8.00 of $10.00 are spent this month.",
    current=True,
    pending=("email",),
)
ALERTS = AlertList(
    alerts=(
        BUDGET_ALERT,
        AlertRow(
            at_ms=NOON_MS - 60_000,
            source="reconcile",
            severity="error",
            title="openai billed more",
            failed={"webhook": "it answers 404"},
        ),
        AlertRow(at_ms=NOON_MS - 120_000, source="upstream", severity="info", title="Upstream xai is up again"),
    ),
    channels=(
        AlertChannel(name="webhook"),
        AlertChannel(name="email", detail="it refuses the user or the password (535)"),
    ),
)
RECONCILED = ReconcileReport(
    looks=(
        LookRow(upstream="openai", day="2025-11-20", ours_nano_usd=1_204_500, theirs_nano_usd=1_204_500),
        LookRow(
            upstream="openai",
            day="2025-11-18",
            ours_nano_usd=12_000_000_000,
            theirs_nano_usd=12_500_000_001,
            alarmed=True,
            final=True,
            detail={
                "our_prompt_tokens": 4_000,
                "their_prompt_tokens": 4_100,
                "our_completion_tokens": 50,
                "their_completion_tokens": 50,
            },
        ),
        LookRow(
            upstream="anthropic",
            day="2025-11-18",
            ours_nano_usd=900_000_000,
            theirs_nano_usd=0,
            alarmed=True,
            final=True,
            detail={
                "our_prompt_tokens": 1,
                "their_prompt_tokens": 1,
                "our_completion_tokens": 2,
                "their_completion_tokens": 2,
            },
        ),
    ),
    problems=(ReconcileProblem(upstream="anthropic", what="it refuses the key (401)"),),
    unreconciled_nano_usd=-399_999_999,
)
