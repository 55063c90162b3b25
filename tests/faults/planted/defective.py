"""``lodestard`` with one defect, by its name: what faults of clients must bring to light.

Run as ``python defective.py NAME COMMAND…``, where the command is the one that starts ``lodestard``.
"""

import sys
from collections.abc import Callable

from lodestard.__main__ import main
from lodestard.domain.settings import Limits
from lodestard.http.body import RequestBody

Defect = Callable[[], None]


def reads_it_all() -> None:
    """The size of a body is looked at once it is there."""
    take = RequestBody._take

    def take_late(self: RequestBody) -> bool:
        limits, self._limits = self._limits, Limits(body_bytes=1 << 40)
        if self._chunks is not None:
            self._chunks._limit = 1 << 40
        complete = take(self)
        self._limits = limits
        if complete and len(self._content or b"") > limits.body_bytes:
            raise self._too_large()
        return complete

    RequestBody._take = take_late  # type: ignore[method-assign]


DEFECTS: dict[str, Defect] = {"reads it all": reads_it_all}


if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    sys.argv = ["lodestard", *sys.argv[sys.argv.index("lodestard") + 1 :]]
    sys.exit(main())
