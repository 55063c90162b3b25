"""A page of nvidia_gpu_exporter as a reading. Pure.

Every series of a card has its ``uuid`` (lower case, without ``GPU-``); what a card does not say is left out. Series
without one tell how the exporter itself fares: ``command_exit_code`` of its nvidia-smi (``nvml_return_code`` where it
asks the library), ``last_collect_success``, ``failed_scrapes_total``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu.exposition import Page, Sample
from lodestard.modules.gpu.figures import (
    PER_CENT,
    PER_MHZ,
    REASONS,
    Named,
    choose_card,
    make_reading,
    reasons_of,
    state_of,
)
from lodestard.modules.gpu.troubles import NO_EXIT, Trouble, judge_exporter

PREFIX = "nvidia_smi_"

# Name without the prefix → (member of Telemetry, scale).
_FIGURES: Mapping[str, tuple[str, float]] = {
    "utilization_gpu_ratio": ("used_percent", PER_CENT),
    "memory_used_bytes": ("memory_used_bytes", 1),
    "memory_total_bytes": ("memory_total_bytes", 1),
    "temperature_gpu": ("temperature_c", 1),
    "power_draw_watts": ("power_w", 1),
    "power_limit_watts": ("power_limit_w", 1),
    "enforced_power_limit_watts": ("power_limit_w", 1),
    "power_default_limit_watts": ("power_default_w", 1),
    "clocks_current_sm_clock_hz": ("clock_mhz", PER_MHZ),
    "clocks_max_sm_clock_hz": ("clock_max_mhz", PER_MHZ),
    "pcie_link_gen_current": ("pcie_generation", 1),
    "pcie_link_gen_max": ("pcie_generation_max", 1),
    "pcie_link_width_current": ("pcie_width", 1),
    "pcie_link_width_max": ("pcie_width_max", 1),
}
_MASKS = ("clocks_event_reasons_active", "clocks_throttle_reasons_active")
_FLAGS: Mapping[str, str] = {
    "sw_power_cap": "sw_power_cap",
    "hw_slowdown": "hw_slowdown",
    "sync_boost": "sync_boost",
    "sw_thermal": "sw_thermal_slowdown",
    "hw_thermal": "hw_thermal_slowdown",
    "hw_power_brake": "hw_power_brake_slowdown",
    "applications_clocks": "applications_clocks_setting",
}
Values = Mapping[str, float]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the exporter fares: its ``failures`` so far, and the ``code`` of its last look. None: it does not say."""

    code: float | None = None
    failed: bool = False
    failures: float | None = None


def read_health(page: Page) -> Health:
    """What the exporter says of itself."""
    own = {
        sample.name.removeprefix(PREFIX): sample.value
        for sample in page.samples
        if sample.name.startswith(PREFIX) and "uuid" not in sample.labels
    }
    code = own.get("command_exit_code", own.get("nvml_return_code"))
    return Health(
        code=code,
        failed=bool(code) or own.get("last_collect_success") == 0,
        failures=own.get("failed_scrapes_total"),
    )


def read_exporter(page: Page, gpu: str) -> Telemetry | Trouble:
    """The card ``gpu`` (empty: the first one), or why it is not on the page."""
    health = read_health(page)
    if health.failed:
        return judge_exporter(health.code or NO_EXIT)
    by_card = _by_card(page.samples)
    if not by_card:
        if health.failures:
            return judge_exporter(NO_EXIT)
        return Trouble(code="no_figures", text="its page has no figures of nvidia_gpu_exporter")
    names = _names(page.samples)
    numbers = {uuid: _number(values, names.get(uuid, {})) for uuid, values in by_card.items()}
    chosen = choose_card(((number, uuid) for uuid, number in numbers.items()), gpu)
    if chosen is None:
        return Trouble(code="no_such_card", text=f"no card {gpu} is on its page")
    uuid, others = chosen
    reading = _reading(by_card[uuid], uuid, names.get(uuid, {}).get("name", ""))
    return with_others(reading, len(by_card)) if others else reading


def with_others(reading: Telemetry, cards: int) -> Telemetry:
    """A reading of the first of several cards, of which nobody has said which one is meant."""
    problem = f"{cards} cards are there, and this is the first"
    return msgspec.structs.replace(reading, fault="several_cards", problem=problem)


def with_failures(reading: Telemetry, before: float | None, after: float | None) -> Telemetry:
    """A reading from an exporter whose count of failures has risen since the last look: others got nothing."""
    if before is None or after is None or after <= before:
        return reading
    problem = f"nvidia-smi fails now and then on the exporter's machine: {after - before:g} more since the last look"
    return msgspec.structs.replace(reading, fault="exporter_flaky", problem=problem)


def _by_card(samples: Iterable[Sample]) -> dict[str, dict[str, float]]:
    by_card: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        uuid = sample.labels.get("uuid", "")
        if uuid and sample.name.startswith(PREFIX) and not {"pid", "xid", "mig_uuid"} & sample.labels.keys():
            by_card[uuid][sample.name.removeprefix(PREFIX)] = sample.value
    return dict(by_card)


def _names(samples: Iterable[Sample]) -> dict[str, Mapping[str, str]]:
    return {
        sample.labels["uuid"]: sample.labels
        for sample in samples
        if sample.name == f"{PREFIX}gpu_info" and "uuid" in sample.labels
    }


def _number(values: Values, info: Mapping[str, str]) -> str:
    index = values.get("index")
    return info.get("index") or (f"{index:g}" if index is not None else "")


def _reading(values: Values, uuid: str, name: str) -> Telemetry:
    figures = {member: values[known] * scale for known, (member, scale) in _FIGURES.items() if known in values}
    if (margin := values.get("temperature_gpu_tlimit")) is not None and "temperature_c" in figures:
        figures["temperature_limit_c"] = figures["temperature_c"] + margin
    reading = make_reading(
        "exporter",
        figures,
        Named(
            uuid=uuid,
            name=name,
            performance_state=state_of(values.get("pstate")),
            throttled=_throttled(values),
        ),
    )
    if values.get("gpu_recovery_action", 0) > 0:
        problem = "the driver asks for a reset of the card"
        return msgspec.structs.replace(reading, fault="reset_needed", problem=problem)
    return reading


def _throttled(values: Values) -> tuple[str, ...]:
    for mask in _MASKS:
        if mask in values:
            return reasons_of(values[mask])
    active = {
        reason
        for reason, flag in _FLAGS.items()
        if values.get(f"clocks_event_reasons_{flag}", values.get(f"clocks_throttle_reasons_{flag}")) == 1
    }
    return tuple(reason for reason in REASONS.values() if reason in active)
