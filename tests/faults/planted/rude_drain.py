"""``lodestard`` with a defect: in a drain, connections that wait for a request are reset at once.

Run as ``python rude_drain.py COMMAND…``, where the command is the one that starts ``lodestard``.
"""

import sys

import trio

from lodestard.__main__ import main
from lodestard.http.connection import Connection
from lodestard.http.server import HttpServer

REOPENED_S = 0.02


async def reset_waiting(self: HttpServer) -> None:
    await self._drain_asked.wait()
    while True:
        for wire in list(self._traffic._idle):
            wire.reset_on_close()
            wire.stop_receiving()
        await trio.sleep(REOPENED_S)


async def part_rudely(self: Connection) -> None:
    await trio.sleep(0.2)  # a request that comes now meets a socket that is about to go
    self._wire.reset_on_close()


if __name__ == "__main__":
    HttpServer._close_waiting = reset_waiting  # type: ignore[method-assign]
    Connection._part = part_rudely  # type: ignore[method-assign]
    sys.argv = ["lodestard", *sys.argv[sys.argv.index("lodestard") + 1 :]]
    sys.exit(main())
