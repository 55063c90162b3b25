"""What is sent to Gemini: the conversation in its words, its options, and what it can't be told."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Completion,
    Conversation,
    Embedding,
    Message,
    OtherPart,
    Request,
    TextPart,
    Thought,
    ToolCall,
)
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.gemini.model import generation_of, resource_of
from lodestard.protocols.gemini.upstream import GeminiCodec
from lodestard.protocols.openai.chat import read_request

CODEC = GeminiCodec()
GOOGLE = Upstream(dialect="gemini", url="https://generativelanguage.googleapis.com/v1beta")
SKIP = "skip_thought_signature_validator"
SCHEMA = {"type": "object", "properties": {"c": {"type": "string"}}, "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}


def ask(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


def wire(request: Request, model: str = "gemini-2.5-flash") -> WireRequest:
    return CODEC.write_request(request, model, GOOGLE)


def sent(model: str = "gemini-2.5-flash", **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(wire(ask(**members), model).body)
    return body


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def told(*messages: Message, model: str = "gemini-3-flash-preview") -> list[dict[str, Any]]:
    request = msgspec.structs.replace(ask(), conversation=Conversation(messages=messages))
    contents: list[dict[str, Any]] = json.loads(wire(request, model).body)["contents"]
    return contents


def signed(raw: str, call_id: str = "", dialect: str = "gemini") -> Thought:
    return Thought(dialect, msgspec.Raw(json.dumps(raw).encode()), call_id)


def test_the_least_request() -> None:
    plain = wire(ask())
    assert (plain.path, plain.streamed, plain.choices) == (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        False,
        1,
    )
    assert json.loads(plain.body) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert (plain.dropped, plain.notes, plain.passing) == ((), (), False)
    streamed = wire(ask(stream=True))
    assert streamed.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert (streamed.streamed, streamed.body) == (True, plain.body)
    assert dict(streamed.headers) == {"content-type": "application/json", "accept": "text/event-stream"}


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("a/b?c#d", "models/a%2Fb%3Fc%23d"),
        ("x:countTokens?", "models/x%3AcountTokens%3F"),
    ],
)
def test_a_model_names_nothing_but_a_model(model: str, path: str) -> None:
    assert resource_of(model) == path


@pytest.mark.parametrize(
    ("model", "generation"),
    [
        ("gemini-1.5-flash-8b", (1, 5)),
        ("gemini-2.0-flash-lite", (2, 0)),
        ("models/gemini-2.5-flash", (2, 5)),
        ("gemini-3-pro-preview", (3, 0)),
        ("gemini-3.1-flash-lite", (3, 1)),
        ("gemini-4-argon", (4, 0)),
        ("gemini-robotics-er-2-preview", (2, 0)),
        ("gemini-flash-latest", (99, 0)),
        ("learnlm", (99, 0)),
    ],
)
def test_what_a_name_tells(model: str, generation: tuple[int, int]) -> None:
    assert generation_of(model) == generation


def test_a_conversation() -> None:
    body = sent(
        model="gemini-2.5-flash",
        messages=[
            {"role": "system", "content": "one"},
            {"role": "developer", "content": "two"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c", "tool_calls": [call("1", "f", '{"x":1}'), call("2", "g", "")]},
            {"role": "tool", "tool_call_id": "2", "content": "two"},
            {"role": "tool", "tool_call_id": "1", "content": ""},
            {"role": "user", "content": "d"},
        ],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {
            "role": "model",
            "parts": [
                {"text": "c"},
                {"functionCall": {"name": "f", "args": {"x": 1}}},
                {"functionCall": {"name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "g", "response": {"result": "two"}}},
                {"functionResponse": {"name": "f", "response": {"result": ""}}},
            ],
        },
        {"role": "user", "parts": [{"text": "d"}]},
    ]


def test_a_system_message_alone_is_what_the_user_says() -> None:
    body = sent(messages=[{"role": "system", "content": "s"}])
    assert body == {"contents": [{"role": "user", "parts": [{"text": "s"}]}]}
    assert sent(messages=[{"role": "user", "content": ""}])["contents"] == [{"role": "user", "parts": [{"text": ""}]}]


def test_a_later_system_message_is_put_first_and_said() -> None:
    asked = ask(messages=[{"role": "user", "content": "u"}, {"role": "system", "content": "s"}])
    assert wire(asked).notes == ("system messages put first",)
    assert json.loads(wire(asked).body)["systemInstruction"] == {"parts": [{"text": "s"}]}


def test_a_result_that_failed() -> None:
    calls = Message(role="assistant", tool_calls=(ToolCall("1", "f", "no json"),))
    failed = Message(role="tool", tool_call_id="1", parts=(TextPart("gone"),), is_error=True)
    _, made, result = told(Message(role="user", parts=(TextPart("u"),)), calls, failed)
    assert made["parts"][0]["functionCall"] == {"name": "f", "id": "1", "args": {"arguments": "no json"}}
    assert result["parts"] == [{"functionResponse": {"name": "f", "id": "1", "response": {"error": "gone"}}}]


def test_ids_that_come_again_in_a_later_turn() -> None:
    messages: list[dict[str, Any]] = []
    for name in ("f", "g"):
        messages += [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": None, "tool_calls": [call("call_0", name)]},
            {"role": "tool", "tool_call_id": "call_0", "content": name},
        ]
    parts = [part for content in sent(messages=messages)["contents"] for part in content["parts"]]
    assert [part["functionResponse"]["name"] for part in parts if "functionResponse" in part] == ["f", "g"]


USER = Message(role="user", parts=(TextPart("u"),))
RESULT = Message(role="tool", tool_call_id="1", parts=(TextPart("r"),))


def test_signatures_go_where_they_came_from() -> None:
    calls = Message(
        role="assistant",
        parts=(TextPart("t"),),
        tool_calls=(ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}")),
        thoughts=(signed("of text"), signed("of f", "1"), signed("not ours", "2", "anthropic")),
    )
    parts = told(USER, calls, RESULT)[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["of text", "of f", None]


@pytest.mark.parametrize(
    ("model", "wanted"), [("gemini-3-flash-preview", [SKIP, None]), ("gemini-2.5-flash", [None, None])]
)
def test_a_step_without_signature_says_so_from_gemini_3_on(model: str, wanted: list[str | None]) -> None:
    calls = Message(role="assistant", tool_calls=(ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}")))
    parts = told(USER, calls, RESULT, model=model)[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == wanted


def test_turns_that_are_over_need_none() -> None:
    calls = Message(role="assistant", tool_calls=(ToolCall("1", "f", "{}"),))
    assert "thoughtSignature" not in told(USER, calls, RESULT, USER)[1]["parts"][0]


def test_tools_and_choices() -> None:
    body = sent(tools=[TOOL, {"type": "function", "function": {"name": "g"}}], tool_choice="required")
    declared = [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}, {"name": "g"}]
    assert body["tools"] == [{"functionDeclarations": declared}]
    chosen = {"type": "function", "function": {"name": "f"}}
    for choice, config in (
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (chosen, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ):
        assert sent(tools=[TOOL], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in sent(tool_choice="auto")


def test_options() -> None:
    config = sent(
        temperature=0, top_p=0.5, top_k=3, max_tokens=7, stop=["a"], seed=-5, presence_penalty=1, frequency_penalty=0,
        n=2, logprobs=True, top_logprobs=4,
    )["generationConfig"]  # fmt: skip
    assert config == {
        "temperature": 0,
        "topP": 0.5,
        "topK": 3,
        "maxOutputTokens": 7,
        "stopSequences": ["a"],
        "seed": -5,
        "presencePenalty": 1,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 4,
    }
    assert wire(ask(n=2)).choices == 2


@pytest.mark.parametrize(
    ("form", "config"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
    ],
)
def test_formats(form: dict[str, Any], config: dict[str, Any] | None) -> None:
    assert sent(response_format=form).get("generationConfig") == config


@pytest.mark.parametrize(
    ("model", "effort", "tokens", "wanted"),
    [
        ("gemini-2.5-flash", "none", None, {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", "minimal", None, {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "xhigh", None, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", None, {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.5-pro", "", 99_999, {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-3-flash-preview", "none", None, {"thinkingLevel": "minimal", "includeThoughts": False}),
        ("gemini-3.1-pro-preview", "medium", None, {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", None, {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-pro-preview", "minimal", None, {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-flash-preview", "high", 512, {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-1.5-flash", "high", None, None),
    ],
)
def test_how_much_is_thought(model: str, effort: str, tokens: int | None, wanted: dict[str, Any] | None) -> None:
    asked = ask()
    talk = msgspec.structs.replace(asked.conversation, reasoning_effort=effort, reasoning_tokens=tokens)
    written = wire(msgspec.structs.replace(asked, conversation=talk), model)
    assert json.loads(written.body).get("generationConfig", {}).get("thinkingConfig") == wanted
    assert written.dropped == (("reasoning_effort",) if wanted is None else ())
    forced = effort == "none" and model != "gemini-2.5-flash"
    assert written.notes == (("thinking can't be turned off: as little as it can",) if forced else ())


def test_images() -> None:
    urls = ["data:image/png;base64,QUJD", "https://example.org/a.JPG?x=1"]
    parts = sent(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}]
    )["contents"][0]["parts"]
    assert parts == [
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a.JPG?x=1"}},
    ]


@pytest.mark.parametrize(
    "url",
    [
        "data:application/pdf;base64,QUJD",
        "data:video/mp4;base64,QUJD",
        "data:;base64,QUJD",
        "https://www.youtube.com/a.png",
        "https://youtu.be/a.png",
        "https://example.org/film",
        "https://generativelanguage.googleapis.com/v1beta/files/x",
        "http://example.org/a.png",
        "gs://bucket/a.png",
        "file:///etc/a.png",
    ],
)
def test_what_may_be_no_image_is_refused(url: str) -> None:
    """It would be billed by its pages or its minutes, which nobody has held."""
    with pytest.raises(CallerFault) as raised:
        sent(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    assert (raised.value.code, raised.value.param) == (Code.NOT_SUPPORTED, "messages[0].content[0]")


SOUND = [{"type": "input_audio", "input_audio": {}}]
PICTURE = [{"type": "image_url", "image_url": "data:image/png;base64,QQ=="}]
CUSTOM = {"id": "1", "type": "custom", "custom": {"name": "x"}}
LONG = "x" * 129
FIRST = "messages[0]"


def one(role: str, content: object = None, **more: object) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more}]}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        (one("user", SOUND), f"{FIRST}.content[0]"),
        (one("system", PICTURE), f"{FIRST}.content"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": LONG}}]}, "tools"),
        (one("assistant", tool_calls=[CUSTOM]), f"{FIRST}.tool_calls[0]"),
        (one("assistant", tool_calls=[call("1", LONG)]), f"{FIRST}.tool_calls[0].function.name"),
        (one("tool", "x", tool_call_id=""), f"{FIRST}.tool_call_id"),
    ],
)
def test_what_can_not_be_said_is_refused(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as raised:
        sent(**members)
    assert (raised.value.code, raised.value.param) == (Code.NOT_SUPPORTED, param)


def test_an_image_from_a_tool_is_for_newer_models() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    messages = [
        {"role": "user", "content": "u"},
        {"role": "assistant", "tool_calls": [call("1")]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "see"}, image]},
    ]
    response = sent("gemini-3-flash-preview", messages=messages)["contents"][2]["parts"][0]["functionResponse"]
    assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]
    with pytest.raises(CallerFault, match="text alone from a tool"):
        sent("gemini-2.5-flash", messages=messages)


def test_what_is_left_out_is_named() -> None:
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    url = {"url": "data:image/png;base64,QUJD", "detail": "high"}
    asked = ask(
        messages=[
            {"role": "user", "name": "ada", "content": [{"type": "image_url", "image_url": url}]},
            {"role": "assistant", "content": "x", "reasoning_content": "hm"},
        ],
        tools=[strict],
        parallel_tool_calls=False,
        seed=2**40,
        logit_bias={"1": 1},
        user="u",
    )
    assert wire(asked).dropped == (
        "logit_bias",
        "messages[].content[].image_url.detail",
        "messages[].name",
        "messages[].reasoning_content",
        "parallel_tool_calls",
        "tools[].function.strict",
        "seed",
    )


def test_vectors() -> None:
    talk = Conversation(
        messages=(USER, Message(role="user", parts=(TextPart("v"),))), embedding=Embedding(dimensions=256)
    )
    written = wire(msgspec.structs.replace(ask(), conversation=talk), "gemini-embedding-001")
    assert written.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert (written.streamed, written.choices) == (False, 2)
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 256}
    assert json.loads(written.body) == {
        "requests": [{**one, "content": {"parts": [{"text": text}]}} for text in ("u", "v")]
    }
    empty = Conversation(messages=(Message(role="user"),), embedding=Embedding())
    with pytest.raises(CallerFault) as raised:
        wire(msgspec.structs.replace(ask(), conversation=empty))
    assert raised.value.param == "input[0]"


def test_text_to_be_continued_is_refused() -> None:
    talk = Conversation(messages=(USER,), completion=Completion())
    with pytest.raises(CallerFault) as raised:
        wire(msgspec.structs.replace(ask(), conversation=talk))
    assert raised.value.code == Code.NOT_SUPPORTED


ROLES = st.sampled_from(("system", "user", "assistant", "tool"))
TEXTS = st.text(max_size=12)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    messages: list[Message] = []
    for role in draw(st.lists(ROLES, min_size=1, max_size=8)):
        parts = tuple(TextPart(text) for text in draw(st.lists(TEXTS, max_size=3)))
        calls = [ToolCall(draw(st.sampled_from("abc")), "f", draw(TEXTS)) for _ in range(draw(st.integers(0, 2)))]
        messages.append(
            Message(role=role, parts=parts, tool_calls=tuple(calls) if role == "assistant" else (), tool_call_id="a")  # type: ignore[arg-type]
        )
    return Conversation(messages=tuple(messages))


@given(conversations(), st.sampled_from(("gemini-2.5-flash", "gemini-3-flash-preview")))
def test_no_text_is_lost_and_none_is_added(talk: Conversation, model: str) -> None:
    request = msgspec.structs.replace(ask(), conversation=talk)
    body = msgspec.json.decode(wire(request, model).body)
    parts = [part for content in body["contents"] for part in content["parts"]]
    system = body.get("systemInstruction", {"parts": []})["parts"]
    written = sorted(part["text"] for part in parts + system if part.get("text"))
    wanted = sorted(
        part.text for message in talk.messages if message.role != "tool" for part in message.parts
        if isinstance(part, TextPart) and part.text
    )  # fmt: skip
    assert written == wanted
    results = [part["functionResponse"]["response"]["result"] for part in parts if "functionResponse" in part]
    assert results == [message.text for message in talk.messages if message.role == "tool"]
    assert all(part for part in parts)
    kinds = [(content["role"], "functionResponse" in content["parts"][0]) for content in body["contents"]]
    assert all(one != other for one, other in pairwise(kinds))


def test_a_foreign_part_is_refused() -> None:
    talk = Conversation(messages=(Message(role="user", parts=(OtherPart("file", msgspec.Raw(b"{}")),)),))
    with pytest.raises(CallerFault, match="'file'"):
        wire(msgspec.structs.replace(ask(), conversation=talk))
