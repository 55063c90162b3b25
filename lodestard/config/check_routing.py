"""What a configuration says of who answers: rules that can be tried, models that there are."""

from collections.abc import Iterator

from lodestard.config.convert import Finding
from lodestard.config.fault import KeyPath, or_nearest
from lodestard.domain.choice import HOURS, MOST_TEXT
from lodestard.domain.patterns import MOST_COST, read_pattern
from lodestard.domain.routing_settings import When
from lodestard.domain.settings import Settings
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import LAN_ONLY, Target

_MOST_RULES = 1_000


def check_routing(settings: Settings) -> Iterator[Finding]:
    """Findings of ``[[rules]]``, ``[traits]`` and ``[routing]``."""
    if len(settings.rules) > _MOST_RULES:
        yield Finding(("rules",), f"more than {_MOST_RULES} rules: each is tried for each request")
    for index, rule in enumerate(settings.rules):
        path = ("rules", index)
        yield from check_when((*path, "when"), rule.when)
        if rule.model:
            yield from _check_model((*path, "model"), rule.model, settings)
        for label in rule.labels:
            if label != LAN_ONLY:
                nearest = or_nearest(label, [LAN_ONLY])
                yield Finding((*path, "labels"), f"the label {label!r} only stands in traces{nearest}", fatal=False)
    yield from _check_traits(settings)
    for name, worth in settings.routing.worth.items():
        for member in ("answer_usd", "second_usd"):
            if getattr(worth, member) < 0:
                yield Finding(("routing", "worth", name, member), "expected 0 or more")


def check_when(path: KeyPath, when: When) -> Iterator[Finding]:
    """Findings of the conditions of a rule, whoever wrote it."""
    if when.hours and HOURS.fullmatch(when.hours) is None:
        yield Finding((*path, "hours"), 'expected two times of day such as "22:00-06:00"')
    if not when.matches:
        return
    pattern = read_pattern(when.matches)
    if pattern is None:
        yield Finding(
            (*path, "matches"),
            "no regular expression, or one of which nobody can say how long it takes (look-around, a repeated group)",
        )
    elif pattern.cost("x" * MOST_TEXT) > MOST_COST:
        yield Finding((*path, "matches"), "it could take too long: use fewer '*', '+' and '?'")


def _check_model(path: KeyPath, name: str, settings: Settings) -> Iterator[Finding]:
    if name in settings.models:
        return
    if name.partition("/")[0] not in settings.upstreams or not name.partition("/")[2]:
        yield Finding(path, f"no alias and no upstream/model{or_nearest(name, settings.models)}")


def _check_traits(settings: Settings) -> Iterator[Finding]:
    for name, traits in settings.traits.items():
        path = ("traits", name)
        try:
            target = Target.parse(name)
        except ValueError:
            yield Finding(path, 'expected "upstream/model"')
            continue
        if target.upstream not in settings.upstreams:
            yield Finding(path, f"no upstream {target.upstream!r}{or_nearest(target.upstream, settings.upstreams)}")
        for kind in traits.tasks:
            if kind not in KINDS:
                yield Finding((*path, "tasks", kind), f"no kind of task{or_nearest(kind, KINDS)}")
