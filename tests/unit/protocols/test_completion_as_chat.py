"""Text that a chat completes: the question, and the fence that comes off the answer."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.reply import assemble
from lodestard.domain.request import Completion, ImagePart, Message, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codecs import CODECS
from lodestard.protocols.completion_as_chat import BY_CHAT, CompletingCodec, Unfencing, as_chat
from lodestard.protocols.openai.completions import read_request
from lodestard.protocols.openai.embeddings import read_request as read_embedding
from lodestard.protocols.openai.upstream import OpenAICodec

CHATS = Upstream(dialect="openai", url="https://api.example.test/v1", completions="chat")
CODEC = CODECS["openai"]


def ask(**members: Any) -> Request:
    return read_request(json.dumps({"model": "m", "prompt": "x = ", **members}).encode(), depth=64)


def unfence(text: str, *, step: int = 0) -> str:
    fence = Unfencing()
    cuts = range(0, len(text), step or max(1, len(text)))
    return "".join([fence.add(text[start : start + (step or len(text))]) for start in cuts]) + fence.end()


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("  return n\n", "  return n\n"),
        ("```python\nreturn n\n```", "return n"),
        ("```\n    return n\n```\n", "    return n"),
        ("\n```py\na\n\nb\n```  \n", "a\n\nb"),
        ("```python\na\n```\nand so on", "a\n```\nand so on"),
        ("```python\na `b` ``c``\n```", "a `b` ``c``"),
        ("```python\nnever closed", "never closed"),
        ("```inline``` code", "```inline``` code"),
        ("```one line```", "```one line```"),
        ("`x`", "`x`"),
        ("``", "``"),
        ("```", "```"),
        ("```py\n```", ""),
        ("```py\na````", "a`"),
        (" " * 70 + "```\na\n```", " " * 70 + "```\na\n```"),
        ("```" + "x" * 70 + "\na\n```", "```" + "x" * 70 + "\na\n```"),
    ],
)
def test_a_fence_around_the_whole_comes_off(said: str, text: str) -> None:
    assert unfence(said) == text
    for step in range(1, len(said)):
        assert unfence(said, step=step) == text


@given(st.text(alphabet="`\na ", max_size=80), st.integers(1, 9))
def test_the_same_text_in_any_portions(text: str, step: int) -> None:
    assert unfence(text, step=step) == unfence(text)


@given(st.text(alphabet="ab\n `", max_size=40), st.sampled_from(["", "python", "c++"]))
def test_what_is_in_a_fence_is_not_altered(text: str, language: str) -> None:
    inside = f"x{text}x"
    assert unfence(f"```{language}\n{inside}\n```") == inside


def test_a_completion_becomes_a_question() -> None:
    chat = as_chat(ask(max_tokens=5)).conversation
    assert (chat.is_chat, [message.role for message in chat.messages]) == (True, ["system", "user"])
    assert (chat.messages[1].text, chat.sampling.max_output_tokens) == ("x = ", 5)
    assert chat.reasoning_effort == "none"
    gap = as_chat(ask(suffix=" + 1")).conversation
    assert gap.messages[1].text == "<before>x = </before>\n<after> + 1</after>"
    assert max(len(message.text) for message in (chat.messages[0], gap.messages[0])) < 400
    assert as_chat(as_chat(ask())) == as_chat(ask())


def test_what_is_not_to_be_raw_is_a_question_already() -> None:
    request = ask()
    templated = msgspec.structs.replace(request.conversation, completion=Completion())
    request = msgspec.structs.replace(request, conversation=templated)
    assert as_chat(request).conversation.messages == request.conversation.messages
    wire = CODEC.write_request(request, "gpt", CHATS)
    assert (wire.form, wire.notes, json.loads(wire.body)["messages"]) == (
        "chat",
        (),
        [{"role": "user", "content": "x = "}],
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"max_tokens": 0}, "max_tokens")],
)
def test_what_a_chat_can_not_say(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        CODEC.write_request(ask(**members), "gpt", CHATS)
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, param)


def test_images_are_no_text() -> None:
    request = ask()
    messages = (Message(role="user", parts=(ImagePart(url="https://x.test/i"),)),)
    talk = msgspec.structs.replace(request.conversation, messages=messages)
    with pytest.raises(CallerFault) as caught:
        as_chat(msgspec.structs.replace(request, conversation=talk))
    assert caught.value.param == "images"


def test_a_dialect_without_completions_gets_them_and_refuses_embeddings() -> None:
    codec = CompletingCodec(OpenAICodec())
    wire = codec.write_request(ask(logit_bias={"5": 1}, user="ann", n=2), "gpt", CHATS)
    body = json.loads(wire.body)
    assert (wire.path, wire.notes, wire.dropped, wire.passing) == (
        "/v1/chat/completions",
        (BY_CHAT,),
        ("logit_bias",),
        False,
    )
    assert (body["max_tokens"], body["n"], "prompt" in body) == (16, 2, False)
    with pytest.raises(CallerFault) as caught:
        codec.write_request(read_embedding(b'{"model":"m","input":"x"}', depth=9), "gpt", CHATS)
    assert caught.value.code is Code.NOT_SUPPORTED


@pytest.mark.parametrize("stream", [False, True])
def test_its_answer_is_a_completions(stream: bool) -> None:
    codec = CompletingCodec(OpenAICodec())
    reader = codec.reader(codec.write_request(ask(n=2, stream=stream), "gpt", CHATS))
    texts = ["```py\na\n```", "b"]
    if stream:
        events: list[dict[str, Any]] = [
            {"choices": [{"index": index, "delta": {"content": part}}]}
            for index, text in enumerate(texts)
            for part in text
        ]
        events += [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in (0, 1)]
        events += [{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}]
        data = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    else:
        choices = [
            {"index": index, "message": {"content": text}, "finish_reason": "stop"}
            for index, text in enumerate(texts)
        ]
        data = json.dumps({"choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
    pieces = reader.feed(data)
    pieces += reader.finish()
    reply = assemble(pieces)
    assert [choice.text for choice in reply.choices] == ["a", "b"]
    assert (reader.done, reader.fault, reader.body, reply.complete) == (True, None, b"", True)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 2


def test_its_failures_are_the_inner_ones() -> None:
    codec = CompletingCodec(OpenAICodec())
    reader = codec.reader(codec.write_request(ask(stream=True), "gpt", CHATS))
    reader.feed(b'data: {"choices":[{"index":0,"delta":{"content":"```"}}]}\n\n')
    with pytest.raises(UpstreamFault) as caught:
        reader.finish()
    assert caught.value.code is Code.UPSTREAM_CUT
    assert not reader.done
    assert codec.read_error(401, {}, b"{}").code is Code.UPSTREAM_AUTH


@pytest.mark.parametrize("dialect", [name for name in CODECS if name != "ollama"])
def test_every_upstream_that_chats_completes(dialect: str) -> None:
    settings = Upstream(dialect=dialect, url="https://api.example.test/v1", completions="chat")  # type: ignore[arg-type]
    wire = CODECS[dialect].write_request(ask(suffix="\n"), "m", settings)
    assert wire.notes[-1] == BY_CHAT
    assert b"<before>x = </before>" in wire.body
