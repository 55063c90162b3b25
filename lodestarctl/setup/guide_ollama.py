"""The questions about Ollama: which servers, and which of their models answer.

Law: only addresses that were given, configured, or this machine's own are asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lodestarctl.render.words import size
from lodestarctl.setup.address import read_address
from lodestarctl.setup.asking import agree, ask_for, choose
from lodestarctl.setup.facts import Facts, LocalModel, Server, lay_over, ollama_upstreams
from lodestarctl.setup.models import RECOMMENDED, chatty, local_aliases, missing_targets, nearest
from lodestarctl.setup.options import Options
from lodestarctl.setup.plan import CODE, LOCAL, new_upstream_name
from lodestarctl.setup.steps import describe, how_to_listen, server_of
from lodestarctl.setup.terminal import Terminal

MOST_LISTED = 30
LookAt = Callable[[str], Server]


class OllamaGuide:
    """Asks, and keeps what was decided: ``hosts``, ``swaps``, ``aliases`` and ``pulls`` as in ``Choices``."""

    def __init__(self, terminal: Terminal, facts: Facts, options: Options, look_at: LookAt) -> None:
        self._terminal = terminal
        self._facts = facts
        self._options = options
        self._look_at = look_at
        self._servers = {server.url: server for server in facts.servers}
        self.hosts: dict[str, str] = {}
        self.swaps: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.pulls: list[str] = []

    def run(self) -> None:
        self._terminal.title("Ollama")
        self._say_configured()
        for url in self._options.ollama:
            self._take(url, asked_for=True)
        self._offer_own()
        while self._terminal.interactive and not self._answering():
            url = ask_for(self._terminal, "Address of an Ollama server (Enter: go on without one):", read_address, "")
            if not url:
                break
            self._take(url, asked_for=False)
        self._models()

    # -- servers -------------------------------------------------------------------------------------------------

    def _say_configured(self) -> None:
        for name, url in ollama_upstreams(self._facts.tables).items():
            server = server_of(url, self._facts)
            if server is not None and not server.error:
                self._terminal.say(f"{name}: {describe(server)}.", "good")
            elif not self._options.ollama:
                why = server.error if server is not None else "its address can't be understood"
                self._terminal.say(f"{name} does not answer at {url}: {why}.", "warn", next_=how_to_listen(url, why))

    def _offer_own(self) -> None:
        """This machine's own server, where the configuration does not know it."""
        own = self._facts.own_server
        server = self._servers.get(own)
        if server is None or server.error or own in self._urls().values():
            if not self._urls() and not self._options.ollama:
                self._terminal.say(f"Nothing answers at {own}.", "warn", next_=how_to_listen(own))
            return
        alone = not self._urls()
        self._terminal.say(f"{describe(server)}.", "good" if alone else "dim")
        if alone or (self._terminal.interactive and agree(self._terminal, "Use it too?", default=False)):
            self._assign(own)

    def _take(self, url: str, *, asked_for: bool) -> None:
        """An address that somebody gave."""
        server = self._servers.get(url) or self._look_at(url)
        self._servers[url] = server
        if url in self._urls().values():
            return
        if server.error:
            next_ = how_to_listen(url, server.error)
            self._terminal.say(f"{url} does not answer: {server.error}.", "warn", next_=next_)
            if not agree(self._terminal, "Write it down all the same?", default=asked_for):
                return
        else:
            self._terminal.say(f"{describe(server)}.", "good")
        self._assign(url)

    def _assign(self, url: str) -> None:
        """Give the address to a configured server that does not answer at its own, or to a new one."""
        silent = [name for name, old in self._urls().items() if name not in self.hosts and not self._answers(old)]
        name = silent[0] if silent else new_upstream_name(self._facts.tables, self.hosts)
        self.hosts[name] = url
        old = ollama_upstreams(self._facts.tables).get(name)
        self._terminal.say(f"It is called {name}{f' from now on, in place of {old}' if old else ''}.", "dim")

    def _urls(self) -> dict[str, str]:
        """Every server by name, as it will be."""
        found = dict(self.hosts)
        for name, url in ollama_upstreams(self._facts.tables).items():
            server = server_of(url, self._facts)
            found.setdefault(name, server.url if server is not None else url)
        return found

    def _answers(self, url: str) -> bool:
        server = self._servers.get(url)
        return server is not None and not server.error

    def _answering(self) -> dict[str, Server]:
        return {name: self._servers[url] for name, url in self._urls().items() if self._answers(url)}

    # -- models --------------------------------------------------------------------------------------------------

    def _tables(self) -> Mapping[str, Any]:
        new = {name: {"dialect": "ollama", "url": url} for name, url in self.hosts.items()}
        return lay_over(self._facts.tables, {"upstreams": new}) if new else self._facts.tables

    def _models(self) -> None:
        answering = self._answering()
        tables = self._tables()
        self._take_given(answering)
        for name, server in answering.items():
            for model, aliases in sorted(missing_targets(tables, name, server).items()):
                if not {*aliases} <= {*self.aliases}:
                    self._stand_in(name, server, model, aliases)
        if answering and not local_aliases(tables) and not {LOCAL, CODE} <= {*self.aliases}:
            self._first_alias(*next(iter(answering.items())))

    def _take_given(self, answering: Mapping[str, Server]) -> None:
        """``--model`` and ``--pull``: of the named server, or of the first that has it."""
        for alias, model in self._options.models.items():
            target = self._target(model, answering)
            if target:
                self.aliases[alias] = target
                self._tell_given(alias, target, answering)
            else:
                self._terminal.say(f"No Ollama server to ask for {model}; {alias} stays as it is.", "warn")
        self.pulls += [target for model in self._options.pulls if (target := self._target(model, answering))]

    def _tell_given(self, alias: str, target: str, answering: Mapping[str, Server]) -> None:
        name, _, model = target.partition("/")
        if name not in answering or answering[name].has(model) or model in self._options.pulls:
            self._terminal.say(f"{alias} is answered by {target}.", "good")
        else:
            what = f"{alias} will be answered by {target}, which {name} does not have."
            self._terminal.say(what, "warn", next_=f"lodestarctl models pull {target}")

    def _target(self, model: str, answering: Mapping[str, Server]) -> str:
        urls = self._urls()
        host, slash, rest = model.partition("/")
        if slash and host in urls:
            return f"{host}/{rest}"
        having = [name for name, server in answering.items() if server.has(model)]
        first = next(iter([*having, *answering, *urls]), "")
        return f"{first}/{model}" if first else ""

    def _stand_in(self, name: str, server: Server, model: str, aliases: list[str]) -> None:
        """A model that is asked for and not there: another one, a download, or nothing."""
        target = f"{name}/{model}"
        if target in self.pulls:
            return
        self._terminal.say(f"{name} does not have {model}, which {' and '.join(aliases)} would ask.", "warn")
        best = nearest(model, server.models)
        able = _listed(server, best)
        rows = [(str(number), f"{each.name}  {size(each.size_bytes)}") for number, each in enumerate(able, 1)]
        rows += [("d", f"download {model} when the rest is done"), ("l", "leave it as it is")]
        default = next((at for at, each in enumerate(able) if each.name == best), len(rows) - 1)
        picked = choose(self._terminal, "Who answers in its place?", rows, default)
        if picked < len(able):
            self.swaps[target] = f"{name}/{able[picked].name}"
            self._terminal.say(f"{able[picked].name} answers in its place.", "dim")
        elif rows[picked][0] == "d":
            self.pulls.append(target)
        else:
            self._terminal.say("It is left as it is.", "dim", next_=f"lodestarctl models pull {target}")

    def _first_alias(self, name: str, server: Server) -> None:
        """No alias asks a local model yet. Those that an option gave stay."""
        able = _listed(server, nearest(RECOMMENDED[0], server.models))
        if not able:
            self._terminal.say(f"{name} has no model yet.", "warn")
            model = RECOMMENDED[0]
            self.aliases = {**dict.fromkeys((LOCAL, CODE), f"{name}/{model}"), **self.aliases}
            if agree(self._terminal, f"Download {model} when the rest is done (some GB)?", default=False):
                self.pulls.append(f"{name}/{model}")
            else:
                self._terminal.say(
                    "Without it nothing local answers.", "dim", next_=f"lodestarctl models pull {model}"
                )
            return
        found = {CODE: nearest(RECOMMENDED[1], server.models)}
        if LOCAL not in self.aliases:
            rows = [(str(number), f"{each.name}  {size(each.size_bytes)}") for number, each in enumerate(able, 1)]
            picked = choose(self._terminal, f"Which model answers the alias {LOCAL}?", rows, 0)
            found = {LOCAL: able[picked].name, **found}
        for alias, model in found.items():
            if alias not in self.aliases:
                self.aliases[alias] = f"{name}/{model}"
                self._terminal.say(f"{alias} is answered by {model}.", "good")


def _listed(server: Server, best: str) -> list[LocalModel]:
    """The likeliest first, then by name."""
    able = chatty(server.models)
    return sorted(able, key=lambda model: (model.name != best, model.name))[:MOST_LISTED]
