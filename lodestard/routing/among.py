"""The choice among any targets: what would be chosen if all of them stood in one alias's route.

Law: the same filters and the same sum as any choice; only where a rule sends requests to another alias it has no say,
for the targets are given. Pure.
"""

from msgspec.structs import replace

from lodestard.domain.choice import Among, Asked
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.task import Task
from lodestard.domain.upstream import Plan, Target
from lodestard.routing.catalog import Catalog, Offer
from lodestard.routing.choose import View, choose_route
from lodestard.routing.rules import Ready, Rulebook

NO_CHAT = -5.0
"""A model that is assumed to be less able than this (``abilities.py``) was not made for answers."""


def choose_among(among: Among, asked: Asked, task: Task, view: View) -> Plan:
    """All of its targets that may answer, the best first. Raises ``CallerFault`` where none may."""
    catalog = view.catalog
    offers = tuple([offer for target in among.targets if (offer := catalog.offer(target)) is not None])
    if not offers:
        raise CallerFault(Code.MODEL_NOT_FOUND, "No model that can chat is configured.", param="model")
    widened = replace(
        catalog,
        aliases={**catalog.aliases, asked.alias: offers},
        prefer={**catalog.prefer, asked.alias: among.prefer},
        rules=_staying(catalog.rules),
    )
    return choose_route(asked, task, replace(view, catalog=widened))


def list_targets(catalog: Catalog) -> tuple[Target, ...]:
    """Every target that some alias goes to and that can chat, each once."""
    targets = {offer.target: offer for offers in catalog.aliases.values() for offer in offers}
    return tuple([target for target, offer in targets.items() if not _embeds(offer)])


def _embeds(offer: Offer) -> bool:
    """Whether it gives vectors alone: by its price, or by what its name lets one assume."""
    return (offer.price is not None and offer.price.embeds_only) or offer.ability.general < NO_CHAT


def staying(policy: ProjectPolicy) -> ProjectPolicy:
    """The same project's file, which sends no request elsewhere."""
    return replace(policy, models={}, rules=tuple([replace(rule, model="") for rule in policy.rules]))


def _staying(book: Rulebook) -> Rulebook:
    """The same rules, none of which sends a request elsewhere."""
    return replace(
        book, rules=tuple([Ready(replace(each.rule, model=""), each.name, each.conditions) for each in book.rules])
    )
