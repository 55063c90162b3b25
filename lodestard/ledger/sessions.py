"""Which session a request is of, while it lasts: recognised on the way in, noted on the way out.

Law: a request never waits for its session. What is known stands in memory, at most ``MOST_LIVE`` sessions of it; on a
miss one keyed read asks the table, so a restart changes nothing. A session's row is posted with a request's closing,
into the same group commit, and at most once a second where only the time of its last request has changed.

Owner of the table ``session``.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import msgspec

from lodestard.domain.closing import Closing
from lodestard.domain.errors import BudgetFault, CallerFault, Code, HouseFault
from lodestard.domain.ports import Row, Store, Tx, Value
from lodestard.domain.request import Caller
from lodestard.ledger.session_rules import (
    Origin,
    SessionIds,
    SessionRow,
    SessionRules,
    claims,
    is_overlong,
    is_silent,
    refusal,
)
from lodestard.ledger.text import bounded

MOST_LIVE = 4_096
MOST_ASKED = 64
SAVE_EVERY_MS = 1_000
CACHED = ("hit", "shared")
LOCAL = "local"

COLUMNS = ", ".join(SessionRow.__struct_fields__)
_PLACES = ", ".join("?" * len(SessionRow.__struct_fields__))
_KEY = ("id", "principal")
_SET = ", ".join(f"{name} = excluded.{name}" for name in SessionRow.__struct_fields__ if name not in _KEY)
_SAVE = f"INSERT INTO session ({COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (id, principal) DO UPDATE SET {_SET}"  # noqa: S608
_NAMED = f"SELECT {COLUMNS} FROM session WHERE id = ? AND principal = ?"  # noqa: S608  columns of ours, as below
_GAP = f"""
SELECT {COLUMNS} FROM session WHERE principal = ? AND project = ? AND user = ? AND client = ? AND last_ms >= ?
    AND origin = 'gap' AND ended_ms IS NULL ORDER BY last_ms DESC LIMIT 1
"""  # noqa: S608
_ASKED = f"""
SELECT {COLUMNS} FROM session WHERE origin = 'asked' AND ended_ms IS NULL AND last_ms >= ? ORDER BY started_ms
"""  # noqa: S608
_TAKEN = "SELECT count(*) FROM session WHERE id = ?"

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Session:
    """One that is known. ``labels`` says whose it is; ``saved_ms`` when it was last written, 0 for never."""

    id: str
    origin: Origin
    labels: Caller
    started_ms: int
    last_ms: int
    ended_ms: int | None = None
    last_target: str = ""
    under_way: int = 0
    saved_ms: int = 0
    unsaved: bool = True

    @property
    def name(self) -> tuple[str, str]:
        """Under which it is known."""
        return self.id, self.labels.principal

    @property
    def who(self) -> tuple[str, str, str, str]:
        """Whose unnamed requests it takes, where it began after a silence."""
        return who_is(self.labels)

    def row(self) -> SessionRow:
        """As it stands now."""
        labels = self.labels
        return SessionRow(
            self.id,
            self.origin,
            bounded(labels.principal),
            bounded(labels.project),
            bounded(labels.user),
            bounded(labels.client),
            self.started_ms,
            self.last_ms,
            self.ended_ms,
            bounded(self.last_target),
        )


class Sessions:
    """All that is known of sessions. Changed in sync code only."""

    def __init__(self, store: Store, rules: SessionRules, now_ms: int) -> None:
        self.rules = rules
        self._store = store
        self._ids = SessionIds()
        self._live: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self._by_who: dict[tuple[str, str, str, str], Session] = {}
        self._asked = [self._know(read_session(row)) for row in store.read(_ASKED, (now_ms - rules.idle_gap_ms,))]

    # -- a request's way ---------------------------------------------------------------------------------------

    def place(self, caller: Caller, now_ms: int) -> tuple[Caller, Session]:
        """The session of a request that has come, and its caller with it. Raises nothing."""
        if caller.session:
            session = self._find_named(caller.session, caller, now_ms)
        elif self._asked and (asked := self._find_asked(caller, now_ms)) is not None:
            session = asked
        else:
            session = self._find_by_who(caller, now_ms)
        session.under_way += 1
        if now_ms > session.last_ms:
            session.last_ms = now_ms
            session.unsaved = True
        return in_session(caller, session), session

    def refuse_overlong(self, session: Session, received_ms: int) -> None:
        """Raises ``BudgetFault``, which is final, for a request of a session that lasts too long already."""
        if is_overlong(session.started_ms, received_ms, self.rules):
            lasted_ms = received_ms - session.started_ms
            raise BudgetFault(refusal(session.id, lasted_ms, self.rules))

    def note_end(self, session: Session, closing: Closing, now_ms: int) -> str:
        """A request of it has ended: the model that had answered before, where another one did now.

        An answer from the cache asks no model, so it is no switch.
        """
        session.under_way -= 1
        before = target = session.last_target
        if closing.target is not None and closing.outcome == "ok" and closing.cache not in CACHED:
            target = session.last_target = str(closing.target)
        if now_ms > session.last_ms:
            session.last_ms = now_ms
            session.unsaved = True
        if target != before or (session.unsaved and now_ms - session.saved_ms >= SAVE_EVERY_MS):
            self._save(session, now_ms)
        return before if target != before else ""

    def _find_named(self, name: str, caller: Caller, now_ms: int) -> Session:
        name = bounded(name)
        session = self._find(name, caller.principal)
        if session is None:
            return self._know(Session(name, "named", caller, now_ms, now_ms))
        if self._is_over(session, now_ms):
            begin_again(session, "named", now_ms)
        self._live.move_to_end(session.name)
        return session

    def _find(self, name: str, principal: str) -> Session | None:
        return self._live.get((name, principal)) or self._read(_NAMED, (name, bounded(principal)))

    def _find_by_who(self, caller: Caller, now_ms: int) -> Session:
        who = who_is(caller)
        session = self._by_who.get(who) or self._read(_GAP, (*map(bounded, who), now_ms - self.rules.idle_gap_ms))
        if session is None or self._is_over(session, now_ms):
            session = self._know(Session(self._new_id(caller.client, now_ms), "gap", caller, now_ms, now_ms))
        self._by_who[who] = session
        self._live.move_to_end(session.name)
        return session

    def _find_asked(self, caller: Caller, now_ms: int) -> Session | None:
        """The one that was asked for last and takes this request."""
        self._asked = [session for session in self._asked if not self._is_over(session, now_ms)]
        return next((session for session in reversed(self._asked) if claims(session.labels, caller)), None)

    def _is_over(self, session: Session, now_ms: int) -> bool:
        """A silence counts only where nothing is under way."""
        if session.ended_ms is not None:
            return True
        return not session.under_way and is_silent(session.last_ms, now_ms, self.rules)

    def _new_id(self, name: str, now_ms: int) -> str:
        """One that nobody has, not even in the table: its clock may have been ahead of ours."""
        while True:
            session_id = self._ids.next_id(name, now_ms)
            if not self._look(_TAKEN, (session_id,), [(0,)])[0][0]:
                return session_id

    def _read(self, sql: str, params: tuple[Value, ...]) -> Session | None:
        """From the table, where it is there."""
        rows = self._look(sql, params, [])
        if not rows:
            return None
        session = read_session(rows[0])
        return self._live.get(session.name) or self._know(session)

    def _look(self, sql: str, params: tuple[Value, ...], otherwise: list[Row]) -> list[Row]:
        """Read the table. One that can't be read must not cost a request its answer: then it begins a session."""
        try:
            return self._store.read(sql, params)
        except HouseFault as fault:
            _log.warning("sessions can't be looked up: %s", fault.message)
            return otherwise

    def _know(self, session: Session) -> Session:
        """Keep it; the one that was used least recently gives way, and is written first."""
        self._live[session.name] = session
        if len(self._live) > MOST_LIVE:
            _, oldest = self._live.popitem(last=False)
            if self._by_who.get(oldest.who) is oldest:
                del self._by_who[oldest.who]
            self._save(oldest, oldest.last_ms)
        return session

    # -- what was asked for ------------------------------------------------------------------------------------

    def start(self, name: str, labels: Caller, now_ms: int) -> SessionRow:
        """Begin one that takes requests without a session of their own; an empty ``name`` gets one made.

        Of ``labels``, project, user and client say whose. Raises ``CallerFault``.
        """
        self._asked = [session for session in self._asked if not self._is_over(session, now_ms)]
        if len(self._asked) >= MOST_ASKED:
            raise CallerFault(Code.INVALID_REQUEST, f"{MOST_ASKED} sessions are under way: end one first.")
        if any(session.id == name for session in self._asked):
            raise CallerFault(Code.INVALID_REQUEST, f"The session {name} is under way already.", param="name")
        session_id = name or self._new_id(labels.project or labels.client, now_ms)
        session = self._find(session_id, LOCAL)
        if session is None:
            session = self._know(Session(session_id, "asked", labels, now_ms, now_ms))
        else:
            begin_again(session, "asked", now_ms)
            session.labels = labels
        self._asked.append(session)
        self._save(session, now_ms)
        return session.row()

    def end(self, session_id: str, now_ms: int) -> SessionRow:
        """End one, whatever it is: its next request begins a new one. Raises ``CallerFault`` where there is none.

        Without an id: the one that was asked for last, otherwise the only one that is under way.
        """
        session = self._find_live(session_id, now_ms) if session_id else self._find_only(now_ms)
        session.ended_ms = now_ms
        session.unsaved = True
        self._save(session, now_ms)
        self._asked = [asked for asked in self._asked if asked.id != session.id]
        return session.row()

    def _find_live(self, session_id: str, now_ms: int) -> Session:
        session = self._find(session_id, LOCAL)
        if session is None:
            raise CallerFault(Code.NOT_FOUND, f"There is no session {session_id!r}; lodestarctl session list.")
        if self._is_over(session, now_ms):
            raise CallerFault(Code.NOT_FOUND, f"The session {session_id} is over already.")
        return session

    def _find_only(self, now_ms: int) -> Session:
        live = [session for session in self._live.values() if not self._is_over(session, now_ms)]
        asked = [session for session in self._asked if session in live]
        if asked or len(live) == 1:
            return (asked or live)[-1]
        if not live:
            raise CallerFault(Code.NOT_FOUND, "No session is under way.")
        names = ", ".join(sorted(session.id for session in live[-8:]))
        raise CallerFault(Code.INVALID_REQUEST, f"{len(live)} sessions are under way; say which: {names}", param="id")

    def is_busy(self, row: SessionRow) -> bool:
        """Whether a request of it is under way."""
        session = self._live.get((row.id, row.principal))
        return session is not None and session.under_way > 0

    # -- writing -----------------------------------------------------------------------------------------------

    def _save(self, session: Session, now_ms: int) -> None:
        session.unsaved, session.saved_ms = False, now_ms
        self._store.post(partial(write_session, row=session.row()))

    def save_all(self, now_ms: int) -> None:
        """Post whatever is not written yet: before a report, and at the end."""
        for session in self._live.values():
            if session.unsaved:
                self._save(session, now_ms)


def who_is(caller: Caller) -> tuple[str, str, str, str]:
    """Whose requests belong together where they name no session."""
    return caller.principal, caller.project, caller.user, caller.client


def in_session(caller: Caller, session: Session) -> Caller:
    """The caller in its session; what it did not say of itself was perhaps said when that was asked for."""
    if session.origin != "asked":
        return msgspec.structs.replace(caller, session=session.id) if caller.session != session.id else caller
    asked = session.labels
    return msgspec.structs.replace(
        caller,
        project=caller.project or asked.project,
        user=caller.user or asked.user,
        session=session.id,
    )


def begin_again(session: Session, origin: Origin, now_ms: int) -> None:
    """A name that was over is used anew: its time counts from now, and nobody has answered it yet."""
    session.origin, session.started_ms, session.last_ms = origin, now_ms, now_ms
    session.ended_ms, session.last_target, session.unsaved = None, "", True


def read_session(row: Row) -> Session:
    """A row of the table → what is known of it."""
    read = msgspec.convert(dict(zip(SessionRow.__struct_fields__, row, strict=True)), SessionRow)
    labels = Caller(principal=read.principal, project=read.project, user=read.user, client=read.client)
    origin: Origin = "asked" if read.origin == "asked" else "gap" if read.origin == "gap" else "named"
    session = Session(read.id, origin, labels, read.started_ms, read.last_ms, read.ended_ms, read.last_target)
    session.unsaved, session.saved_ms = False, read.last_ms
    return session


def write_session(tx: Tx, row: SessionRow) -> None:
    """A session as it stands now."""
    tx.execute(_SAVE, msgspec.structs.astuple(row))
