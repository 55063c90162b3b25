"""What an exchange needs of the connection that it came over. A frozen record. ``secure``: it is TLS."""

from dataclasses import dataclass, field

import trio

from lodestard.domain.settings import Limits
from lodestard.http.answer import DateLine
from lodestard.http.peer import Peer
from lodestard.http.sentry import Sentry
from lodestard.http.traffic import Traffic
from lodestard.http.wire import Wire


@dataclass(frozen=True, slots=True)
class Link:
    """``scope`` is the connection's: all its requests are served in it."""

    wire: Wire
    peer: Peer
    limits: Limits
    dates: DateLine
    sentry: Sentry
    traffic: Traffic
    secure: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
