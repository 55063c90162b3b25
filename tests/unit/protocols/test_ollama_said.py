"""What Ollama says when it fails: prompts that are too long, in all its words, and loads that failed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.protocols.error_text import CONTEXT_SENTENCE
from lodestard.protocols.ollama.read import open_reader, read_error
from lodestard.protocols.ollama.said import explain, read_said

SLOT = {
    "error": {
        "code": 400,
        "message": "request (4476 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 4476,
        "n_ctx": 4096,
    }
}
# Whatever Ollama 0.5 to 0.33 and the llama-server in it say of a prompt that is too long.
TOO_LONG = [
    "the input length exceeds the context length",
    "input exceeds maximum context length",
    "input after truncation exceeds maximum context length",
    "the prompt is longer than the context length currently available to the model; shorten the prompt",
    "request (4476 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "input (4476 tokens) is larger than the max context size (4096 tokens). skipping",
    "the request exceeds the available context size, try increasing it",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "Context size has been exceeded.",
    json.dumps(SLOT),
    json.dumps(SLOT) + "\ncudaMalloc failed: out of memory",
    json.dumps({"error": {"code": 500, "message": "too much", "type": "exceed_context_size_error"}}),
]
COUNTED = [said for said in TOO_LONG if "4476" in said]


def fault_in_stream(line: bytes, before: bytes = b"") -> Exception:
    reader = open_reader()
    with pytest.raises((CallerFault, UpstreamFault)) as caught:
        reader.feed(before + line + b"\n")
        reader.finish()
    return caught.value


@pytest.mark.parametrize("said", TOO_LONG)
@pytest.mark.parametrize("status", [400, 413, 500])
def test_a_prompt_that_is_too_long_reads_like_openais_refusal(said: str, status: int) -> None:
    body = json.dumps({"error": said}).encode()
    for fault in (read_error(status, body), fault_in_stream(body)):
        assert isinstance(fault, CallerFault)
        assert (fault.code, fault.param) == (Code.CONTEXT_LENGTH_EXCEEDED, "messages")
        assert fault.message.startswith(CONTEXT_SENTENCE)
        assert fault.said
        assert fault.said not in fault.own_words
        assert "rate limit" not in fault.message.lower()


@pytest.mark.parametrize("said", COUNTED)
def test_what_was_counted_is_told(said: str) -> None:
    fault = read_error(400, json.dumps({"error": said}).encode())
    assert fault.message.startswith(
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 4476 tokens."
    )
    assert "{" not in fault.message


def test_a_count_does_not_read_like_a_rate_limit() -> None:
    said = "request (429 tokens) exceeds the available context size (256 tokens)"
    fault = read_error(400, json.dumps({"error": said}).encode())
    assert "resulted in 430 tokens" in fault.message


@pytest.mark.parametrize("body", [SLOT, {"error": json.dumps(SLOT)}, SLOT["error"], json.dumps(SLOT)])
def test_it_is_found_however_deep_it_lies(body: object) -> None:
    said = read_said(json.dumps(body).encode())
    assert (said.too_long, said.prompt_tokens, said.context_tokens) == (True, 4476, 4096)


@pytest.mark.parametrize(
    "said",
    [
        "context deadline exceeded",
        "Post http://127.0.0.1:4242/completion: context deadline exceeded",
        "server busy, please try again.  maximum pending requests exceeded",
        "llama-server response stream event exceeded 512 MB limit",
        "context canceled",
    ],
)
def test_what_only_sounds_like_it_is_the_servers_fault(said: str) -> None:
    body = json.dumps({"error": said}).encode()
    for fault in (read_error(500, body), fault_in_stream(body)):
        assert isinstance(fault, UpstreamFault)
        assert fault.code is Code.UPSTREAM_ERROR


MEMORY, GAVE_UP = "too little memory", "gave up loading"
CANT, BROKE = "can't load", "runner broke down"


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("model requires more system memory (9.1 GiB) than is available (3.8 GiB)", MEMORY),
        ("llama runner process has terminated: cudaMalloc failed: out of memory", MEMORY),
        ("llama-server reported out-of-memory during startup: failed to allocate CUDA0 buffer of size 42", MEMORY),
        ("unable to load full model on GPU", MEMORY),
        ("timed out waiting for llama runner to start - progress 0.00 - ", GAVE_UP),
        ("timed out waiting for llama-server to start - ", GAVE_UP),
        ("llama runner process has terminated: exit status 2", BROKE),
        ("llama-server process has terminated: signal: killed", BROKE),
        ("llama runner process no longer running: -1 ", BROKE),
        (
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error",
            BROKE,
        ),
        ("an error was encountered while running the model: unexpected EOF", BROKE),
        ("llama runner process has terminated: error loading model: unknown model architecture: 'x'", CANT),
        ("unable to load model: /blobs/sha256-1", CANT),
        ("something else", ""),
    ],
)
def test_a_load_that_failed_is_explained(said: str, meaning: str) -> None:
    body = json.dumps({"error": said}).encode()
    assert meaning in explain(read_said(body))
    for fault in (read_error(500, body), fault_in_stream(body)):
        assert isinstance(fault, UpstreamFault)
        assert fault.code is Code.UPSTREAM_ERROR
        assert said.strip() in fault.message
        assert meaning in fault.message
        assert said.strip() not in fault.own_words


def test_a_line_with_an_error_is_one_wherever_it_comes() -> None:
    start = b'{"model":"m","message":{"content":"he"}}\n'
    fault = fault_in_stream(b'{"error":"Context size has been exceeded.","status":500}', start)
    assert isinstance(fault, CallerFault)
    assert isinstance(fault_in_stream(b'{"error":"out of memory"}', start), UpstreamFault)


NESTED = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.dictionaries(st.text(max_size=9), inner) | inner,
)


@given(st.binary(max_size=200) | NESTED.map(lambda value: json.dumps({"error": value}).encode()))
def test_whatever_comes_is_one_short_line(body: bytes) -> None:
    said = read_said(body)
    assert said.text
    assert "\n" not in said.text
    assert len(said.text) <= 600
    assert read_error(500, body).message
