"""What a graphics card says of itself. Every figure may be unknown: None is a state, not a fault."""

from typing import Literal

import msgspec

Source = Literal["exporter", "dcgm", "ssh", "local", "ps"]
Severity = Literal["error", "warning", "info"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know of a card: a stable ``code``, one line, and what to do about it."""

    code: str
    severity: Severity
    text: str
    hint: str = ""


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """What a card has drawn in the ``measured_s`` seconds that were measured since it is watched.

    A start and a reload begin anew. ``cost`` is in the tariff's ``currency``, None without a tariff. Never a part of
    the ledger: nobody bills it by the request.
    """

    watt_seconds: float = 0.0
    measured_s: float = 0.0
    cost: str | None = None
    currency: str = ""


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading of a host's card. ``source`` is where it comes from; ``age_s`` how old it is.

    ``state``: ``ok``; ``stale`` (older than it should be); ``unknown`` (nothing can be read). ``problem`` says what
    is wrong with the reading, ``fault`` is its stable code; both are empty where nothing is. Bytes, °C, W, MHz, %.

    ``temperature_limit_c``: where it slows down. ``power_limit_w`` is in force, ``power_default_w`` what the card
    came with. ``throttled``: why its clocks are held back (``sw_power_cap``, ``hw_thermal`` …); idle is no reason.
    ``xid``: the number of the last error that the driver reported. ``findings`` have held for a while.
    """

    source: Source
    state: Literal["ok", "stale", "unknown"]
    problem: str = ""
    fault: str = ""
    age_s: float | None = None
    card: str = ""
    uuid: str = ""
    used_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_c: float | None = None
    temperature_limit_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    power_default_w: float | None = None
    clock_mhz: float | None = None
    clock_max_mhz: float | None = None
    performance_state: str = ""
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    xid: int | None = None
    throttled: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    energy: Energy | None = None
