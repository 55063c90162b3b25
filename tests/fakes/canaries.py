"""Keys that must be found nowhere but on their way: those of upstreams, and one that clients send.

Law: invariant I9. A test's client that sees one in an answer fails at once; logs and files are searched at the end.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lodestard.domain.client import write_key

CLIENT_KEY = write_key(b"canary of the client")
UPSTREAM_KEYS = {
    "OPENAI_API_KEY": "sk-journey-openai-canary",
    "XAI_API_KEY": "xai-journey-canary",
    "ANTHROPIC_API_KEY": "sk-ant-journey-canary",
}
PROCESS_KEY = "sk-canary-4f1d7b6a90e2"
CANARIES = (CLIENT_KEY, *UPSTREAM_KEYS.values(), PROCESS_KEY)
CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key"})


def with_canary(headers: dict[str, str]) -> dict[str, str]:
    """The client's key beside ``headers``, where they have none of their own."""
    if CREDENTIALS.isdisjoint(name.lower() for name in headers):
        return headers | {"authorization": f"Bearer {CLIENT_KEY}"}
    return headers


def require_none(data: bytes, where: str, canaries: Iterable[str] = CANARIES) -> None:
    """Fail where a canary is in ``data``."""
    found = [canary for canary in canaries if canary.encode() in data]
    assert not found, f"I9: {found} in {where}"


def search(folder: Path, canaries: Iterable[str] = CANARIES) -> None:
    """Fail where a canary is in any file below ``folder``, whatever it is: database, log, trace, core."""
    for file in _files(folder):
        require_none(file.read_bytes(), str(file), canaries)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink())
