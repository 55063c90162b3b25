"""What a person corrected, learned on the spot: an overlay on the model's weights. Pure.

Law: bounded, and no text. Only numbers of buckets are kept, of at most ``MOST_ROWS`` of them; who is corrected least
recently goes first. A correction fades as others come, so that an old habit doesn't rule for ever. Frozen: learning
gives a new overlay, and whoever holds one decides which counts.
"""

import math
import struct
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from lodestard.classify.model import SPOKEN
from lodestard.classify.words import BUCKETS

VERSION = 2
MOST_ROWS = 4096
MARGIN = 1.0
MOST_STEP = 4.0
STEPS = 3
FADE = 0.995
_CAP = 8.0
_UNIT = 127 / _CAP
_HEAD = struct.Struct("<4sBBHIII")
_KINDS = zlib.crc32("\n".join(SPOKEN).encode())
"""Columns go by their place: of other kinds, or of these in another order, they would say something else."""

_ROW = struct.Struct(f"<H{len(SPOKEN)}b")
_MAGIC = b"LSTC"
MOST_BYTES = _HEAD.size + MOST_ROWS * _ROW.size
"""What ``to_bytes`` gives at the most: 72 kB."""

Row = tuple[float, ...]


class Corrections(msgspec.Struct, frozen=True):
    """``rows``: what is added for a bucket, the least recently corrected first. ``count``: how many were learned."""

    rows: Mapping[int, Row] = msgspec.field(default_factory=dict)
    count: int = 0

    def adjust(self, features: Sequence[int], scores: Sequence[float]) -> list[float]:
        """The scores with what was learned for these features."""
        if not self.rows:
            return list(scores)
        by = 1 / math.sqrt(len(features) or 1)
        found = [row for at in features if (row := self.rows.get(at)) is not None]
        added = [sum(column) * by for column in zip(*found, strict=True)] or [0.0] * len(SPOKEN)
        return [score + more for score, more in zip(scores, added, strict=True)]

    def learn(self, features: Sequence[int], scores: Sequence[float], kind: str) -> "Corrections":
        """An overlay that finds ``kind`` likelier for such features; ``scores`` are those without any overlay.

        A few passive-aggressive steps: none where the kind leads by ``MARGIN``, otherwise as much as is missing, up
        to ``MOST_STEP``. A kind that no word tells (``embedding``) and a request without features change nothing.
        """
        if kind not in SPOKEN or not features:
            return self
        right = SPOKEN.index(kind)
        rows = {at: _faded(row) for at, row in self.rows.items()}
        learned = Corrections(rows, self.count + 1)
        for _ in range(STEPS):
            _step(rows, features, right, learned.adjust(features, scores))
        for oldest in list(rows)[: max(0, len(rows) - MOST_ROWS)]:
            del rows[oldest]
        return learned

    def to_bytes(self) -> bytes:
        """For a disk: a version, the form of the rows, and a checksum. At most ``MOST_BYTES``."""
        body = b"".join(_ROW.pack(at, *[round(weight * _UNIT) for weight in row]) for at, row in self.rows.items())
        return (
            _HEAD.pack(_MAGIC, VERSION, len(SPOKEN), BUCKETS, self.count & 0xFFFFFFFF, _KINDS, zlib.crc32(body))
            + body
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Corrections":
        """Raises ``ValueError`` for what is no overlay, or one of other kinds or buckets."""
        if not _HEAD.size <= len(data) <= MOST_BYTES or not data.startswith(_MAGIC):
            raise ValueError("not corrections of a classifier")
        _, version, width, buckets, count, kinds, checksum = _HEAD.unpack_from(data)
        if (version, width, buckets, kinds) != (VERSION, len(SPOKEN), BUCKETS, _KINDS):
            raise ValueError("corrections of another version")
        body = data[_HEAD.size :]
        if zlib.crc32(body) != checksum or len(body) % _ROW.size or len(body) // _ROW.size > MOST_ROWS:
            raise ValueError("corrections that are damaged")
        rows = {at: tuple(number / _UNIT for number in numbers) for at, *numbers in _ROW.iter_unpack(body)}
        if any(at >= BUCKETS for at in rows):
            raise ValueError("corrections that are damaged")
        return cls(rows, count)


def _step(rows: dict[int, Row], features: Sequence[int], right: int, scores: Sequence[float]) -> None:
    rival = max((at for at in range(len(SPOKEN)) if at != right), key=lambda at: scores[at])
    missing = MARGIN - (scores[right] - scores[rival])
    if missing <= 0:
        return
    by = min(missing, MOST_STEP) / (2 * math.sqrt(len(features)))
    for at in features:
        row = list(rows.pop(at, (0.0,) * len(SPOKEN)))
        row[right] = min(_CAP, row[right] + by)
        row[rival] = max(-_CAP, row[rival] - by)
        rows[at] = tuple(row)


def _faded(row: Row) -> Row:
    return tuple([weight * FADE for weight in row])


NONE = Corrections()
"""Nothing was corrected yet."""
