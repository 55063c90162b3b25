"""What is known of a card at a moment: its last reading, how old it is, and why there is no newer one. Pure.

Law: a source that fails for a moment takes nothing away; one that fails for longer than a reading may be old leaves
"unknown", with the reason. A card that says itself that it is lost is unknown at once.
"""

import msgspec

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.telemetry import Source, Telemetry
from lodestard.modules.gpu.troubles import Trouble

FIRST = "nothing was read yet"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """``reading`` came at ``read_ns``; ``trouble`` is why the last try for one failed, None where it did not."""

    reading: Telemetry | None = None
    read_ns: int = 0
    trouble: Trouble | None = None


def learn(known: Known, news: Telemetry | Trouble, now_ns: int) -> Known:
    """What is known after a try."""
    if isinstance(news, Trouble):
        return msgspec.structs.replace(known, trouble=news)
    return Known(reading=news, read_ns=now_ns)


def stand(known: Known, source: Source, now_ns: int, longest_s: float) -> Telemetry:
    """The card's telemetry now, without findings and energy. A reading may be ``longest_s`` old."""
    reading, trouble = known.reading, known.trouble
    age_s = (now_ns - known.read_ns) / NS_PER_S if reading is not None else None
    if reading is None or age_s is None or (trouble is not None and age_s > longest_s):
        return _unknown(source, known, age_s)
    if reading.state != "ok":
        return msgspec.structs.replace(reading, age_s=age_s)
    told = {"problem": trouble.text, "fault": trouble.code} if trouble is not None else {}
    return msgspec.structs.replace(reading, age_s=age_s, state="ok" if age_s <= longest_s else "stale", **told)


def _unknown(source: Source, known: Known, age_s: float | None) -> Telemetry:
    reading, trouble = known.reading, known.trouble
    return Telemetry(
        source=source,
        state="unknown",
        problem=FIRST if trouble is None else trouble.text,
        fault="" if trouble is None else trouble.code,
        age_s=age_s,
        card="" if reading is None else reading.card,
        uuid="" if reading is None else reading.uuid,
    )
