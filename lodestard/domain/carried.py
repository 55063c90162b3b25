"""A request that was carried, as far as another policy may look at it."""

import msgspec

from lodestard.domain.request import Caller, Request
from lodestard.domain.upstream import Plan
from lodestard.domain.usage import Usage


class Carried(msgspec.Struct, frozen=True):
    """``plan`` is how it was asked, ``usage`` what its answer used (None where nobody counted it)."""

    request: Request
    caller: Caller
    plan: Plan
    usage: Usage | None
    cost_nano_usd: int
