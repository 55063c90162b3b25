"""What can go wrong, said once: whose fault it was and a stable code.

Law: a foreign exception (trio, httptools, apsw, msgspec, OSError) stops at the wall of the room that met it and
leaves as one of these three families. ``protocols/error_bodies.py`` turns a fault into each dialect's status and
body; ``lodestarctl/exit_codes.py`` into an exit code. Codes are part of the public interface: they never change.
"""

from enum import StrEnum


class Code(StrEnum):
    """The stable name of one kind of fault."""

    # the caller's
    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    NOT_SUPPORTED = "not_supported"
    REQUEST_TOO_LARGE = "request_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    FORBIDDEN_HOST = "forbidden_host"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    PREVIOUS_RESPONSE_NOT_FOUND = "previous_response_not_found"
    NOT_PERMITTED = "not_permitted"
    INVALID_API_KEY = "invalid_api_key"
    REQUEST_TIMEOUT = "request_timeout"
    BUDGET_REFUSED = "budget_refused"
    RATE_LIMITED = "rate_limited"
    SUPERSEDED = "superseded"
    CLIENT_LEFT = "client_left"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    # the upstream's
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    UPSTREAM_QUOTA = "upstream_quota"
    UPSTREAM_AUTH = "upstream_auth"
    UPSTREAM_REJECTED = "upstream_rejected"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_GARBAGE = "upstream_garbage"
    UPSTREAM_CUT = "upstream_cut"
    UPSTREAM_MODEL_MISSING = "upstream_model_missing"
    UPSTREAM_BUSY = "upstream_busy"
    CHECK_FAILED = "check_failed"
    ANSWER_REFUSED = "answer_refused"
    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105  a token of text
    HEDGE_LOST = "hedge_lost"
    # ours
    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting_down"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    PRICE_UNKNOWN = "price_unknown"
    NO_CANDIDATE = "no_candidate"
    INTERNAL = "internal"


class Fault(Exception):
    """Something went wrong, and we know whose fault it was.

    ``message`` is for a person: it says what happened and what to do, and never carries a key, a prompt or an
    answer. ``param`` is the path of the offending value in what the caller sent (``messages[0].content``).
    ``retry_after_s`` is how long to wait, where that is known. ``said`` are the upstream's own words, where
    ``message`` has them: they may quote the prompt or the answer, so the client alone gets them.
    """

    said: str = ""

    def __init__(
        self, code: Code, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def own_words(self) -> str:
        """The message without what the upstream said: for records."""
        return self.message.replace(self.said, "…") if self.said else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code.value!r}, {self.own_words!r})"


class CallerFault(Fault):
    """The request can't be served as it is; sending it again unchanged gives the same answer."""


class BudgetFault(CallerFault):
    """The hard budget ``budget`` has no room. ``final``: nothing else may answer; otherwise a free model may."""

    def __init__(self, message: str, *, budget: str = "", final: bool = True) -> None:
        super().__init__(Code.BUDGET_REFUSED, message)
        self.budget = budget
        self.final = final


class UpstreamFault(Fault):
    """The model's server failed. Another candidate may do better.

    ``status`` is the HTTP status it gave, if any. ``sent`` is False only where no byte of the request can have
    been acted on, so that a hold may be released (never sent: DNS, refused connection, failed TLS handshake).
    ``billed`` is False where the answer shows that no work was done (401, 404, 429 and other refusals).
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        upstream: str = "",
        status: int | None = None,
        sent: bool = True,
        billed: bool = True,
        retry_after_s: float | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(code, message, param=param, retry_after_s=retry_after_s)
        self.upstream = upstream
        self.status = status
        self.sent = sent
        self.billed = billed and sent


class CheckFault(UpstreamFault):
    """A model's answer failed a check before anybody saw it. ``whole``: it had come to its end, with its usage."""

    def __init__(self, message: str, *, whole: bool, code: Code = Code.CHECK_FAILED) -> None:
        super().__init__(code, message)
        self.whole = whole


class HouseFault(Fault):
    """Lodestar can't do it now: overload, shutdown, a full disk, a defect."""
