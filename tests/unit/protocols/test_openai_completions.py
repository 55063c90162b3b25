"""OpenAI's text completions and Mistral's gaps, as clients send and get them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.reply import Choice, Piece, Reply, assemble, disassemble
from lodestard.domain.request import Completion, Request, Sampling
from lodestard.domain.usage import Usage
from lodestard.protocols.openai import fim as openai_fim
from lodestard.protocols.openai.completions import OpenAICompletions, read_request
from lodestard.protocols.openai.fim import MistralFim

CODEC = OpenAICompletions()
LOGPROBS = msgspec.Raw(
    b'{"content":[{"token":"a","logprob":-0.5,"top_logprobs":[{"token":"a","logprob":-0.5},{"token":"b","logprob":-1}]}'
    b',{"token":"bc","logprob":-2}]}'
)
USAGE = Usage(prompt_tokens=3, completion_tokens=2)


def ask(**members: Any) -> Request:
    return read_request(json.dumps({"model": "m", "prompt": "x = ", **members}).encode(), depth=64)


def fim(**members: Any) -> Request:
    return openai_fim.read_request(json.dumps({"model": "m", "prompt": "x = ", **members}).encode(), depth=64)


def stream(request: Request, *pieces: Piece) -> bytes:
    writer = CODEC.stream_writer(request, created=7, reply_id="cmpl-1")
    return writer.open() + writer.write(pieces) + writer.close()


def chunks(data: bytes) -> list[Any]:
    events = [event.removeprefix(b"data: ") for event in data.split(b"\n\n") if event]
    return [json.loads(event) for event in events if event != b"[DONE]"]


def whole(request: Request, reply: Reply) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODEC.write_reply(reply, request, created=7, reply_id="cmpl-1"))
    return body


# -- reading -------------------------------------------------------------------------------------------------------


def test_all_that_is_said() -> None:
    request = ask(
        suffix="\n", stream=True, stream_options={"include_usage": True}, echo=True, n=2, best_of=2, logprobs=3,
        max_tokens=9, stop=["a", "b"], temperature=0, top_p=0.5, seed=4, presence_penalty=1, frequency_penalty=-1,
        user="ann",
    )  # fmt: skip
    talk = request.conversation
    assert (request.dialect, request.alias, request.stream, request.include_usage, request.unsaid) == (
        "completions", "m", True, True, (),
    )  # fmt: skip
    assert ([message.text for message in talk.messages], talk.n, talk.logprobs, talk.top_logprobs) == (
        ["x = "], 2, True, 3,
    )  # fmt: skip
    assert talk.completion == Completion(suffix="\n", raw=True, echo=True)
    assert talk.sampling == Sampling(
        temperature=0.0, top_p=0.5, seed=4, stop=("a", "b"), max_output_tokens=9, presence_penalty=1.0,
        frequency_penalty=-1.0,
    )  # fmt: skip


def test_the_least_asks_for_sixteen_tokens() -> None:
    request = ask()
    assert request.conversation.sampling == Sampling(max_output_tokens=16)
    assert request.conversation.completion == Completion(raw=True)
    assert ask(suffix="", stop="a", logprobs=0).conversation.completion == Completion(raw=True)
    assert ask(logprobs=0).conversation.logprobs
    assert not ask(logprobs=False).conversation.logprobs
    assert ask(max_tokens=0).conversation.sampling.max_output_tokens == 0
    assert ask(prompt=None).conversation.messages[0].text == ""


def test_what_has_no_word_is_named() -> None:
    assert ask(logit_bias={"5": 1}, x_new=1, user="ann").unsaid == ("logit_bias", "x_new")
    assert fim(min_tokens=5, metadata={}, random_seed=1).unsaid == ("min_tokens",)


def test_several_prompts_are_as_many_messages_and_all_their_choices_count() -> None:
    talk = ask(prompt=["a", "b", "c"], n=2).conversation
    assert ([message.text for message in talk.messages], talk.n) == (["a", "b", "c"], 6)
    assert [message.parts[0] for message in ask(prompt=[[1, 2], [3]]).conversation.messages] == [
        part for text in (b"[1,2]", b"[3]") for part in ask(prompt=json.loads(text)).conversation.messages[0].parts
    ]


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"prompt": []}, Code.INVALID_REQUEST, "prompt"),
        ({"prompt": ["a", 1]}, Code.INVALID_REQUEST, "prompt"),
        ({"prompt": ["a"] * 2049}, Code.INVALID_REQUEST, "prompt"),
        ({"prompt": {"a": 1}}, Code.INVALID_REQUEST, "prompt"),
        ({"best_of": 2}, Code.NOT_SUPPORTED, "best_of"),
        ({"n": 0}, Code.INVALID_REQUEST, "n"),
        ({"n": 3, "prompt": ["a"] * 1366}, Code.INVALID_REQUEST, "n"),  # 4,098 answers
        ({"max_tokens": -1}, Code.INVALID_REQUEST, "max_tokens"),
        ({"temperature": 3}, Code.INVALID_REQUEST, "temperature"),
        ({"logprobs": "1"}, Code.INVALID_REQUEST, "logprobs"),
        ({"model": ""}, Code.INVALID_REQUEST, "model"),
        ({"stream_options": 1}, Code.INVALID_REQUEST, "stream_options"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], code: Code, param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        ask(**members)
    assert (caught.value.code, caught.value.param) == (code, param)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_the_callers_fault(data: bytes) -> None:
    for codec in (CODEC, MistralFim()):
        for body in (data, b'{"model":"m","prompt":' + data + b"}"):
            try:
                codec.read_request(body, depth=64, headers={})
            except CallerFault as fault:
                assert fault.code in (Code.INVALID_JSON, Code.INVALID_REQUEST, Code.NOT_SUPPORTED)


# -- writing -------------------------------------------------------------------------------------------------------


def test_a_stream_byte_for_byte() -> None:
    said = stream(
        ask(stream=True, stream_options={"include_usage": True}),
        Piece(text='a"é\n', model="up"),
        Piece(reasoning="hm"),
        Piece(text="b", finish="length", usage=USAGE),
    )
    head = b'data: {"id":"cmpl-1","object":"text_completion","created":7,"choices":['
    assert said == (
        head + '{"text":"a\\"é\\n","index":0,"logprobs":null,"finish_reason":null}],"model":"up"}\n\n'.encode()
        + head + b'{"text":"b","index":0,"logprobs":null,"finish_reason":"length"}],"model":"up"}\n\n'
        + head + b'],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,'
        b'"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"model":"up"}\n\n'
        b"data: [DONE]\n\n"
    )  # fmt: skip


def test_usage_that_was_not_asked_for_is_not_told() -> None:
    assert [chunk.get("usage") for chunk in chunks(stream(ask(stream=True), Piece(text="a", usage=USAGE)))] == [None]


def test_an_upstreams_own_events_go_through_but_for_the_usage_that_was_not_asked_for() -> None:
    raw = b'data: {"choices":[{"text":"a"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3}}\n\n'
    pieces = (Piece(text="a", raw=raw), Piece(usage=USAGE, raw=usage))
    assert stream(ask(stream=True), *pieces) == raw + b"data: [DONE]\n\n"
    asked = ask(stream=True, stream_options={"include_usage": True})
    assert stream(asked, *pieces) == raw + usage + b"data: [DONE]\n\n"


def test_a_stream_that_failed_has_an_error_and_no_end() -> None:
    for codec in (CODEC, MistralFim()):
        writer = codec.stream_writer(ask(stream=True), created=7, reply_id="x")
        writer.write([Piece(text="a")])
        said = writer.fail(UpstreamFault(Code.UPSTREAM_CUT, "It ended."))
        assert json.loads(said.removeprefix(b"data: "))["error"]["code"] == "upstream_cut"
        assert writer.keep_alive().startswith(b":")
        assert writer.content_type == "text/event-stream"


def test_the_prompt_comes_first_where_the_client_wants_it() -> None:
    pieces = (Piece(text="1"), Piece(choice=1, text="2"), Piece(text="1"), Piece(finish="stop"))
    echoed = [choice for chunk in chunks(stream(ask(echo=True, n=2), *pieces)) for choice in chunk["choices"]]
    assert [(choice["index"], choice["text"]) for choice in echoed] == [(0, "x = 1"), (1, "x = 2"), (0, "1"), (0, "")]
    reply = Reply(choices=tuple(Choice(text=text, finish="stop") for text in "12"))
    assert [choice["text"] for choice in whole(ask(echo=True, n=2), reply)["choices"]] == ["x = 1", "x = 2"]
    two = whole(ask(echo=True, prompt=["a", "b"]), reply)
    assert [choice["text"] for choice in two["choices"]] == ["a1", "b2"]


def test_logprobs_are_columns() -> None:
    columns = {
        "tokens": ["a", "bc"],
        "token_logprobs": [-0.5, -2],
        "top_logprobs": [{"a": -0.5, "b": -1}, {}],
        "text_offset": [0, 1],
    }
    reply = Reply(choices=(Choice(text="abc", logprobs=LOGPROBS, finish="stop"),))
    assert whole(ask(logprobs=2), reply)["choices"][0]["logprobs"] == columns
    late = {**columns, "text_offset": [4, 5]}
    assert whole(ask(logprobs=2, echo=True), reply)["choices"][0]["logprobs"] == late
    piece = Piece(text="abc", logprobs=LOGPROBS)
    first, second = chunks(stream(ask(logprobs=2), piece, piece))
    assert first["choices"][0]["logprobs"] == columns
    assert second["choices"][0]["logprobs"]["text_offset"] == [3, 4]
    for odd in (b'{"content":null}', b'{"content":5}', b"5", b"{}"):
        reply = Reply(choices=(Choice(text="abc", logprobs=msgspec.Raw(odd)),))
        assert whole(ask(), reply)["choices"][0]["logprobs"] is None


def test_a_whole_answer() -> None:
    reply = Reply(
        model="up", choices=(Choice(text="a", finish="tool_calls"),), usage=USAGE, extra={"x": msgspec.Raw(b"[1]")}
    )
    assert whole(ask(), reply) == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "up",
        "choices": [{"text": "a", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "x": [1],
    }
    passed = Reply(dialect="openai", body=b'{"any":1}')
    assert CODEC.write_reply(passed, ask(), created=7, reply_id="x") == b'{"any":1}'


def test_what_is_kept_of_an_answer_is_replayed_with_its_unknown_members() -> None:
    reply = Reply(choices=(Choice(text="a", finish="stop"),), extra={"x_new": msgspec.Raw(b'{"a":1}')})
    first, last = chunks(stream(ask(stream=True), *disassemble(reply)))
    assert (first["x_new"], first["choices"][0]["text"], last["choices"][0]["finish_reason"]) == (
        {"a": 1},
        "a",
        "stop",
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=9)), max_size=12))
def test_streamed_and_whole_say_the_same(said: list[tuple[int, str]]) -> None:
    pieces = [Piece(choice=choice, text=text) for choice, text in said]
    pieces += [Piece(choice=choice, finish="stop") for choice in range(3)]
    request = ask(n=3, echo=True)
    texts = ["", "", ""]
    for chunk in chunks(stream(request, *pieces)):
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole(request, assemble(pieces))["choices"]]


# -- Mistral's shape -----------------------------------------------------------------------------------------------


def test_a_gap_as_mistral_has_it() -> None:
    request = fim(suffix="\n", random_seed=3, max_tokens=5, stop="a", temperature=0.2, top_p=0.9, stream=True)
    assert request.conversation.completion == Completion(suffix="\n", raw=True)
    assert request.conversation.sampling == Sampling(
        temperature=0.2, top_p=0.9, seed=3, stop=("a",), max_output_tokens=5
    )
    assert (request.dialect, request.stream) == ("fim", True)
    assert fim().conversation.completion == Completion(suffix="", raw=True)
    assert fim().conversation.sampling.max_output_tokens is None
    for members, param in (({"prompt": ["a"]}, "prompt"), ({"max_tokens": 0}, "max_tokens"), ({"stop": 1}, "stop")):
        with pytest.raises(CallerFault) as caught:
            fim(**members)
        assert caught.value.param == param


def test_its_stream_ends_with_a_chunk_that_has_the_end_and_the_usage() -> None:
    writer = MistralFim().stream_writer(fim(stream=True), created=7, reply_id="r")
    said = writer.open() + writer.write([Piece(text="a", model="up"), Piece(reasoning="hm"), Piece(finish="length")])
    said += writer.write([Piece(usage=USAGE)]) + writer.close()
    first, last = chunks(said)
    assert first == {
        "id": "r",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "up",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}],
    }
    assert last["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "length"}]
    assert last["usage"]["total_tokens"] == 5
    assert said.endswith(b"data: [DONE]\n\n")


def test_its_own_stream_goes_through() -> None:
    writer = MistralFim().stream_writer(fim(stream=True), created=7, reply_id="r")
    raw = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{}}\n\n'
    assert writer.write([Piece(text="a", finish="stop", raw=raw)]) + writer.close() == raw + b"data: [DONE]\n\n"


def test_its_whole_answer() -> None:
    reply = Reply(choices=(Choice(text="a", finish="stop"),), usage=USAGE)
    body = json.loads(MistralFim().write_reply(reply, fim(), created=7, reply_id="r"))
    assert (body["object"], body["model"], body["usage"]["total_tokens"]) == ("chat.completion", "m", 5)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "a", "tool_calls": None}
    assert MistralFim().write_reply(Reply(body=b"{}"), fim(), created=7, reply_id="r") == b"{}"
