"""One sample of each verb's data, as a busy small office would see it."""

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
