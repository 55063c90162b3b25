"""Does a JSON text say a key twice in one object? Pure.

Law: exact. A reader that takes the last of two and one that takes the first see different requests: what is priced
must be what is sent (RFC 8259 section 4: the behaviour of such readers is unpredictable).
"""

import re

import msgspec

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def repeats_a_key(raw: bytes) -> bool:
    """Whether any object in ``raw``, which is valid JSON, has a key twice. About 60 µs for 30 KB.

    Every member has a colon outside strings; a decoded object has each key once.
    """
    return _STRING.sub(b"", raw).count(b":") != _count_members(msgspec.json.decode(raw))


def _count_members(value: object) -> int:
    count, waiting = 0, [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            count += len(inner)
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return count
