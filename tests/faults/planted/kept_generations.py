"""``lodestard`` with a defect in its reloads.

``keep``: a generation that is retired stays open. ``cut``: it does not wait for its users. ``half``: part of what is
refused is taken in.

Run as ``python kept_generations.py DEFECT COMMAND…``, where the command is the one that starts ``lodestard``.
"""

import sys
from typing import Any

import msgspec

from lodestard.__main__ import main
from lodestard.config import ConfigError
from lodestard.generation import Generation
from lodestard.house import House
from lodestard.http.exchange import HttpExchange


def keep(_self: Generation) -> None:
    """Retiring does nothing."""


def cut(self: Generation) -> None:
    for exchange in EXCHANGES:
        exchange.abort()
    self.retired = True
    self._look()


EXCHANGES: list[HttpExchange] = []
start = HttpExchange.start


async def start_and_note(self: HttpExchange, status: int, headers: Any) -> None:
    await start(self, status, headers)
    EXCHANGES.append(self)


take_in = House._take_in


async def take_in_half(self: House) -> Any:
    try:
        return await take_in(self)
    except ConfigError:
        loaded = self.plan.loaded
        settings = msgspec.structs.replace(loaded.settings, state_dir="/elsewhere")
        self.plan = type(self.plan)(msgspec.structs.replace(loaded, settings=settings), self.plan.blueprint)
        raise


if __name__ == "__main__":
    match sys.argv[1]:
        case "keep":
            Generation.retire = keep  # type: ignore[assignment, method-assign]
        case "cut":
            Generation.retire = cut  # type: ignore[method-assign]
            HttpExchange.start = start_and_note  # type: ignore[method-assign]
        case "half":
            House._take_in = take_in_half  # type: ignore[method-assign]
    sys.argv = ["lodestard", *sys.argv[sys.argv.index("lodestard") + 1 :]]
    sys.exit(main())
