"""What there is before anything is asked: plain data, and what of it can be told by looking at it alone. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from lodestarctl.setup.address import HERE
from lodestarctl.setup.place import Place
from lodestarctl.setup.providers import Provider, known_to, upstream_of

Tables = Mapping[str, Any]


class LocalModel(msgspec.Struct, frozen=True):
    """A model that an Ollama server has."""

    name: str
    size_bytes: int = 0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """An address where an Ollama server was looked for. ``error`` is empty where it answered."""

    url: str
    version: str = ""
    models: tuple[LocalModel, ...] = ()
    error: str = ""

    def has(self, model: str) -> bool:
        names = {each.name for each in self.models}
        return model in names or f"{model}:latest" in names


class KeyFact(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a provider has a key. ``upstream`` is empty where the configuration does not have it yet.

    ``state`` unknown: whoever runs this may not look there. ``ours``: it stands where setup puts keys.
    """

    provider: str
    upstream: str = ""
    state: Literal["set", "missing", "unknown"] = "missing"
    where: str = ""
    ours: bool = False


class File(msgspec.Struct, frozen=True):
    """One file of the configuration, as tables."""

    path: Path
    tables: Tables


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """``running``: a daemon answers, and its configuration is this one. ``elsewhere`` is another one's.

    ``own_server`` is where this machine's own Ollama would be. ``problems`` are the daemon's own, with what to do.
    ``hidden``: some files can't be read by whoever runs this. ``denied`` says why the daemon may not be asked,
    ``silence`` what systemd knows of why it does not answer.
    """

    place: Place
    files: tuple[File, ...] = ()
    tables: Tables = {}
    faults: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    keys: tuple[KeyFact, ...] = ()
    own_server: str = HERE
    running: bool = False
    elsewhere: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    hidden: bool = False
    denied: str = ""
    silence: tuple[str, ...] = ()

    @property
    def config_there(self) -> bool:
        return any(file.path == self.place.config_file for file in self.files)

    @property
    def own(self) -> Tables:
        """What setup wrote before."""
        return next((file.tables for file in self.files if file.path == self.place.drop_in), {})

    @property
    def providers(self) -> tuple[Provider, ...]:
        return known_to(self.upstreams)

    @property
    def upstreams(self) -> Mapping[str, Any]:
        return table_of(self.tables, "upstreams")

    def key_of(self, provider: str) -> KeyFact:
        return next((fact for fact in self.keys if fact.provider == provider), KeyFact(provider=provider))

    def server_at(self, url: str) -> Server | None:
        return next((server for server in self.servers if server.url == url), None)

    def later_files(self) -> tuple[File, ...]:
        """The files that are laid over what setup writes."""
        names = [file for file in self.files if file.path != self.place.config_file]
        return tuple(file for file in names if file.path.name > self.place.drop_in.name)


def table_of(tables: Tables, *path: str) -> Mapping[str, Any]:
    """The table at ``path``; an empty one where there is none."""
    for name in path:
        inner = tables.get(name)
        tables = inner if isinstance(inner, Mapping) else {}
    return tables


def lay_over(below: Tables, above: Tables) -> dict[str, Any]:
    """Tables merge, everything else replaces: as ``lodestard`` reads its files."""
    merged = dict(below)
    for name, value in above.items():
        known = merged.get(name)
        if isinstance(value, Mapping):
            merged[name] = lay_over(known if isinstance(known, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def ollama_upstreams(tables: Tables) -> dict[str, str]:
    """The configured Ollama servers: name → address."""
    upstreams = table_of(tables, "upstreams")
    return {
        name: str(table.get("url", ""))
        for name, table in upstreams.items()
        if isinstance(table, Mapping) and table.get("dialect") == "ollama"
    }


def routes_of(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Each alias, and who answers it."""
    models = table_of(tables, "models")
    routes = {alias: table.get("route") for alias, table in models.items() if isinstance(table, Mapping)}
    return {alias: tuple(map(str, route)) for alias, route in routes.items() if isinstance(route, list)}


def key_place(upstream: Mapping[str, Any]) -> Mapping[str, str]:
    """What an upstream's ``key`` says, without what is empty."""
    return {name: str(value) for name, value in table_of(upstream, "key").items() if value}


def upstream_or_name(provider: Provider, facts: "Facts") -> str:
    """What the provider's upstream is called, or will be."""
    return upstream_of(provider, facts.upstreams) or provider.name


def month_budget(tables: Tables) -> tuple[str, str]:
    """The name and amount of a budget for everything in a month; empty where there is none."""
    for name, budget in table_of(tables, "budgets").items():
        if not isinstance(budget, Mapping) or "usd" not in budget:
            continue
        if budget.get("scope", "global") == "global" and budget.get("window", "month") == "month":
            return name, str(budget["usd"])
    return "", ""
