"""The tables ``[modules.gpu]`` and ``[modules.gpu.cards.NAME]``."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from lodestard.domain.record import Record
from lodestard.domain.telemetry import Source
from lodestard.module import ModuleSettings

_URL = re.compile(r"https?://[^/\s]+\S*")
# A UUID, an index or a PCI address. It may pass through the shell of another machine, so nothing else.
_GPU = re.compile(r"[A-Za-z0-9:.-]{0,64}")
_CURRENCY = re.compile(r"\S{0,8}")
DEAREST = 1_000


class Card(Record, frozen=True):
    """Where the card of one upstream is read. ``ssh`` is the command that runs ``nvidia-smi`` where the card is.

    ``gpu`` says which card where a machine has more: a UUID, or its number as ``nvidia-smi`` counts.
    """

    source: Source = "ps"
    url: str = ""
    ssh: tuple[str, ...] = ()
    gpu: str = ""

    def __post_init__(self) -> None:
        if (self.source in ("exporter", "dcgm")) != bool(self.url):
            raise ValueError('url: goes with source = "exporter" and "dcgm", and they need one')
        if self.url and not _URL.fullmatch(self.url):
            raise ValueError("url: expected http://… or https://…")
        if (self.source == "ssh") != bool(self.ssh):
            raise ValueError('ssh: goes with source = "ssh", which needs it')
        if any(not word or "\0" in word for word in self.ssh):
            raise ValueError("ssh: a word of it is empty")
        if not _GPU.fullmatch(self.gpu) or self.gpu.startswith("-"):
            raise ValueError("gpu: expected a UUID (GPU-…) or a number")


class GpuSettings(ModuleSettings, frozen=True):
    """``cards`` are by the upstream's name; one that residency looks after and that has no table here is ``ps``.

    ``tariff_per_kwh`` 0: what energy costs is not known.
    """

    interval_s: Annotated[float, Meta(ge=1)] = 10.0
    tariff_per_kwh: Decimal = Decimal(0)
    currency: str = ""
    cards: Mapping[str, Card] = {}

    def __post_init__(self) -> None:
        if not 0 <= self.tariff_per_kwh <= DEAREST:
            raise ValueError(f"tariff_per_kwh: expected 0 to {DEAREST}")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError('currency: expected a short word such as "EUR"')
