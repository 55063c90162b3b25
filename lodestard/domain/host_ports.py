"""The doors to whoever decides what is on a card: admission, the server behind it, what is remembered of it.

Law: as ``ports.py``: a room that needs another one takes a port as an argument and never imports the other room.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol

from lodestard.domain.residency import (
    Ask,
    HostState,
    InstalledModel,
    LoadedModel,
    ModelDetails,
    PullProgress,
    Wait,
)
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class Seat(Protocol):
    """A place at a host, for as long as an attempt is in it."""

    @property
    def room_tokens(self) -> int | None:
        """How long the answer can get before the context is full; None where nobody knows."""
        ...

    def learn(self, usage: Usage | None, durations: Durations | None) -> None:
        """The answer is whole: what the host said of it."""
        ...


class Place(Protocol):
    """A place that was asked for. Entering waits for it; it is given back on exit, also when cancelled.

    Entering raises ``CallerFault``: CONTEXT_LENGTH_EXCEEDED where the prompt does not fit, SUPERSEDED where a newer
    request has taken its place; ``UpstreamFault`` where the model can't be loaded, the host is lent to something
    else, or the wait became too long. Leaving may raise the last two as well: then the attempt was cancelled from
    within.
    """

    async def __aenter__(self) -> Seat: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...

    def note_first(self) -> None:
        """The first token of a streamed answer has come."""
        ...

    @property
    def predicted(self) -> Wait | None:
        """How long it was thought to wait for its first token when it came; None where it did not have to."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was done to the request, and how it came to its place: short lines for the trace, never its text."""
        ...

    @property
    def note(self) -> str:
        """What it waits for ("loading deepseek-coder:6.7b, about 4 s"); empty where there is nothing to say."""
        ...


class Admission(Protocol):
    """Says when a target may be dialled. Residency is one; a semaphore per host is the plain one."""

    def admit(self, ask: Ask) -> Place:
        """A place for one attempt."""
        ...

    def predicted_wait(self, target: Target, prompt_tokens: int) -> Wait | None:
        """How long a request that somebody waits for would wait for its first token, were it to come now.

        - its model in memory, a place free: about the reading of its prompt, as if nothing of it were cached;
        - in memory and at work: until its turn among those that wait, and the reading;
        - being loaded: what is left of the load as well; another one in memory: what that one's turn still lasts,
          its unloading, the load;
        - longer than anybody may wait (``max_wait_s``): that long;
        - None where it would be sent away (the card is lent, pinned for another model, its queue is full, its server
          lacks the model) or nobody knows (the server can't be reached, or nobody looks after that host).

        The interval holds four in five, once a few answers were seen. Bounded in work: less than a millisecond with
        twenty in the queue. Who will come later is not foreseen, but by how long such waits have come to be.
        """
        ...


class ModelHost(Protocol):
    """A server that loads and unloads models, over connections of its own. Calls raise ``UpstreamFault``."""

    async def version(self) -> str:
        """What it calls itself."""
        ...

    async def loaded(self) -> Sequence[LoadedModel]:
        """What is in memory. A model that is being loaded is not among them."""
        ...

    async def installed(self) -> Sequence[InstalledModel]:
        """What is on its disk."""
        ...

    async def details(self, model: str) -> ModelDetails:
        """What it says of one model. UPSTREAM_MODEL_MISSING where it has none of that name."""
        ...

    async def load(self, model: str) -> None:
        """Load ``model`` with the runner options of the configuration, or renew its keep-alive where it is loaded.

        Returns once it is in memory. Cancelled, the connection is closed, and with it the load.
        """
        ...

    async def unload(self, model: str) -> None:
        """Ask the server to forget ``model``. Returns before its memory is free."""
        ...

    def pull(self, model: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Have it download ``model``. Leaving the context early stops the download; it goes on from there later."""
        ...


class Keepsake(Protocol):
    """A small file that survives the daemon: what was learned. A lost or broken one is an empty one."""

    async def load(self) -> bytes:
        """What was saved last, or nothing."""
        ...

    async def save(self, data: bytes) -> None:
        """Replace it, whole or not at all. Raises ``HouseFault(STORE_UNAVAILABLE)``."""
        ...


class ResidencyPort(Protocol):
    """Which model is where, for whoever looks at it or tells it what to do."""

    @property
    def hosts(self) -> Sequence[str]:
        """The upstreams that it looks after."""
        ...

    def state(self, host: str) -> HostState:
        """What is on ``host`` now. Raises ``LookupError`` for what is none of them."""
        ...


class ResidencyDesk(ResidencyPort, Protocol):
    """What a person can tell it. Calls raise ``CallerFault`` for a host or model that it does not look after."""

    def find(self, name: str) -> Target:
        """The model that a person means: an alias's first local one, ``host/model``, or a model's own name.

        Raises ``CallerFault(MODEL_NOT_FOUND)`` with the nearest names, INVALID_REQUEST where more hosts have it.
        """
        ...

    async def warm(self, target: Target) -> float:
        """Load it as soon as its turn comes, as for a request that somebody waits for. Returns the seconds it took.

        Cancelled, it is not waited for any more; a load that has begun goes on. Raises ``UpstreamFault``.
        """
        ...

    async def unload(self, target: Target) -> bool:
        """Unload it once its requests are answered. False where it was not in memory. Raises ``UpstreamFault``."""
        ...

    def pin(self, target: Target, *, exclusive: bool = False) -> None:
        """Keep it on the card, over restarts too. ``exclusive``: nothing at all displaces it."""
        ...

    def unpin(self, target: Target) -> bool:
        """Whether it was pinned by ``pin``. Raises ``CallerFault`` where the configuration pins it."""
        ...

    def pause(self, host: str, until_ms: int | None = None) -> None:
        """Lend the card to something else: no new requests, all models unloaded; until then, or until ``resume``."""
        ...

    def resume(self, host: str) -> bool:
        """Take the card back. Whether it was lent."""
        ...

    def pull(self, target: Target) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Have its host download it; see ``ModelHost.pull``."""
        ...
