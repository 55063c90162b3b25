"""Who is asking, and for what, by what they say of themselves.

Law: nothing here is trusted but the principal, which the gate has found: it alone splits cache and money, and what
is bound to it stands whatever is said. Otherwise headers of ours come first, then the labels in a key, then the
folder, then what the dialect's body says.
"""

from functools import lru_cache
from typing import NamedTuple

import msgspec

from lodestard.classify.key_label import HeaderView, find_key_label
from lodestard.classify.label import MAX_LABEL, clean_label
from lodestard.classify.task import is_aider, name_task, read_opening
from lodestard.domain.client import LOCAL, Principal
from lodestard.domain.request import Caller, Request

OURS = frozenset(
    f"x-lodestar-{name}"
    for name in ("session", "project", "folder", "user", "client", "task", "priority", "tags", "prefer")
)
PRIORITIES = ("interactive", "background", "idle")
PREFERENCES = ("cheap", "balanced", "fast", "best")
TAG_MARK = "#"
MOST_TAGS = 16

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
    ("asyncanthropic/", "anthropic-sdk"),
    ("ollama", "ollama"),
    ("curl/", "curl"),
    ("lodestar", "lodestar"),
)


def identify_caller(headers: HeaderView, request: Request, principal: Principal) -> Caller:
    """The caller: who it is, and its labels."""
    caller = _read_labels(headers, request)
    if principal is LOCAL:
        return caller
    return msgspec.structs.replace(
        caller,
        principal=principal.name,
        project=principal.project or caller.project,
        user=principal.user or caller.user,
        priority=caller.priority or principal.priority,
    )


def _read_labels(headers: HeaderView, request: Request) -> Caller:
    key = find_key_label(headers)
    opening = read_opening(request)
    said = _read_said(headers, request)
    if OURS.isdisjoint(headers):
        return Caller(
            project=key.project,
            user=key.user or said.user,
            session=key.session or said.session,
            said_session=key.session or said.session,
            client=_name_client(headers.get("user-agent") or "", opening),
            task=name_task(opening, request),
        )
    session = _label(headers.get("x-lodestar-session")) or key.session or said.session
    return Caller(
        project=_label(headers.get("x-lodestar-project"))
        or key.project
        or name_folder(headers.get("x-lodestar-folder")),
        user=_label(headers.get("x-lodestar-user")) or key.user or said.user,
        session=session,
        said_session=session,
        client=_label(headers.get("x-lodestar-client")) or _name_client(headers.get("user-agent") or "", opening),
        task=_label(headers.get("x-lodestar-task")) or name_task(opening, request),
        priority=name_priority(headers.get("x-lodestar-priority")),
        tags=read_tags(headers.get("x-lodestar-tags")),
        prefer=name_preference(headers.get("x-lodestar-prefer")),
        folder=headers.get("x-lodestar-folder") or "",
    )


class _Said(NamedTuple):
    """What a dialect's own places say of the caller."""

    user: str = ""
    session: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    user_id: str | None = None


class _DeviceId(msgspec.Struct, frozen=True):
    device_id: str = ""
    session_id: str = ""


def _read_said(headers: HeaderView, request: Request) -> _Said:
    """OpenAI's ``user`` and Anthropic's ``metadata.user_id``; of Claude Code its session too."""
    if request.dialect != "anthropic":
        return _Said(_label(_text_member(request, "user")))
    session = _label(headers.get("x-claude-code-session-id"))
    raw = request.members.get("metadata")
    try:
        text = "" if raw is None else (msgspec.json.decode(raw, type=_Metadata | None) or _Metadata()).user_id or ""
    except (msgspec.DecodeError, RecursionError):
        text = ""
    if text[:1] == "{":
        return _read_device(text, session)
    user, _, said_session = text.partition("_account_")  # as Claude Code wrote it before it was JSON
    return _Said(_label(user), session or _label(said_session.partition("session_")[2]))


def _read_device(text: str, session: str) -> _Said:
    """Claude Code's id of a user: JSON in a string, with the device and the session."""
    try:
        device = msgspec.json.decode(text, type=_DeviceId)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _Said("", session)
    return _Said(_label(device.device_id), session or _label(device.session_id))


def name_priority(text: str | None) -> str:
    """How urgent a client says that its request is; what is no such word says nothing."""
    word = text.strip().lower() if text else ""
    return word if word in PRIORITIES else ""


def name_preference(text: str | None) -> str:
    """What a client wants of a choice; what is no such word says nothing."""
    word = text.strip().lower() if text else ""
    return word if word in PREFERENCES else ""


def read_tags(text: str | None) -> tuple[str, ...]:
    """Words for rules, parted by commas: the first ``MOST_TAGS``, each once."""
    if not text:
        return ()
    words = (clean_label(word).lower() for word in text.split(",", MOST_TAGS)[:MOST_TAGS])
    return tuple(dict.fromkeys(filter(None, words)))


def split_tags(alias: str) -> tuple[str, tuple[str, ...]]:
    """``"gpt-4o#private"`` → the alias and the tags behind it: for clients that can send no header."""
    name, mark, rest = alias.partition(TAG_MARK)
    return (name, read_tags(rest.replace(TAG_MARK, ","))) if mark and name else (alias, ())


def name_client(agent: str, request: Request) -> str:
    """The client program's name, or the start of its User-Agent, or an empty string."""
    return _name_client(agent, read_opening(request))


def _name_client(agent: str, opening: str) -> str:
    return "aider" if is_aider(opening) else _name_agent(agent[:MAX_LABEL])


@lru_cache(maxsize=256)
def _name_agent(agent: str) -> str:
    lowered = agent.lower()
    for start, name in _AGENTS:
        if lowered.startswith(start):
            return name
    return clean_label(agent.split("/", 1)[0].split(" ", 1)[0])


def name_folder(path: str | None) -> str:
    """The project that a tool works in: the last name of the folder that it sent. The path itself is kept nowhere."""
    return clean_label(path.strip().rstrip("/").rpartition("/")[2]) if path else ""


def _text_member(request: Request, name: str) -> str:
    raw = request.members.get(name)
    if raw is None:
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return ""


def _label(text: str | None) -> str:
    return clean_label(text) if text else ""
