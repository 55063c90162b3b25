"""The bare relay of ``tests/bench/relay.py`` on a port that is given: ``relay_at UPSTREAM_PORT PORT``."""

import sys
from functools import partial

import trio

from tests.bench.relay import Upstream, serve_client


async def main(upstream_port: int, port: int) -> None:
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1", backlog=4096)
    await trio.serve_listeners(partial(serve_client, Upstream(upstream_port)), listeners)


if __name__ == "__main__":
    try:
        trio.run(main, int(sys.argv[1]), int(sys.argv[2]))
    except* KeyboardInterrupt:
        pass
