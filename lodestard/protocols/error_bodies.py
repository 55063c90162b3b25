"""Faults in each dialect's own words: the one table from a code to a status and a type.

Law: every code has a row, and nobody else decides a status. The statuses are chosen for what clients do with
them: Aider takes 400, 401 and 404 as final, asks again and again after 402, 403, 409 and 413, and breaks on 422;
a text with "429" or "rate limit" in it makes it ask again whatever the status says. So what asking again can't
change is a 400, and 403 is for foreign hosts and origins alone. Anthropic's SDKs ask again after 408, 409, 429 and
whatever is 500 or more, whatever its type; so a busy house is a 503 for them too, not Anthropic's own 529.
"""

import math
import re
from typing import Any

import msgspec

from lodestard.domain.errors import Code, Fault

_INVALID = "invalid_request_error"
_TABLE: dict[Code, tuple[int, str]] = {
    Code.INVALID_JSON: (400, _INVALID),
    Code.INVALID_REQUEST: (400, _INVALID),
    Code.MODEL_NOT_FOUND: (404, _INVALID),
    Code.CONTEXT_LENGTH_EXCEEDED: (400, _INVALID),
    Code.NOT_SUPPORTED: (400, _INVALID),
    Code.REQUEST_TOO_LARGE: (413, _INVALID),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, _INVALID),
    Code.UNSUPPORTED_ENCODING: (415, _INVALID),
    Code.NOT_FOUND: (404, _INVALID),
    Code.METHOD_NOT_ALLOWED: (405, _INVALID),
    Code.FORBIDDEN_HOST: (403, "permission_error"),
    Code.FORBIDDEN_ORIGIN: (403, "permission_error"),
    Code.IDEMPOTENCY_MISMATCH: (400, _INVALID),
    Code.PREVIOUS_RESPONSE_NOT_FOUND: (400, _INVALID),
    Code.NOT_PERMITTED: (401, "permission_error"),
    Code.INVALID_API_KEY: (401, _INVALID),
    Code.REQUEST_TIMEOUT: (408, _INVALID),
    Code.SUPERSEDED: (400, _INVALID),  # whoever asked has asked something newer; asking again would not help
    Code.CLIENT_LEFT: (499, _INVALID),  # nobody is there to read it; the number is for logs
    Code.DEADLINE_EXCEEDED: (504, "timeout_error"),
    Code.BUDGET_REFUSED: (400, "budget_error"),
    Code.RATE_LIMITED: (429, "rate_limit_error"),
    Code.UPSTREAM_UNREACHABLE: (502, "upstream_error"),
    Code.UPSTREAM_TIMEOUT: (504, "upstream_error"),
    Code.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error"),
    Code.UPSTREAM_QUOTA: (400, "insufficient_quota"),
    Code.UPSTREAM_AUTH: (401, "authentication_error"),
    Code.UPSTREAM_REJECTED: (400, _INVALID),
    Code.UPSTREAM_ERROR: (502, "upstream_error"),
    Code.UPSTREAM_GARBAGE: (502, "upstream_error"),
    Code.UPSTREAM_CUT: (502, "upstream_error"),
    Code.UPSTREAM_MODEL_MISSING: (404, _INVALID),
    Code.UPSTREAM_BUSY: (503, "overloaded_error"),
    Code.CHECK_FAILED: (502, "upstream_error"),  # between attempts alone: at the end the answer goes out as it is
    Code.ANSWER_REFUSED: (502, "upstream_error"),  # the same
    Code.HEDGE_LOST: (502, "upstream_error"),  # the same: another one has answered
    Code.SLOW_FIRST_TOKEN: (504, "upstream_error"),
    Code.OVERLOADED: (503, "overloaded_error"),
    Code.SHUTTING_DOWN: (503, "overloaded_error"),
    Code.LEDGER_UNAVAILABLE: (503, "server_error"),
    Code.STORE_UNAVAILABLE: (503, "server_error"),
    Code.PRICE_UNKNOWN: (400, _INVALID),
    Code.NO_CANDIDATE: (503, "server_error"),
    Code.INTERNAL: (500, "server_error"),
}
_WAIT_S: dict[Code, float] = {
    Code.UPSTREAM_RATE_LIMITED: 5,
    Code.RATE_LIMITED: 5,
    Code.UPSTREAM_BUSY: 10,
    Code.OVERLOADED: 1,
    Code.SHUTTING_DOWN: 5,
    Code.LEDGER_UNAVAILABLE: 5,
    Code.STORE_UNAVAILABLE: 5,
    Code.NO_CANDIDATE: 5,
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_ANTHROPIC_CODES = {
    Code.NOT_PERMITTED: "permission_error",
    Code.REQUEST_TIMEOUT: "timeout_error",
    Code.BUDGET_REFUSED: "billing_error",
    Code.UPSTREAM_QUOTA: "billing_error",
}
"""Where the status alone would say something else."""

_TOO_LONG = "prompt is too long"
_COUNTS = re.compile(r"maximum context length is (\d+) tokens\b.*?\bresulted in (\d+) tokens\b", re.DOTALL)
_FINAL = frozenset({Code.BUDGET_REFUSED, Code.UPSTREAM_QUOTA, Code.UPSTREAM_REJECTED})
_ASKS_AGAIN = re.compile(r"\b429\b|rate[ _-]?limit(?:s|ed|ing)?", re.IGNORECASE)
_JSON = ("content-type", "application/json")
_CHALLENGE = ("www-authenticate", "Bearer")  # RFC 9110 section 11.6.1, RFC 6750 section 3
_CODINGS = ("accept-encoding", "gzip, zstd")  # RFC 9110 section 12.5.3: what a request may come in


def status_of(fault: Fault) -> int:
    """The HTTP status for a fault that is met before the first byte of an answer."""
    return _TABLE[fault.code][0]


def message_of(fault: Fault) -> str:
    """Its message, where the fault is final without the words that make clients ask again."""
    return _ASKS_AGAIN.sub("quota", fault.message) if fault.code in _FINAL else fault.message


def openai_error(fault: Fault) -> dict[str, Any]:
    """``{"error": {…}}`` in OpenAI's shape."""
    return {
        "error": {
            "message": message_of(fault),
            "type": _TABLE[fault.code][1],
            "param": fault.param,
            "code": fault.code.value,
        }
    }


def anthropic_error(fault: Fault, request_id: str) -> dict[str, Any]:
    """``{"type": "error", …}`` in Anthropic's shape."""
    status = status_of(fault)
    kind = _ANTHROPIC_CODES.get(fault.code) or _ANTHROPIC_TYPES.get(status)
    message = message_of(fault)
    if fault.code is Code.CONTEXT_LENGTH_EXCEEDED:
        message = _say_too_long(message)
    error: dict[str, Any] = {"type": kind or ("api_error" if status >= 500 else _INVALID), "message": message}
    if fault.code is Code.NOT_SUPPORTED and fault.param == "thread":
        error["details"] = {"error_code": "thread_unsupported_request"}  # then the SDK sends all of it by itself
    return {"type": "error", "error": error, "request_id": request_id or None}


def _say_too_long(message: str) -> str:
    """As Anthropic begins this refusal: Claude Code knows it by these words, and by the counts where they are known,
    and shortens its conversation instead of giving up."""
    if message.startswith(_TOO_LONG):
        return message
    counts = _COUNTS.search(message)
    return (
        f"{_TOO_LONG}: {counts[2]} tokens > {counts[1]} maximum. {message}" if counts else f"{_TOO_LONG}. {message}"
    )


def write_error(dialect: str, fault: Fault, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers (content type, ``retry-after`` where waiting helps, ``accept-encoding`` or
    ``www-authenticate`` where that was the trouble) and body, in the client's dialect.

    An unknown dialect gets OpenAI's shape, which has the most readers.
    """
    match dialect:
        case "anthropic":
            shape = anthropic_error(fault, request_id)
        case "ollama" | "ollama-generate" | "ollama-embed" | "ollama-embeddings":
            shape = {"error": message_of(fault)}
        case _:
            shape = openai_error(fault)
    return status_of(fault), [_JSON, *_advice(fault)], msgspec.json.encode(shape)


def _advice(fault: Fault) -> list[tuple[str, str]]:
    if fault.code is Code.UNSUPPORTED_ENCODING:
        return [_CODINGS]
    if fault.code is Code.INVALID_API_KEY:
        return [_CHALLENGE]
    wait_s = _WAIT_S.get(fault.code)
    if wait_s is None:
        return []
    if fault.retry_after_s is not None:
        wait_s = fault.retry_after_s
    return [("retry-after", str(max(1, math.ceil(wait_s))))]
