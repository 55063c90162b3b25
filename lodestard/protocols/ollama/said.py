"""What Ollama says when it fails, and what that means: a prompt too long for the context, a load that failed.

Law: pure, never raises. What it says may be llama-server's own JSON inside a string, with a line of its log after it;
what is shown is the sentence within. A prompt that is too long reads as it does at OpenAI, for clients know that.
Sources: Ollama's ``llm/llama_server.go``, ``llm/server.go``, ``server/routes.go``, ``runner/*`` (0.5 to 0.33), and
llama.cpp's ``tools/server/server-context.cpp``.
"""

import re
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.error_text import CONTEXT_SENTENCE, context_fault, says_too_long, shown

_DEPTH = 3  # Ollama's object, llama-server's in its string, the error in that
_MAX_READ_CHARS = 64 * 1024
_TOO_LONG = "exceed_context_size_error"
_COUNTS = re.compile(r"\((\d{1,9}) tokens\).{1,80}?\((\d{1,9})(?: tokens)?\)")
_RATE_LIMITED = 429

# What it says in trouble. Memory comes before the runner's death, for want of it is what kills runners.
_TROUBLES = {
    "Ollama has too little memory for this model (a smaller num_ctx or num_gpu takes less)": (
        "requires more memory",
        "requires more system memory",
        "out of memory",
        "out of device memory",
        "cudamalloc failed",
        "hipmalloc failed",
        "failed to allocate",
        "unable to allocate",
        "allocation failed",
        "not enough memory",
        "insufficient memory",
        "unable to load full model",
    ),
    "Ollama gave up loading this model, which made no headway": ("timed out waiting for llama",),
    "Ollama can't load this model": (
        "unknown model architecture",
        "error loading model",
        "incompatible with your version",
        "failed to load model",
        "unable to load model",
    ),
    "Ollama's runner broke down": (
        "process has terminated",
        "process no longer running",
        "unexpectedly stopped",
        "error starting llama",
        "error starting runner",
        "error starting the external llama server",
        "encountered while running the model",
    ),
}


class OllamaSaid(msgspec.Struct, frozen=True, kw_only=True):
    """An error in Ollama's words, made safe to show. The counts are 0 where it does not tell them."""

    text: str
    too_long: bool = False
    prompt_tokens: int = 0
    context_tokens: int = 0


def read_said(body: bytes) -> OllamaSaid:
    """A body or line with an ``error`` in it, or what else came."""
    text = body.decode(errors="replace")
    found = _unwrap(text, _DEPTH)
    sentence = found.get("message") or text
    counts = _COUNTS.search(sentence[:_MAX_READ_CHARS])
    prompt_tokens, context_tokens = _count(found.get("n_prompt_tokens")), _count(found.get("n_ctx"))
    if counts is not None and not (prompt_tokens and context_tokens):
        prompt_tokens, context_tokens = int(counts[1]), int(counts[2])
    words = shown(sentence)
    return OllamaSaid(
        text=words,
        too_long=found.get("type") == _TOO_LONG or says_too_long(words),
        prompt_tokens=prompt_tokens,
        context_tokens=context_tokens,
    )


def too_long_fault(said: OllamaSaid) -> CallerFault:
    """The prompt does not fit: OpenAI's sentence, with the server's own after it."""
    if not (said.prompt_tokens and said.context_tokens):
        return context_fault(said.text)
    prompt, context = (count + (count == _RATE_LIMITED) for count in (said.prompt_tokens, said.context_tokens))
    text = f"{CONTEXT_SENTENCE} {context} tokens. However, your messages resulted in {prompt} tokens."
    fault = CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, f"{text} The server says: {said.text}", param="messages")
    fault.said = said.text
    return fault


def explain(said: OllamaSaid) -> str:
    """What a failure of the server means, as the beginning of a sentence that ends with its own words; or nothing."""
    text = said.text.lower()
    return next((lead for lead, words in _TROUBLES.items() if any(word in text for word in words)), "")


def _unwrap(text: str, depth: int) -> dict[str, Any]:
    """The innermost error in JSON text: its ``message``, and what stands beside it. Empty where it is no JSON."""
    head, _, log = text.strip().partition("\n")
    for candidate, rest in ((text, ""), (head, log)):
        try:
            value = msgspec.json.decode(candidate)
        except (ValueError, RecursionError):
            continue
        return _inner(value, rest, depth)
    return {}


def _inner(value: object, rest: str, depth: int) -> dict[str, Any]:
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, str):
        inside = _unwrap(error, depth - 1) if depth and error.lstrip()[:1] == "{" else {}
        error = inside or {"message": error}
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return {"message": msgspec.json.encode(error).decode()} if error not in ({}, None) else {}
    return {**error, "message": f"{error['message']} {rest}".strip()}


def _count(value: object) -> int:
    return value if type(value) is int and 0 < value < 10**9 else 0
