"""What people have asked paid models, where they keep the text: the words of who learns from it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from lodestard.domain.upstream import Target


class PaidRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a paid model has answered and whose text is kept. ``target`` is the model.

    ``answer_tokens`` are those of the answer itself, without what the model thought.
    """

    id: str
    received_ms: int
    target: Target
    task: str = ""
    project: str = ""
    client: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and answered. ``members`` are those of a chat completion's body, ``messages`` among them.

    ``calls`` are the tools that the answer calls: names, and arguments as JSON text.
    """

    id: str
    members: Mapping[str, msgspec.Raw]
    answer: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class QuotesPort(Protocol):
    """The text that the ledger keeps by consent (``ledger.store_text``). Calls raise ``HouseFault``."""

    async def paid(self, *, since_ms: int, before: str = "", limit: int = ...) -> Sequence[PaidRequest]:
        """Requests received from then on that a paid model answered whole, the newest first.

        Those of the house itself, of the cache and without text are not among them. ``before`` is the id of the last
        one that was seen, to go on from there.
        """
        ...

    async def text_of(self, request_id: str) -> Quoted | None:
        """The text of one, None where it is not kept, or not as much of it as it takes to ask again."""
        ...
