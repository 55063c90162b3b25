"""What clients ask, and when, as plain data.

Law: traffic is a pure function of a seed and knows nothing of the server: the same requests, with the same pauses,
go to whatever is measured.
"""

import msgspec

LLAMA = "llama3.1:8b"
DEEPSEEK = "deepseek-coder:6.7b"
ANY_LOCAL = "any-local"
"""An alias of both models: whichever can begin first answers."""
INTERACTIVE = frozenset({"architect", "editor", "commit", "autocomplete"})
"""Somebody sits in front of these: Aider does nothing else until it has its commit message."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``messages`` are (role, text); the last text is unique, so that the server's side can be matched.

    ``pause_s`` comes before it: after the client's last answer in a closed loop, after the beginning in an open one.
    ``patience_s``: the client leaves after so long without a whole answer. ``superseded``: it leaves because its
    user typed on, so that nobody was waiting for the answer any more. ``any_model``: either model will do, so it is
    asked for by ``ANY_LOCAL``; who knows no such alias asks for ``model``.
    """

    name: str
    kind: str
    model: str
    messages: tuple[tuple[str, str], ...]
    answer: str
    stream: bool = True
    pause_s: float = 0.0
    patience_s: float | None = None
    superseded: bool = False
    any_model: bool = False

    @property
    def key(self) -> str:
        """What the server's side knows it by."""
        return self.messages[-1][1]

    @property
    def interactive(self) -> bool:
        return self.kind in INTERACTIVE


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One client: ``width`` requests in flight, each after the last one's answer; 0: each at its own time."""

    asks: tuple[Ask, ...]
    width: int = 1
    begins_s: float = 0.0


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Clients at once. With ``horizon_s`` it is stopped then; otherwise it runs until all are done."""

    name: str
    lanes: tuple[Lane, ...]
    horizon_s: float | None = None

    @property
    def asks(self) -> tuple[Ask, ...]:
        return tuple(ask for lane in self.lanes for ask in lane.asks)
