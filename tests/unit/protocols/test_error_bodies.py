"""The one table of statuses, and the bodies of each dialect."""

import json
from typing import get_args

import pytest
from anthropic.types.shared import ErrorType

from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.protocols.error_bodies import anthropic_error, openai_error, status_of, write_error


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "ollama", "unheard of"])
def test_every_code_has_a_row_that_no_client_breaks_on(code: Code, dialect: str) -> None:
    status, headers, body = write_error(dialect, Fault(code, "said"), "req-1")
    assert status in {400, 401, 403, 404, 405, 408, 413, 415, 429, 499, 500, 502, 503, 504}
    assert (status == 499) == (code is Code.CLIENT_LEFT)
    assert dict(headers)["content-type"] == "application/json"
    assert "said" in body.decode()
    if status in (429, 503):
        assert int(dict(headers)["retry-after"]) >= 1
    else:
        assert "retry-after" not in dict(headers)
    assert (status == 403) == code.name.startswith("FORBIDDEN_")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.BUDGET_REFUSED, 400),
        (Code.UPSTREAM_QUOTA, 400),
        (Code.PRICE_UNKNOWN, 400),
        (Code.UPSTREAM_REJECTED, 400),
        (Code.CONTEXT_LENGTH_EXCEEDED, 400),
        (Code.UPSTREAM_AUTH, 401),
        (Code.UPSTREAM_MODEL_MISSING, 404),
        (Code.UPSTREAM_RATE_LIMITED, 429),
        (Code.INTERNAL, 500),
        (Code.UPSTREAM_CUT, 502),
        (Code.UPSTREAM_TIMEOUT, 504),
        (Code.LEDGER_UNAVAILABLE, 503),
        (Code.NO_CANDIDATE, 503),
    ],
)
def test_statuses(code: Code, status: int) -> None:
    assert status_of(Fault(code, "x")) == status


@pytest.mark.parametrize("code", [Code.BUDGET_REFUSED, Code.UPSTREAM_QUOTA, Code.UPSTREAM_REJECTED])
def test_final_refusals_have_no_words_that_make_clients_ask_again(code: Code) -> None:
    fault = Fault(code, "Error 429: Rate limit reached, rate-limited, RateLimit.")
    for dialect in ("openai", "anthropic", "ollama"):
        text = write_error(dialect, fault, "r")[2].decode().lower()
        assert "429" not in text
        assert "rate limit" not in text
        assert "ratelimit" not in text


def test_shapes() -> None:
    fault = CallerFault(Code.INVALID_REQUEST, "Wrong.", param="messages[0]")
    assert json.loads(write_error("openai", fault, "r")[2]) == {
        "error": {
            "message": "Wrong.",
            "type": "invalid_request_error",
            "param": "messages[0]",
            "code": "invalid_request",
        }
    }
    assert json.loads(write_error("anthropic", fault, "r")[2]) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "Wrong."},
        "request_id": "r",
    }
    assert json.loads(write_error("ollama", fault, "r")[2]) == {"error": "Wrong."}
    house = json.loads(write_error("anthropic", HouseFault(Code.INTERNAL, "x"), "r")[2])
    assert house["error"]["type"] == "api_error"


def test_how_long_to_wait_is_said_in_whole_seconds() -> None:
    fault = UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "x", retry_after_s=2.1)
    assert dict(write_error("openai", fault, "r")[1])["retry-after"] == "3"
    assert openai_error(fault)["error"]["message"] == "x"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_REQUEST, "invalid_request_error"),
        (Code.NOT_SUPPORTED, "invalid_request_error"),
        (Code.MODEL_NOT_FOUND, "not_found_error"),
        (Code.INVALID_API_KEY, "authentication_error"),
        (Code.UPSTREAM_AUTH, "authentication_error"),
        (Code.NOT_PERMITTED, "permission_error"),
        (Code.FORBIDDEN_HOST, "permission_error"),
        (Code.REQUEST_TOO_LARGE, "request_too_large"),
        (Code.REQUEST_TIMEOUT, "timeout_error"),
        (Code.BUDGET_REFUSED, "billing_error"),
        (Code.UPSTREAM_QUOTA, "billing_error"),
        (Code.RATE_LIMITED, "rate_limit_error"),
        (Code.UPSTREAM_RATE_LIMITED, "rate_limit_error"),
        (Code.UPSTREAM_ERROR, "api_error"),
        (Code.UPSTREAM_CUT, "api_error"),
        (Code.UPSTREAM_TIMEOUT, "timeout_error"),
        (Code.UPSTREAM_BUSY, "overloaded_error"),
        (Code.SHUTTING_DOWN, "overloaded_error"),
        (Code.INTERNAL, "api_error"),
    ],
)
def test_what_anthropic_calls_them(code: Code, kind: str) -> None:
    assert anthropic_error(Fault(code, "x"), "r")["error"]["type"] == kind


def test_every_type_of_anthropics_is_one_that_its_sdk_knows() -> None:
    known = {*get_args(ErrorType), "request_too_large"}  # which it has by its status alone
    assert {anthropic_error(Fault(code, "x"), "r")["error"]["type"] for code in Code} <= known


@pytest.mark.parametrize(
    ("said", "lead"),
    [
        (
            "This model's maximum context length is 4096 tokens. However, your messages resulted in 7211 tokens.",
            "prompt is too long: 7211 tokens > 4096 maximum. ",
        ),
        ("It does not fit.", "prompt is too long. "),
        ("prompt is too long: 5 tokens > 4 maximum", ""),
    ],
)
def test_a_prompt_that_is_too_long_is_told_in_anthropics_words(said: str, lead: str) -> None:
    fault = CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, said)
    assert anthropic_error(fault, "r")["error"]["message"] == lead + said
    assert openai_error(fault)["error"]["message"] == said
