"""What Anthropic says when it fails → faults.

Law: the type of an error says more than its status; a fault that another try can't mend is told from one that it can.
Source: Anthropic's API reference, "Errors"; that a prompt is too long, and that no credit is left, is said in a 400's
message alone.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.protocols.error_text import context_fault, read_wait_s, says_too_long, shown

_MAX_READ_BYTES = 256 * 1024
_NO_CREDIT = re.compile(r"\bcredit balance is too low\b", re.IGNORECASE)


class _Judged(NamedTuple):
    """``billed``: whether work may have been done."""

    code: Code
    lead: str
    billed: bool = False


_REJECTED = _Judged(Code.UPSTREAM_REJECTED, "The provider refused the request:")
_QUOTA = _Judged(Code.UPSTREAM_QUOTA, "The provider's account has no credit left:")
_AUTH = _Judged(Code.UPSTREAM_AUTH, "The provider refused our key:")
_MISSING = _Judged(Code.UPSTREAM_MODEL_MISSING, "The provider does not have this model:")
_LIMITED = _Judged(Code.UPSTREAM_RATE_LIMITED, "The provider asks to wait:")
_BUSY = _Judged(Code.UPSTREAM_BUSY, "The provider has too much to do:")
_FAILED = _Judged(Code.UPSTREAM_ERROR, "The provider failed:")
_GAVE_UP = _Judged(Code.UPSTREAM_TIMEOUT, "The provider gave up:", billed=True)
_ELSEWHERE = _Judged(Code.UPSTREAM_ERROR, "The provider answered with a redirect, which is not followed:")

_BY_TYPE: Mapping[str, _Judged] = {
    "invalid_request_error": _REJECTED,
    "authentication_error": _AUTH,
    "billing_error": _QUOTA,
    "permission_error": _AUTH,
    "not_found_error": _MISSING,
    "request_too_large": _REJECTED,
    "rate_limit_error": _LIMITED,
    "api_error": _FAILED,
    "overloaded_error": _BUSY,
    "timeout_error": _GAVE_UP,
}
_BY_STATUS: Mapping[int, _Judged] = {
    401: _AUTH,
    402: _QUOTA,
    403: _AUTH,
    404: _MISSING,
    429: _LIMITED,
    529: _BUSY,
}
_SLOW = frozenset({408, 504, 524})
"""Whoever lost patience says nothing of what the model behind it went on to do, whatever it calls that."""
_ABOUT_THE_ACCOUNT = frozenset({_QUOTA, _AUTH, _MISSING, _LIMITED})
"""Of these a provider does not speak in words of the request."""


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """An answer with another status than 200 → the fault. Never raises."""
    kind, text = _read_said(body)
    if says_too_long(text) and status in (400, 413):
        return context_fault(text)
    judged = _judge(status, kind, text)
    fault = UpstreamFault(
        judged.code,
        f"{judged.lead} {text}",
        status=status,
        billed=judged.billed,
        retry_after_s=read_wait_s(headers),
    )
    if judged not in _ABOUT_THE_ACCOUNT:
        fault.said = text
    return fault


def stream_fault(event: bytes) -> Fault:
    """An error that came in the middle of an answer: what was done until then may be billed."""
    kind, text = _read_said(event)
    if says_too_long(text):
        return context_fault(text)
    judged = _judge(500, kind, text)
    fault = UpstreamFault(judged.code, f"{judged.lead} {text}")
    if judged not in _ABOUT_THE_ACCOUNT:
        fault.said = text
    return fault


def _judge(status: int, kind: str, text: str) -> _Judged:
    judged = _GAVE_UP if status in _SLOW else _BY_TYPE.get(kind) or _BY_STATUS.get(status)
    if judged is None:
        judged = _ELSEWHERE if status < 400 else _REJECTED if status < 500 else _FAILED
    if judged is _REJECTED and _NO_CREDIT.search(text):
        return _QUOTA
    if judged is _MISSING and "model" not in text.lower():
        return _REJECTED
    return judged


def _read_said(body: bytes) -> tuple[str, str]:
    """The type of an error and its message, made safe to show."""
    said: Any = None
    if len(body) <= _MAX_READ_BYTES:
        try:
            said = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            said = None
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, dict):
        kind, text = error.get("type"), error.get("message")
        return kind if isinstance(kind, str) else "", shown(text if isinstance(text, str) else "")
    if isinstance(error, str):
        return "", shown(error)
    return "", shown("" if said is not None else body[:_MAX_READ_BYTES].decode(errors="replace"))
