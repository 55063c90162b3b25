"""Signatures that Gemini's compatible endpoint puts beside calls of tools, and wants back with their results.

Law: no client's text is changed; a call that brings its signature itself keeps it. What makes no sense is left alone.
Source: Google's "OpenAI compatibility" and "Thought signatures": ``tool_calls[].extra_content.google``.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.request import Request, Thought
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.openai.answer import ABSENT, Call

DIALECT = "gemini-compatible"
_MEMBER = "extra_content"
_DEPTH = 16
_messages = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_calls = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def read_signatures(calls: Sequence[Call] | None) -> tuple[Thought, ...]:
    """What stands beside the calls of an answer, as it came; it is remembered, and the answer is not."""
    if not calls or all(call.extra_content is ABSENT for call in calls):
        return ()
    return tuple(
        [Thought(DIALECT, call.extra_content.copy(), call.id) for call in calls if call.id and _is_google(call)]
    )


def sign_calls(members: dict[str, object], request: Request) -> None:
    """Put back into the messages of a body what was remembered of their calls."""
    found = {
        thought.call_id: thought.raw
        for message in request.conversation.messages
        for thought in message.thoughts
        if thought.dialect == DIALECT
    }
    if not found:
        return
    written = _messages.decode(msgspec.json.encode(members["messages"]))
    members["messages"] = [_sign(raw, found) if b'"tool_calls"' in bytes(raw) else raw for raw in written]


def _sign(raw: msgspec.Raw, found: Mapping[str, msgspec.Raw]) -> object:
    message = _object.decode(raw)
    told = message.get("tool_calls")
    if told is None or not bytes(told).startswith(b"["):
        return raw
    calls = _calls.decode(told)
    for call in calls:
        signature = found.get(msgspec.json.decode(call.get("id", b'""')) or "")
        if signature is not None and _MEMBER not in call:
            call[_MEMBER] = signature
    return {**message, "tool_calls": calls}


def _is_google(call: Call) -> bool:
    text = bytes(call.extra_content)
    if not text.startswith(b"{") or b'"google"' not in text or nests_deeper(text, _DEPTH):
        return False
    text.decode()  # the decoder does not look into what stays raw
    return True
