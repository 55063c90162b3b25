"""What a check is: it looks at an answer as it comes, and at each choice once it is whole."""

from typing import Protocol

from lodestard.domain.reply import Choice, Piece


class Check(Protocol):
    """One check of one answer. Both give the reason why the answer has failed, or nothing."""

    @property
    def name(self) -> str: ...

    def see(self, piece: Piece) -> str:
        """A piece has come."""
        ...

    def end(self, index: int, choice: Choice) -> str:
        """The choice of this index is whole."""
        ...
