"""Exit statuses: what a script can tell from how ``lodestarctl`` ended. Part of the public interface.

Law: one table from every ``Code``; a code of a newer daemon is a plain failure.
"""

from collections.abc import Mapping

from lodestard.control.messages import Code

OK = 0
FAILURE = 1
USAGE = 2
NOT_RUNNING = 3
NOT_PERMITTED = 4
BUDGET_REFUSED = 5
UNAVAILABLE = 6
INTERRUPTED = 130
MEANINGS: Mapping[int, str] = {
    OK: "ok",
    FAILURE: "failure",
    USAGE: "usage",
    NOT_RUNNING: "daemon not running",
    NOT_PERMITTED: "not permitted",
    BUDGET_REFUSED: "budget refused",
    UNAVAILABLE: "provider unavailable",
    INTERRUPTED: "interrupted",
}

EXIT_CODES: Mapping[Code, int] = {
    Code.INVALID_JSON: FAILURE,
    Code.INVALID_REQUEST: USAGE,
    Code.MODEL_NOT_FOUND: USAGE,
    Code.CONTEXT_LENGTH_EXCEEDED: FAILURE,
    Code.NOT_SUPPORTED: FAILURE,
    Code.REQUEST_TOO_LARGE: FAILURE,
    Code.UNSUPPORTED_MEDIA_TYPE: FAILURE,
    Code.UNSUPPORTED_ENCODING: FAILURE,
    Code.NOT_FOUND: FAILURE,
    Code.METHOD_NOT_ALLOWED: FAILURE,
    Code.FORBIDDEN_HOST: NOT_PERMITTED,
    Code.FORBIDDEN_ORIGIN: NOT_PERMITTED,
    Code.IDEMPOTENCY_MISMATCH: FAILURE,
    Code.PREVIOUS_RESPONSE_NOT_FOUND: FAILURE,
    Code.NOT_PERMITTED: NOT_PERMITTED,
    Code.INVALID_API_KEY: NOT_PERMITTED,
    Code.REQUEST_TIMEOUT: FAILURE,
    Code.SUPERSEDED: FAILURE,
    Code.CLIENT_LEFT: FAILURE,
    Code.DEADLINE_EXCEEDED: UNAVAILABLE,
    Code.BUDGET_REFUSED: BUDGET_REFUSED,
    Code.RATE_LIMITED: BUDGET_REFUSED,
    Code.UPSTREAM_UNREACHABLE: UNAVAILABLE,
    Code.UPSTREAM_TIMEOUT: UNAVAILABLE,
    Code.UPSTREAM_RATE_LIMITED: UNAVAILABLE,
    Code.UPSTREAM_QUOTA: UNAVAILABLE,
    Code.UPSTREAM_AUTH: UNAVAILABLE,
    Code.UPSTREAM_REJECTED: FAILURE,
    Code.UPSTREAM_ERROR: UNAVAILABLE,
    Code.UPSTREAM_GARBAGE: UNAVAILABLE,
    Code.UPSTREAM_CUT: UNAVAILABLE,
    Code.UPSTREAM_MODEL_MISSING: UNAVAILABLE,
    Code.UPSTREAM_BUSY: UNAVAILABLE,
    Code.CHECK_FAILED: UNAVAILABLE,
    Code.ANSWER_REFUSED: UNAVAILABLE,
    Code.SLOW_FIRST_TOKEN: UNAVAILABLE,
    Code.HEDGE_LOST: UNAVAILABLE,
    Code.OVERLOADED: FAILURE,
    Code.SHUTTING_DOWN: FAILURE,
    Code.LEDGER_UNAVAILABLE: FAILURE,
    Code.STORE_UNAVAILABLE: FAILURE,
    Code.PRICE_UNKNOWN: FAILURE,
    Code.NO_CANDIDATE: UNAVAILABLE,
    Code.INTERNAL: FAILURE,
}
_BY_TEXT: Mapping[str, int] = {code.value: status for code, status in EXIT_CODES.items()}


def exit_code_of(code: str) -> int:
    """The exit status for a code as it came over the socket."""
    return _BY_TEXT.get(code, FAILURE)
