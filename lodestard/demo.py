"""``lodestard --demo``: the real daemon, its real configuration and rooms, in front of a simulated T600.

Law: nothing here is on the way of a request. The demo has a state folder of its own, so that it never mixes its
figures with real ones, and it says plainly that its answers come from a simulator.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import which

import trio
from msgspec.structs import replace as edit

from lodestard.boot import Reader
from lodestard.config.paths import Paths, demo_paths
from lodestard.daemon import Boot, run_daemon
from lodestard.domain.settings import Settings
from lodestard.restart import Successor

DEMO_CONFIG = "lodestard.demo.toml"
PlanBoot = Callable[[Reader, Callable[[Sequence[str]], None]], Boot]

READY = """
Lodestar is ready on {base}.

This is a demonstration: the answers come from a SIMULATED Ollama server with a
simulated 4 GB GPU, not from a model. Three things to try in another terminal:

  curl -s {base}/v1/chat/completions \\
       -H 'content-type: application/json' \\
       -d '{{"model": "local-llama", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

  aider --model openai/gpt-3.5-turbo \\
        --openai-api-base {base}/v1 --openai-api-key none

  {ctl} status

Ctrl-C stops the demo. For real models, stop it, then this finds your Ollama
server, takes keys and writes the configuration:

  {ctl} setup
"""


def demo_config() -> Path:
    """The demo's configuration: inside an installed package, or in the source tree's ``config/``."""
    here = Path(__file__).parent
    packaged = here / DEMO_CONFIG
    return packaged if packaged.exists() else here.parent / "config" / DEMO_CONFIG


async def run_demo(reader: Reader, plan_boot: PlanBoot) -> Successor | None:
    """The simulator and the daemon in one process; both end together, and begin anew together."""
    # Here, for the daemon itself never simulates: 54 modules and 1.1 MB that it starts without.
    from lodestard.simulator.demo import run_demo_upstream

    async with trio.open_nursery() as nursery:
        url = await nursery.start(run_demo_upstream)
        paths = demo_paths(reader.environ)

        def change(settings: Settings) -> Settings:
            return reader.change(settle(settings, url, paths))

        successor = await run_daemon(plan_boot(replace(reader, change=change, simulated=True), announce))
        nursery.cancel_scope.cancel()
    return successor


def settle(settings: Settings, url: str, paths: Paths) -> Settings:
    """The demo's configuration with its places, and every upstream at the simulator's address."""
    upstreams = {name: edit(upstream, url=url) for name, upstream in settings.upstreams.items()}
    control = edit(settings.control, socket=str(paths.control_socket))
    return edit(settings, upstreams=upstreams, control=control, state_dir=str(paths.state_dir))


def announce(addresses: Sequence[str]) -> None:
    """Tell the person in front of the terminal what to try."""
    beside = [Path(program).with_name("lodestarctl") for program in (sys.argv[0], sys.executable)]
    ctl = which("lodestarctl") or str(next((file for file in beside if file.is_file()), beside[-1]))
    base = addresses[0] if "://" in addresses[0] else f"http://{addresses[0]}"
    print(READY.format(base=base, ctl=ctl), flush=True)  # noqa: T201
