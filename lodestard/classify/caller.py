"""Who is asking, by what they say of themselves.

Law: nothing here is trusted. It labels reports; only ``principal`` (which the door sets) splits cache and money.
"""

from functools import lru_cache
from typing import Protocol

import msgspec

from lodestard.domain.request import Caller, Request

MAX_LABEL = 64

# A client's User-Agent begins with one of these; the first that fits names it.
_AGENTS = (
    ("aider", "aider"),
    ("claude-cli", "claude-code"),
    ("codex", "codex"),
    ("cline", "cline"),
    ("continue", "continue"),
    ("opencode", "opencode"),
    ("openai/", "openai-sdk"),
    ("asyncopenai/", "openai-sdk"),
    ("anthropic/", "anthropic-sdk"),
    ("ollama", "ollama"),
    ("curl/", "curl"),
    ("lodestar", "lodestar"),
)

# Aider's requests carry nothing that says so but how their system prompts begin.
_AIDER_PROMPTS = (
    "You are an expert software engineer that generates concise",
    "*Briefly* summarize",
    "Act as an expert software developer",
    "Act as an expert architect engineer",
    "Act as an expert software engineer who edits source code",
    "Act as an expert code analyst",
)


class HeaderView(Protocol):
    def get(self, name: str, /) -> str | None: ...


def identify_caller(headers: HeaderView, request: Request, principal: str = "local") -> Caller:
    """The caller's labels: headers of our own first, then what the dialect's body says, then the client's name."""
    return Caller(
        principal=principal,
        project=_label(headers.get("x-lodestar-project")),
        user=_label(headers.get("x-lodestar-user")) or _label(_text_member(request, "user")),
        session=_label(headers.get("x-lodestar-session")),
        client=_label(headers.get("x-lodestar-client")) or name_client(headers.get("user-agent") or "", request),
    )


def name_client(agent: str, request: Request) -> str:
    """The client program's name, or the start of its User-Agent, or an empty string."""
    if _is_aider(request):
        return "aider"
    return _name_agent(agent[:MAX_LABEL])


@lru_cache(maxsize=256)
def _name_agent(agent: str) -> str:
    lowered = agent.lower()
    for start, name in _AGENTS:
        if lowered.startswith(start):
            return name
    return _label(agent.split("/", 1)[0].split(" ", 1)[0])


def _is_aider(request: Request) -> bool:
    first = next(iter(request.conversation.messages), None)
    return first is not None and first.role == "system" and first.text.lstrip().startswith(_AIDER_PROMPTS)


def _text_member(request: Request, name: str) -> str:
    raw = request.members.get(name)
    if raw is None:
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return ""


def _label(text: str | None) -> str:
    """At most 64 printable characters: labels end up on terminals and in reports."""
    if not text:
        return ""
    return "".join(character for character in text[:MAX_LABEL] if character.isprintable()).strip()
