"""What providers thought before they called tools, until the results come back with the client's next request.

Anthropic and Gemini want their thoughts back, signed and unchanged, together with the results of the calls that
followed them, and so does OpenAI's Responses API; most dialects have no place for them. So they are remembered here
by the id of the call, and for clients that send none, by what is called; and for the upstream that thought them:
another one could not read them.

Law: in memory only, bounded, of one principal each. A thought that was forgotten costs a little quality, never a
request: the upstreams' writers do without. What is put back counts in the request's size, for it is billed with it.
Changed in sync code only.
"""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from lodestard.domain.call_id import invent_call_id
from lodestard.domain.reply import Reply, ToolCallPiece
from lodestard.domain.request import Message, Request, Thought

MOST = 2_048
MOST_BYTES = 16 * 1024 * 1024
SIGNING = frozenset({"anthropic", "gemini", "openai"})
"""The dialects that want their thoughts back: of OpenAI's, those upstreams that are asked by its Responses API."""

Key = tuple[str, str, str]


class Thoughts:
    """The least recently used leave first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[Thought, ...]] = OrderedDict()
        self._nameless: OrderedDict[Key, str] = OrderedDict()
        self._bytes = 0

    def keep(self, principal: str, reply: Reply, upstream: str = "") -> None:
        """Remember what ``upstream`` thought before each call of ``reply``."""
        for choice in reply.choices:
            if not choice.thoughts:
                continue
            for call in choice.tool_calls:
                if call.id:
                    self._put((principal, upstream, call.id), choice.thoughts)
                    self._note_nameless((principal, upstream), call)

    def _note_nameless(self, whose: tuple[str, str], call: ToolCallPiece) -> None:
        """By which id it is told of by a client that has none."""
        made = (*whose, invent_call_id(call.name, call.arguments))
        self._nameless.pop(made, None)
        self._nameless[made] = call.id
        if len(self._nameless) > MOST:
            self._nameless.popitem(last=False)

    def restore(self, principal: str, request: Request, upstream: str = "") -> Request:
        """``request`` with the thoughts of ``upstream`` that belong before the calls that it tells of."""
        messages = request.conversation.messages
        if not self._kept or not any(message.tool_calls for message in messages):
            return request
        known = tuple([self._thoughtful((principal, upstream), message) for message in messages])
        added = [new for new, old in zip(known, messages, strict=True) if new is not old]
        if not added:
            return request
        conversation = msgspec.structs.replace(request.conversation, messages=known)
        size_bytes = request.size_bytes + sum(size_of(message.thoughts) for message in added)
        return msgspec.structs.replace(request, conversation=conversation, size_bytes=size_bytes)

    def _thoughtful(self, whose: tuple[str, str], message: Message) -> Message:
        if message.thoughts or not message.tool_calls:
            return message
        own = {self._nameless.get((*whose, call.id), call.id): call.id for call in message.tool_calls}
        for call_id in own:
            found = self._kept.get((*whose, call_id))
            if found is not None:
                self._kept.move_to_end((*whose, call_id))
                return msgspec.structs.replace(message, thoughts=tuple([renamed(thought, own) for thought in found]))
        return message

    def _put(self, key: Key, thoughts: tuple[Thought, ...]) -> None:
        self._forget(self._kept.pop(key, ()))
        self._kept[key] = thoughts
        self._bytes += size_of(thoughts)
        while len(self._kept) > MOST or self._bytes > MOST_BYTES:
            self._forget(self._kept.popitem(last=False)[1])

    def _forget(self, thoughts: tuple[Thought, ...]) -> None:
        self._bytes -= size_of(thoughts)


def renamed(thought: Thought, own: Mapping[str, str]) -> Thought:
    """``thought`` of the call as the client names it."""
    call_id = own.get(thought.call_id, thought.call_id)
    return thought if call_id == thought.call_id else msgspec.structs.replace(thought, call_id=call_id)


def size_of(thoughts: tuple[Thought, ...]) -> int:
    """About how many bytes they take."""
    return sum(len(bytes(thought.raw)) for thought in thoughts)
