"""Does a configuration's file hold a secret itself? Pure.

Law: in doubt it does: a backup goes to other disks and other hands. Our own keys are never literal (``key`` names a
credential, a variable or a file); what can be are headers, addresses with a password in them, and mistakes.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping

_WORDS = re.compile(r"(?i)(^|[_-])(key|keys|token|secret|password|passwd|authorization|cookie|apikey)$")
_HARMLESS = re.compile(r"(?i)(_file|_sha256|_env|_credential)$")
_LOOKS = (
    re.compile(r"\b(sk|pk|rk|xai|gsk|ghp|glpat|AIza|xox[abp])[-_]?[A-Za-z0-9_-]{16,}"),
    re.compile(r"://[^/\s:@]*:[^/\s@]+@"),
    re.compile(r"://(hooks\.slack\.com/services|discord(app)?\.com/api/webhooks)/(?!\{key\})\S+"),
    re.compile(r"(?i)[?&](api[_-]?key|key|token|secret|sig|password)=(?!\{key\})[^&\s]+"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
)
_BEARER = re.compile(r"(?i)\bbearer\s+\S{8,}")  # in a comment that may be plain English
SOURCES = frozenset({"credential", "env", "file"})


def find_secrets(text: str) -> list[str]:
    """Where secrets seem to be: dotted keys, lines with comments. Raises ``ValueError`` for what is no TOML."""
    found = list(_walk((), tomllib.loads(text)))
    lines = enumerate(text.splitlines(), 1)
    comments = [f"line {number}" for number, line in lines if "#" in line and _looks(line.partition("#")[2])]
    return found + comments


def _walk(path: tuple[str, ...], value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _walk((*path, str(name)), member)
    elif isinstance(value, list):
        for member in value:
            yield from _walk(path, member)
    elif isinstance(value, str) and (_named_secret(path, value) or _BEARER.search(value) or _looks(value)):
        yield ".".join(path)


def _looks(value: str) -> bool:
    return any(look.search(value) for look in _LOOKS)


def _named_secret(path: tuple[str, ...], value: str) -> bool:
    """``headers.authorization = "…"``; not ``key = { file = "…" }``, nor an empty one."""
    if not value or not path or (path[-1] in SOURCES and len(path) > 1):
        return False
    return bool(_WORDS.search(path[-1])) and not _HARMLESS.search(path[-1])
