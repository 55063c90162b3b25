"""A page of dcgm-exporter as a reading. Pure.

Series have the labels ``gpu`` (a number), ``UUID`` and ``modelName``. Release 4.9 renamed its fields and changed
units with them: both names are read, each in its own unit. Which fields there are is its owner's choice (a CSV file).
"""

from collections.abc import Iterable, Mapping

import msgspec

from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu.exporter_page import with_others
from lodestard.modules.gpu.exposition import Page, Sample
from lodestard.modules.gpu.figures import (
    MIB,
    PER_CENT,
    PER_MHZ,
    Named,
    choose_card,
    make_reading,
    reasons_of,
    state_of,
)
from lodestard.modules.gpu.troubles import Trouble

PREFIX = "DCGM_FI_DEV_"

# Name without the prefix → (member of Telemetry, scale).
_FIGURES: Mapping[str, tuple[str, float]] = {
    "GPU_UTIL": ("used_percent", 1),
    "GPU_UTIL_RATIO": ("used_percent", PER_CENT),
    "FB_USED": ("memory_used_bytes", MIB),
    "FB_USED_BYTES": ("memory_used_bytes", 1),
    "FB_TOTAL": ("memory_total_bytes", MIB),
    "FB_CAPACITY_BYTES": ("memory_total_bytes", 1),
    "GPU_TEMP": ("temperature_c", 1),
    "GPU_TEMP_CELSIUS": ("temperature_c", 1),
    "SLOWDOWN_TEMP": ("temperature_limit_c", 1),
    "GPU_TEMP_SLOWDOWN_CELSIUS": ("temperature_limit_c", 1),
    "POWER_USAGE": ("power_w", 1),
    "BOARD_POWER_WATTS": ("power_w", 1),
    "POWER_MGMT_LIMIT": ("power_limit_w", 1),
    "ENFORCED_POWER_LIMIT": ("power_limit_w", 1),
    "BOARD_POWER_LIMIT_ENFORCED_WATTS": ("power_limit_w", 1),
    "POWER_MGMT_LIMIT_DEF": ("power_default_w", 1),
    "BOARD_POWER_LIMIT_DEFAULT_WATTS": ("power_default_w", 1),
    "SM_CLOCK": ("clock_mhz", 1),
    "SM_CLOCK_HERTZ": ("clock_mhz", PER_MHZ),
    "MAX_SM_CLOCK": ("clock_max_mhz", 1),
    "PCIE_LINK_GEN": ("pcie_generation", 1),
    "PCIE_MAX_LINK_GEN": ("pcie_generation_max", 1),
    "PCIE_LINK_WIDTH": ("pcie_width", 1),
    "PCIE_MAX_LINK_WIDTH": ("pcie_width_max", 1),
    "XID_ERRORS": ("xid", 1),
    "XID_ERROR": ("xid", 1),
}
_PARTS_OF_MEMORY = (
    ("FB_USED", "FB_FREE", "FB_RESERVED", MIB),
    ("FB_USED_BYTES", "FB_FREE_BYTES", "FB_RESERVED_BYTES", 1),
)
_MASKS = ("CLOCKS_EVENT_REASONS", "CLOCK_THROTTLE_REASONS")
_STATES = ("PSTATE", "GPU_PSTATE")


class _Series(msgspec.Struct, frozen=True):
    """All that a page says of one card."""

    number: str
    name: str
    values: dict[str, float]


def read_dcgm(page: Page, gpu: str) -> Telemetry | Trouble:
    """The card ``gpu`` (empty: the first one), or why it is not on the page."""
    by_card = _by_card(page.samples)
    if not by_card:
        return Trouble(code="no_figures", text="its page has no figures of dcgm-exporter")
    chosen = choose_card(((series.number, uuid) for uuid, series in by_card.items()), gpu)
    if chosen is None:
        return Trouble(code="no_such_card", text=f"no card {gpu} is on its page")
    uuid, others = chosen
    reading = _reading(by_card[uuid], uuid)
    return with_others(reading, len(by_card)) if others else reading


def _by_card(samples: Iterable[Sample]) -> dict[str, _Series]:
    """By UUID. Slices of a card (MIG) have its UUID and figures of their own: the whole card's are taken."""
    by_card: dict[str, _Series] = {}
    for sample in samples:
        labels = sample.labels
        uuid = labels.get("UUID", "")
        if not uuid or not sample.name.startswith(PREFIX) or labels.get("GPU_I_ID"):
            continue
        series = by_card.setdefault(uuid, _Series(labels.get("gpu", ""), labels.get("modelName", ""), {}))
        series.values[sample.name.removeprefix(PREFIX)] = sample.value
    return by_card


def _reading(series: _Series, uuid: str) -> Telemetry:
    values = series.values
    figures = {member: values[known] * scale for known, (member, scale) in _FIGURES.items() if known in values}
    if "memory_total_bytes" not in figures:
        figures |= _sum_of_memory(values)
    masks = [values[mask] for mask in _MASKS if mask in values]
    states = [values[state] for state in _STATES if state in values]
    return make_reading(
        "dcgm",
        figures,
        Named(
            uuid=uuid,
            name=series.name,
            performance_state=state_of(states[0] if states else None),
            throttled=reasons_of(masks[0] if masks else None),
        ),
    )


def _sum_of_memory(values: Mapping[str, float]) -> dict[str, float]:
    """What is used, free and reserved is all there is. Older releases don't tell the last: a little less then."""
    for used, free, reserved, scale in _PARTS_OF_MEMORY:
        if used in values and free in values:
            return {"memory_total_bytes": (values[used] + values[free] + values.get(reserved, 0)) * scale}
    return {}
