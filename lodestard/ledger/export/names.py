"""Names of people and things as salted hashes, for exports that leave the house.

Law: the same name is the same hash within one ledger and one column, and nothing can be told from it without the
salt, which never leaves the ledger. No name stays no name.
"""

import hmac
from collections.abc import Callable

DIGITS = 16


def hasher(salt: bytes, column: str) -> Callable[[str], str]:
    """Writes names of ``column`` as 16 hexadecimal digits of HMAC-SHA256."""

    def hashed(name: str) -> str:
        if not name:
            return ""
        return hmac.digest(salt, f"{column}\0{name}".encode(), "sha256").hex()[:DIGITS]

    return hashed
