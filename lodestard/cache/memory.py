"""The tier in memory: the answers that were used last, up to a number of bytes.

Law: changed only by sync code in the loop; after every call its size is within its limit. Owned by the cache.
"""

from collections import OrderedDict
from collections.abc import Callable

from lodestard.cache.entry import Entry


class MemoryTier:
    """Least recently used entries leave first."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def max_bytes(self) -> int:
        """The limit; lowering it evicts at once."""
        return self._max_bytes

    @max_bytes.setter
    def max_bytes(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._evict()

    def entries(self) -> list[Entry]:
        """All of them, the least recently used first."""
        return list(self._entries.values())

    def get(self, key: str) -> Entry | None:
        """The entry, which has now been used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry) -> None:
        """Keep it as the one that was used last. One that is larger than everything is not kept."""
        self.drop(entry.key)
        if entry.packed.size_bytes <= self._max_bytes:
            self._entries[entry.key] = entry
            self.bytes += entry.packed.size_bytes
            self._evict()

    def put_cold(self, entry: Entry) -> bool:
        """Keep it as the one that was used least recently, if there is room. False where there is none."""
        if entry.key in self._entries:
            return True
        if self.bytes + entry.packed.size_bytes > self._max_bytes:
            return False
        self._entries[entry.key] = entry
        self._entries.move_to_end(entry.key, last=False)
        self.bytes += entry.packed.size_bytes
        return True

    def drop(self, key: str) -> bool:
        """Forget it. False where it was not there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.packed.size_bytes
        return entry is not None

    def drop_where(self, matches: Callable[[Entry], bool]) -> int:
        """Forget all that match; how many they were."""
        keys = [entry.key for entry in self._entries.values() if matches(entry)]
        for key in keys:
            self.drop(key)
        return len(keys)

    def _evict(self) -> None:
        while self.bytes > self._max_bytes:
            _, entry = self._entries.popitem(last=False)
            self.bytes -= entry.packed.size_bytes
            self.evicted += 1
