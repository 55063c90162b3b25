"""What Gemini says: responses in a stream or whole, its figures, its refusals."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Choice, Piece, ToolCallPiece, assemble
from lodestard.domain.request import Thought
from lodestard.domain.usage import Usage, larger
from lodestard.protocols.codec import JSON_HEADERS, MAX_ANSWER_BYTES, ReplyReader, WireRequest
from lodestard.protocols.gemini.upstream import VECTORS, GeminiCodec
from lodestard.protocols.gemini.usage import read_usage

CODEC = GeminiCodec()
METER = {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 17}
USAGE = Usage(prompt_tokens=10, completion_tokens=7, reasoning_tokens=3)


def reader(*, streamed: bool = True, choices: int = 1, form: str = "chat") -> ReplyReader:
    wire = WireRequest(path="/", headers=JSON_HEADERS, body=b"", streamed=streamed, choices=choices, form=form)
    return CODEC.reader(wire)


def response(*parts: dict[str, Any], finish: str = "", index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if index:
        candidate["index"] = index
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1", **more}


def sse(*responses: Any, end: bytes = b"\r\n\r\n") -> bytes:
    return b"".join(
        b"data: " + json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode() + end for one in responses
    )


def read(stream: bytes, *, step: int = 0, choices: int = 1) -> list[Piece]:
    opened = reader(choices=choices)
    pieces: list[Piece] = []
    for start in range(0, len(stream), step or len(stream) or 1):
        pieces += opened.feed(stream[start : start + (step or len(stream))])
    pieces += opened.finish()
    assert opened.done
    return pieces


def plain(body: object, *, choices: int = 1) -> list[Piece]:
    opened = reader(streamed=False, choices=choices)
    data = body if isinstance(body, bytes) else json.dumps(body, indent=2, ensure_ascii=False).encode()
    assert opened.feed(data) == []
    return opened.finish()


def quoted(text: str) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(text).encode())


WHOLE = (
    response({"text": "hm", "thought": True}, usageMetadata={"promptTokenCount": 10}),
    response({"text": "hé"}, usageMetadata=METER),
    response({"text": "y"}, usageMetadata=METER),
    response({"functionCall": {"name": "f", "args": {"x": [1, "é"]}, "id": "c1"}, "thoughtSignature": "c2ln"}),
    response({"functionCall": {"name": "g"}}, {"text": "", "thoughtSignature": "ZW5k"}),
    response(finish="STOP", usageMetadata=METER),
)


def test_a_stream_piece_by_piece() -> None:
    pieces = read(sse(*WHOLE))
    invented = pieces[4].tool_calls[0].id
    assert invented.startswith("call_")
    assert len(invented) == 29
    assert pieces == [
        Piece(reasoning="hm", id="r1", model="gemini-x"),
        Piece(text="hé"),
        Piece(text="y"),
        Piece(
            tool_calls=(ToolCallPiece(0, "c1", "f", '{"x":[1,"é"]}'),),
            thoughts=(Thought("gemini", quoted("c2ln"), "c1"),),
        ),
        Piece(tool_calls=(ToolCallPiece(1, invented, "g", "{}"),), thoughts=(Thought("gemini", quoted("ZW5k")),)),
        Piece(finish="tool_calls", usage=USAGE),
    ]


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n"])
def test_the_portions_do_not_matter(end: bytes) -> None:
    stream = sse(*WHOLE, end=end)
    whole = read(stream)
    for step in range(1, len(stream)):
        assert read(stream, step=step) == whole


def test_a_plain_answer_is_the_same_answer() -> None:
    parts = [part for one in WHOLE for part in one["candidates"][0]["content"]["parts"]]
    whole = assemble(plain(response(*parts, finish="STOP", usageMetadata=METER)))
    assert whole == assemble(read(sse(*WHOLE)))
    assert whole.choices[0].tool_calls[0].arguments == '{"x":[1,"é"]}'
    assert (whole.body, whole.dialect, whole.id, whole.model) == (b"", "", "r1", "gemini-x")


def test_invented_ids_differ_by_answer_and_place() -> None:
    one = {"functionCall": {"name": "f", "args": {"a": 1}}}
    first, second = assemble(read(sse(response(one, one, finish="STOP")))).choices[0].tool_calls
    (other,) = assemble(read(sse({**response(one, finish="STOP"), "responseId": "r2"}))).choices[0].tool_calls
    assert len({first.id, second.id, other.id}) == 3
    assert read(sse(response(one, finish="STOP"))) == read(sse(response(one, finish="STOP")))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("OTHER", "error"),
        ("SOMETHING_NEW", "error"),
    ],
)
def test_how_it_finished(reason: str, finish: str) -> None:
    for pieces in (read(sse(response({"text": "x"}, finish=reason))), plain(response({"text": "x"}, finish=reason))):
        assert pieces[-1].finish == finish
    assert assemble(read(sse(response({"text": "x"}, finish=reason)))).complete == (finish != "error")


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"])
def test_what_broke_is_no_answer_and_may_be_billed(reason: str) -> None:
    stream = sse(response({"text": "x"}), response(finish=reason))
    opened = reader()
    assert [piece.text for piece in opened.feed(stream)] == ["x"]
    with pytest.raises(UpstreamFault) as raised:
        opened.finish()
    assert (raised.value.code, raised.value.billed) == (Code.UPSTREAM_ERROR, True)
    with pytest.raises(UpstreamFault):
        plain(response(finish=reason))


@pytest.mark.parametrize("choices", [1, 3])
def test_a_prompt_that_was_blocked(choices: int) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 10}}
    for pieces in (read(sse(blocked), choices=choices), plain(blocked, choices=choices)):
        whole = assemble(pieces)
        assert whole.choices == (Choice(finish="content_filter"),) * choices
        assert whole.usage == Usage(prompt_tokens=10)
    harmless = {**response({"text": "x"}, finish="STOP"), "promptFeedback": {"safetyRatings": []}}
    assert read(sse(harmless))[-1].finish == "stop"


def test_several_candidates() -> None:
    both = {
        "candidates": [
            {"index": 0, "content": {"parts": [{"text": "a"}]}},
            {"index": 1, "content": {"parts": [{"text": "b"}]}},
        ]
    }
    ends = [response(finish="STOP"), response(finish="MAX_TOKENS", index=1, usageMetadata=METER)]
    whole = assemble(read(sse(both, *ends), choices=2))
    assert whole.choices == (Choice(text="a", finish="stop"), Choice(text="b", finish="length"))
    assert whole.usage == USAGE
    for cut_short in (sse(both, ends[0]), sse(both), sse(response({"text": "a"}, finish="STOP"))):
        with pytest.raises(UpstreamFault) as raised:
            read(cut_short, choices=2)
        assert raised.value.code == Code.UPSTREAM_CUT


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_an_end_before_its_finish_is_a_cut(end: int) -> None:
    for stream in (sse(*WHOLE[:end]), sse(*WHOLE[:end]) + sse(WHOLE[end])[:-4]):
        with pytest.raises(UpstreamFault) as raised:
            read(stream)
        assert raised.value.code == Code.UPSTREAM_CUT


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.UPSTREAM_CUT),
        (b'{"candidates":[{"content"', Code.UPSTREAM_CUT),
        (response({"text": "x"}), Code.UPSTREAM_CUT),
        ({}, Code.UPSTREAM_CUT),
        (b"<html>", Code.UPSTREAM_GARBAGE),
        ({"candidates": 7}, Code.UPSTREAM_GARBAGE),
        ({"error": {"code": 503, "message": "x"}}, Code.UPSTREAM_ERROR),
    ],
)
def test_plain_answers_that_are_none(body: object, code: Code) -> None:
    with pytest.raises(UpstreamFault) as raised:
        plain(body)
    assert raised.value.code == code


def test_an_answer_beyond_all_bounds() -> None:
    opened = reader(streamed=False)
    with pytest.raises(UpstreamFault, match="larger"):
        for _ in range(MAX_ANSWER_BYTES // 2**20 + 1):
            opened.feed(b" " * 2**20)
    with pytest.raises(UpstreamFault, match="larger"):
        opened.finish()


TOO_DEEP = b'{"a":' * 70 + b"1" + b"}" * 70


@pytest.mark.parametrize(
    "event",
    [
        b"[DONE]",
        b"null",
        b"7",
        b"{",
        b'{"candidates":[{"content":{"parts":[{"text":7}]}}]}',
        b'{"candidates":[{"index":-1}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[1]}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + TOO_DEEP + b"}}]}}]}",
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}',
        b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}',
    ],
)  # fmt: skip
def test_garbage(event: bytes) -> None:
    opened = reader()
    with pytest.raises(UpstreamFault) as raised:
        opened.feed(b"data: " + event + b"\n\n")
        opened.finish()
    assert raised.value.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_ERROR)


def test_what_can_not_be_passed_on() -> None:
    drawn = response({"inlineData": {"mimeType": "image/png", "data": "QUJD"}}, finish="STOP")
    with pytest.raises(UpstreamFault, match="image/png"):
        read(sse(drawn))


def test_parts_and_members_that_are_new_are_read_over() -> None:
    stream = sse(response({"text": "x", "new": 1}, {"executableCode": {}}, {}, finish="STOP", new={"a": 1}))
    assert assemble(read(stream)).choices == (Choice(text="x", finish="stop"),)


def test_probabilities() -> None:
    token = {"token": "hé", "logProbability": -0.5, "tokenId": 3}
    said = response({"text": "hé"}, finish="STOP")
    said["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [token],
        "topCandidates": [{"candidates": [token]}],
    }
    one = {"token": "hé", "logprob": -0.5, "bytes": [104, 195, 169]}
    raw = read(sse(said))[0].logprobs
    assert raw is not None
    assert json.loads(bytes(raw)) == {"content": [{**one, "top_logprobs": [one]}], "refusal": None}


# -- figures ---------------------------------------------------------------------------------------------------------


def used(**more: Any) -> Usage:
    return msgspec.structs.replace(USAGE, **more)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (METER, USAGE),
        ({"promptTokenCount": 10}, Usage(prompt_tokens=10)),
        ({**METER, "toolUsePromptTokenCount": 5, "totalTokenCount": 22}, used(prompt_tokens=15)),
        ({**METER, "totalTokenCount": 30}, used(completion_tokens=20)),
        ({**METER, "cachedContentTokenCount": 8}, used(cached_tokens=8)),
        ({"promptTokenCount": 10, "cachedContentTokenCount": 12}, Usage(prompt_tokens=22, cached_tokens=12)),
        (
            {
                **METER,
                "cachedContentTokenCount": 6,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 1},
                    {"modality": "IMAGE", "tokenCount": 4},
                    {"modality": "DOCUMENT", "tokenCount": 1},
                    {"modality": "AUDIO", "tokenCount": 3},
                    {"modality": "NEW"},
                ],
                "cacheTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 2},
                    {"modality": "IMAGE", "tokenCount": 4},
                ],
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
            },
            Usage(
                prompt_tokens=10, completion_tokens=7, cached_tokens=6, reasoning_tokens=3, audio_prompt_tokens=3,
                audio_cached_tokens=2, audio_completion_tokens=2, image_prompt_tokens=5, image_cached_tokens=4,
            ),
        ),
        ({**METER, "serviceTier": "flex"}, used(service_tier="flex")),
        ({**METER, "serviceTier": "STANDARD"}, USAGE),
        ({**METER, "serviceTier": "a b"}, used(service_tier="unreadable")),
        ({"candidatesTokenCount": 4}, None),
        ({"promptTokenCount": 0, "candidatesTokenCount": 4}, None),
        ({"promptTokenCount": -1}, None),
        ({"promptTokenCount": 10, "candidatesTokenCount": "4"}, None),
        ({"promptTokenCount": 10**11}, None),
        ([], None),
    ],
)  # fmt: skip
def test_figures(said: object, usage: Usage | None) -> None:
    assert read_usage(msgspec.Raw(json.dumps(said).encode())) == usage


COUNTS = st.one_of(st.none(), st.integers(0, 10**6))


@given(st.dictionaries(st.sampled_from([*METER, "cachedContentTokenCount", "toolUsePromptTokenCount"]), COUNTS))
def test_no_figure_is_lower_than_what_was_counted(said: dict[str, int | None]) -> None:
    usage = read_usage(msgspec.Raw(json.dumps(said).encode()))
    if usage is None:
        assert not said.get("promptTokenCount")
        return
    counts = {name: count or 0 for name, count in said.items()}
    prompt = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    assert usage.prompt_tokens >= prompt
    assert usage.completion_tokens >= counts.get("candidatesTokenCount", 0) + counts.get("thoughtsTokenCount", 0)
    assert usage.prompt_tokens >= usage.cached_tokens
    assert usage.completion_tokens >= usage.reasoning_tokens
    assert usage.prompt_tokens + usage.completion_tokens >= counts.get("totalTokenCount", 0)


def test_the_last_totals_hold_and_none_is_lower() -> None:
    less = {"promptTokenCount": 10, "totalTokenCount": 10}
    for totals in ((METER, less), (less, METER)):
        stream = sse(
            response({"text": "x"}, finish="STOP", usageMetadata=totals[0]), {"usageMetadata": totals[1]},
        )  # fmt: skip
        assert assemble(read(stream)).usage == USAGE
    assert larger(None, USAGE) == larger(USAGE, None) == USAGE


def test_totals_that_came_before_the_finish_alone() -> None:
    assert assemble(read(sse(response({"text": "x"}, usageMetadata=METER), response(finish="STOP")))).usage == USAGE


def test_text_that_costs_nothing_makes_no_sense() -> None:
    for parts in ([{"text": "x"}], [{"functionCall": {"name": "f"}}]):
        stream = sse(response(*parts, finish="STOP", usageMetadata={"promptTokenCount": 10}))
        assert assemble(read(stream)).usage is None


# -- vectors ---------------------------------------------------------------------------------------------------------


def vectors(body: object, inputs: int) -> list[Piece]:
    opened = reader(streamed=False, choices=inputs, form=VECTORS)
    opened.feed(body if isinstance(body, bytes) else json.dumps(body, indent=2).encode())
    return opened.finish()


def test_vectors() -> None:
    said = {"embeddings": [{"values": [0.5, -1]}, {"values": [1e-7]}], "usageMetadata": {"promptTokenCount": 4}}
    assert vectors(said, 2) == [
        Piece(choice=0, text="[0.5,-1.0]", finish="stop"),
        Piece(choice=1, text="[1e-7]", finish="stop", usage=Usage(prompt_tokens=4)),
    ]
    assert vectors({"embeddings": [{"values": [1]}]}, 1)[0].usage is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"embeddings": [{"values": [1]}]}, Code.UPSTREAM_GARBAGE),
        ({"embeddings": [{"values": ["1"]}, {"values": [1]}]}, Code.UPSTREAM_GARBAGE),
        ({"embeddings": [{"values": []}, {"values": [1]}]}, Code.UPSTREAM_GARBAGE),
        ({"embeddings": [{"values": [1e39]}, {"values": [1]}]}, Code.UPSTREAM_GARBAGE),  # more than 32 bits hold
        (b'{"embeddings":[', Code.UPSTREAM_CUT),
        (b"[]", Code.UPSTREAM_GARBAGE),
    ],
)
def test_vectors_that_are_none(body: object, code: Code) -> None:
    with pytest.raises(UpstreamFault) as raised:
        vectors(body, 2)
    assert raised.value.code == code


# -- refusals --------------------------------------------------------------------------------------------------------


def refusal(message: str, code: int = 400, status: str = "INVALID_ARGUMENT", details: Sequence[Any] = ()) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


@pytest.mark.parametrize(
    ("status", "body", "code", "billed"),
    [
        (400, refusal("API key not valid. Please pass a valid API key."), Code.UPSTREAM_AUTH, False),
        (400, refusal("Bad.", details=[{"reason": "API_KEY_INVALID"}]), Code.UPSTREAM_AUTH, False),
        (401, refusal("x", 401, "UNAUTHENTICATED"), Code.UPSTREAM_AUTH, False),
        (403, refusal("x", 403, "PERMISSION_DENIED"), Code.UPSTREAM_AUTH, False),
        (404, refusal("models/x is not found", 404, "NOT_FOUND"), Code.UPSTREAM_MODEL_MISSING, False),
        (429, refusal("Resource has been exhausted", 429, "RESOURCE_EXHAUSTED"), Code.UPSTREAM_RATE_LIMITED, False),
        (429, refusal("Your prepayment credits are depleted.", 429), Code.UPSTREAM_QUOTA, False),
        (400, refusal("Invalid value at 'x'"), Code.UPSTREAM_REJECTED, False),
        (500, refusal("An internal error", 500, "INTERNAL"), Code.UPSTREAM_ERROR, False),
        (503, [refusal("The model is overloaded.", 503, "UNAVAILABLE")], Code.UPSTREAM_ERROR, False),
        (504, refusal("Deadline expired", 504, "DEADLINE_EXCEEDED"), Code.UPSTREAM_ERROR, True),
        (302, {}, Code.UPSTREAM_ERROR, False),
    ],
)
def test_refusals(status: int, body: object, code: Code, billed: bool) -> None:
    fault = CODEC.read_error(status, {}, json.dumps(body).encode())
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.billed, fault.status) == (code, billed, status)


def test_a_prompt_that_is_too_long_is_the_callers() -> None:
    text = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    fault = CODEC.read_error(400, {}, json.dumps(refusal(text)).encode())
    assert isinstance(fault, CallerFault)
    assert fault.code == Code.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize(
    ("details", "headers", "wait_s"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.QuotaFailure"}, {"retryDelay": "34.5s"}], {}, 34.5),
        ([{"retryDelay": "34s"}], {"retry-after": "7"}, 34),
        ([], {"retry-after": "7"}, 7),
        ([{"retryDelay": "soon"}, 7], {"retry-after": "nan"}, None),
        ([{"retryDelay": "99999s"}], {}, 86_400),
    ],
)
def test_when_to_come_again(details: list[Any], headers: dict[str, str], wait_s: float | None) -> None:
    body = json.dumps(refusal("x", 429, "RESOURCE_EXHAUSTED", details)).encode()
    assert CODEC.read_error(429, headers, body).retry_after_s == wait_s


@pytest.mark.parametrize(
    "body", [b"", b"<html><title>Bad</title>", b"\xff", b"[]", b"7", b'{"error":7}', b"[" * 9999, b" " * 300_000]
)
def test_refusals_that_make_no_sense(body: bytes) -> None:
    fault = CODEC.read_error(500, {}, body)
    assert fault.code == Code.UPSTREAM_ERROR


def test_a_key_is_never_told() -> None:
    body = json.dumps(refusal("API key not valid: AIzaSyA1234567890abcdef")).encode()
    assert "AIzaSy" not in CODEC.read_error(400, {}, body).message


@pytest.mark.parametrize("shape", [lambda error: error, lambda error: [error]])
def test_an_error_in_the_middle_may_be_billed(shape: Any) -> None:
    opened = reader()
    stream = sse(response({"text": "x"}), shape(refusal("The model is overloaded.", 503, "UNAVAILABLE")))
    assert [piece.text for piece in opened.feed(stream)] == ["x"]
    with pytest.raises(UpstreamFault) as raised:
        opened.feed(b"")
    assert (raised.value.code, raised.value.billed, raised.value.status) == (Code.UPSTREAM_ERROR, True, None)


# -- whatever comes --------------------------------------------------------------------------------------------------


def called(name: str, value: str, *, signed: bool) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": {"a": value}}}
    return {**part, "thoughtSignature": "cw"} if signed else part


PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(max_size=5)),
    st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=5)),
    st.builds(called, st.text(min_size=1, max_size=3), st.text(max_size=4), signed=st.booleans()),
)


@given(st.lists(st.lists(PARTS, max_size=3), max_size=5), st.integers(1, 40))
def test_what_was_written_is_what_is_read(events: list[list[dict[str, Any]]], step: int) -> None:
    stream = sse(*[response(*parts) for parts in events], response(finish="STOP", usageMetadata={**METER}))
    whole = assemble(read(stream, step=step))
    parts = [part for one in events for part in one]
    choice = whole.choices[0]
    assert choice.text == "".join(part["text"] for part in parts if "text" in part and "thought" not in part)
    assert choice.reasoning == "".join(part["text"] for part in parts if part.get("thought"))
    calls = [part for part in parts if "functionCall" in part]
    assert [(one.index, one.name, json.loads(one.arguments)) for one in choice.tool_calls] == [
        (place, part["functionCall"]["name"], part["functionCall"]["args"]) for place, part in enumerate(calls)
    ]
    signed = [one.id for one, part in zip(choice.tool_calls, calls, strict=True) if "thoughtSignature" in part]
    assert [thought.call_id for thought in choice.thoughts] == signed
    assert choice.finish == ("tool_calls" if calls else "stop")


@given(
    st.binary(max_size=200) | st.builds(lambda a, b: sse(*WHOLE)[:a] + b, st.integers(0, 700), st.binary(max_size=20))
)
def test_whatever_comes_only_faults_leave(stream: bytes) -> None:
    for streamed in (True, False):
        opened = reader(streamed=streamed)
        try:
            opened.feed(stream)
            opened.finish()
        except Fault:
            continue
        assert opened.done
