"""Error bodies of the providers: OpenAI's object, Gemini's array, xAI's two texts, Anthropic's envelope.

Law: pure. Keys and prompts never stand in an error.
"""

from typing import Any

import msgspec

from lodestard.simulator.exchange import Refusal

_OPENAI_KINDS = {
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
}
_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_XAI_CODES = {
    400: "Client specified an invalid argument",
    404: "Some requested entity was not found",
    429: "Some resource has been exhausted",
}


def openai_error(refusal: Refusal, style: str) -> bytes:
    """``style``: a `Flavour.errors`."""
    return msgspec.json.encode(_STYLES[style](refusal))


def error_object(refusal: Refusal) -> dict[str, Any]:
    kind = refusal.kind or _OPENAI_KINDS.get(refusal.status, "server_error" if refusal.status >= 500 else "")
    if refusal.code == "insufficient_quota":
        kind = "insufficient_quota"
    return {
        "message": refusal.message,
        "type": kind or "invalid_request_error",
        "param": refusal.param,
        "code": refusal.code,
    }


def anthropic_error(refusal: Refusal, request_id: str) -> dict[str, Any]:
    kind = refusal.kind or _ANTHROPIC_KINDS.get(refusal.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": request_id}


def _openai(refusal: Refusal) -> Any:
    return {"error": error_object(refusal)}


def google_error(refusal: Refusal, *, retry_s: int = 0) -> dict[str, Any]:
    """``google.rpc.Status``. ``kind`` is the reason in its details, ``retry_s`` when to come again after a 429."""
    error: dict[str, Any] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _GOOGLE_STATUS.get(refusal.status, "UNKNOWN"),
    }
    details: list[dict[str, Any]] = []
    if refusal.kind:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.kind})
    if refusal.status == 429 and retry_s:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_s}s"})
    if details:
        error["details"] = details
    return {"error": error}


def _gemini(refusal: Refusal) -> Any:
    return [google_error(refusal)]


def _xai(refusal: Refusal) -> Any:
    default = "The service is currently unavailable" if refusal.status >= 500 else _XAI_CODES[400]
    return {"code": refusal.code or _XAI_CODES.get(refusal.status, default), "error": refusal.message}


_STYLES = {"openai": _openai, "gemini": _gemini, "xai": _xai}
