"""Which local model may stand in for one that is missing, and who lacks one. Pure."""

from collections.abc import Sequence

from lodestarctl.setup.facts import LocalModel, Server, Tables, ollama_upstreams, routes_of

RECOMMENDED = ("llama3.1:8b", "deepseek-coder:6.7b")
"""What the example's aliases name: one for talk, one for code."""
NOT_FOR_CHAT = ("embed", "bge-", "minilm", "rerank")


def chatty(models: Sequence[LocalModel]) -> list[LocalModel]:
    """Without those that only embed, unless there are no others."""
    return [model for model in models if not any(word in model.name.lower() for word in NOT_FOR_CHAT)]


def nearest(wanted: str, models: Sequence[LocalModel]) -> str:
    """The model that is most like ``wanted``: its own family, then one for code where that is one; empty for none."""
    able = chatty(models)
    if not able:
        return ""
    family = _family(wanted)

    def likeness(model: LocalModel) -> tuple[bool, bool, int, str]:
        name = model.name.lower()
        return (_family(name) != family, ("code" in name) != ("code" in family), -model.size_bytes, name)

    return min(able, key=likeness).name


def _family(name: str) -> str:
    """``llama3.2:3b`` → ``llama``."""
    return name.lower().rpartition("/")[2].partition(":")[0].rstrip("0123456789.-")


def missing_targets(tables: Tables, upstream: str, server: Server) -> dict[str, list[str]]:
    """What routes name and the server lacks: the model → the aliases that it was to answer."""
    found: dict[str, list[str]] = {}
    for alias, route in routes_of(tables).items():
        for target in route:
            host, _, model = target.partition("/")
            if host == upstream and not server.has(model):
                found.setdefault(model, []).append(alias)
    return found


def local_aliases(tables: Tables) -> dict[str, str]:
    """The aliases that a local model is asked for first: alias → "upstream/model"."""
    local = ollama_upstreams(tables)
    firsts = {alias: route[0] for alias, route in routes_of(tables).items() if route}
    return {alias: target for alias, target in firsts.items() if target.partition("/")[0] in local}
