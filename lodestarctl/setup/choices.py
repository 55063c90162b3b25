"""What was decided, by a person or by options: plain data that no print shows a key of."""

from collections.abc import Mapping

import msgspec

from lodestard.domain.secret import Secret


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """``hosts``: an upstream's name → the address that it is to have. ``aliases``: an alias → its local model,
    as "upstream/model". ``swaps``: a model that a server lacks → the one that stands in, both as "upstream/model".
    ``pulls`` are downloaded once the daemon knows their server. ``budget_usd`` and ``timezone`` are as in the
    configuration.
    """

    hosts: Mapping[str, str] = {}
    aliases: Mapping[str, str] = {}
    swaps: Mapping[str, str] = {}
    pulls: tuple[str, ...] = ()
    keys: Mapping[str, Secret] = {}
    removed: tuple[str, ...] = ()
    budget_usd: str | None = None
    timezone: str | None = None
