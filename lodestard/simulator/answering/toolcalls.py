"""Which tools a simulated model asks for: those it must, or those whose name the question mentions.

Law: pure and deterministic; arguments satisfy the tool's schema.
"""

import re

from lodestard.simulator.answering.instances import instance_of
from lodestard.simulator.answering.question import Call, Question, Tool

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_NAME = re.compile(r"\b[A-Z][a-zA-Z]+\b")
_SHORTEST = 4


def choose_calls(question: Question) -> tuple[Call, ...]:
    """The calls; none where tools are forbidden, absent, or were just answered."""
    if not question.tools or question.choice == "none":
        return ()
    if question.choice not in ("auto", "required"):
        named = [tool for tool in question.tools if tool.name == question.choice]
        return tuple(_call(tool, question) for tool in named)
    if question.answers_tool:
        return ()
    wanted = [tool for tool in question.tools if _is_mentioned(tool, question.last_user)]
    if not wanted and question.choice == "required":
        wanted = [question.tools[0]]
    return tuple(_call(tool, question) for tool in wanted[: None if question.parallel else 1])


def _is_mentioned(tool: Tool, asked: str) -> bool:
    heard = asked.lower()
    words = [word.lower() for word in _WORD.findall(tool.name)]
    return tool.name.lower() in heard or any(len(word) >= _SHORTEST and word in heard for word in words)


def _call(tool: Tool, question: Question) -> Call:
    return Call(tool.name, instance_of(tool.schema, _hint(question.last_user)) or {})


def _hint(asked: str) -> str:
    """The last proper name of the question, as a model would pick a city or a person."""
    names = _NAME.findall(asked)
    return names[-1] if names else "text"
