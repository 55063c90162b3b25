"""Sessions as a small office would see them."""

from lodestard.control.messages.sessions import (
    ModelSwitch,
    SessionChanged,
    SessionList,
    SessionPart,
    SessionReport,
    SessionRow,
)
from tests.fakes.control_samples import NOON_MS

LIVE = SessionRow(
    id="aider-20251121-1130-k3f",
    origin="gap",
    principal="local",
    project="lodestar",
    client="aider",
    started_ms=NOON_MS - 1_800_000,
    last_ms=NOON_MS,
    limit_ms=7_200_000,
    last_target="openai/gpt-4o-mini",
    requests=42,
    failed=1,
    cache_hits=7,
    switches=2,
    prompt_tokens=120_344,
    completion_tokens=9_022,
    cost_nano_usd=42_345_678,
    unknown_nano_usd=1_200,
    saved_nano_usd=812_000_000,
)
OVERLONG = SessionRow(
    id="nightly",
    state="silent",
    origin="named",
    principal="local",
    user="ann",
    started_ms=NOON_MS - 30_000_000,
    last_ms=NOON_MS - 3_000_000,
    limit_ms=7_200_000,
    requests=3,
)
ENDED = SessionRow(
    id="refactor",
    state="ended",
    origin="asked",
    principal="local",
    started_ms=NOON_MS - 90_000_000,
    last_ms=NOON_MS - 86_400_000,
    ended_ms=NOON_MS - 86_400_000,
)
LIST = SessionList(sessions=(LIVE, OVERLONG, ENDED))
REPORT = SessionReport(
    session=LIVE,
    tasks=(
        SessionPart(
            name="edit",
            requests=30,
            prompt_tokens=110_000,
            completion_tokens=8_000,
            cost_nano_usd=42_345_678,
            saved_nano_usd=800_000_000,
        ),
        SessionPart(name="commit", requests=12, prompt_tokens=10_344, completion_tokens=1_022, saved_nano_usd=12),
    ),
    models=(SessionPart(name="openai/gpt-4o-mini", requests=12, cost_nano_usd=42_345_678, saved_nano_usd=1),),
    switches=(
        ModelSwitch(
            at_ms=NOON_MS - 60_000,
            from_target="t600/llama3.1:8b",
            to_target="openai/gpt-4o-mini",
            request_id="req_06e3ioq1m8hthg9b0opg1a2c",
        ),
    ),
)
MANY_SWITCHES = SessionReport(session=ENDED, switches=REPORT.switches * 25)
STARTED = SessionChanged(id="refactor", started_ms=NOON_MS, project="lodestar", client="aider")
STOPPED = SessionChanged(id="refactor", started_ms=NOON_MS, ended_ms=NOON_MS + 3_660_000)
