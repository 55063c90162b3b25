"""From a card's reading, and what its server holds in memory, to what a person should know. Pure.

Law: each finding has a stable code, one line, and what to do. An unknown figure never makes one. What is ordinary is
none: a link of generation 1 and low clocks while idle, a small card at its power limit under load.
"""

from collections.abc import Callable, Sequence

from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Finding, Severity, Telemetry
from lodestard.modules.gpu.diagnose_models import judge_foreign_memory, judge_spill
from lodestard.modules.gpu.thresholds import THRESHOLDS, Thresholds
from lodestard.modules.gpu.troubles import finding_of

Judge = Callable[[Telemetry, Thresholds], Finding | None]

RANKS: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
LOST_XID = 79
# Errors of the hardware or the driver; others are faults of the program that ran (Xid catalogue of NVIDIA).
HARDWARE_XIDS = (48, 62, 64, 74, 92, 94, 95, 119, 120, 140)


def diagnose(card: Telemetry, host: HostState | None, limits: Thresholds = THRESHOLDS) -> tuple[Finding, ...]:
    """All that is to be said now, the worst first. ``host`` is None where nobody knows what is in memory."""
    found = [judge_reading(card)]
    if card.state == "ok":
        found += [judge(card, limits) for judge in JUDGES]
    if host is not None and host.reachable:
        found.append(judge_spill(card, host, limits))
        if card.state == "ok":
            found.append(judge_foreign_memory(card, host, limits))
    return tuple(sorted(filter(None, found), key=lambda finding: RANKS[finding.severity]))


def judge_reading(card: Telemetry) -> Finding | None:
    """What is wrong with the reading itself."""
    if card.fault:
        return finding_of(card.fault, card.problem)
    if card.state != "stale":
        return None
    age = f" for {card.age_s:.0f} s" if card.age_s is not None else ""
    return Finding(
        code="stale",
        severity="warning",
        text=f"no reading{age}",
        hint="Is that machine, or the way to it, overloaded?",
    )


def is_busy(card: Telemetry, limits: Thresholds) -> bool:
    return card.used_percent is not None and card.used_percent >= limits.busy_percent


def judge_temperature(card: Telemetry, limits: Thresholds) -> Finding | None:
    """Near the temperature at which it slows down, and not throttling yet."""
    if card.temperature_c is None or {"hw_thermal", "sw_thermal"} & set(card.throttled):
        return None
    limit_c = limits.slowdown_c if card.temperature_limit_c is None else card.temperature_limit_c
    if card.temperature_c < limit_c - limits.near_c:
        return None
    return Finding(
        code="hot",
        severity="warning",
        text=f"{card.temperature_c:.0f} °C: it slows down at about {limit_c:.0f} °C",
        hint="Clean its fan and filters, and look at the air's way through the case.",
    )


def judge_thermal_throttling(card: Telemetry, _limits: Thresholds) -> Finding | None:
    if not {"hw_thermal", "sw_thermal"} & set(card.throttled):
        return None
    hard = "hw_thermal" in card.throttled
    at = f" at {card.temperature_c:.0f} °C" if card.temperature_c is not None else ""
    return Finding(
        code="thermal_throttling",
        severity="error" if hard else "warning",
        text=f"it is too hot{at}: its clocks are {'halved' if hard else 'lowered'}",
        hint="Clean its fan and filters, and look at the air's way through the case.",
    )


def judge_power_supply(card: Telemetry, _limits: Thresholds) -> Finding | None:
    """Power that is missing from outside, which the driver tells by the hardware's own brake."""
    if "hw_power_brake" in card.throttled:
        return Finding(
            code="power_brake",
            severity="error",
            text="the power supply holds it back",
            hint="Check the power supply, its cables and the slot.",
        )
    if "hw_slowdown" in card.throttled and "hw_thermal" not in card.throttled:
        return Finding(
            code="hardware_slowdown",
            severity="warning",
            text="the hardware slows itself down, and does not say why",
            hint="Look at temperature, power supply and slot; nvidia-smi -q -d PERFORMANCE shows the reasons.",
        )
    return None


def judge_power_limit(card: Telemetry, limits: Thresholds) -> Finding | None:
    """A limit that somebody has lowered; or one that costs a lot of speed. A small card at its limit is ordinary."""
    if "sw_power_cap" not in card.throttled or not is_busy(card, limits) or card.power_limit_w is None:
        return None
    came_with_w = card.power_default_w
    if came_with_w is not None and card.power_limit_w < came_with_w * limits.capped_percent / 100:
        return Finding(
            code="power_limit_lowered",
            severity="warning",
            text=f"its power limit is set to {card.power_limit_w:.0f} of {came_with_w:.0f} W, and it is at it",
            hint=f"nvidia-smi --power-limit={came_with_w:.0f} gives it back what it came with.",
        )
    share = clock_share(card)
    if share is None or share >= limits.power_clock_percent / 100:
        return None
    return Finding(
        code="at_power_limit",
        severity="info",
        text=f"at its power limit of {card.power_limit_w:.0f} W: {_clocks(card)}",
        hint="Ordinary for a small card under load; nothing to mend.",
    )


def judge_clocks(card: Telemetry, limits: Thresholds) -> Finding | None:
    """Clocks that stay low under load, where neither power nor heat explains it."""
    share = clock_share(card)
    explained = set(card.throttled) - {"applications_clocks", "display_clocks"}
    if share is None or share >= limits.stuck_clock_percent / 100 or not is_busy(card, limits) or explained:
        return None
    fixed = "applications_clocks" in card.throttled
    return Finding(
        code="clocks_low",
        severity="warning",
        text=f"its clocks stay low under load: {_clocks(card)}",
        hint="Somebody has fixed them: nvidia-smi --reset-gpu-clocks, and --reset-applications-clocks."
        if fixed
        else "Reload the driver or reboot; a virtual machine may need the card's power management passed through.",
    )


def clock_share(card: Telemetry) -> float | None:
    """How much of its highest clock it runs at; None where nobody knows."""
    return None if card.clock_mhz is None or card.clock_max_mhz is None else card.clock_mhz / card.clock_max_mhz


def _clocks(card: Telemetry) -> str:
    return f"{card.clock_mhz:.0f} of {card.clock_max_mhz:.0f} MHz"


def judge_link(card: Telemetry, limits: Thresholds) -> Finding | None:
    """A link below what card and slot can do, under load: idle it saves power. Loads of models take longer by it."""
    if not is_busy(card, limits):
        return None
    slow = _below(card.pcie_generation, card.pcie_generation_max)
    narrow = _below(card.pcie_width, card.pcie_width_max)
    if not slow and not narrow:
        return None
    return Finding(
        code="pcie_degraded",
        severity="warning",
        text=f"PCIe {_link(card.pcie_generation, card.pcie_width)} under load, where"
        f" {_link(card.pcie_generation_max, card.pcie_width_max)} is possible",
        hint="Reseat the card, try another slot or riser, and look at the slot's settings in the firmware.",
    )


def _below(now: int | None, most: int | None) -> bool:
    return now is not None and most is not None and now < most


def _link(generation: int | None, width: int | None) -> str:
    parts = [f"generation {generation}"] if generation is not None else []
    parts += [f"x{width}"] if width is not None else []
    return " ".join(parts)


def judge_xid(card: Telemetry, _limits: Thresholds) -> Finding | None:
    """The last error that the driver has reported, where it is the hardware's."""
    if card.xid == LOST_XID:
        return finding_of("gpu_lost", "the card has fallen off the bus (Xid 79)")
    if card.xid not in HARDWARE_XIDS:
        return None
    return Finding(
        code="hardware_error",
        severity="warning",
        text=f"the driver has reported an error of the hardware: Xid {card.xid}",
        hint="dmesg | grep Xid tells when, NVIDIA's Xid catalogue what. It stands there until the exporter restarts.",
    )


JUDGES: Sequence[Judge] = (
    judge_xid,
    judge_thermal_throttling,
    judge_temperature,
    judge_power_supply,
    judge_power_limit,
    judge_clocks,
    judge_link,
)
