"""``lodestarctl completion bash|zsh|fish``: with the daemon's names, where it is there to tell them."""

import re
from collections.abc import Iterable

from lodestarctl import exit_codes
from lodestarctl.completion import NO_NAMES, Names, write_completion
from lodestarctl.session import Session
from lodestard.control.client import ControlError, DaemonNotRunning
from lodestard.control.messages import ModelsReport
from lodestard.control.messages.gpu import GpuReport

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")


def run(session: Session) -> int:
    session.output.write(write_completion(session.args.shell, _ask(session)))
    return exit_codes.OK


def _ask(session: Session) -> Names:
    """What the aliases and what is on the cards is called; nothing where there is no daemon."""
    names = NO_NAMES
    try:
        rows = session.client.ask("models", {}, ModelsReport).models
        names = names._replace(aliases=_harmless(row.alias for row in rows))
        hosts = session.client.ask("gpu", {}, GpuReport).hosts  # refused where it looks after no card
    except (ControlError, DaemonNotRunning):
        return names
    models = (model.model for host in hosts for model in host.models)
    return names._replace(models=_harmless(models), hosts=_harmless(host.host for host in hosts))


def _harmless(names: Iterable[str]) -> tuple[str, ...]:
    """Without those that mean something to a shell."""
    return tuple(dict.fromkeys(name for name in names if _HARMLESS.fullmatch(name)))
