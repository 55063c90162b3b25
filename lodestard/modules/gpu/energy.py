"""Watts over time. Pure.

Law: only time between two readings that both know the power is counted, and no gap that is too long; the rest is
unknown, never zero. It is an estimate beside the ledger, never a part of it.
"""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from lodestard.domain.telemetry import Energy

WATT_SECONDS_PER_KWH = Decimal(3_600_000)
SMALLEST = Decimal("0.0001")


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured so far, and the last reading: ``last_w`` at ``last_s``, None where it was unknown."""

    watt_seconds: float = 0.0
    measured_s: float = 0.0
    last_s: float = 0.0
    last_w: float | None = None


def measure(meter: Meter, now_s: float, power_w: float | None, longest_gap_s: float) -> Meter:
    """The meter after a reading: the trapezoid from the last one to this one."""
    gap_s = now_s - meter.last_s
    if power_w is None or meter.last_w is None or not 0 <= gap_s <= longest_gap_s:
        return msgspec.structs.replace(meter, last_s=now_s, last_w=power_w)
    return Meter(
        watt_seconds=meter.watt_seconds + (meter.last_w + power_w) / 2 * gap_s,
        measured_s=meter.measured_s + gap_s,
        last_s=now_s,
        last_w=power_w,
    )


def energy_of(meter: Meter, tariff_per_kwh: Decimal, currency: str) -> Energy | None:
    """What it came to; None where the power was never known. Without a tariff (0) its cost is unknown."""
    if meter.measured_s == 0:
        return None
    return Energy(
        watt_seconds=meter.watt_seconds,
        measured_s=meter.measured_s,
        cost=cost_of(meter.watt_seconds, tariff_per_kwh) if tariff_per_kwh else None,
        currency=currency if tariff_per_kwh else "",
    )


def cost_of(watt_seconds: float, tariff_per_kwh: Decimal) -> str:
    """``"0.1234"``: to the hundredth of a cent, half to even."""
    cost = Decimal(watt_seconds) * tariff_per_kwh / WATT_SECONDS_PER_KWH
    return str(cost.quantize(SMALLEST, rounding=ROUND_HALF_EVEN))
