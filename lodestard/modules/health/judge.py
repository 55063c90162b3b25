"""What a probe's result means. Pure."""

from typing import Literal

import msgspec

from lodestard.domain.news import Alert

State = Literal["unknown", "up", "down"]

# A probe that costs nothing. Any answer below 500 shows that the server is there, a refused key too.
PROBE_PATHS = {"ollama": "/api/version", "openai": "/models", "anthropic": "/models", "gemini": "/models"}


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One look: ``error`` is empty where it answered; ``note`` says what else is wrong (it refuses our key)."""

    at_ms: int
    latency_ms: int | None = None
    error: str = ""
    note: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one upstream. ``failures`` counts failed probes in a row."""

    state: State = "unknown"
    since_ms: int = 0
    failures: int = 0
    latency_ms: int | None = None
    error: str = ""
    note: str = ""


def judge(before: Health, probe: Probe, failures_to_down: int) -> Health:
    """The state after ``probe``: up at once, down only after enough failures in a row."""
    if not probe.error:
        state: State = "up"
        failures = 0
    else:
        failures = before.failures + 1
        state = "down" if failures >= failures_to_down else before.state
    return Health(
        state=state,
        since_ms=before.since_ms if state == before.state else probe.at_ms,
        failures=failures,
        latency_ms=probe.latency_ms if not probe.error else before.latency_ms,
        error=probe.error,
        note=probe.note,
    )


def read_status(status: int) -> tuple[str, str]:
    """An HTTP status → (error, note)."""
    if status >= 500:
        return f"it answers {status}", ""
    if status in (401, 403):
        return "", f"it refuses the key ({status})"
    return "", ""


def alert_of(upstream: str, health: Health) -> Alert:
    """What there is to tell when an upstream has gone down, or come back."""
    down = health.state == "down"
    return Alert(
        key=f"upstream:{upstream}:{health.state}:{health.since_ms}",
        topic=f"upstream:{upstream}",
        source="upstream",
        severity="warning" if down else "info",
        title=f"Upstream {upstream} is {'down' if down else 'up again'}",
        text=f"{health.error}." if down else "It answers its probes.",
        figures={"upstream": upstream, "state": health.state},
    )
