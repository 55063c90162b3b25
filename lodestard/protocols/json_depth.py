"""How deep does valid JSON nest? Asked of every request, so it must be quick; of hostile ones too, so it must
neither recurse nor take much memory.

Law: exact. Short texts are taken apart level by level in the decoder's own loops, where a subtree with too few
brackets to matter, and a string above all, costs one count. Long ones are scanned in windows.
"""

from itertools import accumulate

import msgspec

_LONG_BYTES = 1024 * 1024
_WINDOW_BYTES = 256 * 1024
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_STEP = [1 if byte in b"{[" else -1 for byte in range(256)]


def nests_deeper(text: bytes, depth: int) -> bool:
    """Whether valid JSON nests objects and arrays more than ``depth`` deep. What is no JSON gives any answer."""
    if not opens_more(text, depth):
        return False
    return _scan(text, depth) if len(text) > _LONG_BYTES else _descend(text, depth)


def opens_more(text: bytes, count: int) -> bool:
    """Whether there are more than ``count`` opening brackets, in strings or not.

    A loop over ``find`` is a search by words and stops early; ``bytes.count`` goes byte by byte.
    """
    for bracket in (b"{", b"["):
        place = text.find(bracket)
        while place >= 0:
            count -= 1
            if count < 0:
                return True
            place = text.find(bracket, place + 1)
    return False


def _descend(text: bytes, depth: int) -> bool:
    level = [text]
    for left in range(depth, 0, -1):
        inner: list[bytes] = []
        for outer in level:
            if opens_more(outer, left):
                inner += map(bytes, _children(outer))
        if not inner:
            return False
        level = inner
    return any(outer.lstrip()[:1] in (b"[", b"{") for outer in level)


def _children(text: bytes) -> list[msgspec.Raw]:
    text = text.lstrip()
    if text.startswith(b"{"):
        return list(_object.decode(text).values())
    return _array.decode(text) if text.startswith(b"[") else []


def _scan(text: bytes, depth: int) -> bool:
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside, level = 0, 0  # which half of the split lies outside strings; how deep we are
    for start in range(0, len(text), _WINDOW_BYTES):
        pieces = text[start : start + _WINDOW_BYTES].split(b'"')
        brackets = b"".join(pieces[outside::2]).translate(None, _NOT_BRACKETS)
        outside = (outside + len(pieces) - 1) % 2
        for level in accumulate(map(_STEP.__getitem__, brackets), initial=level):  # noqa: B020
            if level > depth:
                return True
    return False
