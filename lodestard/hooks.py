"""The only doors that a module may use to change the house.

Law: a request never waits on a module and never fails because of one. A ``Slot`` is one sync question with a safe
default, a ``Signal`` is news that listeners can't refuse, a ``Register`` is a table of named additions. Each is
undone when its ``with`` ends, so a module that dies leaves nothing behind.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, ParamSpec, TypeVar

from lodestard.domain.evidence import Evidence
from lodestard.domain.news import Alert, AttemptEnded, BudgetAlert, RequestEnded
from lodestard.domain.telemetry import Telemetry
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Verb

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Slot(Generic[P, R]):
    """One question. Nobody there, or an exception: the default is the answer."""

    __slots__ = ("_provider", "default", "name")

    def __init__(self, name: str, default: R) -> None:
        self.name = name
        self.default = default
        self._provider: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._provider is None:
            return self.default
        try:
            return self._provider(*args, **kwargs)
        except Exception:
            logger.exception("the provider of the slot %s failed; its default is used", self.name)
            return self.default

    @contextmanager
    def provide(self, provider: Callable[P, R]) -> Iterator[None]:
        """Answer this question until the context ends. Raises ``ValueError`` when somebody does already."""
        if self._provider is not None:
            raise ValueError(f"the slot {self.name} has a provider already")
        self._provider = provider
        try:
            yield
        finally:
            self._provider = None


class Signal(Generic[T]):
    """News: every listener hears it in the order of listening, at once and synchronously."""

    __slots__ = ("_listeners", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._listeners: tuple[Callable[[T], object], ...] = ()

    def tell(self, news: T) -> None:
        for listener in self._listeners:  # who begins or ends to listen meanwhile makes another tuple
            try:
                listener(news)
            except Exception:
                logger.exception("a listener of the signal %s failed", self.name)

    def always(self, listener: Callable[[T], object]) -> None:
        """Let ``listener`` hear it for as long as the signal is, however its rooms are closed."""
        self._listeners = (*self._listeners, listener)

    @contextmanager
    def listen(self, listener: Callable[[T], object]) -> Iterator[None]:
        self.always(listener)
        try:
            yield
        finally:
            listeners = list(self._listeners)
            listeners.remove(listener)
            self._listeners = tuple(listeners)


class Register(Mapping[str, T]):
    """Named additions: verbs, pages, parts of ``status``."""

    __slots__ = ("_entries", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries: dict[str, T] = {}

    def __getitem__(self, key: str) -> T:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def add(self, key: str, thing: T) -> Iterator[None]:
        """Keep ``thing`` under ``key`` until the context ends. Raises ``ValueError`` when the name is taken."""
        if key in self._entries:
            raise ValueError(f"{self.name}: {key!r} is there already")
        self._entries[key] = thing
        try:
            yield
        finally:
            del self._entries[key]


Page = Callable[[str], Awaitable[tuple[str, bytes]]]
"""A page of the proxy's port: the request's ``Accept`` → (content type, body)."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Every door there is.

    ``is_up(upstream)``: may it be asked? ``telemetry(upstream)``: what its card says of itself.
    ``evidence(task, target)``: how well a model has done a task, beside paid ones.
    ``request_ended`` and ``attempt_ended`` carry figures, never text.
    ``key_refused``: a request showed no good key, and why in one word.
    ``budget_alert``: a budget comes near its limit; the serving generation hears it. ``alert``: anything else that a
    person should hear of. ``retired``: this generation serves no new requests, another one does.
    ``verbs``: for the control socket. ``pages``: GET pages by path.
    ``status_parts``: functions whose value stands under their name in ``lodestarctl status``.
    """

    is_up: Slot[[str], bool] = field(default_factory=lambda: Slot("is_up", default=True))
    telemetry: Slot[[str], Telemetry | None] = field(default_factory=lambda: Slot("telemetry", default=None))
    evidence: Slot[[str, Target], Evidence | None] = field(default_factory=lambda: Slot("evidence", default=None))
    request_ended: Signal[RequestEnded] = field(default_factory=lambda: Signal("request_ended"))
    attempt_ended: Signal[AttemptEnded] = field(default_factory=lambda: Signal("attempt_ended"))
    key_refused: Signal[str] = field(default_factory=lambda: Signal("key_refused"))
    budget_alert: Signal[BudgetAlert] = field(default_factory=lambda: Signal("budget_alert"))
    alert: Signal[Alert] = field(default_factory=lambda: Signal("alert"))
    retired: Signal[None] = field(default_factory=lambda: Signal("retired"))
    verbs: Register[Verb] = field(default_factory=lambda: Register("verbs"))
    pages: Register[Page] = field(default_factory=lambda: Register("pages"))
    status_parts: Register[Callable[[], object]] = field(default_factory=lambda: Register("status_parts"))
