"""Ollama's names of models, to compare them: one model goes by several. Pure.

Law: a canonical name is a key; what is sent to a server is the name that the configuration has.
Source: Ollama's ``types/model/name.go`` (parts, defaults, comparison without regard to case).
"""

from functools import lru_cache

_SCHEMES = ("https://", "http://")
_DEFAULT_PLACE = ("registry.ollama.ai", "library")
_DEFAULT_TAG = "latest"


@lru_cache(maxsize=1024)
def canonical_name(name: str) -> str:
    """``"registry.ollama.ai/library/Llama3.1"`` → ``"llama3.1:latest"``: the same for all names of one model.

    The registry and the namespace are left out where they are Ollama's own, the tag is always said. What is no
    name of a model gives some key or other.
    """
    name = name.strip().lower()
    for scheme in _SCHEMES:
        name = name.removeprefix(scheme)
    host, namespace, model = _split_place(name)
    model, tag = _split_tag(model)
    if (host, namespace) == _DEFAULT_PLACE:
        place = ""
    elif host == _DEFAULT_PLACE[0]:
        place = f"{namespace}/"
    else:
        place = f"{host}/{namespace}/"
    return f"{place}{model}:{tag}"


def same_model(one: str, other: str) -> bool:
    """Whether a server means the same model by both names: ``x`` and ``x:latest`` are one."""
    return one == other or canonical_name(one) == canonical_name(other)


def _split_place(name: str) -> tuple[str, str, str]:
    """Host, namespace and the rest; what is not said is Ollama's own."""
    rest, _, model = name.rpartition("/")
    host, _, namespace = rest.rpartition("/")
    return host or _DEFAULT_PLACE[0], namespace or _DEFAULT_PLACE[1], model


def _split_tag(model: str) -> tuple[str, str]:
    model, _, tag = model.partition(":")
    return model, tag or _DEFAULT_TAG
