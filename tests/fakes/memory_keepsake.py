"""A keepsake in memory: what was saved last is what is loaded next."""

from lodestard.domain.errors import Code, HouseFault


class MemoryKeepsake:
    """``domain.host_ports.Keepsake``. ``full``: nothing more can be saved. ``saves``: how often it was."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.full = False
        self.saves = 0

    async def load(self) -> bytes:
        return self.data

    async def save(self, data: bytes) -> None:
        if self.full:
            raise HouseFault(Code.STORE_UNAVAILABLE, "The disk is full.")
        self.data = data
        self.saves += 1
