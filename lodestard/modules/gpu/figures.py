"""Figures off a page or a line into a reading: what is beyond reason, or no number, is unknown. Pure.

Law: an unknown figure is None, never zero. Only what a card can be is believed.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lodestard.domain.telemetry import Source, Telemetry
from lodestard.modules.gpu.troubles import shown

MIB = 1_048_576
PER_CENT = 100.0
PER_MHZ = 1e-6
STATES = range(16)

# What a member of Telemetry can be. A driver that has lost its card says 4294967295, DCGM's blank is near 2**63.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "used_percent": (0, 100),
    "memory_used_bytes": (0, 2**44),
    "memory_total_bytes": (1, 2**44),
    "temperature_c": (-50, 150),
    "temperature_limit_c": (20, 150),
    "power_w": (0, 5_000),
    "power_limit_w": (1, 5_000),
    "power_default_w": (1, 5_000),
    "clock_mhz": (0, 20_000),
    "clock_max_mhz": (1, 20_000),
    "pcie_generation": (1, 16),
    "pcie_generation_max": (1, 16),
    "pcie_width": (1, 64),
    "pcie_width_max": (1, 64),
    "xid": (1, 10_000),
}
_WHOLE = frozenset(name for name in _BOUNDS if name.endswith("_bytes") or name.startswith("pcie_") or name == "xid")

# NVML's clocks event reasons (nvml.h). Bit 0 is "idle", which holds nothing back.
REASONS: Mapping[int, str] = {
    0x002: "applications_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal",
    0x040: "hw_thermal",
    0x080: "hw_power_brake",
    0x100: "display_clocks",
}


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Which card it is, and what else it says in words. Names come from elsewhere: they are made presentable."""

    uuid: str
    name: str = ""
    performance_state: str = ""
    throttled: tuple[str, ...] = ()


def make_reading(source: Source, figures: Mapping[str, float | None], card: Named) -> Telemetry:
    """A reading of what is believable in ``figures``; the others are unknown."""
    believed: dict[str, Any] = {name: _believe(name, value) for name, value in figures.items()}
    return Telemetry(
        source=source,
        state="ok",
        card=shown(card.name),
        uuid=shown(card.uuid),
        performance_state=shown(card.performance_state),
        throttled=card.throttled,
        **believed,
    )


def _believe(name: str, value: float | None) -> float | None:
    lowest, highest = _BOUNDS[name]
    if value is None or not math.isfinite(value) or not lowest <= value <= highest:
        return None
    return round(value) if name in _WHOLE else value


def reasons_of(mask: float | None) -> tuple[str, ...]:
    """The names of the bits that are set; bits that nobody knows are left out."""
    if mask is None or not math.isfinite(mask) or not 0 <= mask < 2**63:
        return ()
    return tuple(name for bit, name in REASONS.items() if int(mask) & bit)


def state_of(number: float | None) -> str:
    """``P8`` for 8; empty for what is no performance state (NVML says 32 for "unknown")."""
    return f"P{int(number)}" if number is not None and number in STATES else ""


def same_card(uuid: str, other: str) -> bool:
    """Whether two UUIDs are one card's: some write ``GPU-`` before it and some do not."""
    return _bare(uuid) == _bare(other)


def _bare(uuid: str) -> str:
    return uuid.strip().lower().removeprefix("gpu-")


def choose_card(cards: Iterable[tuple[str, str]], wanted: str) -> tuple[str, bool] | None:
    """Which of ``cards`` (number, UUID) is ``wanted``, by its UUID; and whether there are others to choose from.

    Empty ``wanted``: the one with the lowest number. None where none is.
    """
    listed = sorted(set(cards), key=lambda card: (len(card[0]), card))
    for number, uuid in listed:
        if not wanted or number == wanted or same_card(uuid, wanted):
            return uuid, len(listed) > 1 and not wanted
    return None
