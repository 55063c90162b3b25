"""Rules that say what kind of work a request is, as a person writes them in TOML: compiled, and asked. Pure.

Law: no rule can take long. Words are looked up among those of the text; a pattern reads as much of it as it can
afford (``domain/task_rule.py``).
"""

import pkgutil
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from lodestard.classify.reading import Reading
from lodestard.domain.patterns import Pattern, read_pattern
from lodestard.domain.task_rule import TOKEN, TaskRule, find_fault, reach_of

_FIRST, _LAST = 40, 25
_BUILT_IN = "tasks.toml"


class Phrases(msgspec.Struct, frozen=True):
    """``words`` are single ones, ``rows`` stand between spaces (one without the last space is a beginning)."""

    words: frozenset[str]
    rows: tuple[str, ...]


class Searched(msgspec.Struct, frozen=True):
    """A text made ready: its words in a row between spaces, as a set, and itself in lower case."""

    row: str
    words: frozenset[str]
    text: str


class Clue(msgspec.Struct, frozen=True):
    """A rule, compiled. ``source`` is its number in the configuration from 1; 0: it is built in."""

    kind: str
    where: str
    weight: float
    source: int
    phrases: Phrases
    pattern: Pattern | None
    reach: int


class TaskRules(msgspec.Struct, frozen=True):
    """The user's rules and those that are built in."""

    clues: tuple[Clue, ...] = ()


class Fired(msgspec.Struct, frozen=True):
    """A rule that fits, by its kind, weight, source and place among the rules."""

    kind: str
    weight: float
    source: int
    place: int


def compile_rules(rules: Iterable[TaskRule], *, built_in: bool = True) -> TaskRules:
    """Raises ``ValueError`` for a rule that has a fault; the configuration's check has told it before."""
    own = tuple(_compile(rule, number) for number, rule in enumerate(rules, start=1))
    return TaskRules((*(read_built_in() if built_in else ()), *own))


@lru_cache(maxsize=1)
def read_built_in() -> tuple[Clue, ...]:
    """The rules that are installed with Lodestar."""
    tables = read_table()["tasks"]
    return tuple(_compile(rule, 0) for rule in msgspec.convert(tables, tuple[TaskRule, ...]))


@lru_cache(maxsize=1)
def read_table() -> Mapping[str, object]:
    """``tasks.toml`` beside this file: rules, and words that tell how hard something is."""
    return tomllib.loads((pkgutil.get_data(__package__, _BUILT_IN) or b"").decode())


def _compile(rule: TaskRule, source: int) -> Clue:
    if fault := find_fault(rule):
        raise ValueError(f"[[tasks]] {source}: {': '.join(fault)}")
    pattern = read_pattern(rule.pattern) if rule.pattern else None
    reach = reach_of(pattern) if pattern else 0
    return Clue(rule.kind, rule.where, rule.weight, source, make_phrases(rule.words), pattern, reach)


def make_phrases(words: Iterable[str]) -> Phrases:
    """Words and phrases made ready to be found."""
    rows = [f" {' '.join(TOKEN.findall(word.lower()))}{'' if word.endswith('*') else ' '}" for word in words]
    single = {row for row in rows if row.count(" ") == 2 and row.endswith(" ")}
    return Phrases(frozenset(row.strip() for row in single), tuple(row for row in rows if row not in single))


def find_phrases(phrases: Phrases, text: Searched) -> int:
    """How many of them are there."""
    return len(phrases.words & text.words) + sum(row in text.row for row in phrases.rows)


def make_ready(said: str, text: str) -> Searched:
    """``said`` for words, ``text`` for patterns."""
    words = TOKEN.findall(said.lower())
    return Searched(f" {' '.join(words)} ", frozenset(words), text.lower())


def ask_rules(rules: TaskRules, reading: Reading, user: Searched) -> list[Fired]:
    """Every rule that fits. Words are looked for in what was said, patterns in all that was read."""
    system = make_ready(reading.system, reading.system)
    asked = narrow(user)
    places = {"user": (user,), "system": (system,), "any": (user, system)}
    near = {**places, "user": (asked,), "any": (asked, system)}
    return [
        Fired(clue.kind, clue.weight, clue.source, place)
        for place, clue in enumerate(rules.clues)
        if any(_fits(clue, text) for text in (places if clue.source else near)[clue.where])
    ]


def narrow(text: Searched) -> Searched:
    """The first and the last words, where people say what they want: the built-in rules look no further."""
    words = text.row.split()
    if len(words) <= _FIRST + _LAST:
        return text
    few = [*words[:_FIRST], *words[-_LAST:]]
    return Searched(f" {' '.join(few)} ", frozenset(few), text.text)


def _fits(clue: Clue, text: Searched) -> bool:
    phrases = clue.phrases
    if not phrases.words.isdisjoint(text.words) or any(row in text.row for row in phrases.rows):
        return True
    return clue.pattern is not None and clue.pattern.find_in(text.text[: clue.reach])
