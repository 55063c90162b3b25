"""The address of an Ollama server, as people write it. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

PORT = 11434
HERE = f"http://127.0.0.1:{PORT}"
EXPECTED = "an address such as http://192.168.1.50:11434"
API_PATHS = ("/v1", "/api")
"""Where the API is below an address; the address itself is what clients of Ollama are given."""
SCHEMES = ("http", "https")


def own_address(environ: Mapping[str, str]) -> str:
    """Where this machine's own server listens: as ``ollama`` itself finds it, by ``OLLAMA_HOST``."""
    try:
        return read_address(environ.get("OLLAMA_HOST") or HERE)
    except ValueError:
        return HERE


def read_address(text: str) -> str:
    """``gpu-box``, ``192.168.1.50:11434``, ``http://…`` → the base URL. Raises ``ValueError`` with a sentence."""
    given = text.strip()
    if not given or any(char.isspace() for char in given):
        raise ValueError(EXPECTED)
    whole = given if "://" in given else f"http://{given}"
    try:
        parts = urlsplit(whole)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(EXPECTED) from None
    if parts.scheme not in SCHEMES or not host or host in SCHEMES or not host.isascii():
        raise ValueError(EXPECTED)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{EXPECTED}, without a user, password or query")
    if host == "0.0.0.0":  # noqa: S104 - what OLLAMA_HOST says; nobody can connect to it
        host = "127.0.0.1"
    path = parts.path.rstrip("/")
    while path.endswith(API_PATHS):
        path = path.rpartition("/")[0].rstrip("/")
    bare = f"[{host}]" if ":" in host else host
    if port is None and parts.scheme == "http" and not path:
        port = PORT
    return f"{parts.scheme}://{bare}{f':{port}' if port else ''}{path}"
