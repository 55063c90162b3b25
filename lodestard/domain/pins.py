"""What every request for one model carries, a load's as well as a client's, so that the server never loads it anew.

Law: pure, and the only place that says it: the dialect's requests and its loads ask here, and so does residency. It
all comes from the configuration. ``shift``, which reloads too, is never said: the server's own then holds.
Source: Ollama's ``server/sched.go`` (``needsReload``).
"""

import re
from typing import Any

from lodestard.domain.model_name import same_model
from lodestard.domain.settings import LocalModel, Upstream

RUNNER_OPTIONS = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "draft_num_predict",
        "use_mmap", "use_mlock", "low_vram", "f16_kv", "numa",
    }
)  # fmt: skip
"""What a server loads a model with: another value would load it anew (Ollama's ``api/types.go``, ``Runner``)."""

_UNNAMED = LocalModel()
_SOME_TIME = re.compile("[1-9]")


def pinned_members(settings: Upstream, model: str) -> dict[str, Any]:
    """``options`` and ``keep_alive`` of a request for ``model``; a member of which nothing is configured is absent.

    The model's own options lie over the upstream's, its keep-alive takes the place of the upstream's.
    """
    own = find_local_model(settings, model)
    options = {**settings.options, **own.options}
    keep_alive = own.keep_alive if own.keep_alive != "" else settings.keep_alive
    members: dict[str, Any] = {}
    if options:
        members["options"] = options
    if keep_alive != "":
        members["keep_alive"] = keep_alive
    return members


def find_local_model(settings: Upstream, model: str) -> LocalModel:
    """What is configured of ``model``, under whichever of its names; without anything, the defaults."""
    if (exact := settings.models.get(model)) is not None:
        return exact
    return next((own for name, own in settings.models.items() if same_model(name, model)), _UNNAMED)


def is_nought(keep_alive: str | int) -> bool:
    """Whether it is no time at all (``0``, ``"0s"``), which unloads a model as soon as it is idle."""
    if isinstance(keep_alive, str):
        return keep_alive != "" and _SOME_TIME.search(keep_alive) is None
    return keep_alive == 0
