"""Hosts and their cards as a small office would see them."""

from msgspec.structs import replace

from lodestard.control.messages.gpu import GpuHost, GpuQueue, GpuReport, HostQueue
from lodestard.control.verbs.gpu_hosts import say_host
from lodestard.domain.residency import (
    Figure,
    HostCounts,
    HostState,
    ModelRates,
    ModelState,
    PlaceState,
    Swap,
    Wait,
    WaitErrors,
)
from lodestard.domain.telemetry import Energy, Finding, Telemetry
from tests.fakes.control_samples import NOON_MS

MINUTE_MS = 60_000
GIB = 1 << 30
LLAMA, DEEPSEEK = "llama3.1:8b", "deepseek-coder:6.7b"

ASSUMED = Figure(4.0, 2.0, 12.0)
LLAMA_RATES = ModelRates(
    load_s=Figure(3.912, 3.1, 5.04, 12),
    unload_s=Figure(0.8, 0.5, 1.5, 12),
    prefill_s=Figure(1 / 312.4, 1 / 380, 1 / 250, 96),
    decode_s=Figure(1 / 13.37, 1 / 14.2, 1 / 11.9, 140),
    tokens_per_byte=Figure(0.28, 0.25, 0.31, 96),
    answer_tokens=Figure(310, 40, 900, 140),
)
DEEPSEEK_RATES = ModelRates(
    load_s=Figure(3.2, 2.9, 4.1, 11),
    unload_s=ASSUMED,
    prefill_s=Figure(1 / 150, 1 / 300, 1 / 60),
    decode_s=Figure(1 / 22.8, 1 / 24, 1 / 20, 61),
    tokens_per_byte=ASSUMED,
    answer_tokens=ASSUMED,
)
LLAMA_MODEL = ModelState(
    model=LLAMA,
    resident=True,
    default=True,
    renewed=True,
    running=1,
    waiting=1,
    context_tokens=4_096,
    size_bytes=5_200_000_000,
    vram_bytes=3_380_000_000,
    cpu_percent=35,
    expires_ms=NOON_MS + 29 * MINUTE_MS,
    options={"num_ctx": 4_096},
    rates=LLAMA_RATES,
    wait=Wait(likely_s=6.3, low_s=3.9, high_s=14.2, why="one request before it"),
)
OFF_CARD = replace(LLAMA_MODEL, resident=False, running=0, cpu_percent=None, context_tokens=0, expires_ms=None)
DEEPSEEK_MODEL = ModelState(
    model=DEEPSEEK,
    waiting=2,
    options={"num_ctx": 4_096},
    rates=DEEPSEEK_RATES,
    wait=Wait(likely_s=12.4, low_s=8.1, high_s=22.0, why="swap"),
)
PLACES = (
    PlaceState(
        request_id="req_06e3ioq1m8hthg9b0opg0003",
        model=LLAMA,
        state="waiting",
        rank="background",
        for_s=74.2,
        client="nightly",
        session="nightly-1",
        expected_s=31.0,
    ),
    PlaceState(
        request_id="req_06e3ioq1m8hthg9b0opg0001",
        model=LLAMA,
        state="running",
        rank="interactive",
        for_s=12.04,
        principal="local",
        client="aider",
        task="architect",
        prompt_tokens=2_811,
        expected_s=4.2,
    ),
    PlaceState(
        request_id="req_06e3ioq1m8hthg9b0opg0002",
        model=DEEPSEEK,
        state="waiting",
        rank="interactive",
        for_s=1.24,
        client="continue",
        task="autocomplete",
        expected_s=8.7,
    ),
    PlaceState(
        request_id="req_06e3ioq1m8hthg9b0opg0004",
        model=DEEPSEEK,
        state="waiting",
        rank="interactive",
        for_s=0.02,
        principal="mia",
    ),
)
COUNTS = HostCounts(
    loads=31,
    swaps=12,
    swap_seconds=51.7,
    speculative=9,
    speculative_hits=7,
    cancelled_loads=2,
    unplanned=1,
    superseded=14,
    given_up=1,
)
SWAPS = (
    Swap(at_ms=NOON_MS - 5 * MINUTE_MS, model=LLAMA, took_s=9.41, why="warm"),
    Swap(at_ms=NOON_MS - 3 * MINUTE_MS, model=DEEPSEEK, left=LLAMA, took_s=4.44, why="a request"),
    Swap(at_ms=NOON_MS - MINUTE_MS, model=LLAMA, left=DEEPSEEK, took_s=4.31, why="a guess"),
)
SERVING = HostState(
    host="t600",
    step="serving",
    reachable=True,
    version="0.33.0",
    step_model=LLAMA,
    step_for_s=12.04,
    step_left_s=4.2,
    reason=f"{LLAMA} goes on: {DEEPSEEK} has waited 1 of 20 s",
    models=(DEEPSEEK_MODEL, LLAMA_MODEL),
    places=PLACES,
    counts=COUNTS,
    errors=WaitErrors(count=140, median_s=0.79, p90_s=3.4, within_percent=82),
    next_model=DEEPSEEK,
    next_percent=72,
    swaps=SWAPS,
)
LOADING = replace(
    SERVING,
    step="loading",
    step_model=DEEPSEEK,
    step_for_s=2.6,
    step_left_s=1.6,
    reason=f"2 requests wait for {DEEPSEEK}",
    models=(
        DEEPSEEK_MODEL,
        OFF_CARD,
    ),
    places=tuple(replace(place, state="waiting") for place in PLACES),
)
IDLE = HostState(
    host="t600",
    step="idle",
    reachable=True,
    version="0.33.0",
    step_for_s=184,
    models=(
        replace(LLAMA_MODEL, running=0, waiting=0, default=False, renewed=False),
        replace(DEEPSEEK_MODEL, waiting=0),
    ),
)
NEW = HostState(host="gamer", step="idle", models=())
DOWN = HostState(
    host="gamer",
    step="unreachable",
    reachable=False,
    problem="connection refused",
    step_for_s=65,
    models=(ModelState(model="qwen2.5-coder:14b", warm=True),),
)
LENT = HostState(
    host="t600",
    step="paused",
    reachable=True,
    version="0.33.0",
    step_for_s=600,
    paused_until_ms=NOON_MS + 110 * MINUTE_MS,
    reason="lent for 2 h",
    resident_models=2,
    models=(
        replace(OFF_CARD, pinned="kept", waiting=0, options={"num_ctx": 8_192, "num_gpu": 20}),
        replace(DEEPSEEK_MODEL, missing=True, pinned="exclusive", warm=True, waiting=0),
    ),
)

READING = Telemetry(
    source="exporter",
    state="ok",
    age_s=2.1,
    card="NVIDIA T600",
    uuid="GPU-1",
    used_percent=87.4,
    memory_used_bytes=3_865_470_566,
    memory_total_bytes=4 * GIB,
    temperature_c=61.2,
    power_w=31.41,
    power_limit_w=40.0,
    clock_mhz=1_395,
    throttled=("sw_power_cap",),
    findings=(
        Finding(
            code="model_spill",
            severity="warning",
            text=f"35 % of layers on the CPU: context 4096 of {LLAMA}",
            hint="Lower num_ctx, or set OLLAMA_KV_CACHE_TYPE=q8_0 on the server.",
        ),
    ),
    energy=Energy(watt_seconds=234_000.0, measured_s=7_512, cost="0.0199712", currency="EUR"),
)
STALE = replace(READING, state="stale", age_s=95, findings=(), throttled=(), energy=None)
UNKNOWN = Telemetry(source="ssh", state="unknown", problem="ssh failed: connection refused")

BUSY: GpuHost = say_host(SERVING, READING)
LOADS: GpuHost = say_host(LOADING, READING)
QUIET: GpuHost = say_host(IDLE, STALE)
FRESH: GpuHost = say_host(NEW, None)
GONE: GpuHost = say_host(DOWN, UNKNOWN)
AWAY: GpuHost = say_host(LENT, None)

REPORT = GpuReport(hosts=(BUSY,), at_ms=NOON_MS)
QUEUE = GpuQueue(hosts=(HostQueue(host="t600", step="serving", reason=SERVING.reason, places=BUSY.places),))
QUEUES = GpuQueue(hosts=(*QUEUE.hosts, HostQueue(host="gamer", step="idle")))
HOSTILE = "x\x1b[2J" * 4
NASTY = replace(
    BUSY,
    host=HOSTILE,
    step_model=HOSTILE,
    reason=HOSTILE,
    problem=HOSTILE,
    models=tuple(replace(model, model=HOSTILE) for model in BUSY.models),
    places=tuple(replace(place, model=HOSTILE, client=HOSTILE) for place in BUSY.places),
)
