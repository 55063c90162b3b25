"""OpenAI's embeddings, as clients send and get them."""

import base64
import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.reply import Choice, Reply
from lodestard.domain.request import TOKENS, Embedding, OtherPart, Request
from lodestard.domain.usage import Usage
from lodestard.protocols.openai.embeddings import OpenAIEmbeddings, read_request
from lodestard.protocols.vectors import require_vector, to_base64

CODEC = OpenAIEmbeddings()
FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20)


def ask(given: Any = "x", **members: Any) -> Request:
    return read_request(json.dumps({"model": "m", "input": given, **members}).encode(), depth=64)


def written(request: Request, *texts: str, usage: Usage | None = None) -> dict[str, Any]:
    reply = Reply(choices=tuple(Choice(text=text, finish="stop") for text in texts), usage=usage)
    body: dict[str, Any] = json.loads(CODEC.write_reply(reply, request, created=7, reply_id="r"))
    return body


def test_all_that_is_said() -> None:
    request = ask(["a", "b"], dimensions=3, encoding_format="base64", user="ann", x_new=1)
    talk = request.conversation
    assert [message.text for message in talk.messages] == ["a", "b"]
    assert talk.embedding == Embedding(dimensions=3, base64=True)
    assert (request.stream, talk.n, talk.is_chat, request.unsaid) == (False, 1, False, ("x_new",))
    assert ask().conversation.embedding == Embedding()


def test_token_ids_are_kept_apart() -> None:
    (message,) = ask([1, 2]).conversation.messages
    assert message.parts == (OtherPart(TOKENS, msgspec.Raw(b"[1,2]")),)
    assert len(ask([[1, 2], [3]]).conversation.messages) == 2
    assert len(ask(list(range(3_000))).conversation.messages) == 1


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [[1], "a"]}, "input"),
        ({"input": [1.5]}, "input[0]"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"model": 5}, "model"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        read_request(json.dumps({"model": "m", "input": "x", **members}).encode(), depth=64)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, param)


def test_a_whole_answer() -> None:
    assert written(ask(["a", "b"]), "[1, 2.50]", "[3]", usage=Usage(prompt_tokens=4)) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1, 2.5]},
            {"object": "embedding", "index": 1, "embedding": [3]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert written(ask(), "[1]")["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert CODEC.write_reply(Reply(body=b"{}"), ask(), created=7, reply_id="r") == b"{}"


@given(FLOATS)
def test_base64_is_little_endian_floats(numbers: list[float]) -> None:
    body = written(ask(encoding_format="base64"), require_vector(msgspec.Raw(json.dumps(numbers).encode())))
    data = base64.b64decode(body["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(numbers)}f", data)) == numbers


def test_base64_that_came_as_such_stays() -> None:
    assert written(ask(encoding_format="base64"), '"AACAPw=="')["data"][0]["embedding"] == "AACAPw=="
    assert to_base64("[1]") == "AACAPw=="


@pytest.mark.parametrize("text", [b"[]", b"{}", b'"a"', b"[1,null]", b"[[1]]", b"[1e39]", b"[true]", b"5"])
def test_what_is_no_vector(text: bytes) -> None:
    with pytest.raises(ValueError):
        require_vector(msgspec.Raw(text))


def test_it_never_streams() -> None:
    writer = CODEC.stream_writer(ask(), created=7, reply_id="r")
    assert (writer.open(), writer.write(()), writer.close(), writer.keep_alive()) == (b"", b"", b"", b"")
    assert json.loads(writer.fail(UpstreamFault(Code.UPSTREAM_CUT, "x")))["error"]["code"] == "upstream_cut"
    assert writer.content_type == "application/json"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_the_callers_fault(data: bytes) -> None:
    for body in (data, b'{"model":"m","input":' + data + b"}"):
        try:
            CODEC.read_request(body, depth=64, headers={})
        except CallerFault as fault:
            assert fault.code in (Code.INVALID_JSON, Code.INVALID_REQUEST)
