"""The upstream of a demo: an Ollama server with a small simulated card, on a free port of this machine.

Law: it answers only on the loopback address, and lives as long as the nursery that runs it.
"""

import trio

from lodestard.simulator.world import Listener, open_simulators, simulate


async def run_demo_upstream(*, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    """Runs until cancelled; starts with its URL (``http://127.0.0.1:PORT``)."""
    where = Listener(kind="ollama")
    async with open_simulators({where: simulate(where, "demo")}) as (upstream,):
        task_status.started(upstream.url)
        await trio.sleep_forever()
