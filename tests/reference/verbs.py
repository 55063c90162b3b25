"""Every verb of the control socket with the kind of its answer: the core's, and those of the modules.

The kind is what the verb's own function says: what ``answer`` returns, what ``stream`` may emit. A module knows no
messages (it may be left out), so what its verbs answer is what the ctl reads it as; that stands here.
"""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from lodestard import modules
from lodestard.control.messages.alerts import AlertList, AlertTest
from lodestard.control.messages.backup import BackupItem
from lodestard.control.messages.eval_idle import EvalIdleStatus, EvalReport
from lodestard.control.messages.reconcile import ReconcileReport
from lodestard.control.verbs import core_verbs
from lodestard.domain.verbs import Verb
from tests.fakes.control_desk import SETTINGS, FakeDesk, make_runtime

READ_AS: dict[str, type[msgspec.Struct]] = {
    "alerts": AlertList,
    "alerts.test": AlertTest,
    "backup.now": BackupItem,
    "eval.idle.report": EvalReport,
    "eval.idle.status": EvalIdleStatus,
    "reconcile.run": ReconcileReport,
    "reconcile.show": ReconcileReport,
}
ANYTHING = object


class Documented(NamedTuple):
    """A verb. ``module`` is the one that brings it, empty for the core's. ``answers`` is a kind of message."""

    verb: Verb
    module: str
    answers: Any


def all_verbs() -> list[Documented]:
    """By name."""
    core = core_verbs(FakeDesk(make_runtime(SETTINGS))).values()
    found = [Documented(verb, "", _answers(verb)) for verb in core]
    found += [Documented(verb, module, _answers(verb)) for module, verb in module_verbs()]
    return sorted(found, key=lambda each: each.verb.name)


def module_verbs() -> Iterator[tuple[str, Verb]]:
    """(module, verb). Asking an object what its verbs are needs nothing of what it was made with."""
    for info in pkgutil.walk_packages(modules.__path__, f"{modules.__name__}."):
        for _, kind in inspect.getmembers(import_module(info.name), inspect.isclass):
            if kind.__module__ != info.name:
                continue
            tell = getattr(kind, "verbs", None) or getattr(kind, "_verbs", None)
            if tell is not None:
                yield from ((info.name.split(".")[2], verb) for verb in tell(object.__new__(kind)))


def _answers(verb: Verb) -> Any:
    if verb.name in READ_AS:
        return READ_AS[verb.name]
    if verb.answer is not None:
        return get_type_hints(verb.answer)["return"]
    assert verb.stream is not None
    (_, emits) = (hint for name, hint in get_type_hints(verb.stream).items() if name != "return")
    ((kind,), _) = get_args(emits)
    return ANYTHING if kind is msgspec.Raw else kind
