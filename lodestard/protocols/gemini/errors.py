"""What Gemini says when it fails → faults.

Law: a fault that another try can't mend is told from one that it can; Google's own sentence is kept, an echo of a key
is not. Sources: Google's "Troubleshooting guide" of the Gemini API; ``google.rpc.Status`` and its ``RetryInfo``.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.protocols.error_text import context_fault, read_delay_s, read_wait_s, says_too_long, shown

_BAD_KEY = re.compile(r"\bapi key\b.{0,40}\b(?:not valid|invalid|expired|not found)\b", re.IGNORECASE)
_BAD_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "CREDENTIALS_MISSING"})
_NO_CREDIT = re.compile(
    r"\b(?:credits?\b.{0,40}\bdepleted|billing account\b.{0,40}\b(?:disabled|closed))", re.IGNORECASE
)
_MAX_READ_BYTES = 256 * 1024
_GAVE_UP = 504  # DEADLINE_EXCEEDED: nothing says what the model went on to do
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_ABOUT_THE_ACCOUNT = frozenset(
    {Code.UPSTREAM_AUTH, Code.UPSTREAM_MODEL_MISSING, Code.UPSTREAM_QUOTA, Code.UPSTREAM_RATE_LIMITED}
)
"""Of these Google does not speak in words of the request."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An error in Google's words, made safe to show. ``reasons`` are those of its details."""

    text: str
    status: int | None = None
    reasons: frozenset[str] = frozenset()
    wait_s: float | None = None


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """An answer with another status than 200 → the fault. Never raises."""
    said = read_said(body)
    wait_s = said.wait_s if said.wait_s is not None else read_wait_s(headers)
    return _fault_of(status, said, wait_s)


def stream_fault(event: bytes) -> Fault:
    """An error that came in the middle of an answer: what was done until then may be billed."""
    said = read_said(event)
    fault = _fault_of(said.status or 500, said, said.wait_s)
    if isinstance(fault, UpstreamFault):
        fault.status = None
        fault.billed = True
    return fault


def _fault_of(status: int, said: Said, wait_s: float | None) -> Fault:
    if says_too_long(said.text) and status in (400, 413, 500):
        return context_fault(said.text)
    code, lead, billed = _judge(status, said)
    fault = UpstreamFault(code, f"{lead} {said.text}", status=status, billed=billed, retry_after_s=wait_s)
    if code not in _ABOUT_THE_ACCOUNT:
        fault.said = said.text
    return fault


def _judge(status: int, said: Said) -> tuple[Code, str, bool]:
    """(code, how the message begins, whether it may have been billed)."""
    if status == 402 or (status < 500 and _NO_CREDIT.search(said.text)):
        return Code.UPSTREAM_QUOTA, "Google's account has no credit left:", False
    bad_key = bool(said.reasons & _BAD_KEY_REASONS) or _BAD_KEY.search(said.text) is not None
    if status in (401, 403) or (status == 400 and bad_key):
        return Code.UPSTREAM_AUTH, "Google refused our key:", False
    if status == 429:
        return Code.UPSTREAM_RATE_LIMITED, "Google asks to wait:", False
    if status == 404:
        return Code.UPSTREAM_MODEL_MISSING, "Google does not have this model:", False
    if status == 408:
        return Code.UPSTREAM_TIMEOUT, "Google gave up:", True
    if 400 <= status < 500:
        return Code.UPSTREAM_REJECTED, "Google refused the request:", False
    if 300 <= status < 400:
        return Code.UPSTREAM_ERROR, "Google answered with a redirect, which is not followed:", False
    return Code.UPSTREAM_ERROR, "Google failed:", status == _GAVE_UP


def read_said(body: bytes) -> Said:
    """``{"error": {code, message, status, details}}``, or the same in an array."""
    text = body[:_MAX_READ_BYTES].decode(errors="replace")
    if len(body) > _MAX_READ_BYTES:
        return Said(text=shown(text))
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return Said(text=shown(text))
    if isinstance(said, list):
        said = said[0] if said else {}
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        return Said(text=shown(error if isinstance(error, str) else ""))
    message, details = error.get("message"), error.get("details")
    found = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return Said(
        text=shown(message if isinstance(message, str) else ""),
        status=_status(error),
        reasons=frozenset(reason for detail in found if isinstance(reason := detail.get("reason"), str)),
        wait_s=read_delay_s(details),
    )


def _status(error: Mapping[str, Any]) -> int | None:
    code, name = error.get("code"), error.get("status")
    if type(code) is int and 400 <= code <= 599:
        return code
    return _STATUSES.get(name) if isinstance(name, str) else None
