"""How Claude shall sample, think and remember, by what its generations take."""

from typing import Any

import msgspec
import pytest

from lodestard.domain.request import Request, Thought
from lodestard.protocols.anthropic.models import find_traits
from tests.fakes.anthropic_asks import (
    CACHING,
    CODEC,
    EFFORT,
    FIRST,
    NEWER,
    NEWEST,
    PAID,
    ROUND,
    SONNET,
    TOOL,
    ask,
    body_of,
    write,
)

# -- models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "budget", "adaptive", "sampling"),
    [
        ("claude-3-opus-20240229", False, False, True),
        ("claude-3-7-sonnet-latest", True, False, True),
        ("claude-opus-4-0", True, False, True),
        ("claude-4-opus-20250514", True, False, True),
        ("claude-opus-4-5-20251101", True, False, True),
        ("anthropic.claude-opus-4-6-v1:0", False, True, True),
        ("claude-opus-4@20250514", True, False, True),
        ("claude-fable-5-2", False, True, False),
        ("claude-haiku-10", False, True, False),
        ("claude-next", False, True, False),
        ("MiniMax-M2", True, False, True),
    ],
)
def test_models_by_their_names(model: str, budget: bool, adaptive: bool, sampling: bool) -> None:
    traits = find_traits(model)
    assert (traits.budget, traits.adaptive, traits.sampling) == (budget, adaptive, sampling)


# -- sampling ------------------------------------------------------------------------------------------------------

SAMPLED = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}


@pytest.mark.parametrize(
    ("model", "kept", "dropped"),
    [
        ("claude-3-5-haiku-20241022", SAMPLED, ()),
        ("claude-opus-4-20250514", SAMPLED, ()),
        (SONNET, {"temperature": 0.5, "top_k": 5}, ("top_p",)),
        ("claude-opus-4-6", {"temperature": 0.5, "top_k": 5}, ("top_p",)),
        ("claude-opus-4-7", {}, ("temperature", "top_p", "top_k")),
        ("claude-sonnet-5", {}, ("temperature", "top_p", "top_k")),
        ("claude-mythos-preview", {}, ("temperature", "top_p", "top_k")),
        ("kimi-k3", SAMPLED, ()),
    ],
)
def test_sampling_that_a_model_takes(model: str, kept: dict[str, Any], dropped: tuple[str, ...]) -> None:
    body, wire = write(ask(FIRST, **SAMPLED), model)
    assert {name: body[name] for name in SAMPLED if name in body} == kept
    assert wire.dropped == dropped


def test_a_version_that_takes_none() -> None:
    later = msgspec.structs.replace(PAID, anthropic_version="2026-10-21")
    body, wire = write(ask(FIRST, **SAMPLED), "claude-3-5-haiku-20241022", later)
    assert not SAMPLED.keys() & body.keys()
    assert wire.dropped == ("temperature", "top_p", "top_k")
    assert ("anthropic-version", "2026-10-21") in wire.headers


def test_a_temperature_is_at_most_one() -> None:
    body, wire = write(ask(FIRST, temperature=1.5))
    assert (body["temperature"], wire.notes) == (1.0, ("temperature 1: the highest there",))
    assert body_of(FIRST, temperature=0)["temperature"] == 0


def test_stops() -> None:
    body, wire = write(ask(FIRST, stop=["a", "\n", "b"]))
    assert (body["stop_sequences"], wire.dropped) == (["a", "b"], ("stop",))
    assert body_of(FIRST, stop="x")["stop_sequences"] == ["x"]


# -- thinking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        ("minimal", 64_000, 1_024),
        ("low", 64_000, 2_048),
        ("medium", 64_000, 8_192),
        ("high", 64_000, 16_384),
        ("xhigh", 64_000, 32_768),
        ("high", 8_000, 6_000),
        ("high", 1_025, 1_024),
        ("high", 1_024, None),
        ("none", 64_000, None),
        ("odd", 64_000, 8_192),
    ],
)
def test_a_budget_for_thinking(effort: str, limit: int, budget: int | None) -> None:
    body, wire = write(ask(FIRST, reasoning_effort=effort, max_tokens=limit, temperature=0.2))
    thinking = None if budget is None else {"type": "enabled", "budget_tokens": budget}
    assert body.get("thinking") == thinking
    assert body["max_tokens"] == limit
    assert (body.get("temperature"), wire.dropped) == ((None, ("temperature",)) if thinking else (0.2, ()))
    assert wire.notes == (("no thinking: the output limit leaves no room",) if limit == 1_024 else ())


@pytest.mark.parametrize(("tokens", "budget"), [(1, 1_024), (5_000, 5_000), (90_000, 63_999)])
def test_a_budget_of_the_client_s(tokens: int, budget: int) -> None:
    request = ask(FIRST, max_tokens=64_000)
    talk = msgspec.structs.replace(request.conversation, reasoning_tokens=tokens)
    request = msgspec.structs.replace(request, conversation=talk)
    assert write(request)[0]["thinking"] == {"type": "enabled", "budget_tokens": budget}
    body, wire = write(request, NEWER)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert wire.notes == ("the model chooses how much it thinks",)


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "said"),
    [
        ("claude-opus-4-6", "minimal", {"type": "adaptive"}, "low"),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, "high"),
        (NEWER, "xhigh", {"type": "adaptive", "display": "summarized"}, "xhigh"),
        (NEWER, "max", {"type": "adaptive", "display": "summarized"}, "max"),
        (NEWER, "odd", {"type": "adaptive", "display": "summarized"}, None),
        (NEWER, "none", None, None),
        (NEWEST, "none", None, "low"),
        (NEWEST, "high", {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-3-5-haiku-20241022", "high", None, None),
    ],
)
def test_an_effort(model: str, effort: str, thinking: Any, said: str | None) -> None:
    body = body_of(FIRST, model=model, reasoning_effort=effort)
    assert (body.get("thinking"), body.get("output_config")) == (thinking, {"effort": said} if said else None)


def test_no_thinking_where_a_call_is_forced() -> None:
    for model in (SONNET, NEWER):
        body, wire = write(ask(FIRST, tools=[TOOL], tool_choice="required", **EFFORT), model)
        assert ("thinking" in body, body["tool_choice"]) == (False, {"type": "any"})
        assert wire.notes == ("no thinking: a call is forced",)
    assert "thinking" in body_of(FIRST, tool_choice="required", **EFFORT)


def test_a_top_p_may_stand_beside_thinking() -> None:
    assert body_of(FIRST, top_p=0.95, **EFFORT)["top_p"] == 0.95
    assert "top_p" not in body_of(FIRST, top_p=0.94, **EFFORT)


def thoughtful(*messages: dict[str, Any], dialect: str = "anthropic", **members: Any) -> Request:
    """Each turn with calls has a thought."""
    request = ask(*messages, tools=[TOOL], **members)
    found = []
    for index, message in enumerate(request.conversation.messages):
        raw = msgspec.Raw(b'{"type":"thinking","thinking":"%d","signature":"s"}' % index)
        thoughts = (Thought(dialect, raw),) if message.tool_calls else ()
        found.append(msgspec.structs.replace(message, thoughts=thoughts))
    talk = msgspec.structs.replace(request.conversation, messages=tuple(found))
    return msgspec.structs.replace(request, conversation=talk)


def kinds_of(body: dict[str, Any]) -> list[list[str]]:
    return [[block["type"] for block in turn["content"]] for turn in body["messages"]]


def test_thoughts_come_back_in_the_round_that_is_under_way() -> None:
    body, wire = write(thoughtful(FIRST, *ROUND, FIRST, *ROUND, *ROUND, **EFFORT))
    again = [["thinking", "text", "tool_use"], ["tool_result"]]
    assert kinds_of(body) == [["text"], ["thinking", "text", "tool_use"], ["tool_result", "text"], *again, *again]
    assert body["messages"][-2]["content"][0] == {"type": "thinking", "thinking": "6", "signature": "s"}
    assert ("thinking" in body, wire.notes) == (True, ())


def test_thoughts_of_a_round_that_has_ended_are_left_out() -> None:
    body, _ = write(thoughtful(FIRST, *ROUND, {"role": "assistant", "content": "42."}, FIRST, **EFFORT))
    assert kinds_of(body) == [["text"], ["text", "tool_use"], ["tool_result"], ["text"], ["text"]]


def test_thoughts_come_back_though_nothing_is_said_of_thinking() -> None:
    """The newest models think unasked."""
    body, _ = write(thoughtful(FIRST, *ROUND), NEWEST)
    assert kinds_of(body)[1] == ["thinking", "text", "tool_use"]


@pytest.mark.parametrize("model", [SONNET, NEWER])
def test_a_round_whose_thoughts_are_unknown_goes_on_without(model: str) -> None:
    """Where the model has a budget; one that thinks as it likes does not insist."""
    body, wire = write(thoughtful(FIRST, *ROUND, dialect="gemini", **EFFORT), model)
    assert kinds_of(body) == [["text"], ["text", "tool_use"], ["tool_result"]]
    assert ("thinking" in body) == (model == NEWER)
    assert (wire.notes == ()) == (model == NEWER)


# -- caching -------------------------------------------------------------------------------------------------------

LONG = "A rule of the house. " * 250
MARK = {"type": "ephemeral"}


def marks_of(request: Request) -> list[str]:
    """Where the marks are."""
    body, _ = write(request, SONNET, CACHING)
    found = [f"tools[{at}]" for at, tool in enumerate(body.get("tools", ())) if tool.get("cache_control") == MARK]
    found += [f"system[{at}]" for at, one in enumerate(body.get("system", ())) if one.get("cache_control") == MARK]
    for at, turn in enumerate(body["messages"]):
        found += [f"{at}.{place}" for place, one in enumerate(turn["content"]) if one.get("cache_control") == MARK]
    return found


def test_what_is_marked_to_be_remembered() -> None:
    rules = {"role": "system", "content": LONG}
    tool = {"type": "function", "function": {"name": "f", "description": LONG}}
    turn = {"role": "assistant", "content": "ho"}
    assert marks_of(ask({"role": "system", "content": "short"}, FIRST)) == []
    assert marks_of(ask(rules, FIRST)) == ["system[0]"]
    assert marks_of(ask(rules, FIRST, tools=[TOOL])) == ["system[0]"]
    assert marks_of(ask(FIRST, tools=[TOOL, tool])) == ["tools[1]"]
    assert marks_of(ask({"role": "user", "content": LONG})) == []
    assert marks_of(ask(FIRST, turn, FIRST)) == []
    assert marks_of(ask(FIRST, turn, {"role": "user", "content": LONG})) == ["0.0", "2.0"]
    assert marks_of(ask(rules, FIRST, turn, FIRST, turn, FIRST)) == ["system[0]", "2.0", "4.0"]
    assert marks_of(ask(rules, FIRST, *ROUND, tools=[TOOL])) == ["system[0]", "0.0", "2.0"]


def test_no_text_is_added() -> None:
    """A hold goes by the size of what the client sent: marks are no text of the prompt."""
    rules, turn = {"role": "system", "content": LONG}, {"role": "assistant", "content": "ho"}
    request = ask(rules, FIRST, turn, FIRST, tools=[TOOL])
    plain = CODEC.write_request(request, SONNET, PAID).body
    marked = CODEC.write_request(request, SONNET, CACHING).body
    assert marked.replace(b',"cache_control":{"type":"ephemeral"}', b"") == plain
