"""Embeddings that mean a little: words hashed into a vector, so that texts with common words lie close.

Law: pure; the same text gives the same unit vector.
"""

import math
import re
import zlib

_WORD = re.compile(r"\w+")


def embed(text: str, dimensions: int) -> list[float]:
    """A vector of length 1."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        hashed = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        for turn in range(4):
            place = (hashed * (2 * turn + 1) + turn * 7919) % dimensions
            vector[place] += 1.0 if (hashed >> turn) & 1 else -1.0
    norm = math.sqrt(sum(number * number for number in vector)) or 1.0
    if norm == 1.0 and not any(vector):
        vector[0] = 1.0
    return [round(number / norm, 6) for number in vector]
