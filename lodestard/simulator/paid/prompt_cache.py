"""Prompt caching of the paid providers: which beginning of a prompt was seen before.

Law: a provider's cache is per model; OpenAI's is automatic in blocks of 128 tokens from 1,024 on, Anthropic's
holds what was marked. Owner: one `PromptCache` per simulated provider.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from lodestard.simulator.tokens import split_tokens

_LEAST_TOKENS = 1024
_BLOCK_TOKENS = 128


class Mark(NamedTuple):
    """A breakpoint: the text up to it, its tokens, and whether it is kept for an hour."""

    text: str
    tokens: int
    long: bool = False


class PromptCache:
    """Remembers beginnings by their hashes."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, bytes]] = set()

    def clear(self) -> None:
        self._seen.clear()

    def cached_tokens(self, model: str, prompt: str) -> int:
        """How many tokens of ``prompt`` were seen at the start of an earlier one; remembers this one."""
        pieces = split_tokens(prompt)
        if len(pieces) < _LEAST_TOKENS:
            return 0
        hasher, cached = hashlib.sha256(model.encode()), 0
        for end in range(_BLOCK_TOKENS, len(pieces) + 1, _BLOCK_TOKENS):
            hasher.update("".join(pieces[end - _BLOCK_TOKENS : end]).encode("utf-8", "surrogatepass"))
            mark = (model, hasher.copy().digest())
            if mark in self._seen and cached == end - _BLOCK_TOKENS:
                cached = end
            self._seen.add(mark)
        return cached if cached >= _LEAST_TOKENS else 0

    def marked_tokens(self, model: str, marks: Sequence[Mark]) -> tuple[int, int, int]:
        """Anthropic's way: → (read, written, written for an hour, which is part of what is written)."""
        read = written = written_1h = 0
        for text, tokens, long in marks:
            if tokens < _LEAST_TOKENS:
                continue
            mark = (model, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
            if mark in self._seen:
                read = tokens
            else:
                written = tokens
                written_1h = tokens if long else written_1h
            self._seen.add(mark)
        return read, max(0, written - read), max(0, written_1h - read)
