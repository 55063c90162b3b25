"""What a working folder's ``.lodestar.toml`` may say, and what it means for requests once it is trusted.

Law: it can prefer, label, forbid and spend less; nothing it may say names an upstream, a URL, a key, a header or a
program, takes back a label, or lets anybody spend more. What it can't say, no code has to refuse later.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lodestard.domain.record import Positive, Record
from lodestard.domain.routing_settings import Prefer, Rule

FILE = ".lodestar.toml"
MOST_BYTES = 16 * 1024

Word = Annotated[str, Meta(min_length=1, max_length=64)]


class ProjectBudget(Record, frozen=True):
    """A limit beside all others. It is hard: nobody gets more by it than they had."""

    usd: Decimal | None = None
    tokens: Positive | None = None
    requests: Positive | None = None
    window: str = "month"
    at_limit: Literal["free", "refuse"] = "free"


class ProjectFile(Record, frozen=True):
    """The file. ``models`` maps an alias that is asked for to the one that answers instead.

    ``rules`` are those of the configuration, without ``priority`` and ``last``: they come after its own.
    """

    name: Word
    description: str = ""
    prefer: Prefer | None = None
    tags: tuple[Word, ...] = ()
    models: Mapping[str, Word] = msgspec.field(default_factory=dict)
    budget: ProjectBudget | None = None
    rules: tuple[Rule, ...] = ()


class ProjectFault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a file. ``line`` is 0 where nobody knows."""

    message: str
    key: str = ""
    line: int = 0


ReadProject = Callable[[str], ProjectFile | tuple[ProjectFault, ...]]
"""A text → what it says, or all that is wrong with it."""


class ProjectPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a trusted file means for a request of its project.

    ``prefer`` holds where the request says nothing; ``tags`` are added to its own. ``models`` and ``model`` of a rule
    name aliases, which may be gone by now, and of which the caller may not be let use every one. ``rules`` are judged
    by themselves, after the configuration's: what they require, forbid and label is added to what those say, and
    ``prefer`` and ``model`` count where those say none.
    """

    name: str
    folder: str
    prefer: Prefer | None = None
    tags: tuple[str, ...] = ()
    models: Mapping[str, str] = {}
    rules: tuple[Rule, ...] = ()


Standing = Literal["trusted", "untrusted", "changed", "gone", "invalid"]


class TrustedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that somebody has trusted, word for word. ``watched``: the daemon itself can see it in its folder."""

    folder: str
    text: str
    sha256: str
    at_ms: int
    watched: bool = False


class KnownProject(msgspec.Struct, frozen=True, kw_only=True):
    """A trusted file as it stands."""

    trusted: TrustedFile
    file: ProjectFile | None
    standing: Standing


def digest_of(text: str) -> str:
    """By what a text is known again."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def policy_of(known: KnownProject) -> ProjectPolicy | None:
    """What a trusted file means as it stands. One that is another by now still forbids and labels, and prefers
    nothing: its tags stay, for the configuration's rules may forbid something by them.
    """
    file, folder = known.file, known.trusted.folder
    if file is None:
        return None
    if known.standing != "trusted":
        return ProjectPolicy(
            name=file.name, folder=folder, tags=file.tags, rules=tuple(map(_restraining, file.rules))
        )
    return ProjectPolicy(
        name=file.name, folder=folder, prefer=file.prefer, tags=file.tags, models=file.models, rules=file.rules
    )


def _restraining(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, model="", prefer=None)


def both_of(nearer: ProjectPolicy, other: ProjectPolicy) -> ProjectPolicy:
    """Of a request that is of two projects, by its folder and by its name or key: what the nearer one prefers, and
    what both forbid and label. Whoever says another folder gets out of nothing. Pure.
    """
    return msgspec.structs.replace(
        nearer,
        tags=tuple(dict.fromkeys((*nearer.tags, *other.tags))),
        rules=(*nearer.rules, *map(_restraining, other.rules)),
    )
