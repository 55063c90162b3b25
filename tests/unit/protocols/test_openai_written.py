"""What a client of OpenAI's dialect gets: built chunks and bodies, judged by OpenAI's own types."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.reply import Choice, Piece, Reply, ToolCallPiece, assemble, disassemble
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.openai.chat import StreamWriter, read_request, write_reply
from lodestard.protocols.openai.models import write_model, write_models
from lodestard.protocols.openai.upstream import OpenAICodec


def ask(**members: Any) -> Request:
    body = {"model": "alias", "messages": [{"role": "user", "content": "hi"}], "stream": True, **members}
    return read_request(json.dumps(body).encode(), depth=64)


WITH_USAGE = ask(stream_options={"include_usage": True})


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream that ended as it should, each checked by OpenAI's types."""
    events = stream.split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    found = [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]
    for event in found:
        ChatCompletionChunk.model_validate(event, strict=True)
    return found


def written(pieces: list[Piece], request: Request = WITH_USAGE) -> list[dict[str, Any]]:
    writer = StreamWriter(request, 17, "chatcmpl-ours")
    return chunks(writer.open() + b"".join(writer.write([piece]) for piece in pieces) + writer.close())


def test_a_stream_built_from_pieces() -> None:
    pieces = [
        Piece(reasoning="hm", model="llama3.1:8b"),
        Piece(text="he"),
        Piece(),
        Piece(text="y"),
        Piece(tool_calls=(ToolCallPiece(0, "c", "f", '{"a"'), ToolCallPiece(1, "d", "g", "{}"))),
        Piece(tool_calls=(ToolCallPiece(0, arguments=":1}"),)),
        Piece(finish="tool_calls", usage=Usage(prompt_tokens=3, completion_tokens=4), durations=Durations()),
    ]
    found = written(pieces)
    assert {(event["id"], event["created"], event["model"]) for event in found} == {
        ("chatcmpl-ours", 17, "llama3.1:8b")
    }
    deltas = [event["choices"][0]["delta"] for event in found[:-1]]
    assert deltas == [
        {"role": "assistant", "content": "", "reasoning_content": "hm"},
        {"content": "he"},
        {"content": "y"},
        {
            "tool_calls": [
                {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a"'}},
                {"index": 1, "id": "d", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {},
    ]
    assert [event["choices"][0]["finish_reason"] for event in found[:-1]] == [None] * 5 + ["tool_calls"]
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == 7


def test_usage_comes_only_where_it_was_asked_for() -> None:
    pieces = [Piece(text="x", finish="stop", usage=Usage(prompt_tokens=1))]
    assert all("usage" not in event for event in written(pieces, ask()))
    assert [event["choices"] for event in written(pieces)][-1] == []
    assert all("usage" not in event for event in written([Piece(text="x", finish="stop")]))


def test_the_first_delta_of_each_choice_has_the_role() -> None:
    found = written([Piece(choice=1, text="b"), Piece(choice=0, finish="stop"), Piece(choice=1, finish="length")])
    firsts = [(event["choices"][0]["index"], event["choices"][0]["delta"]) for event in found]
    assert firsts == [
        (1, {"role": "assistant", "content": "b"}),
        (0, {"role": "assistant", "content": ""}),
        (0, {}),
        (1, {}),
    ]


def test_refusals_logprobs_and_members_that_we_have_no_word_for() -> None:
    logprobs = msgspec.Raw(b'{"content":[],"refusal":null}')
    pieces = [
        Piece(refusal="no", logprobs=logprobs, extra={"system_fingerprint": msgspec.Raw(b'"fp"')}),
        Piece(extra={"service_tier": msgspec.Raw(b'"default"')}),
    ]
    first, second = written(pieces, ask())
    assert first["system_fingerprint"] == "fp"
    assert first["choices"][0]["delta"]["refusal"] == "no"
    assert first["choices"][0]["logprobs"] == {"content": [], "refusal": None}
    assert (second["service_tier"], second["choices"]) == ("default", [])


def test_an_answer_that_broke_ends_with_an_error_and_without_the_mark() -> None:
    writer = StreamWriter(ask(), 1, "x")
    end = writer.fail(HouseFault(Code.INTERNAL, "It broke.\nBadly."))
    assert end.startswith(b"data: ")
    assert end.endswith(b"\n\n")
    assert end.count(b"\n") == 2
    assert json.loads(end[6:]) == {
        "error": {"message": "It broke.\nBadly.", "type": "server_error", "param": None, "code": "internal"}
    }


def test_a_sign_of_life_is_a_comment() -> None:
    writer = StreamWriter(ask(), 1, "x")
    assert (writer.keep_alive(), writer.content_type) == (b": keep-alive\n\n", "text/event-stream")
    assert (writer.open(), writer.write([]), writer.close()) == (b"", b"", b"data: [DONE]\n\n")


def whole(reply: Reply, request: Request | None = None) -> dict[str, Any]:
    body = write_reply(reply, request or ask(stream=False), reply_id="chatcmpl-ours", created=17)
    ChatCompletion.model_validate(json.loads(body), strict=True)
    found: dict[str, Any] = json.loads(body)
    return found


def test_a_body_of_the_dialect_is_left_alone() -> None:
    reply = Reply(dialect="openai", body=b'{"as":"it was"}')
    assert write_reply(reply, ask(), reply_id="x", created=1) == b'{"as":"it was"}'
    assert b"it was" not in write_reply(msgspec.structs.replace(reply, dialect="x"), ask(), reply_id="x", created=1)


def test_a_body_built_from_a_reply() -> None:
    reply = Reply(
        id="theirs",
        model="llama3.1:8b",
        choices=(
            Choice(text="hey", reasoning="hm", finish="stop", logprobs=msgspec.Raw(b'{"content":[],"refusal":null}')),
            Choice(tool_calls=(ToolCallPiece(0, "c", "f", "{}"),), finish="tool_calls"),
            Choice(refusal="no", finish="stop"),
            Choice(finish="stop"),
        ),
        usage=Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4, reasoning_tokens=2),
        extra={"service_tier": msgspec.Raw(b'"default"'), "id": msgspec.Raw(b'"never"')},
    )
    body = whole(reply)
    assert (body["id"], body["model"], body["created"], body["service_tier"]) == (
        "chatcmpl-ours", "llama3.1:8b", 17, "default",
    )  # fmt: skip
    first, call, refused, empty = (choice["message"] for choice in body["choices"])
    assert (first["content"], first["reasoning_content"], first["refusal"]) == ("hey", "hm", None)
    assert (call["content"], call["tool_calls"][0]["function"]) == (None, {"name": "f", "arguments": "{}"})
    assert (refused["content"], refused["refusal"], empty["content"]) == (None, "no", "")
    assert body["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_a_reply_without_a_model_has_the_name_that_was_asked_for() -> None:
    body = whole(Reply(choices=(Choice(text="x", finish="stop"),)))
    assert body["model"] == "alias"
    assert "usage" not in body


TEXT = st.text(max_size=6)
CHOICES = st.builds(
    Choice,
    text=TEXT,
    reasoning=TEXT,
    refusal=TEXT,
    tool_calls=st.lists(st.tuples(st.text("ab", min_size=1), st.text("fg", min_size=1), TEXT), max_size=2).map(
        lambda calls: tuple(ToolCallPiece(index, *call) for index, call in enumerate(calls))
    ),
    finish=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
)
COUNTS = st.integers(0, 50)


def usage_of(prompt: int, completion: int, cached: int, reasoning: int) -> Usage:
    return Usage(
        prompt_tokens=prompt + cached,
        completion_tokens=completion + reasoning,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
    )


REPLIES = st.builds(
    Reply,
    model=st.text("m", min_size=1, max_size=2),
    choices=st.lists(CHOICES, min_size=1, max_size=3).map(tuple),
    usage=st.none() | st.builds(usage_of, COUNTS, COUNTS, COUNTS, COUNTS),
    extra=st.sampled_from([{}, {"service_tier": msgspec.Raw(b'"default"')}]),
)


def same(reply: Reply) -> dict[str, object]:
    return {**msgspec.structs.asdict(reply), "extra": {name: bytes(raw) for name, raw in reply.extra.items()}}


@given(REPLIES)
def test_what_is_written_as_a_stream_reads_as_the_same_reply(reply: Reply) -> None:
    reply = msgspec.structs.replace(reply, id="chatcmpl-ours", created=17)
    writer = StreamWriter(WITH_USAGE, 17, "chatcmpl-ours")
    stream = writer.write(list(disassemble(reply))) + writer.close()
    chunks(stream)
    codec = OpenAICodec()
    wire = codec.write_request(ask(n=len(reply.choices)), "m", Upstream(dialect="openai", url="http://127.0.0.1/v1"))
    reader = codec.reader(wire)
    pieces = reader.feed(stream) + reader.finish()
    assert same(assemble(pieces)) == same(reply)
    again = StreamWriter(WITH_USAGE, 1, "other")
    assert again.write(pieces) + again.close() == stream


@given(REPLIES)
def test_what_is_written_whole_reads_as_the_same_reply(reply: Reply) -> None:
    reply = msgspec.structs.replace(reply, id="chatcmpl-ours", created=17)
    body = write_reply(reply, ask(stream=False), reply_id="chatcmpl-ours", created=17)
    ChatCompletion.model_validate(json.loads(body), strict=True)
    codec = OpenAICodec()
    reader = codec.reader(
        codec.write_request(ask(stream=False), "m", Upstream(dialect="openai", url="http://127.0.0.1"))
    )
    reader.feed(body)
    assert same(assemble(reader.finish())) == same(reply)


def test_models() -> None:
    listed = json.loads(write_models(["gpt-4o", "local-llama"], 17))
    assert listed["object"] == "list"
    models = [Model.model_validate(model, strict=True) for model in listed["data"]]
    assert [(model.id, model.created, model.owned_by) for model in models] == [
        ("gpt-4o", 17, "lodestar"),
        ("local-llama", 17, "lodestar"),
    ]
    assert json.loads(write_model("gpt-4o", 17)) == listed["data"][0]
