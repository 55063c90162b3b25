"""What a graphics card says of itself. Every figure may be unknown: None is a state, not a fault."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know of a card: a stable ``code``, one line, and what to do about it."""

    code: str
    severity: Literal["error", "warning", "info"]
    text: str
    hint: str = ""


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """What a card has drawn since the daemon started. ``cost`` is in the tariff's currency, None without a tariff.

    Never a part of the ledger: nobody bills it by the request.
    """

    watt_seconds: float = 0.0
    measured_s: float = 0.0
    cost: str | None = None
    currency: str = ""


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading of a host's card. ``source`` is where it comes from; ``age_s`` how old it is.

    ``state``: ``ok``; ``stale`` (older than it should be); ``unknown`` (nothing can be read; ``problem`` says why).
    Bytes, °C, W, MHz, per cent.
    """

    source: Literal["exporter", "dcgm", "ssh", "local", "ps"]
    state: Literal["ok", "stale", "unknown"]
    problem: str = ""
    age_s: float | None = None
    card: str = ""
    uuid: str = ""
    used_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    performance_state: str = ""
    throttled: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    energy: Energy | None = None
