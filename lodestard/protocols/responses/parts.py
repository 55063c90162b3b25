"""Items of a streamed response while they are made: what was thought, a message, a call.

Law: each is added, told in deltas, and done; its events carry its id and place. A delta costs one short encoding.
Source: OpenAI's API reference, "Streaming events".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.protocols.responses.object import (
    CallForm,
    encode,
    message_item,
    reasoning_item,
    refusal_part,
    text_part,
)


class Tape:
    """Numbers the events of one answer."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def event(self, kind: str, **members: Any) -> bytes:
        number = self._next
        self._next += 1
        data = encode({"type": kind, "sequence_number": number, **members})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def delta(self, head: bytes, text: str) -> bytes:
        """A delta whose beginning ``head_of`` made."""
        number = self._next
        self._next += 1
        return b'%b%b,"sequence_number":%d}\n\n' % (head, encode(text), number)


def head_of(kind: str, **place: Any) -> bytes:
    """A delta's event up to its text."""
    members = encode({"type": kind, **place})
    return b'event: %b\ndata: %b,"delta":' % (kind.encode(), members[:-1])


class OpenReasoning:
    """What the model thinks. ``secret``: the provider's own form of it."""

    __slots__ = ("_head", "_id", "_tape", "_texts", "index", "secret")

    def __init__(self, tape: Tape, item_id: str, index: int) -> None:
        self._tape = tape
        self._id = item_id
        self.index = index
        self._texts: list[str] = []
        self._head = b""
        self.secret: str | None = None

    def open(self) -> bytes:
        item = reasoning_item(self._id, "", None)
        return self._tape.event("response.output_item.added", output_index=self.index, item=item)

    def add(self, text: str) -> bytes:
        opening = b""
        if not self._texts:
            place = self._place()
            opening = self._tape.event("response.reasoning_summary_part.added", **place, part=_summary(""))
            self._head = head_of("response.reasoning_summary_text.delta", **place)
        self._texts.append(text)
        return opening + self._tape.delta(self._head, text)

    def close(self) -> tuple[bytes, dict[str, Any]]:
        text = "".join(self._texts)
        told = b""
        if self._texts:
            place = self._place()
            told = self._tape.event("response.reasoning_summary_text.done", **place, text=text)
            told += self._tape.event("response.reasoning_summary_part.done", **place, part=_summary(text))
        item = reasoning_item(self._id, text, self.secret)
        return told + self._tape.event("response.output_item.done", output_index=self.index, item=item), item

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self.index, "summary_index": 0}


def _summary(text: str) -> dict[str, str]:
    return {"type": "summary_text", "text": text}


class OpenMessage:
    """What the model says: text and refusals, each a part."""

    __slots__ = ("_content", "_head", "_id", "_kind", "_logprobs", "_tape", "_texts", "index")

    def __init__(self, tape: Tape, item_id: str, index: int) -> None:
        self._tape = tape
        self._id = item_id
        self.index = index
        self._content: list[dict[str, Any]] = []
        self._kind = ""
        self._head = b""
        self._texts: list[str] = []
        self._logprobs: list[msgspec.Raw] = []

    def open(self) -> bytes:
        item = message_item(self._id, [], "in_progress")
        return self._tape.event("response.output_item.added", output_index=self.index, item=item)

    def add(self, text: str, logprobs: Sequence[msgspec.Raw] = ()) -> bytes:
        """Some text."""
        turned = b"" if self._kind == "output_text" else self._turn("output_text", text_part(""))
        self._texts.append(text)
        if not logprobs:
            return turned + self._tape.delta(self._head, text)
        self._logprobs += logprobs
        kind = "response.output_text.delta"
        return turned + self._tape.event(kind, **self._place(), delta=text, logprobs=list(logprobs))

    def refuse(self, text: str) -> bytes:
        """Some text of a refusal."""
        turned = b"" if self._kind == "refusal" else self._turn("refusal", refusal_part(""))
        self._texts.append(text)
        return turned + self._tape.delta(self._head, text)

    def close(self, status: str) -> tuple[bytes, dict[str, Any]]:
        if not self._kind and not self._content:  # an answer that says nothing
            told = self._turn("output_text", text_part("")) + self._end_part()
        else:
            told = self._end_part()
        item = message_item(self._id, self._content, status)
        return told + self._tape.event("response.output_item.done", output_index=self.index, item=item), item

    def _turn(self, kind: str, part: dict[str, Any]) -> bytes:
        """A new part."""
        told = self._end_part()
        self._kind = kind
        place = self._place()
        logprobs: dict[str, list[str]] = {"logprobs": []} if kind == "output_text" else {}
        self._head = head_of(f"response.{kind}.delta", **place, **logprobs)
        return told + self._tape.event("response.content_part.added", **place, part=part)

    def _end_part(self) -> bytes:
        if not self._kind:
            return b""
        text, place = "".join(self._texts), self._place()
        if self._kind == "refusal":
            part = refusal_part(text)
            told = self._tape.event("response.refusal.done", **place, refusal=text)
        else:
            part = text_part(text, self._logprobs)
            told = self._tape.event("response.output_text.done", **place, text=text, logprobs=self._logprobs)
        told += self._tape.event("response.content_part.done", **place, part=part)
        self._content.append(part)
        self._kind, self._texts, self._logprobs = "", [], []
        return told

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self.index, "content_index": len(self._content)}


class OpenCall:
    """A call under way. The text of a custom tool is told at once: it comes wrapped."""

    __slots__ = ("_arguments", "_form", "_head", "_tape", "index")

    def __init__(self, tape: Tape, form: CallForm, index: int) -> None:
        self._tape = tape
        self._form = form
        self.index = index
        self._arguments: list[str] = []
        place = {"item_id": form.item_id, "output_index": index}
        self._head = head_of("response.function_call_arguments.delta", **place)

    def open(self) -> bytes:
        item = self._form.write("", "in_progress")
        return self._tape.event("response.output_item.added", output_index=self.index, item=item)

    def add(self, arguments: str) -> bytes:
        if not arguments:
            return b""
        self._arguments.append(arguments)
        return b"" if self._form.named.custom else self._tape.delta(self._head, arguments)

    def close(self, status: str) -> tuple[bytes, dict[str, Any]]:
        item = self._form.write("".join(self._arguments), status)
        place = {"item_id": self._form.item_id, "output_index": self.index}
        if self._form.named.custom:
            text = item["input"]
            told = self._tape.event("response.custom_tool_call_input.delta", **place, delta=text)
            told += self._tape.event("response.custom_tool_call_input.done", **place, input=text)
        else:
            name, text = self._form.named.name, item["arguments"]
            told = self._tape.event("response.function_call_arguments.done", **place, name=name, arguments=text)
        return told + self._tape.event("response.output_item.done", output_index=self.index, item=item), item
