"""``[[rules]]``: which of them fit a request, and what they say together.

Law: those of the highest priority are looked at first, equals as they are written. Of several that name a model or a
preference the first wins; what is required, forbidden and labelled adds up, and nothing takes it back. A rule costs a
few comparisons; a regular expression is tried last, and only one whose cost is bounded (``domain.patterns``).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache

import msgspec

from lodestard.domain.choice import HOURS, Asked, Interest
from lodestard.domain.patterns import read_pattern
from lodestard.domain.routing_settings import Prefer, Rule, When
from lodestard.domain.task import Task

Condition = Callable[[Asked, Task], bool]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What rules say of a request. Of each of ``require`` one pattern must fit; of ``forbid`` none may."""

    names: tuple[str, ...] = ()
    model: str = ""
    prefer: Prefer | None = None
    require: tuple[tuple[str, ...], ...] = ()
    forbid: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()


NO_VERDICT = Verdict()


class Ready(msgspec.Struct, frozen=True):
    """A rule that can be tried."""

    rule: Rule
    name: str
    conditions: tuple[Condition, ...]

    def fits(self, asked: Asked, task: Task) -> bool:
        for condition in self.conditions:  # noqa: SIM110  a generator costs more than all of them
            if not condition(asked, task):
                return False
        return True


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """All rules in their order, and what has to be known of a request to try them."""

    rules: tuple[Ready, ...] = ()
    first_only: bool = False
    interest: Interest = Interest()

    def judge(self, asked: Asked, task: Task) -> Verdict:
        """What the rules that fit say together."""
        found: list[Ready] = []
        for ready in self.rules:
            if ready.fits(asked, task):
                found.append(ready)
                if self.first_only or ready.rule.last:
                    break
        return _sum_up(found) if found else NO_VERDICT


NO_RULES = Rulebook()


class ProjectRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a project adds: its rules come after the configuration's, and ``models`` maps aliases to others."""

    name: str
    rules: Rulebook = NO_RULES
    prefer: Prefer | None = None
    models: Mapping[str, str] = {}


def judge_all(book: Rulebook, project: ProjectRules | None, asked: Asked, task: Task) -> Verdict:
    """The configuration's rules and the project's together: nothing of the first is taken back by the second."""
    first = book.judge(asked, task)
    if project is None:
        return first
    own = project.rules.judge(asked, task)
    return Verdict(
        names=(*first.names, *(f"{project.name}: {name}" for name in own.names)),
        model=first.model or project.models.get(asked.alias, "") or own.model,
        prefer=first.prefer or own.prefer or project.prefer,
        require=first.require + own.require,
        forbid=first.forbid + own.forbid,
        labels=first.labels | own.labels,
    )


@lru_cache(maxsize=256)
def read_rules(rules: tuple[Rule, ...], *, first_only: bool = False) -> Rulebook:
    """The rules of a checked configuration, made ready."""
    ordered = sorted(enumerate(rules, start=1), key=lambda numbered: -numbered[1].priority)
    whens = [rule.when for rule in rules]
    return Rulebook(
        rules=tuple(
            [Ready(rule, rule.name or f"rule {number}", tuple(_conditions(rule.when))) for number, rule in ordered]
        ),
        first_only=first_only,
        interest=Interest(
            task=any(when.task or when.min_hardness is not None or when.max_hardness is not None for when in whens),
            text=any(when.matches for when in whens),
            time=any(when.hours or when.days for when in whens),
        ),
    )


def _sum_up(found: Sequence[Ready]) -> Verdict:
    rules = [ready.rule for ready in found]
    return Verdict(
        names=tuple([ready.name for ready in found]),
        model=next((rule.model for rule in rules if rule.model), ""),
        prefer=next((rule.prefer for rule in rules if rule.prefer is not None), None),
        require=tuple([rule.require for rule in rules if rule.require]),
        forbid=tuple([pattern for rule in rules for pattern in rule.forbid]),
        labels=frozenset([label for rule in rules for label in rule.labels]),
    )


def _conditions(when: When) -> Iterator[Condition]:
    """The cheap ones first."""
    yield from _flags(when)
    yield from _sizes(when)
    yield from _names(when)
    if when.days:
        days = frozenset(when.days)
        yield lambda asked, _task: asked.day in days
    if when.hours:
        yield _within(when.hours)
    if when.matches:
        pattern = read_pattern(when.matches)
        if pattern is not None:
            find_in = pattern.find_in
            yield lambda asked, _task: find_in(asked.text)


def _flags(when: When) -> Iterator[Condition]:
    images, tools, schema = when.images, when.tools, when.schema
    if images is not None:
        yield lambda asked, _task: asked.images is images
    if tools is not None:
        yield lambda asked, _task: asked.tools is tools
    if schema is not None:
        yield lambda asked, _task: asked.schema is schema


def _sizes(when: When) -> Iterator[Condition]:
    least, most = when.min_prompt_tokens, when.max_prompt_tokens
    easiest, hardest = when.min_hardness, when.max_hardness
    if least is not None:
        yield lambda asked, _task: asked.prompt_tokens >= least
    if most is not None:
        yield lambda asked, _task: asked.prompt_tokens <= most
    if easiest is not None:
        yield lambda _asked, task: task.hardness >= easiest
    if hardest is not None:
        yield lambda _asked, task: task.hardness <= hardest


def _names(when: When) -> Iterator[Condition]:
    if when.alias:
        fits = read_words(when.alias)
        yield lambda asked, _task: fits(asked.alias)
    for name in ("client", "principal", "project", "user", "priority"):
        if words := getattr(when, name):
            yield _label_fits(name, words)
    if when.task:
        kinds = read_words(when.task)
        yield lambda asked, task: kinds(task.kind) or kinds(asked.caller.task)
    if when.tag:
        tags = read_words(when.tag)
        yield lambda asked, _task: any(map(tags, asked.caller.tags))


def _label_fits(name: str, words: tuple[str, ...]) -> Condition:
    fits = read_words(words)
    return lambda asked, _task: fits(getattr(asked.caller, name))


@lru_cache(maxsize=4_096)
def read_words(words: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name is one of ``words``, in which ``*`` and ``?`` stand for anything; upper and lower case alike."""
    plain = frozenset([word.lower() for word in words if not set(word) & set("*?[")])
    globs = [translate(word.lower()) for word in words if set(word) & set("*?[")]
    match = re.compile("|".join(globs)).match if globs else None

    def fits(name: str) -> bool:
        lowered = name.lower()
        return lowered in plain or (match is not None and match(lowered) is not None)

    return fits


def _within(hours: str) -> Condition:
    found = HOURS.fullmatch(hours)
    if found is None:  # a checked configuration has none of these
        return lambda _asked, _task: False
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if begin <= end:
        return lambda asked, _task: begin <= asked.minute < end
    return lambda asked, _task: asked.minute >= begin or asked.minute < end
