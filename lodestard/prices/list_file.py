"""The price list as a file: small, private, replaced whole.

Law: a file that is damaged, of another form or not there is no list; it never stops anybody.
"""

import os
from pathlib import Path

import msgspec

from lodestard.prices.book import PriceList

MAX_BYTES = 8_000_000


def read_list(text: bytes) -> PriceList:
    """A list as ``extract`` wrote it. Raises ``ValueError`` for anything else."""
    listed = _decoder.decode(text)
    for name, quote in listed.quotes.items():
        since = [price.since_ms for price in quote.prices]
        if since != sorted(since):
            raise ValueError(f"the prices of {name} are not in their order")
    return listed


def load_list(path: Path) -> PriceList | None:
    """The list that is kept there, or None. Blocks for a moment."""
    try:
        with path.open("rb") as file:
            return read_list(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return None


def save_list(path: Path, listed: PriceList) -> None:
    """Keep ``listed``: all of it, or what was there before. Blocks for a moment. Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(listed))
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)


_decoder = msgspec.json.Decoder(PriceList)
