"""Signatures that Gemini's compatible endpoint puts beside calls of tools, and wants back with their results.

Law: no client's text is changed; a call that brings its signature itself keeps it. What makes no sense is left alone.
Source: Google's "OpenAI compatibility" and "Thought signatures": ``tool_calls[].extra_content.google``.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.request import Message, Request, Thought
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.openai_answer import ABSENT, Call

DIALECT = "gemini-compatible"
_MEMBER = "extra_content"
_DEPTH = 16
_messages = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_calls = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def read_signatures(calls: Sequence[Call] | None) -> tuple[Thought, ...]:
    """What stands beside the calls of an answer, as it came."""
    if not calls or all(call.extra_content is ABSENT for call in calls):
        return ()
    return tuple(Thought(DIALECT, call.extra_content, call.id) for call in calls if call.id and _is_google(call))


def sign_calls(members: dict[str, object], request: Request) -> None:
    """Put back into the messages of a body what was remembered of their calls."""
    talk = request.conversation.messages
    signed = {at: found for at, message in enumerate(talk) if message.thoughts and (found := _of(message))}
    if not signed:
        return
    written = members["messages"]
    messages: list[object] = list(_messages.decode(written)) if isinstance(written, msgspec.Raw) else list(written)  # type: ignore[call-overload]
    for at, found in signed.items():
        messages[at] = _sign(_object.decode(msgspec.json.encode(messages[at])), found)
    members["messages"] = messages


def _of(message: Message) -> dict[str, msgspec.Raw]:
    return {thought.call_id: thought.raw for thought in message.thoughts if thought.dialect == DIALECT}


def _sign(message: dict[str, msgspec.Raw], found: Mapping[str, msgspec.Raw]) -> dict[str, object]:
    calls = _calls.decode(message.get("tool_calls", b"[]"))
    for call in calls:
        raw = found.get(msgspec.json.decode(call.get("id", b'""')) or "")
        if raw is not None and _MEMBER not in call:
            call[_MEMBER] = raw
    return {**message, "tool_calls": calls}


def _is_google(call: Call) -> bool:
    text = bytes(call.extra_content)
    if not text.startswith(b"{") or b'"google"' not in text or nests_deeper(text, _DEPTH):
        return False
    text.decode()  # the decoder does not look into what stays raw
    return True
