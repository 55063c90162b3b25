"""A secret that doesn't tell itself: no repr, no format, no pickle shows it.

Law: ``reveal`` is called only where the secret is put on the wire.
"""

import hmac
from typing import Never


class Secret:
    """A provider's key."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Secret)  # equal secrets must hash alike, and nothing of the text may show

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not to be pickled or copied")
