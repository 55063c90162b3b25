"""Sessions: which requests belong together, what they cost, and who answered them."""

from typing import Literal

from lodestard.control.envelope import Message

SessionState = Literal["live", "silent", "ended"]


class SessionRow(Message, frozen=True):
    """One session. ``state``: live (its next request is of it), silent (longer than the idle gap) or ended.

    ``origin`` says how it began: named by a client, asked for, or gap. ``limit_ms`` is how long it may last, None for
    as long as it likes. The sums are those of its requests that are still kept.
    """

    id: str
    state: SessionState = "live"
    origin: str = ""
    principal: str = ""
    project: str = ""
    user: str = ""
    client: str = ""
    started_ms: int = 0
    last_ms: int = 0
    ended_ms: int | None = None
    limit_ms: int | None = None
    last_target: str = ""
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    switches: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    saved_nano_usd: int | None = None


class SessionPart(Message, frozen=True):
    """The sums of a session's requests of one task, or of one model."""

    name: str
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    saved_nano_usd: int | None = None


class ModelSwitch(Message, frozen=True):
    """Another model answered than before. The models are "upstream/model"."""

    at_ms: int
    from_target: str
    to_target: str
    request_id: str


class SessionReport(Message, frozen=True):
    """All about one session. ``switches`` are the latest 200, oldest first."""

    session: SessionRow
    tasks: tuple[SessionPart, ...] = ()
    models: tuple[SessionPart, ...] = ()
    switches: tuple[ModelSwitch, ...] = ()


class SessionList(Message, frozen=True):
    """The latest first."""

    sessions: tuple[SessionRow, ...]


class SessionChanged(Message, frozen=True):
    """What has been started or ended. Of a started one, project, user and client say whose requests it takes."""

    id: str
    started_ms: int
    ended_ms: int | None = None
    project: str = ""
    user: str = ""
    client: str = ""
