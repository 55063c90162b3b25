"""What is kept of a request's text, by consent: in the words of whichever dialect it came in."""

import json
from typing import Any

import msgspec
import pytest

from lodestard.domain.reply import Choice, Reply
from lodestard.protocols.clients import (
    ANTHROPIC_MESSAGES,
    MISTRAL_FIM,
    OLLAMA_EMBED,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    OPENAI_COMPLETIONS,
    OPENAI_EMBEDDINGS,
)
from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.responses.client import Responses
from lodestard.trace import quote

SAID = [{"role": "user", "content": "hi"}]
REPLY = Reply(choices=(Choice(text="ho", finish="stop"),))


def quoted(codec: ClientCodec, members: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"model": "m", **members}).encode()
    request = codec.read_request(body, depth=64, headers={})
    read: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(quote(request, REPLY)))
    return read


@pytest.mark.parametrize(
    ("codec", "members", "prompt", "beside"),
    [
        (OPENAI_CHAT, {"messages": SAID}, SAID, {}),
        (ANTHROPIC_MESSAGES, {"messages": SAID, "max_tokens": 9, "system": "s"}, SAID, {"system": "s"}),
        (Responses(), {"input": "hi", "instructions": "s"}, "hi", {"instructions": "s"}),
        (OPENAI_COMPLETIONS, {"prompt": ["hi"], "suffix": "!"}, ["hi"], {"suffix": "!"}),
        (MISTRAL_FIM, {"prompt": "hi", "suffix": "!"}, "hi", {"suffix": "!"}),
        (OLLAMA_GENERATE, {"prompt": "hi", "system": "s"}, "hi", {"system": "s"}),
    ],
)
def test_what_was_asked_is_kept_in_its_own_words(
    codec: ClientCodec, members: dict[str, Any], prompt: object, beside: dict[str, str]
) -> None:
    kept = quoted(codec, members)
    assert (kept["prompt"], kept["beside"], kept["answers"]) == (prompt, beside, ["ho"])


@pytest.mark.parametrize("codec", [OPENAI_EMBEDDINGS, OLLAMA_EMBED])
def test_of_an_embedding_its_input_is_kept_and_no_vector(codec: ClientCodec) -> None:
    kept = quoted(codec, {"input": ["hi", "ho"]})
    assert (kept["prompt"], kept["answers"]) == (["hi", "ho"], [])
