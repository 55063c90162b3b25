"""What could answer: the configuration's aliases, upstreams and prices, made ready for quick choices.

Law: built when a configuration is taken in and when a price changes, for one instant; frozen, and the only form in
which routing sees it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from lodestard.domain.choice import Needs
from lodestard.domain.price import FREE, Price, Quote
from lodestard.domain.provider import least_output_tokens, stays_in_lan
from lodestard.domain.routing_settings import Prefer, Traits, Worth
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import Candidate, Target
from lodestard.routing.abilities import Ability, assume_ability
from lodestard.routing.price_table import PriceTable, read_table
from lodestard.routing.quality import Abilities, logit
from lodestard.routing.rules import NO_RULES, Rulebook, read_rules
from lodestard.routing.score import WORTH

NO_QUOTES: Mapping[str, Quote] = {}


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A target and all that is known of it. ``price`` is None where nobody gave one.

    ``ability`` is assumed by its name; ``abilities`` are logits (``quality.py``) for each kind of task, as assumed or
    said in ``traits``, which is None where nothing is said. ``marks_cache``:
    its provider is asked to remember long prompts, which costs more than reading them. ``candidate`` is what it is to
    whoever asks it, while it is up.
    """

    target: Target
    dialect: str
    free: bool
    price: Price | None
    lan: bool
    marks_cache: bool
    ability: Ability
    abilities: Abilities
    candidate: Candidate
    traits: Traits | None = None

    @property
    def context_tokens(self) -> int | None:
        """Prompt and answer together, at most; None where nobody has said."""
        if self.traits is not None and self.traits.context_tokens is not None:
            return self.traits.context_tokens
        return None if self.price is None else self.price.context_tokens

    @property
    def tokens_per_s(self) -> float | None:
        """How fast it is said to write; None where nobody has."""
        return None if self.traits is None else self.traits.tokens_per_s

    @property
    def takes_images(self) -> bool | None:
        return (
            self.traits.images if self.traits is not None and self.traits.images is not None else self.ability.images
        )

    @property
    def takes_tools(self) -> bool:
        """Tool calls are emulated where a model has none, so only who was told that it takes none is passed over."""
        return self.traits is None or self.traits.tools is not False


class Known(NamedTuple):
    """What counts of an upstream here."""

    settings: Upstream
    least_output_tokens: int


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """``aliases`` maps an alias to its offers in order; ``upstreams`` maps an upstream to what is known.

    ``soonest`` are aliases of which the free model that can begin first is asked first; ``prefer`` has those of which
    the best for each request is asked first; ``needs`` what has to be known of a request for the others.

    It holds from ``at_ms`` until ``until_ms``, when some price changes (None: for ever).
    """

    aliases: Mapping[str, tuple[Offer, ...]]
    upstreams: Mapping[str, Known]
    prices: PriceTable
    spoken: frozenset[str]
    soonest: frozenset[str] = frozenset()
    prefer: Mapping[str, Prefer] = {}
    rules: Rulebook = NO_RULES
    worth: Mapping[Prefer, Worth] = msgspec.field(default_factory=lambda: WORTH)
    sticky_usd: float = 0.0
    traits: Mapping[str, Traits] = {}
    needs: Mapping[str, Needs] = {}
    at_ms: int = 0
    until_ms: int | None = None

    def needs_of(self, alias: str) -> Needs | None:
        """What has to be known of a request for it; None where rules or a sum decide, which look at more."""
        return None if self.rules.rules or alias in self.prefer else self.needs.get(alias)

    def offer(self, target: Target) -> Offer | None:
        """What is offered as ``target``, or None where there is no such upstream."""
        known = self.upstreams.get(target.upstream)
        if known is None:
            return None
        price, free = self.prices.price_at(target, self.at_ms), known.settings.free
        if price is None:
            price = FREE if free else self.prices.ceiling_of(target)
        candidate = Candidate(
            target=target,
            dialect=known.settings.dialect,
            price=price,
            free=free,
            up=True,
            least_output_tokens=known.least_output_tokens,
            lan=stays_in_lan(known.settings, target.model),
        )
        return Offer(
            target=target,
            dialect=candidate.dialect,
            free=free,
            price=price,
            lan=candidate.lan,
            candidate=candidate,
            abilities=assume_abilities(assume_ability(target.model), self.traits.get(str(target))),
            marks_cache=known.settings.dialect == "anthropic" and known.settings.prompt_caching,
            ability=assume_ability(target.model),
            traits=self.traits.get(str(target)),
        )


def baseline_price(settings: Settings, quotes: Mapping[str, Quote] = NO_QUOTES, now_ms: int = 0) -> Price | None:
    """The price that savings are counted against, where there is one."""
    name = settings.ledger.baseline
    return read_table(settings, quotes).price_at(Target.parse(name), now_ms) if name else None


def build_catalog(
    settings: Settings, spoken: frozenset[str], quotes: Mapping[str, Quote] = NO_QUOTES, now_ms: int = 0
) -> Catalog:
    """The catalogue of a checked configuration. ``spoken`` are the dialects that we have a codec for."""
    models, routing = settings.models, settings.routing
    bare = Catalog(
        aliases={},
        upstreams={name: _know(upstream) for name, upstream in settings.upstreams.items()},
        prices=read_table(settings, quotes),
        spoken=spoken,
        soonest=frozenset(alias for alias, model in models.items() if model.soonest),
        prefer={alias: model.prefer for alias, model in models.items() if model.prefer is not None},
        rules=read_rules(settings.rules, first_only=routing.match == "first"),
        worth={**WORTH, **routing.worth},
        sticky_usd=routing.sticky_usd,
        traits=settings.traits,
    )
    routes = {alias: tuple(map(Target.parse, model.route)) for alias, model in models.items()}
    return _filled(bare, routes, now_ms)


def _know(upstream: Upstream) -> Known:
    return Known(upstream, least_output_tokens(upstream))


def reprice(catalog: Catalog, quotes: Mapping[str, Quote], now_ms: int) -> Catalog:
    """The same catalogue with the prices of another list, or of another instant."""
    routes = {alias: tuple(offer.target for offer in offers) for alias, offers in catalog.aliases.items()}
    return _filled(msgspec.structs.replace(catalog, prices=catalog.prices.with_quotes(quotes)), routes, now_ms)


def _filled(catalog: Catalog, routes: Mapping[str, tuple[Target, ...]], now_ms: int) -> Catalog:
    at = msgspec.structs.replace(catalog, at_ms=now_ms, until_ms=catalog.prices.change_after_ms(now_ms))
    aliases = {
        alias: tuple(offer for target in targets if (offer := at.offer(target)) is not None)
        for alias, targets in routes.items()
    }
    needs = {alias: _needs(offers) for alias, offers in aliases.items()}
    return msgspec.structs.replace(at, aliases=aliases, needs=needs)


def assume_abilities(ability: Ability, traits: Traits | None = None) -> Abilities:
    """How able it is at each kind of task, before anything was seen: what is said of it, or assumed."""
    said = [None if traits is None else traits.tasks.get(kind, traits.quality) for kind in KINDS]
    return tuple([ability.at(kind) if own is None else logit(own) for kind, own in zip(KINDS, said, strict=True)])


def _needs(offers: tuple[Offer, ...]) -> Needs:
    """A lone offer is asked whatever it takes: its own refusal is the better one."""
    if len(offers) < 2:
        return Needs(images=False, tools=False, context_tokens=0)
    contexts = [offer.context_tokens for offer in offers if offer.context_tokens is not None]
    return Needs(
        images=any(offer.takes_images is False for offer in offers),
        tools=not all(offer.takes_tools for offer in offers),
        context_tokens=min(contexts, default=0),
    )
