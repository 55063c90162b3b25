"""A card in one line, and what there is to tell of it. Pure."""

from lodestard.domain.news import Alert
from lodestard.domain.telemetry import Energy, Telemetry
from lodestard.modules.gpu.figures import MIB
from lodestard.modules.gpu.hysteresis import Held

GIB = 1_024 * MIB
WATT_SECONDS_PER_KWH = 3_600_000


def in_words(card: Telemetry) -> str:
    """``NVIDIA T600, 97 % busy, 3.6 of 4.0 GiB, 61 °C, 39.8 of 40 W; 35 % of layers on the CPU: context 8192``."""
    figures = ", ".join(filter(None, (card.card, *_figures(card))))
    said = [finding.text for finding in card.findings]
    if card.problem and card.problem not in said:
        said.append(card.problem)
    state = "" if card.state == "ok" else f"{card.state}: "
    return state + "; ".join(filter(None, (figures, *said)))


def _figures(card: Telemetry) -> tuple[str, ...]:
    return (
        _one(card.used_percent, "{:.0f} % busy"),
        _of(card.memory_used_bytes, card.memory_total_bytes, 1 / GIB, "{:.1f}", "GiB"),
        _one(card.temperature_c, "{:.0f} °C"),
        _of(card.power_w, card.power_limit_w, 1, "{:.3g}", "W"),
        _energy(card.energy),
    )


def _one(value: float | None, pattern: str) -> str:
    return "" if value is None else pattern.format(value)


def _of(value: float | None, most: float | None, scale: float, pattern: str, unit: str) -> str:
    if value is None:
        return ""
    whole = "" if most is None else f" of {pattern.format(most * scale)}"
    return f"{pattern.format(value * scale)}{whole} {unit}"


def _energy(energy: Energy | None) -> str:
    if energy is None:
        return ""
    cost = "" if energy.cost is None else f" ({energy.cost} {energy.currency}".rstrip() + ")"
    return f"{energy.watt_seconds / WATT_SECONDS_PER_KWH:.3f} kWh{cost}"


def alert_of(upstream: str, held: Held, at_ms: int) -> Alert:
    """A finding that needs a person; ``at_ms`` is when it appeared."""
    finding = held.finding
    return Alert(
        key=f"gpu:{upstream}:{finding.code}:{at_ms}",
        topic=_topic(upstream, held),
        source="gpu",
        severity=finding.severity,
        title=f"GPU of {upstream}: {finding.text}",
        text=finding.hint,
        figures={"upstream": upstream, "code": finding.code, "state": "found"},
    )


def all_clear_of(upstream: str, held: Held, at_ms: int) -> Alert:
    """What was told is gone; ``at_ms`` is when."""
    finding = held.finding
    return Alert(
        key=f"gpu:{upstream}:{finding.code}:{at_ms}:gone",
        topic=_topic(upstream, held),
        source="gpu",
        severity="info",
        title=f"GPU of {upstream}: no longer: {finding.text}",
        text="It was gone for a while.",
        figures={"upstream": upstream, "code": finding.code, "state": "gone"},
    )


def _topic(upstream: str, held: Held) -> str:
    return f"gpu:{upstream}:{held.finding.code}"
