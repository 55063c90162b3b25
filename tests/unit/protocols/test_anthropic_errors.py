"""What Anthropic says when it fails → the right fault, without a key in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.protocols.anthropic.errors import read_error, stream_fault


def body(kind: str, message: Any = "So it is.") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


CREDIT = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to purchase credits."
)
TOO_LONG = "prompt is too long: 204242 tokens > 200000 maximum"


@pytest.mark.parametrize(
    ("status", "kind", "message", "code", "billed"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", Code.UPSTREAM_REJECTED, False),
        (400, "invalid_request_error", CREDIT, Code.UPSTREAM_QUOTA, False),
        (401, "authentication_error", "invalid x-api-key", Code.UPSTREAM_AUTH, False),
        (402, "billing_error", "No more.", Code.UPSTREAM_QUOTA, False),
        (403, "permission_error", "Not for you.", Code.UPSTREAM_AUTH, False),
        (404, "not_found_error", "model: claude-9", Code.UPSTREAM_MODEL_MISSING, False),
        (404, "not_found_error", "Not found", Code.UPSTREAM_REJECTED, False),
        (413, "request_too_large", "Request exceeds the maximum size", Code.UPSTREAM_REJECTED, False),
        (429, "rate_limit_error", "Slower.", Code.UPSTREAM_RATE_LIMITED, False),
        (500, "api_error", "Internal server error", Code.UPSTREAM_ERROR, False),
        (504, "timeout_error", "Too slow.", Code.UPSTREAM_TIMEOUT, True),
        (504, "api_error", "Too slow.", Code.UPSTREAM_TIMEOUT, True),
        (529, "overloaded_error", "Overloaded", Code.UPSTREAM_BUSY, False),
        (529, "new_error", "Overloaded", Code.UPSTREAM_BUSY, False),
        (401, "new_error", "Who?", Code.UPSTREAM_AUTH, False),
        (418, "new_error", "Tea.", Code.UPSTREAM_REJECTED, False),
        (503, "new_error", "Gone.", Code.UPSTREAM_ERROR, False),
        (302, "", "", Code.UPSTREAM_ERROR, False),
    ],
)
def test_a_refusal(status: int, kind: str, message: str, code: Code, billed: bool) -> None:
    fault = read_error(status, {}, body(kind, message))
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.status, fault.billed) == (code, status, billed)
    assert (message or "(it gave no reason)") in fault.message


def test_a_prompt_that_is_too_long_is_the_caller_s() -> None:
    for fault in (read_error(400, {}, body("invalid_request_error", TOO_LONG)), stream_fault(body("x", TOO_LONG))):
        assert isinstance(fault, CallerFault)
        assert (fault.code, fault.param) == (Code.CONTEXT_LENGTH_EXCEEDED, "messages")
        assert "This model's maximum context length is" in fault.message


def test_how_long_to_wait() -> None:
    assert read_error(429, {"retry-after": "7"}, body("rate_limit_error")).retry_after_s == 7
    assert read_error(529, {}, body("overloaded_error")).retry_after_s is None


def test_its_own_words_are_kept_apart() -> None:
    fault = read_error(400, {}, body("invalid_request_error", "messages.0: the poem of yours"))
    assert "poem" in fault.message
    assert "poem" not in fault.own_words
    assert "poem" not in repr(fault)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded_error", Code.UPSTREAM_BUSY),
        ("api_error", Code.UPSTREAM_ERROR),
        ("rate_limit_error", Code.UPSTREAM_RATE_LIMITED),
        ("timeout_error", Code.UPSTREAM_TIMEOUT),
        ("invalid_request_error", Code.UPSTREAM_REJECTED),
        ("new_error", Code.UPSTREAM_ERROR),
    ],
)
def test_what_fails_in_the_middle_may_be_billed(kind: str, code: Code) -> None:
    fault = stream_fault(body(kind))
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.billed, fault.status) == (code, True, None)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b'{"error":"plain words"}', "plain words"),
        (b"<html><title>Bad gateway</title></html>", "(a web page: Bad gateway)"),
        (b"", "(it gave no reason)"),
        (b"[1]", "(it gave no reason)"),
        (b'{"error":{"type":5,"message":6}}', "(it gave no reason)"),
        (b"[" * 5_000, "[["),
        (b"x" * 300_000, "xxx"),
        (body("api_error", "key sk-ant-api03-abcdefghijklmnop is bad"), "key [key] is bad"),
    ],
)
def test_other_shapes(said: bytes, shown: str) -> None:
    assert shown in read_error(502, {}, said).message


@given(st.binary(max_size=60), st.integers(300, 599))
def test_anything_else_is_a_fault_too(said: bytes, status: int) -> None:
    assert isinstance(read_error(status, {"retry-after": "soon"}, said), Fault)
    assert isinstance(stream_fault(said), Fault)
