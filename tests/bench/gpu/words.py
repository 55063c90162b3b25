"""Text of a wanted length for prompts and answers. Pure: the same luck gives the same text.

A token is four characters here, as the simulator counts them, and as is about right for code and English.
"""

import random
from collections.abc import Callable

CHARACTERS = 4
_NAMES = ("order", "price", "window", "reader", "ledger", "token", "queue", "parser", "bucket", "session", "record")
_VERBS = ("read", "write", "merge", "close", "find", "split", "count", "check", "load", "store", "trim", "list")
_SENTENCES = (
    "the value is checked before it is kept so that a later reader never sees half of a record and the caller learns "
    "which line was wrong when the file cannot be read again the old one stays in place until the next run has ended"
)
_WORDS = _SENTENCES.split()


def code(luck: random.Random, tokens: int) -> str:
    """So many tokens of something that looks like Python."""
    return _fill(luck, tokens, _code_line)


def prose(luck: random.Random, tokens: int) -> str:
    """So many tokens of something that looks like English."""
    return _fill(luck, tokens, lambda luck: " ".join(luck.choices(_WORDS, k=9)) + ". ")


def _fill(luck: random.Random, tokens: int, line: Callable[[random.Random], str]) -> str:
    parts, length = list[str](), 0
    while length < tokens * CHARACTERS:
        parts.append(line(luck))
        length += len(parts[-1])
    return "".join(parts)[: tokens * CHARACTERS]


def _code_line(luck: random.Random) -> str:
    one, other, verb = luck.choice(_NAMES), luck.choice(_NAMES), luck.choice(_VERBS)
    return luck.choice(
        (
            f"def {verb}_{one}({other}: int) -> int:\n",
            f"    {one} = {verb}({other}, {luck.randrange(100)})\n",
            f"    if {one} is None:\n        return {other}\n",
            f"    return {verb}_{one}({other})\n\n",
        )
    )
