"""What the table in docs/compatibility.md is made of: which client has shown what, over which upstream.

Law: a cell is green only where a test here shows it with the real client, against the real daemon, over a simulated
upstream of that dialect; the page is written from the tests that there are, and one fails when it is not up to date.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])

UPSTREAMS: Mapping[str, str] = {
    "ollama": "Ollama",
    "openai": "OpenAI chat",
    "responses": "OpenAI responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "xai": "xAI chat",
    "gemini-compatible": "Gemini (compatible)",
}
"""The aliases of the house that the clients speak to, each over one dialect of upstreams; and their titles."""

OPEN_MINDS = ("ollama", "anthropic", "gemini", "xai")
"""Where what a model thinks is told without a word for that. OpenAI tells a summary, to who asks it for one."""

FEATURES: Mapping[str, str] = {
    "text": "text, plain",
    "stream": "text, streamed",
    "tools": "a tool is called and answered",
    "tools-stream": "the same, streamed",
    "parallel": "two tools at once",
    "forced": "a tool that must be called",
    "image": "an image",
    "schema": "an answer by a JSON schema",
    "reasoning": "reasoning text",
    "limit": "an output limit",
    "usage": "usage, as the ledger has it",
    "error": "an error before the answer",
    "broken": "an error in the middle of a stream",
    "left": "a client that leaves",
    "completion": "text completed",
    "fill": "a gap filled in",
    "embedding": "embeddings",
    "count": "tokens counted",
    "models": "the list of models",
    "dialogue": "a conversation by id",
}


DIALECTS: Mapping[str, str] = {
    "openai": "OpenAI's chat completions: `POST /v1/chat/completions`",
    "responses": "OpenAI's responses: `POST /v1/responses`",
    "completions": "OpenAI's completions and fill-in-the-middle: `POST /v1/completions`, `/v1/fim/completions`",
    "embeddings": "OpenAI's embeddings: `POST /v1/embeddings`",
    "anthropic": "Anthropic's messages: `POST /v1/messages`",
    "ollama": "Ollama's API: `/api/chat`, `/api/generate`, `/api/embed` and the rest",
}

IMPOSSIBLE: Mapping[tuple[str, str, str], str] = {
    ("openai", "forced", "ollama"): "it can't be told so: dropped, and said in `x-lodestar-dropped`",
    ("responses", "forced", "ollama"): "it can't be told so: dropped, and said in `x-lodestar-dropped`",
    ("anthropic", "forced", "ollama"): "it can't be told so: dropped, and said in `x-lodestar-dropped`",
    **{
        (dialect, "reasoning", "openai"): "OpenAI does not tell it there"
        for dialect in ("openai", "responses", "anthropic", "ollama")
    },
    **{
        (dialect, "reasoning", "responses"): "OpenAI tells it only to who asks for a summary"
        for dialect in ("openai", "anthropic", "ollama")
    },
    **{
        ("embeddings", feature, upstream): "these models embed nothing"
        for feature in ("embedding", "error")
        for upstream in UPSTREAMS
        if upstream not in ("ollama", "openai")
    },
    **{("ollama", "forced", upstream): "the client has no word for it" for upstream in UPSTREAMS},
}
"""(dialect, feature, upstream) → why no test can show it."""


class Cell(NamedTuple):
    """``client`` has shown ``feature`` over ``upstream``, speaking ``dialect``."""

    dialect: str
    feature: str
    upstream: str
    client: str


def proves(dialect: str, client: str, feature: str, upstreams: Sequence[str] = tuple(UPSTREAMS)) -> Callable[[F], F]:
    """Marks a test of a real client, and runs it over each of ``upstreams``."""
    assert feature in FEATURES, feature
    marks = (
        pytest.mark.parametrize("upstream", upstreams),
        pytest.mark.proves(dialect=dialect, client=client, feature=feature),
    )

    def mark(function: F) -> F:
        for each in marks:
            function = each(function)
        return function

    return mark


def read_cells(items: Sequence[pytest.Item]) -> Iterator[Cell]:
    """The cells that these tests prove: over the upstream that their mark names, or that they are run over."""
    for item in items:
        for mark in item.iter_markers("proves"):
            assert isinstance(item, pytest.Function)
            said = mark.kwargs
            upstream = said.get("upstream") or str(item.callspec.params["upstream"])
            yield Cell(said["dialect"], said["feature"], upstream, said["client"])
