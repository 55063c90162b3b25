"""The words between a dialect and the answers: what was asked (`Question`) and what is said (`Answer`).

Law: plain data, the same for every dialect, so that an answer does not depend on how it was asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Json = Any
"""Decoded JSON: None, bool, int, float, str, list or dict."""


class Turn(msgspec.Struct, frozen=True):
    """One message of a conversation. ``role`` is system, user, assistant or tool."""

    role: str
    text: str
    images: int = 0


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may ask for."""

    name: str
    schema: Mapping[str, Json]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked. ``choice`` is auto, none, required, or the name of the tool that must be called."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    schema: Mapping[str, Json] | None = None
    json_wanted: bool = False
    seed: int = 0
    index: int = 0
    suffix: str | None = None
    thinking: bool = False

    @property
    def system(self) -> str:
        return "\n".join(turn.text for turn in self.turns if turn.role == "system")

    @property
    def last_user(self) -> str:
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @property
    def answers_tool(self) -> bool:
        """Whether the newest turn is a tool's result, which wants words and no further call."""
        return bool(self.turns) and self.turns[-1].role == "tool"


class Call(msgspec.Struct, frozen=True):
    """A tool the model asks for."""

    name: str
    arguments: Mapping[str, Json]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model says, before any limit cuts it."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()


Script = Callable[[Question], Answer | str | None]
"""Answers in place of the simulator's own; None leaves it to the simulator."""
