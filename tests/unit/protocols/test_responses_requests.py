"""Requests to OpenAI's Responses API: conversations of other dialects, and its own clients' members."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseInputItemParam, ToolParam
from pydantic import TypeAdapter

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Conversation,
    Embedding,
    Format,
    ImagePart,
    Message,
    OtherPart,
    Request,
    Sampling,
    TextPart,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
)
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.upstream import OpenAICodec
from lodestard.protocols.responses.client import Responses
from lodestard.protocols.responses.request import thinks
from lodestard.simulator.paid.chat_request import read_members as sim_members
from lodestard.simulator.paid.providers import PROVIDERS
from lodestard.simulator.paid.responses_request import ResponsesRequest, read_responses

CODEC = OpenAICodec()
PAID = Upstream(dialect="openai", url="https://api.example.test/v1", api="responses")
ITEMS: TypeAdapter[Any] = TypeAdapter(list[ResponseInputItemParam])
TOOLS: TypeAdapter[Any] = TypeAdapter(list[ToolParam])
SEALED = msgspec.Raw(
    b'{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"t"}],"status":"completed",'
    b'"encrypted_content":"gAAA"}'
)


CALL, ODD_CALL = ToolCall("c", "f", "{}"), ToolCall("c", "", "", "odd")


def text(role: Any, words: str, **more: Any) -> Message:
    return Message(role=role, parts=(TextPart(words),) if words else (), **more)


def write(
    talk: Conversation, model: str = "gpt-4o", *, stream: bool = False, unsaid: tuple[str, ...] = ()
) -> WireRequest:
    request = Request(
        dialect="house",
        alias="a",
        stream=stream,
        include_usage=False,
        members={},
        conversation=talk,
        size_bytes=0,
        unsaid=unsaid,
    )
    return CODEC.write_request(request, model, PAID)


def sent(talk: Conversation, model: str = "gpt-4o") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(write(talk, model).body)
    ITEMS.validate_python(body["input"])
    TOOLS.validate_python(body.get("tools", []))
    return body


def pass_on(model: str = "gpt-4o", limit: int | None = None, **members: Any) -> WireRequest:
    """What becomes of a Responses client's own request."""
    body = {"model": "alias", "input": "hi", "stream": True, **members}
    request = Request(
        dialect="responses",
        alias="alias",
        stream=body["stream"],
        include_usage=True,
        members={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()},
        conversation=Conversation(messages=(text("user", "hi"),), sampling=Sampling(max_output_tokens=limit)),
        size_bytes=10,
        unsaid=("x",),
    )
    return CODEC.write_request(request, model, PAID)


def test_a_conversation_becomes_instructions_and_items() -> None:
    talk = Conversation(
        messages=(
            text("system", "Be brief."),
            text("developer", "And kind."),
            Message(
                role="user",
                name="ann",
                parts=(
                    TextPart("Look:"),
                    ImagePart(media_type="image/png", data="QUJD", detail="low"),
                    ImagePart(url="https://x.test/i"),
                ),
            ),
            text(
                "assistant",
                "I look.",
                thoughts=(Thought("responses", SEALED),),
                tool_calls=(ToolCall("c", "f", "{}"),),
            ),
            text("tool", "out", tool_call_id="c"),
            text("system", "Now in French."),
            text("assistant", ""),
            text("user", "So?"),
        )
    )
    assert sent(talk) == {
        "instructions": "Be brief.\n\nAnd kind.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look:"},
                    {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"},
                    {"type": "input_image", "image_url": "https://x.test/i", "detail": "auto"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "out"},
            {"type": "message", "role": "system", "content": "Now in French."},
            {"type": "message", "role": "user", "content": "So?"},
        ],
        "store": False,
        "stream": False,
        "model": "gpt-4o",
    }


def test_the_wire_of_a_request() -> None:
    talk = Conversation(messages=(text("user", "x"),))
    streamed, plain = write(talk, stream=True), write(talk)
    assert (streamed.path, streamed.streamed, streamed.form) == ("/v1/responses", True, "responses")
    assert (plain.streamed, plain.passing, plain.choices, plain.dropped, plain.notes) == (False, False, 1, (), ())
    assert dict(streamed.headers)["accept"] == "text/event-stream"
    assert dict(plain.headers)["accept"] == "application/json"


def test_how_it_shall_be_answered() -> None:
    talk = Conversation(
        messages=(text("user", "x"),),
        tools=(
            Tool(name="f", description="d", parameters=msgspec.Raw(b'{"type":"object"}'), strict=True),
            Tool(name="g"),
        ),
        tool_choice=ToolChoice("function", "f"),
        parallel_calls=False,
        sampling=Sampling(temperature=0.5, top_p=0.9, max_output_tokens=50),
        format=Format(kind="json_schema", schema=msgspec.Raw(b'{"type":"object"}'), name="n", strict=True),
        reasoning_effort="high",
        logprobs=True,
        top_logprobs=2,
    )
    body = sent(talk)
    del body["input"]
    assert body == {
        "model": "gpt-4o",
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": "d"},
            {"type": "function", "name": "g", "parameters": None, "strict": False},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        "reasoning": {"effort": "high"},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 50,
        "top_logprobs": 2,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "store": False,
        "stream": False,
    }


def test_only_who_knows_the_word_tells_a_model_not_to_reason() -> None:
    assert "reasoning" not in sent(Conversation(messages=(text("user", "x"),), reasoning_effort="none"), "gpt-5.5")
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"reasoning_effort":"none"}'
    wire = CODEC.write_request(read_request(body, depth=9), "gpt-5.5", PAID)
    assert json.loads(wire.body)["reasoning"] == {"effort": "none"}


def test_the_word_json_stays_in_the_input() -> None:
    body = sent(Conversation(messages=(text("system", "JSON!"), text("user", "x")), format=Format(kind="json")))
    assert "instructions" not in body
    assert body["input"][0] == {"type": "message", "role": "system", "content": "JSON!"}
    assert body["text"] == {"format": {"type": "json_object"}}


def test_images_in_results_and_instructions() -> None:
    image = ImagePart(url="https://x.test/i")
    shown = {"type": "input_image", "image_url": "https://x.test/i", "detail": "auto"}
    talk = Conversation(
        messages=(
            Message(role="system", parts=(image,)),
            text("assistant", "", tool_calls=(ToolCall("c", "f", "{}"),)),
            Message(role="tool", tool_call_id="c", parts=(TextPart("see"), image)),
        )
    )
    system, _, result = sent(talk)["input"]
    assert system == {"type": "message", "role": "system", "content": [shown]}
    assert result["output"] == [{"type": "input_text", "text": "see"}, shown]


@pytest.mark.parametrize(
    ("model", "effort", "tools", "wanted"),
    [
        ("o4-mini", "", True, True),
        ("o4-mini", "", False, False),
        ("o4-mini", "none", True, False),
        ("gpt-4o", "", True, False),
        ("gpt-4o", "low", True, True),
    ],
)
def test_thoughts_are_wanted_back_where_calls_may_follow_them(
    model: str, effort: str, tools: bool, wanted: bool
) -> None:
    talk = Conversation(
        messages=(text("user", "x"),), tools=(Tool(name="f"),) if tools else (), reasoning_effort=effort
    )
    assert ("include" in sent(talk, model)) is wanted


@pytest.mark.parametrize(
    ("model", "does"),
    [
        *(("o1", True), ("o4-mini", True), ("openai/o3", True), ("gpt-5.5", True), ("gpt-5-codex", True)),
        *(("gpt-12", True), ("codex-mini-latest", True), ("grok-4.7", True), ("gpt-4o", False), ("gpt-4.1", False)),
        *(("gpt-5-chat-latest", False), ("gpt-3.5-turbo", False), ("grok-beta", False), ("grok-3-mini", False)),
        *(("grok-4.20-non-reasoning", False), ("llama3", False), ("", False)),
    ],
)
def test_models_that_reason(model: str, does: bool) -> None:
    assert thinks(model) is does


@pytest.mark.parametrize(
    "thought",
    [
        Thought("anthropic", SEALED),
        Thought("responses", msgspec.Raw(b'{"type":"reasoning","id":"rs_1","summary":[]}')),
        Thought("responses", msgspec.Raw(b"[]")),
    ],
)
def test_thoughts_that_it_could_not_read_are_left_out(thought: Thought) -> None:
    talk = Conversation(
        messages=(text("assistant", "", thoughts=(thought,), tool_calls=(ToolCall("c", "f", "{}"),)),)
    )
    assert [item["type"] for item in sent(talk)["input"]] == ["function_call"]


def test_what_is_left_out_is_told() -> None:
    sampling = Sampling(seed=1, stop=("x",), top_k=3, presence_penalty=1, frequency_penalty=-1)
    talk = Conversation(messages=(text("user", "x", name="ann"),), sampling=sampling, reasoning_tokens=5)
    wire = write(talk, unsaid=("logit_bias",))
    assert wire.dropped == (
        *("logit_bias", "seed", "stop", "top_k", "presence_penalty", "frequency_penalty", "messages[].name"),
    )
    assert wire.notes == ("reasoning budget left to the model",)
    assert "ann" not in str(wire.body)
    nothing = Sampling(presence_penalty=0, frequency_penalty=0)
    assert write(Conversation(messages=(text("tool", "x", name="f"),), sampling=nothing)).dropped == ()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": (Tool(name="", kind="odd"),)}, "tools"),
        ({"messages": (text("system", "s"), Message(role="user", parts=(OtherPart("odd", msgspec.Raw(b"{}")),)))},
         "messages[1].content[0]"),
        ({"messages": (Message(role="assistant", parts=(ImagePart(url="x"),)),)}, "messages[0].content"),
        ({"messages": (text("assistant", "", tool_calls=(ODD_CALL,)),)}, "messages[0].tool_calls[0]"),
    ],
)  # fmt: skip
def test_what_can_not_be_said(more: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        write(Conversation(**{"messages": (), **more}))
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, param)


def test_what_is_no_chat_goes_where_it_always_went() -> None:
    talk = Conversation(messages=(text("user", "x"),), embedding=Embedding())
    assert write(talk).form != "responses"


def test_a_strict_schema_stays_strict() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "response_format": schema}
    request = read_request(json.dumps(body).encode(), depth=9)
    wire = CODEC.write_request(request, "gpt-4o", PAID)
    assert json.loads(wire.body)["text"]["format"] == {
        "type": "json_schema",
        "name": "n",
        "schema": {},
        "strict": True,
    }
    chat = CODEC.write_request(
        msgspec.structs.replace(request, dialect="house"), "m", Upstream(dialect="openai", url="http://x/v1")
    )
    assert json.loads(chat.body)["response_format"] == schema


def test_a_strict_schema_of_the_dialect_s_own_client_is_read() -> None:
    form = {"type": "json_schema", "name": "n", "schema": {}, "strict": True}
    body = json.dumps({"model": "m", "input": "x", "text": {"format": form}}).encode()
    request = Responses().read_request(body, depth=9, headers={})
    assert request.conversation.format.strict is True


# -- the dialect's own clients -------------------------------------------------------------------------------------


def test_a_request_goes_through_with_its_unknown_members() -> None:
    raw = {
        "model": msgspec.Raw(b'"alias"'),
        "input": msgspec.Raw(b'[{"role":"user", "content":"\\u0068i","x":1.50}]'),
        "stream": msgspec.Raw(b"true"),
        "store": msgspec.Raw(b"true"),
        "new_member": msgspec.Raw(b'{"a" : [1e2]}'),
        "previous_response_id": msgspec.Raw(b'"resp_ours"'),
    }
    talk = Conversation(messages=(text("user", "hi"),))
    request = Request(
        dialect="responses",
        alias="alias",
        stream=True,
        include_usage=True,
        members=raw,
        conversation=talk,
        size_bytes=9,
    )
    wire = CODEC.write_request(request, "gpt-5", PAID)
    assert wire.body == (
        b'{"model":"gpt-5","input":[{"role":"user", "content":"\\u0068i","x":1.50}],"stream":true,"store":true,'
        b'"new_member":{"a" : [1e2]}}'
    )
    assert (wire.passing, wire.dropped, wire.form, wire.path) == (True, (), "responses", "/v1/responses")


def test_nothing_is_stored_unless_it_is_said() -> None:
    assert json.loads(pass_on().body)["store"] is False
    assert json.loads(pass_on(store=None).body)["store"] is False
    assert json.loads(pass_on(store=True).body)["store"] is True
    assert "include" not in json.loads(pass_on().body)


def test_what_nobody_keeps_comes_back_encrypted() -> None:
    assert json.loads(pass_on("o4-mini").body)["include"] == ["reasoning.encrypted_content"]
    said = json.loads(pass_on("o4-mini", include=["a", "reasoning.encrypted_content"]).body)
    assert said["include"] == ["a", "reasoning.encrypted_content"]
    assert json.loads(pass_on("o4-mini", include=["a"]).body)["include"] == ["a", "reasoning.encrypted_content"]
    assert "include" not in json.loads(pass_on("o4-mini", store=False).body)


def test_an_output_limit_of_ours_is_written_where_there_is_none() -> None:
    assert json.loads(pass_on(limit=40).body)["max_output_tokens"] == 40
    assert json.loads(pass_on(limit=40, max_output_tokens=None).body)["max_output_tokens"] == 40
    assert json.loads(pass_on(limit=40, max_output_tokens=30).body)["max_output_tokens"] == 30
    assert "max_output_tokens" not in json.loads(pass_on().body)


@pytest.mark.parametrize(
    ("member", "value"), [("conversation", "conv_1"), ("prompt", {"id": "pmpt_1"}), ("background", True)]
)
def test_what_could_not_be_priced_is_refused(member: str, value: Any) -> None:
    with pytest.raises(CallerFault) as caught:
        pass_on("gpt-4o", None, **{member: value})
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, member)
    pass_on("gpt-4o", None, **{member: None})
    pass_on(background=False)


@pytest.mark.parametrize(
    ("model", "refuses"),
    [
        *(
            ("gpt-4o", True),
            ("openai/gpt-4.1-mini", True),
            ("ft:gpt-4o-mini:a::b", True),
            ("chatgpt-4o-latest", True),
        ),
        *(("gpt-3.5-turbo", True), ("gpt-5-chat-latest", True), ("gpt-5.5", False), ("o4-mini", False)),
        *(("gpt-oss-120b", False), ("my-deployment", False), ("grok-3-mini", False)),
    ],
)
def test_who_never_thinks_is_not_asked_for_thoughts(model: str, refuses: bool) -> None:
    """Codex asks everybody. Of whom nothing is known, what the client said is."""
    wire = pass_on(model, store=False, include=["reasoning.encrypted_content", "a"])
    assert json.loads(wire.body)["include"] == (["a"] if refuses else ["reasoning.encrypted_content", "a"])
    assert wire.dropped == (("include[].reasoning.encrypted_content",) if refuses else ())


@pytest.mark.parametrize(("store", "kept_there"), [(None, False), (False, False), (True, True)])
def test_thoughts_that_the_provider_can_not_know_are_left_out(store: bool | None, kept_there: bool) -> None:
    """Of another provider, told as a summary: OpenAI refuses a request for an item that it does not know."""
    lost = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    sealed, shown = (
        {**lost, "encrypted_content": "gAAA"},
        {**lost, "content": [{"type": "reasoning_text", "text": "t"}]},
    )
    said = {"role": "assistant", "content": '"reasoning"'}
    wire = pass_on(input=[lost, said, sealed, shown, {**lost, "encrypted_content": None}], store=store)
    if kept_there:
        assert len(json.loads(wire.body)["input"]) == 5
        assert wire.dropped == ()
    else:
        assert json.loads(wire.body)["input"] == [said, sealed, shown]
        assert wire.dropped == ("input[].reasoning",)
    for other in ('about "reasoning"', [said, sealed]):
        wire = pass_on(input=other, store=store)
        assert (json.loads(wire.body)["input"], wire.dropped) == (other, ())


@pytest.mark.parametrize(
    ("said", "limit", "written"), [(None, 64, 64), (100_000, 64, 64), (32, 64, 32), (32, 32, 32)]
)
def test_a_limit_above_what_was_held_is_lowered(said: int | None, limit: int, written: int) -> None:
    assert json.loads(pass_on(limit=limit, max_output_tokens=said).body)["max_output_tokens"] == written


@pytest.mark.parametrize("include", ["text", {"a": 1}, 5])
def test_an_include_that_is_no_list_is_the_provider_s_to_judge(include: object) -> None:
    assert json.loads(pass_on("o4-mini", include=include).body)["include"] == include


# -- what was written reads the same -------------------------------------------------------------------------------

WORDS = st.text(alphabet='abcé \n"\\{}', min_size=1, max_size=8)
USER = st.builds(lambda words: text("user", words), WORDS)
SYSTEM = st.builds(lambda words: text("system", words), WORDS)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    call = ToolCall(f"c{draw(st.integers(0, 9))}", "f", draw(st.sampled_from(["{}", '{"a":1}', "{"])))
    said = text("assistant", draw(st.just("") | WORDS), tool_calls=(call,))
    return [draw(USER), said, text("tool", draw(st.just("") | WORDS), tool_call_id=call.id)]


def read_back(talk: Conversation) -> ResponsesRequest:
    members = sim_members(write(talk).body)
    (model,) = [one for one in PROVIDERS["openai"].models if one.name == "gpt-4o"]
    return read_responses(members, model, "openai")


@given(st.lists(SYSTEM, max_size=2), st.lists(turns(), max_size=3), st.lists(SYSTEM | USER, max_size=2), USER)
def test_another_reader_reads_the_same(
    before: list[Message], middle: list[list[Message]], after: list[Message], last: Message
) -> None:
    messages = (*before, *(one for turn in middle for one in turn), *after, last)
    told = [(turn.role, turn.text) for turn in read_back(Conversation(messages=messages)).turns]
    expected: list[tuple[str, str]] = []
    leading = 0
    while messages[leading].role == "system":
        leading += 1
    if leading:
        expected.append(("system", "\n\n".join(message.text for message in messages[:leading])))
    for message in messages[leading:]:
        if message.text or message.role == "tool":
            expected.append((message.role, message.text))
        expected += [("assistant", f"{call.id}{call.name}{call.arguments}") for call in message.tool_calls]
    assert told == expected
