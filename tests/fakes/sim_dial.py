"""A dialler to a simulated upstream over memory streams: the house's own pools, on the mock clock."""

import trio

from lodestard.simulator.server import Simulator
from lodestard.upstream.dial import Dial
from lodestard.upstream.faults import Blame, describe_dial_error
from lodestard.upstream.origin import Origin
from lodestard.upstream.wire import StreamWire, Wire

BLAME = Blame("t600", Origin("http", "127.0.0.1", 11434))


def dialler(simulator: Simulator, nursery: trio.Nursery) -> Dial:
    """Each call opens a connection to ``simulator``, served in ``nursery``. Closing it is a reset for the server."""
    open_connection = simulator.opener(nursery)

    async def dial() -> Wire:
        try:
            stream = await open_connection()
        except OSError as error:
            raise BLAME.unreachable(describe_dial_error(error)) from None
        return StreamWire(stream, stream.reset, lambda _was_read: stream.left)

    return dial
