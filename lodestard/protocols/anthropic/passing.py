"""What a client of the dialect sends, as it goes on to Anthropic: its own members, and the versions that it names.

Law: nothing is changed but the model's name and what the model or the version is known to refuse; that is left out,
or said as older models take it, and told. Of a model that is not Claude's nobody knows what it refuses. Clients ask a
model whose name they don't know for what the newest can do: Claude Code does. Source: Anthropic's API reference,
"Create a Message" and "Versions"; its guides "Adaptive thinking", "Effort" and "Mid-conversation system messages".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.messages_read import HEEDED, UNTIL_NEXT, VERSION
from lodestard.protocols.anthropic.models import Traits, find_traits, is_claude
from lodestard.protocols.anthropic.request import SAMPLING, refuses_sampling
from lodestard.protocols.anthropic.turns import LATER_SYSTEM

_UNSIGNED = re.compile(rb'"signature"\s*:\s*""')
_SYSTEM = re.compile(rb'"role"\s*:\s*"system"')
_CLEARS_THINKING = b'"clear_thinking'
_EFFORT = b'"effort"'
_NONE = msgspec.Raw(b"[]")

Message = dict[str, Any]
"""Its members, raw or written anew."""


class Passed(NamedTuple):
    """``headers`` are the client's own, and the version that is ours where it names none."""

    members: dict[str, object]
    headers: tuple[tuple[str, str], ...]
    dropped: list[str]
    notes: list[str]


class _Kind(msgspec.Struct, frozen=True):
    type: Any = None


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    signature: str | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_blocks = msgspec.json.Decoder(list[msgspec.Raw])
_block = msgspec.json.Decoder(_Block)
_kind = msgspec.json.Decoder(_Kind)


def pass_on(request: Request, model: str, settings: Upstream) -> Passed:
    """The members of ``request`` for ``model``."""
    headers = tuple([pair for pair in request.headers if pair[0] in HEEDED])
    version = dict(headers).get(VERSION, "")
    if not version:
        version = settings.anthropic_version
        headers = (*headers, (VERSION, version))
    passed = Passed({**request.members, "model": model}, headers, [], [])
    if refuses_sampling(model, version):
        passed.dropped.extend([name for name in SAMPLING if passed.members.pop(name, None) is not None])
    if is_claude(model):
        _leave_out_newer(passed, request.members, find_traits(model))
    _mend_messages(passed, request.members.get("messages", _NONE), find_traits(model))
    return passed


def _leave_out_newer(passed: Passed, members: Mapping[str, msgspec.Raw], traits: Traits) -> None:
    """What older models know nothing of: how to think as much as they like, and an effort."""
    thinking, management = members.get("thinking"), members.get("context_management")
    if thinking is not None and not _can_think(thinking, traits):
        _leave_out(passed, "thinking")
        if management is not None and _CLEARS_THINKING in bytes(management):  # refused where nothing is thought
            _leave_out(passed, "context_management")
    config = members.get("output_config")
    if config is not None and not traits.effort and _EFFORT in bytes(config):
        _leave_out(passed, "output_config")
        passed.dropped[-1] = "output_config.effort"
        if kept := {name: raw for name, raw in _members.decode(config).items() if name != "effort"}:
            passed.members["output_config"] = kept


def _leave_out(passed: Passed, name: str) -> None:
    del passed.members[name]
    passed.dropped.append(name)


def _can_think(thinking: msgspec.Raw, traits: Traits) -> bool:
    if traits.adaptive or bytes(thinking) == b"null":
        return True
    kind = _kind.decode(thinking).type
    return kind == "disabled" or (kind == "enabled" and traits.budget)


def _mend_messages(passed: Passed, raw: msgspec.Raw, traits: Traits) -> None:
    """What other models thought is left out; system messages become the user's where there may be none."""
    text = bytes(raw)
    unsigned = _UNSIGNED.search(text) is not None
    told = not traits.system_turns and _SYSTEM.search(text) is not None
    if not (unsigned or told):
        return
    messages: Iterable[Message] = _messages.decode(raw)
    if told:
        messages = _said_by_user(list(messages))
        passed.notes.append(LATER_SYSTEM)
    if unsigned:
        messages = _signed_alone(messages)
        passed.dropped.append("messages[].content[].thinking")
    passed.members["messages"] = list(messages)


def _said_by_user(messages: Sequence[Message]) -> Iterator[Message]:
    """The user's text at the same place, where it still counts: a setting alone is no text."""
    last = max((place for place, message in enumerate(messages) if _is(message, "role", "user")), default=-1)
    for place, message in enumerate(messages):
        if not _is(message, "role", "system"):
            yield message
        elif "content" in message and not (_is(message, "clear_at", UNTIL_NEXT) and place < last):
            yield {"role": "user", "content": message["content"]}


def _is(message: Message, name: str, value: str) -> bool:
    return bytes(message.get(name, b"")) == b'"%b"' % value.encode()


def _signed_alone(messages: Iterable[Message]) -> Iterator[Message]:
    """Without what nobody signed: thoughts of others, to whom the client has spoken too. Turns of nothing else go."""
    for message in messages:
        content = message.get("content")
        if content is None or not bytes(content).startswith(b"["):
            yield message
        elif blocks := [block for block in _blocks.decode(content) if not _is_unsigned(block)]:
            yield {**message, "content": blocks}


def _is_unsigned(raw: msgspec.Raw) -> bool:
    block = _block.decode(raw) if bytes(raw).startswith(b"{") else _Block()
    return block.type == "thinking" and block.signature == ""
