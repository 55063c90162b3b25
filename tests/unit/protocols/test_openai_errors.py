"""Every shape of a provider's refusal → the right fault, without a key in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.protocols.error_text import MAX_SHOWN_CHARS, mask_keys, read_wait_s, shown
from lodestard.protocols.openai.errors import read_error
from lodestard.protocols.openai.stream import open_stream
from lodestard.protocols.openai.upstream import OpenAICodec


def read(status: int, body: Any = None, **headers: str) -> Fault:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OpenAICodec().read_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "code", "billed"),
    [
        (401, error("Incorrect", type="invalid_request_error"), Code.UPSTREAM_AUTH, False),
        (403, error("Forbidden"), Code.UPSTREAM_AUTH, False),
        (
            400,
            {"code": "invalid argument", "error": "Incorrect API key provided: xa***gh."},
            Code.UPSTREAM_AUTH,
            False,
        ),
        (400, [error("API key not valid. Please pass a valid API key.", code=400)], Code.UPSTREAM_AUTH, False),
        (402, error("Insufficient credits", code=402), Code.UPSTREAM_QUOTA, False),
        (429, error("You exceeded your quota", code="insufficient_quota"), Code.UPSTREAM_QUOTA, False),
        (429, error("x", type="credit_balance_exhausted"), Code.UPSTREAM_QUOTA, False),
        (429, error("slow down", code="rate_limit_exceeded"), Code.UPSTREAM_RATE_LIMITED, False),
        (404, error("The model `x` does not exist", code="model_not_found"), Code.UPSTREAM_MODEL_MISSING, False),
        (400, error("no such", code="model_not_found"), Code.UPSTREAM_MODEL_MISSING, False),
        (404, {"detail": "Not Found"}, Code.UPSTREAM_REJECTED, False),
        (400, error("Unsupported value: 'temperature'", param="temperature"), Code.UPSTREAM_REJECTED, False),
        (422, {"detail": "bad"}, Code.UPSTREAM_REJECTED, False),
        (413, b"<html><title>413 Too Large</title></html>", Code.UPSTREAM_REJECTED, False),
        (408, b"", Code.UPSTREAM_TIMEOUT, True),
        (302, b"", Code.UPSTREAM_ERROR, False),
        (500, error("boom"), Code.UPSTREAM_ERROR, False),
        (502, b"<html>x</html>", Code.UPSTREAM_ERROR, False),
        (503, b"overloaded", Code.UPSTREAM_ERROR, False),
        (529, b"\xff\xfe", Code.UPSTREAM_ERROR, False),
        (504, b"timed out", Code.UPSTREAM_ERROR, True),
    ],
)
def test_statuses(status: int, body: Any, code: Code, billed: bool) -> None:
    fault = read(status, body)
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.status, fault.billed) == (code, status, billed)


@pytest.mark.parametrize(
    "body",
    [
        error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        error("request (9 tokens) exceeds the available context size", type="exceed_context_size_error", n_ctx=8),
        {"code": "x", "error": "This model's maximum prompt length is 100 but the request contains 200 tokens."},
        [error("The input token count (5) exceeds the maximum number of tokens allowed (4).")],
        {
            "object": "error",
            "message": "This model's maximum context length is 16 tokens. However, you requested 17.",
        },
    ],
)
def test_a_prompt_that_is_too_long_is_the_callers(body: Any) -> None:
    fault = read(400, body)
    assert isinstance(fault, CallerFault)
    assert fault.code is Code.CONTEXT_LENGTH_EXCEEDED
    assert fault.message.startswith("This model's maximum context length is")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error("the words"), "the words"),
        ([error("the words")], "the words"),
        ({"code": "x", "error": "the words"}, "the words"),
        ({"message": "the words"}, "the words"),
        ({"detail": "the words"}, "the words"),
        ("the words", "the words"),
        (b"the words", "the words"),
        (b"<html><head><title>the\nwords</title>", "(a web page: the words)"),
        (b"<!doctype html>", "(a web page)"),
        (b"", "(it gave no reason)"),
        ([], "(it gave no reason)"),
        (5, "(it gave no reason)"),
        (b"[" * 5000, "[[["),
        (b'{"error":{"message":"' + b"x" * 300_000 + b'"}}', "xxx"),
    ],
)
def test_the_providers_sentence_is_kept(body: Any, words: str) -> None:
    fault = read(400, body)
    assert fault.code is Code.UPSTREAM_REJECTED
    assert words in fault.message
    assert len(fault.message) < MAX_SHOWN_CHARS + 100


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "20"}, 20),
        ({"retry_after": "1.5", "retry_after_ms": "250"}, 0.25),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "9999999"}, 86_400),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait_s: float | None) -> None:
    assert read(429, error("x"), **headers).retry_after_s == wait_s


def test_googles_delay() -> None:
    details = [{"@type": "x"}, 5, {"retryDelay": "34.5s"}]
    assert read(429, [error("x", details=details)]).retry_after_s == 34.5
    assert read(429, error("x", details=[{"retryDelay": "soon"}])).retry_after_s is None
    assert read(429, error("x", details=details), retry_after="1").retry_after_s == 1


KEYS = [
    "sk-proj-" + "aB3" * 20,
    "sk-abcdef123456",
    "sk-ab***************cdef",
    "xai-" + "k" * 30,
    "gsk_abc123abc123",
    "AIzaSyA1234567890abcdef",
    "hf_abcdefghijk",
    "0123456789abcdef0123456789ABCDEF",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "around", ["Incorrect API key provided: {}. Find yours", 'bad key "{}"', "?key={}&x", "Bearer {}"]
)
def test_keys_are_masked(key: str, around: str) -> None:
    for status in (400, 401, 429, 500):
        message = read(status, error(around.format(key))).message
        assert key not in message
        assert "[key]" in message


def test_ordinary_words_are_not() -> None:
    text = "The model gpt-4o-mini-2024-07-18 (or claude-sonnet-4-5-20250929) lacks skeletons; a keyboard-driven task"
    assert mask_keys(text) == text


def test_control_characters_go() -> None:
    assert shown("a\x1b[31m\nb\u2028c\x9b") == "a [31m b c"


def test_wait_without_headers() -> None:
    assert read_wait_s({}) is None


@given(st.integers(300, 599), st.binary(max_size=60), st.sampled_from(["", "nan", "inf", "1e400", "5"]))
def test_any_answer_is_a_fault(status: int, body: bytes, wait: str) -> None:
    fault = read_error(status, {"retry-after": wait}, body)
    assert fault.message
    assert isinstance(fault, UpstreamFault)


def test_an_error_in_a_stream_that_is_a_list() -> None:
    """As Gemini's compatible endpoint says it."""
    reader = open_stream(1)
    with pytest.raises(UpstreamFault) as caught:
        reader.feed(b'data: [{"error":{"code":503,"message":"Overloaded.","status":"UNAVAILABLE"}}]\n\n')
    assert (caught.value.code, caught.value.billed) == (Code.UPSTREAM_ERROR, True)
    assert "Overloaded." in caught.value.message
    for garbage in (b"[]", b"[1]", b'[{"a":1}]'):
        with pytest.raises(UpstreamFault) as caught:
            open_stream(1).feed(b"data: " + garbage + b"\n\n")
        assert caught.value.code is Code.UPSTREAM_GARBAGE
