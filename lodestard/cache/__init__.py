"""The cache room: answers that were given before.

Law: holds answers and hashes of requests, never prompts; a request never waits for it and never fails because of
it; only a whole, good answer is kept, under the model that gave it and for the principal that asked.
"""

from lodestard.cache.records import CacheStats, Kept, ModelStats, Ticket
from lodestard.cache.room import MIGRATIONS, Cache, open_cache
from lodestard.cache.transfer import BadLine, Line, read_lines, write_line

__all__ = [
    "MIGRATIONS",
    "BadLine",
    "Cache",
    "CacheStats",
    "Kept",
    "Line",
    "ModelStats",
    "Ticket",
    "open_cache",
    "read_lines",
    "write_line",
]
