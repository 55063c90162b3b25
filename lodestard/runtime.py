"""The rooms that are open, in one frozen record: what a request and a module are given.

Law: typed by ports only. A reload builds a whole new one (a *generation*); requests under way keep the one that
they began with.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lodestard.allowances import Allowances
from lodestard.breakers import Breakers
from lodestard.dialogues import Dialogues
from lodestard.domain.backup import BackupsPort, NoBackups
from lodestard.domain.client import NO_CLIENTS, Clients
from lodestard.domain.clock import Clock
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.feedback import Cell, Feedback, Given, Turn
from lodestard.domain.feedback_ports import FeedbackPort
from lodestard.domain.host_ports import Admission, ResidencyPort
from lodestard.domain.ports import CachePort, LedgerPort, Sender
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.project_ports import ProjectsPort, SwitchesPort
from lodestard.domain.question import Answered, Question
from lodestard.domain.reply import Reply
from lodestard.domain.request import Caller, Request
from lodestard.domain.route_ports import RoutesPort
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource, Settings
from lodestard.domain.switch import Switch
from lodestard.domain.token_ports import TokensPort
from lodestard.domain.upstream import Plan, Target
from lodestard.equals import Equals
from lodestard.flights import Flights
from lodestard.hooks import Hooks
from lodestard.paces import Paces
from lodestard.tasks import Tasks
from lodestard.thoughts import Thoughts
from lodestard.tokens import Estimator


class ShadowPort(Protocol):
    """Another policy, which is only asked what it would have done."""

    def judge(self, request: Request, caller: Caller, plan: Plan, reply: Reply | None) -> dict[str, Any]:
        """What the trace says of it, under ``shadow``; ``plan`` is how it was asked. Raises nothing."""
        ...


async def ask_nobody(_question: Question, _runtime: object = None) -> Answered:
    """Where nobody is there to be asked."""
    raise HouseFault(Code.NO_CANDIDATE, "Nobody is here who could be asked.")


async def count_nowhere(_target: Target, _request: Request) -> int | None:
    """Where no provider is there to be asked."""
    return None


class NoFeedback:
    """Where nothing is judged."""

    def cells(self, _target: Target) -> tuple[Cell, ...]:
        return ()

    def judge(self, _feedback: Feedback, _principal: str | None) -> Given:
        raise HouseFault(Code.STORE_UNAVAILABLE, "Nobody is here to take a verdict in.")

    def note_turn(self, _turn: Turn) -> None:
        """Nobody wants to know."""


class NoProjects:
    """Where no project is trusted and nothing is switched."""

    active: tuple[Switch, ...] = ()

    def policy(self, _project_or_folder: str) -> ProjectPolicy | None:
        return None

    def find(self, _caller: Caller) -> str | None:
        return None


Look = Callable[[str], Awaitable[int]]
"""``GET`` a path of one upstream and give the answer's status. Raises ``Fault`` where it can't be had."""


class OpenOrigin(Protocol):
    """Opens an ``httpx.AsyncBaseTransport`` to the origin of ``url``; ``name`` says in messages what it is."""

    def __call__(self, url: str, name: str, *, plain_text_ok: bool = False) -> AbstractAsyncContextManager[Any]: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that a request needs on its way, and nothing that it could break.

    ``look_at(upstream)`` gives a ``Look`` over that upstream's own pool, for probes: nothing bounds how long one
    takes; it raises ``LookupError`` where nobody here speaks the upstream's dialect. ``open_origin(url, name)`` is a
    context with an ``httpx.AsyncBaseTransport`` to anywhere else, over a pool of its own:
    ``https://``, or ``http://`` to this machine; it raises ``ValueError`` for anything else, and reads at most 8 MB
    of an answer. With ``plain_text_ok``, for requests that carry no secret, ``http://`` goes to any machine.
    ``secret(source)`` gives what a module's settings name, or raises ``LookupError`` with the reason
    why there is none. ``timezone`` is the ledger's. ``keys_missing`` maps an upstream to the reason why it has no
    key. ``started_s`` is when the daemon started, in unix seconds. ``run_dir`` is a folder for small files that live
    as long as the daemon, None where it has none; it may not be there yet. ``residency`` is None where nobody looks
    after what is on the cards.

    ``draw()`` is a number in [0, 1) by chance, so that who was refused together does not come back together.

    ``shadow`` is the shadow policy, None where there is none.

    ``count_at(target, request)`` is a prompt's tokens by the provider's own count, None where it does not tell.

    ``outcomes`` is where verdicts on answers come in, and are counted. ``projects`` are those whose files are
    trusted, ``switches`` the aliases that are asked in place of others. ``backups`` makes and looks at backups.

    ``ask(question)`` is how a module asks a model: through the proxy's own endpoint, so with the same plan, budgets,
    admission and ledger row as anybody, under the module's name. It raises the ``Fault`` that a client would be told
    (its code says which); cancelled, it is as if the client had left. It does not keep a retired generation open.
    """

    settings: Settings
    clock: Clock
    hooks: Hooks
    routes: RoutesPort
    ledger: LedgerPort
    cache: CachePort
    sender: Sender
    admission: Admission
    flights: Flights
    look_at: Callable[[str], Look]
    open_origin: OpenOrigin
    secret: Callable[[KeySource], Secret]
    state_dir: Path
    timezone: str
    keys_missing: Mapping[str, str]
    started_s: int
    run_dir: Path | None = None
    residency: ResidencyPort | None = None
    clients: Clients = NO_CLIENTS
    thoughts: Thoughts = field(default_factory=Thoughts)
    allowances: Allowances = field(default_factory=Allowances)
    paces: Paces = field(default_factory=Paces)
    dialogues: Dialogues = field(default_factory=Dialogues)
    breakers: Breakers = field(default_factory=Breakers)
    equals: Equals = field(default_factory=Equals)
    draw: Callable[[], float] = lambda: 0.0
    tokens: TokensPort = field(default_factory=Estimator)
    tasks: Tasks = field(default_factory=Tasks)
    outcomes: FeedbackPort = field(default_factory=NoFeedback)
    projects: ProjectsPort = field(default_factory=NoProjects)
    switches: SwitchesPort = field(default_factory=NoProjects)
    backups: BackupsPort = field(default_factory=NoBackups)
    shadow: ShadowPort | None = None
    ask: Callable[[Question], Awaitable[Answered]] = ask_nobody
    count_at: Callable[[Target, Request], Awaitable[int | None]] = count_nowhere
