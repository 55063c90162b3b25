"""What OpenAI and its likes say when they fail → faults.

Law: a fault that another try can't mend is told from one that it can; a provider's own sentence is kept, its
echo of a key is not. Sources: OpenAI's "Error codes"; the shapes of xAI (``{code, error: "text"}``), Gemini's
compatible endpoint (``[{error: …}]``), OpenRouter, llama.cpp and vLLM as met.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.protocols.error_text import context_fault, read_delay_s, read_wait_s, says_too_long, shown

_GAVE_UP = frozenset({504, 524})
_QUOTA = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_MISSING = frozenset({"model_not_found", "not_found_error", "deployment_not_found"})
_ABOUT_THE_ACCOUNT = frozenset(
    {Code.UPSTREAM_AUTH, Code.UPSTREAM_MODEL_MISSING, Code.UPSTREAM_QUOTA, Code.UPSTREAM_RATE_LIMITED}
)
"""Of these a provider does not speak in words of the request."""

_BAD_KEY = re.compile(
    r"\b(?:incorrect|invalid|missing)\b.{0,40}\bapi[ _-]?key\b"
    r"|\bapi[ _-]?key\b.{0,40}\b(?:incorrect|invalid|not valid|missing)\b",
    re.IGNORECASE,
)
_MAX_READ_BYTES = 256 * 1024


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An error in a provider's words, made safe to show. ``names`` are its code and type."""

    text: str
    names: frozenset[str] = frozenset()
    status: int | None = None
    wait_s: float | None = None

    @property
    def too_long(self) -> bool:
        return bool(self.names & _CONTEXT) or says_too_long(self.text)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """An answer with another status than 200 → the fault. Never raises."""
    said = read_said(body)
    wait_s = read_wait_s(headers)
    return fault_of(status, said, said.wait_s if wait_s is None else wait_s)


def stream_fault(error: bytes) -> Fault:
    """An error that came in the middle of an answer: what was done until then may be billed."""
    said = read_said(error)
    fault = fault_of(said.status or 500, said, said.wait_s)
    if isinstance(fault, UpstreamFault):
        fault.status = None
        fault.billed = True
    return fault


def fault_of(status: int, said: Said, wait_s: float | None) -> Fault:
    """The fault for a status and what was said with it."""
    if said.too_long and status in (400, 413, 422, 500):
        return context_fault(said.text)
    code, lead, billed = _judge(status, said)
    fault = UpstreamFault(code, f"{lead} {said.text}", status=status, billed=billed, retry_after_s=wait_s)
    if code not in _ABOUT_THE_ACCOUNT:
        fault.said = said.text
    return fault


def _judge(status: int, said: Said) -> tuple[Code, str, bool]:
    """(code, how the message begins, whether it may have been billed)."""
    if status == 402 or (status < 500 and said.names & _QUOTA):
        return Code.UPSTREAM_QUOTA, "The provider's account has no credit left:", False
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(said.text)):
        return Code.UPSTREAM_AUTH, "The provider refused our key:", False
    if status == 429:
        return Code.UPSTREAM_RATE_LIMITED, "The provider asks to wait:", False
    if status == 408:
        return Code.UPSTREAM_TIMEOUT, "The provider gave up:", True
    if (status in (400, 404) and said.names & _MISSING) or (status == 404 and "model" in said.text.lower()):
        return Code.UPSTREAM_MODEL_MISSING, "The provider does not have this model:", False
    if 400 <= status < 500:
        return Code.UPSTREAM_REJECTED, "The provider refused the request:", False
    if 300 <= status < 400:
        return Code.UPSTREAM_ERROR, "The provider answered with a redirect, which is not followed:", False
    # A gateway that lost patience says nothing of what the model behind it went on to do.
    return Code.UPSTREAM_ERROR, "The provider failed:", status in _GAVE_UP


def read_said(body: bytes) -> Said:
    """The message, code and type in an error's body, whatever its shape."""
    if len(body) > _MAX_READ_BYTES:
        return Said(text=shown(body[:_MAX_READ_BYTES].decode(errors="replace")))
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return Said(text=shown(body.decode(errors="replace")))
    if isinstance(said, list):
        said = said[0] if said else {}
    if not isinstance(said, dict):
        return Said(text=shown(said if isinstance(said, str) else ""))
    inner = said.get("error")
    outer: dict[str, Any] = said
    error: dict[str, Any] = inner if isinstance(inner, dict) else outer
    text = inner if isinstance(inner, str) else _text(error)
    names = frozenset(
        name for source in (error, outer) for key in ("code", "type") if isinstance(name := source.get(key), str)
    )
    code = error.get("code")
    status = code if type(code) is int and 400 <= code <= 599 else None
    return Said(text=shown(text), names=names, status=status, wait_s=read_delay_s(error.get("details")))


def _text(error: Mapping[str, Any]) -> str:
    for key in ("message", "detail", "msg", "title"):
        value = error.get(key)
        if isinstance(value, str) and value:
            return value
    return ""
