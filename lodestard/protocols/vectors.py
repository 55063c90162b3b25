"""Vectors of embeddings: JSON arrays of numbers, and base64 of little-endian 32-bit floats, into each other.

Law: pure. What is taken from an upstream is checked once, so that whoever writes it need not.
Source: OpenAI's API reference, "Create embeddings", ``encoding_format``.
"""

import base64
import struct
from typing import Annotated

import msgspec
from msgspec import Meta

_Number = Annotated[float, Meta(ge=-3.4028234663852886e38, le=3.4028234663852886e38)]  # what 32 bits hold
Numbers = Annotated[list[_Number], Meta(min_length=1)]
_checked = msgspec.json.Decoder(Numbers)
_numbers = msgspec.json.Decoder(list[float])


def require_vector(raw: msgspec.Raw) -> str:
    """The text of a vector, as it came. Raises ``ValueError`` where it is none, or has nothing in it."""
    data = bytes(raw)
    _checked.decode(data)
    return data.decode()


def to_base64(text: str) -> str:
    """The base64 of a vector of ``Numbers``."""
    numbers = _numbers.decode(text)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
