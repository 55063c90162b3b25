"""The simulator's one way of counting tokens: a token is up to four UTF-8 bytes, never less than a character.

Law: usage, meter, limits and streamed pieces all count through this file, so they can't disagree. A count is
never above the number of UTF-8 bytes, and at least 1 for any text that is not empty.
"""

from collections.abc import Iterable

_BYTES_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """How many tokens ``text`` is: ``len(split_tokens(text))``, found without splitting where it can be."""
    if text.isascii():
        return -(-len(text) // _BYTES_PER_TOKEN)
    return len(split_tokens(text))


def split_tokens(text: str) -> list[str]:
    """``text`` as its tokens, which joined give ``text`` again."""
    if text.isascii():
        return [text[at : at + _BYTES_PER_TOKEN] for at in range(0, len(text), _BYTES_PER_TOKEN)]
    return list(_split_wide(text))


def _split_wide(text: str) -> Iterable[str]:
    start = size = 0
    for at, char in enumerate(text):
        width = _utf8_width(char)
        if size + width > _BYTES_PER_TOKEN:
            yield text[start:at]
            start, size = at, 0
        size += width
    yield text[start:]


def _utf8_width(char: str) -> int:
    code = ord(char)
    if code < 0x80:
        return 1
    if code < 0x800:
        return 2
    return 3 if code < 0x10000 else 4
