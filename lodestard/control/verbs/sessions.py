"""``session.start``, ``session.end``, ``session.show``, ``session.list``."""

from typing import Any

from lodestard.control.messages.sessions import (
    ModelSwitch,
    SessionChanged,
    SessionList,
    SessionPart,
    SessionReport,
    SessionRow,
)
from lodestard.control.verbs import session_desk as asked
from lodestard.control.verbs.desk import Desk
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Caller
from lodestard.domain.settings import Settings
from lodestard.domain.verbs import Argument, Arguments, Verb

MS_PER_S = 1_000
MOST_CHARACTERS = 64
DEFAULT_LAST = 20


def session_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def start(arguments: Arguments) -> SessionChanged:
        name, project, user, client = (
            read_name(arguments[word], word) for word in ("name", "project", "user", "client")
        )
        return changed(desk.start_session(name, Caller(project=project, user=user, client=client)))

    async def end(arguments: Arguments) -> SessionChanged:
        return changed(desk.end_session(arguments["id"] or ""))

    async def show(arguments: Arguments) -> SessionReport:
        return report(await desk.session_reports.show(arguments["id"] or ""), desk.runtime.settings)

    async def listed(arguments: Arguments) -> SessionList:
        found = await desk.session_reports.list(arguments["last"])
        return SessionList(sessions=tuple(session_row(known, desk.runtime.settings) for known in found))

    taken = (
        Argument(name="name", help="its name; otherwise one is made"),
        Argument(name="project", help="only this project's requests, and those that name none"),
        Argument(name="user", help="only this user's requests, and those that name none"),
        Argument(name="client", help="only requests of this client program"),
    )
    which = (Argument(name="id", help="which session"),)
    last = (Argument(name="last", kind="integer", default=DEFAULT_LAST, help="how many"),)
    return (
        Verb(name="session.start", summary="begin a session", needs="admin", arguments=taken, answer=start),
        Verb(name="session.end", summary="end a session", needs="admin", arguments=which, answer=end),
        Verb(name="session.show", summary="all about one session", needs="read", arguments=which, answer=show),
        Verb(name="session.list", summary="the latest sessions", needs="read", arguments=last, answer=listed),
    )


def read_name(text: str | None, param: str) -> str:
    """A name that can stand in a header and on a terminal. Raises ``CallerFault``. Pure."""
    name = (text or "").strip()
    if len(name) > MOST_CHARACTERS or not name.isprintable():
        text = f"{param} must have at most {MOST_CHARACTERS} printable characters."
        raise CallerFault(Code.INVALID_REQUEST, text, param=param)
    return name


def changed(row: asked.SessionRecord) -> SessionChanged:
    return SessionChanged(
        id=row.id,
        started_ms=row.started_ms,
        ended_ms=row.ended_ms,
        project=row.project,
        user=row.user,
        client=row.client,
    )


def session_row(known: asked.KnownSession, settings: Settings) -> SessionRow:
    """A session of the ledger → a row for people. Pure."""
    row, figures = known.row, known.figures
    limit_ms = int(settings.sessions.max_s * MS_PER_S)
    return SessionRow(
        id=row.id,
        state="live" if known.live else "ended" if row.ended_ms is not None else "silent",
        origin=row.origin,
        principal=row.principal,
        project=row.project,
        user=row.user,
        client=row.client,
        started_ms=row.started_ms,
        last_ms=row.last_ms,
        ended_ms=row.ended_ms,
        limit_ms=limit_ms or None,
        last_target=row.last_target,
        switches=figures.switches,
        unknown_nano_usd=figures.unknown_nano_usd,
        **_sums(figures, settings),
    )


def _sums(figures: asked.SessionFigures, settings: Settings) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "failed": figures.errors,
        "cache_hits": figures.cache_hits,
        "prompt_tokens": figures.prompt_tokens,
        "completion_tokens": figures.completion_tokens,
        "cost_nano_usd": figures.cost_nano_usd,
        "saved_nano_usd": figures.saved_nano_usd if settings.ledger.baseline else None,
    }


def report(found: asked.SessionReport, settings: Settings) -> SessionReport:
    """All about one. Pure."""
    return SessionReport(
        session=session_row(found.session, settings),
        tasks=tuple(SessionPart(name=part.key, **_sums(part, settings)) for part in found.tasks),
        models=tuple(SessionPart(name=part.key, **_sums(part, settings)) for part in found.models),
        switches=tuple(
            ModelSwitch(
                at_ms=switch.at_ms,
                from_target=switch.from_target,
                to_target=switch.to_target,
                request_id=switch.request_id,
            )
            for switch in found.switches
        ),
    )
