"""The linear model: a small whole number for each bucket and kind, added up. Pure.

Law: what it says depends on the file and the features alone. The file is made by ``packaging/classifier/train.py``
and read on the first use; a file that is cut or altered is refused. Not thread safe to write, for nothing writes.
"""

import math
import pkgutil
import struct
import zlib
from functools import lru_cache

import msgspec

from lodestard.classify.words import BUCKETS
from lodestard.domain.task import KINDS

MODEL_FILE = "model.bin"
SHAPED = ("autocomplete", "embedding")
"""Kinds that a request's shape tells; no word does."""

SPOKEN = tuple(kind for kind in KINDS if kind not in SHAPED)
"""Kinds that the model chooses among: its columns."""

_MAGIC = b"LSTM1\n"
_HEAD = struct.Struct("<6sHHfI")


class Model(msgspec.Struct, frozen=True):
    """``weights`` has a row of one signed byte a kind for each bucket; ``scale`` is what one of them counts."""

    weights: memoryview
    scale: float

    def score(self, features: list[int]) -> list[float]:
        """How much speaks for each of ``SPOKEN``."""
        width, weights = len(SPOKEN), self.weights
        rows = [weights[at * width : at * width + width] for at in features]
        by = self.scale / math.sqrt(len(features) or 1)
        return [sum(column) * by for column in zip(*rows, strict=True)] or [0.0] * width


def write_model(weights: bytes, scale: float) -> bytes:
    """The file: its head, and the weights compressed."""
    head = _HEAD.pack(_MAGIC, BUCKETS, len(SPOKEN), scale, zlib.crc32(weights))
    return head + zlib.compress(weights, 9)


def read_model(data: bytes) -> Model:
    """Raises ``ValueError`` for what is no such file."""
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        raise ValueError("not a classifier's file")
    _, buckets, kinds, scale, checksum = _HEAD.unpack_from(data)
    if (buckets, kinds) != (BUCKETS, len(SPOKEN)) or not math.isfinite(scale):
        raise ValueError("a classifier's file of another form")
    size = BUCKETS * len(SPOKEN)
    try:
        weights = zlib.decompressobj().decompress(data[_HEAD.size :], size + 1)
    except zlib.error:
        raise ValueError("a classifier's file that is damaged") from None
    if len(weights) != size or zlib.crc32(weights) != checksum:
        raise ValueError("a classifier's file that is damaged")
    return Model(memoryview(weights).cast("b"), scale)


@lru_cache(maxsize=1)
def load_model() -> Model:
    """The file that is installed with Lodestar."""
    return read_model(pkgutil.get_data(__package__, MODEL_FILE) or b"")
