"""A dialler to a simulated upstream over memory streams: the house's own pools, on the mock clock."""

import trio

from lodestard.simulator.server import Simulator
from lodestard.upstream.dial import Dial
from lodestard.upstream.wire import StreamWire, Wire


def dialler(simulator: Simulator, nursery: trio.Nursery) -> Dial:
    """Each call opens a connection to ``simulator``, served in ``nursery``. Closing it is a reset for the server."""
    open_connection = simulator.opener(nursery)

    async def dial() -> Wire:
        stream = await open_connection()
        return StreamWire(stream, stream.reset, lambda _was_read: stream.left)

    return dial
