"""Log probabilities in OpenAI's two shapes: a chat's list of tokens, a completion's columns.

Law: the house keeps a chat's. What makes no sense is left out, never an error.
Source: OpenAI's API reference, "The chat completion object" and "The completion object".
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class _Top(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None


class _Entry(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None
    top_logprobs: list[_Top] | None = None


class _Chat(msgspec.Struct, frozen=True):
    content: list[_Entry] | None = None


class _Columns(msgspec.Struct, frozen=True):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


_chat = msgspec.json.Decoder(_Chat)
_columns = msgspec.json.Decoder(_Columns)


class Offsets:
    """Where the next token of an answer begins, in characters of its text."""

    __slots__ = ("at",)

    def __init__(self, at: int = 0) -> None:
        self.at = at

    def step(self, token: str) -> int:
        before = self.at
        self.at += len(token)
        return before


def to_completion(raw: msgspec.Raw, offsets: Offsets) -> dict[str, Any] | None:
    """A chat's → a completion's; None where it has no tokens."""
    try:
        entries = _chat.decode(raw).content
    except (ValueError, RecursionError):
        return None
    if not entries:
        return None
    return {
        "tokens": [entry.token for entry in entries],
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": [_by_token(entry) for entry in entries],
        "text_offset": [offsets.step(entry.token) for entry in entries],
    }


def _by_token(entry: _Entry) -> dict[str, float | None]:
    return {top.token: top.logprob for top in entry.top_logprobs or ()}


def to_chat(raw: msgspec.Raw) -> msgspec.Raw | None:
    """A completion's → a chat's; None where there are none."""
    try:
        columns = _columns.decode(raw)
    except (ValueError, RecursionError):
        return None
    tokens = columns.tokens
    if not tokens:
        return None
    each = columns.token_logprobs or []
    tops = columns.top_logprobs or []
    content = [
        {
            "token": token,
            "logprob": each[place] if place < len(each) else None,
            "bytes": None,
            "top_logprobs": _as_list(tops[place] if place < len(tops) else None),
        }
        for place, token in enumerate(tokens)
    ]
    return msgspec.Raw(msgspec.json.encode({"content": content, "refusal": None}))


def _as_list(tops: Mapping[str, float | None] | None) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in (tops or {}).items()]
