"""The questions about paid providers: which keys are given, replaced or removed.

Law: a key that is there stays unless somebody says otherwise; it is tried only on a yes, at its own provider.
"""

from collections.abc import Callable, Mapping

from lodestarctl.setup.asking import agree
from lodestarctl.setup.facts import Facts
from lodestarctl.setup.options import Options
from lodestarctl.setup.plan import provider_named
from lodestarctl.setup.probe import Tried
from lodestarctl.setup.providers import Provider, doubts_about, read_key
from lodestarctl.setup.terminal import Terminal
from lodestard.domain.secret import Secret

TRIES = 3
TryKey = Callable[[Provider, str, Secret], Tried]


class KeysGuide:
    """Asks, and keeps what was decided: ``keys`` and ``removed`` as in ``Choices``."""

    def __init__(self, terminal: Terminal, facts: Facts, options: Options, try_key: TryKey) -> None:
        self._terminal = terminal
        self._facts = facts
        self._options = options
        self._try_key = try_key
        self.keys: dict[str, Secret] = {}
        self.removed: list[str] = []

    def run(self) -> None:
        self._terminal.title("Paid providers")
        self._say_known()
        for name, key in self._options.keys.items():
            self._take(name, key)
        for name in self._options.removed:
            self._remove(name)
        if self._terminal.interactive and not self._options.keys and not self._options.removed:
            for name, removing in self._ask_which():
                if removing:
                    self._remove(name)
                else:
                    self._ask_key(name)

    @property
    def any_key(self) -> bool:
        """Whether something may be spent, when all is done."""
        set_ = [fact.provider for fact in self._facts.keys if fact.state != "missing"]
        return bool(self.keys) or any(name not in self.removed for name in set_)

    def _say_known(self) -> None:
        for fact in self._facts.keys:
            if fact.state == "set":
                self._terminal.say(f"{fact.provider} has a key ({fact.where}).", "good")
            elif fact.state == "unknown":
                self._terminal.say(f"{fact.provider}: {fact.where} can't be looked at from here.", "dim")

    def _ask_which(self) -> list[tuple[str, bool]]:
        """Names, and whether their key is to be removed."""
        names = [provider.name for provider in self._facts.providers]
        self._terminal.say(f"Known are {', '.join(names)}; -NAME removes a key.", "dim")
        while True:
            words = self._terminal.ask("Keys of which do you want to give (names, Enter: none)?").lower()
            asked = words.replace(",", " ").split()
            unknown = [word for word in asked if word.removeprefix("-") not in names]
            if not unknown:
                return [(word.removeprefix("-"), word.startswith("-")) for word in dict.fromkeys(asked)]
            if any(len(word) > len("openrouter") for word in unknown):
                self._terminal.say("That is no provider's name. A key is asked for afterwards, unseen.", "warn")
                self._terminal.say("If it was one, this terminal has shown it: a new one would be better.", "warn")
            else:
                self._terminal.say(f"Not known: {', '.join(unknown)}.", "warn")

    def _ask_key(self, name: str) -> None:
        fact = self._facts.key_of(name)
        if fact.state == "set" and not agree(self._terminal, f"Replace the key of {name}?", default=False):
            self._terminal.say(f"The key of {name} is kept.", "dim")
            return
        provider = provider_named(name, self._facts)
        self._terminal.say(f"Keys are made at {provider.keys_at}.", "dim")
        for _ in range(TRIES):
            try:
                key = read_key(self._terminal.secret(f"Key of {name} (it is not shown; Enter: skip):"))
            except ValueError as error:
                if str(error) == "it is empty":
                    self._terminal.say(f"{name} gets no key.", "dim")
                    return
                self._terminal.say(f"That can't be a key: {error}.", "warn")
                continue
            if self._accept(provider, Secret(key)):
                return
        self._terminal.say(f"{name} gets no key.", "dim", next_="lodestarctl setup asks again.")

    def _accept(self, provider: Provider, key: Secret) -> bool:
        doubt = doubts_about(provider, key.reveal())
        if doubt:
            self._terminal.say(doubt, "warn")
            if not agree(self._terminal, "Take it all the same?", default=False):
                return False
        if agree(self._terminal, f"Try it at {provider.name} now? It costs nothing.", default=True):
            tried = self._tried(provider, key)
            if not tried.good and not agree(self._terminal, "Keep it all the same?", default=tried.doubtful):
                return False
        self.keys[provider.name] = key
        return True

    def _take(self, name: str, key: Secret) -> None:
        """A key that an option gave."""
        fact, provider = self._facts.key_of(name), provider_named(name, self._facts)
        if fact.state == "set" and not self._options.replace:
            self._terminal.say(f"The key of {name} that is there is kept; --replace replaces it.", "dim")
            return
        if doubt := doubts_about(provider, key.reveal()):
            self._terminal.say(doubt, "warn")
        if self._options.try_keys:
            tried = self._tried(provider, key)
            if not tried.good and not tried.doubtful:
                self._terminal.say(f"{name} gets no key.", "bad")
                return
        self._terminal.say(f"{name}: the key is taken.", "good")
        self.keys[name] = key

    def _tried(self, provider: Provider, key: Secret) -> Tried:
        upstream = self._facts.upstreams.get(self._facts.key_of(provider.name).upstream)
        url = str(upstream.get("url", "")) if isinstance(upstream, Mapping) else ""
        tried = self._try_key(provider, url or provider.url, key)
        self._terminal.say(tried.what, "good" if tried.good else "warn")
        return tried

    def _remove(self, name: str) -> None:
        fact = self._facts.key_of(name)
        if fact.state == "missing":
            self._terminal.say(f"{name} has no key.", "dim")
        elif not fact.ours:
            self._terminal.say(f"{name}: setup did not put it there ({fact.where}), so it stays.", "warn")
        else:
            self.removed.append(name)
            self._terminal.say(f"The key of {name} will be removed.", "dim")
