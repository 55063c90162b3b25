"""What kind of work a request is, and how hard: the words that routing, quality and evidence share."""

import msgspec

KINDS = (
    "code", "edit", "debug", "test", "explain", "review", "commit", "summary", "plan", "autocomplete", "docs",
    "maths", "data", "extract", "translate", "shell", "chat", "embedding",
)  # fmt: skip
"""``code`` writes anew, ``edit`` changes what is there, ``test`` writes tests, ``plan`` designs, ``docs`` writes for
people about software, ``data`` is tables and queries, ``extract`` pulls facts or labels out of a text, ``shell`` is
commands and machines; ``chat`` is all else that is said."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a request was found to be. ``hardness`` is in [0, 1]: 0 what any model does, 1 what few can.

    ``sure`` is in [0, 1]: how much more this kind fits than any other. ``why`` is a few words for a person, and
    never holds the client's text.
    """

    kind: str = "chat"
    hardness: float = 0.5
    sure: float = 0.0
    why: str = ""
