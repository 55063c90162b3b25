"""The prompts of ``tests/data/tasks`` as requests, with the kind and hardness that somebody gave them."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lodestard.classify.task import AIDER_TASKS
from lodestard.domain.request import Completion, Conversation, Embedding, Format, Message, Request, TextPart, Tool

FOLDER = Path(__file__).parents[1] / "data/tasks"
LEVELS = ("easy", "medium", "hard")
_OPENINGS = {task: opening for opening, task in reversed(AIDER_TASKS)}


class Labelled(msgspec.Struct, frozen=True):
    """``shaped``: its shape alone says what it is."""

    request: Request
    kind: str
    hardness: str
    shaped: bool


def read_labelled() -> list[Labelled]:
    """All of them, by file and place."""
    return [entry for path in sorted(FOLDER.glob("*.toml")) for entry in _read_file(tomllib.loads(path.read_text()))]


def _read_file(tables: dict[str, Any]) -> Iterator[Labelled]:
    kind = tables["kind"]
    for level in LEVELS:
        for text in tables[level]:
            yield Labelled(ask(text), kind, level, shaped=False)
    for entry in tables.get("shaped", []):
        known = kind == "autocomplete" or "aider" in entry
        yield Labelled(_build(entry), kind, entry["hardness"], shaped=known)
    for text in tables.get("embedded", []):
        yield Labelled(make_request((_say("user", text),), embedding=Embedding()), kind, "easy", shaped=True)


def ask(text: str, system: str = "") -> Request:
    """A lone message, perhaps below a system prompt."""
    return make_request((*((_say("system", system),) if system else ()), _say("user", text)))


def _say(role: Any, text: str) -> Message:
    return Message(role=role, parts=(TextPart(text),))


def make_request(messages: tuple[Message, ...], **members: Any) -> Request:
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={},
        conversation=Conversation(messages=messages, **members),
        size_bytes=0,
    )


def _build(entry: dict[str, Any]) -> Request:
    system = _OPENINGS[entry["aider"]] + ".\n" if "aider" in entry else entry.get("system", "")
    turns = [_say("assistant" if at % 2 else "user", text) for at, text in enumerate(entry.get("turns", []))]
    messages = (*((_say("system", system),) if system else ()), *turns, _say("user", entry["text"]))
    completion = Completion(suffix=entry["suffix"]) if "suffix" in entry else None
    return make_request(
        messages,
        tools=tuple(Tool(name=name) for name in entry.get("tools", [])),
        format=Format(kind=entry.get("format", "text")),
        reasoning_effort=entry.get("effort", ""),
        completion=completion,
    )
