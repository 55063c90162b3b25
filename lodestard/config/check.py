"""What the types can't say: which settings make sense together. Pure.

Law: every check looks at the whole and yields all that it finds; nothing here stops at the first, and no message
repeats a value that could be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lodestard.config.check_budgets import check_budgets
from lodestard.config.check_clients import check_clients, check_listen
from lodestard.config.check_prices import check_paid, check_prices
from lodestard.config.check_routing import check_routing
from lodestard.config.check_tasks import check_tasks
from lodestard.config.convert import Finding
from lodestard.config.fault import KeyPath, or_nearest
from lodestard.config.secrets import find_sources
from lodestard.config.zone import is_zone
from lodestard.domain.settings import KeySource, Settings, Upstream
from lodestard.domain.upstream import Target

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALIAS = re.compile(r"[!\"$-~]{1,200}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
_DURATION = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_SECRET_HEADER = re.compile(r"auth|cookie|api-?key|token|secret|password|credential", re.IGNORECASE)
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding")
)


class Declared(msgspec.Struct, frozen=True):
    """The names in the files, also of tables that could not be built.

    So one wrong upstream isn't told again at every alias that routes to it.
    """

    upstreams: frozenset[str]
    prices: frozenset[str]


def check(settings: Settings, declared: Declared) -> Iterator[Finding]:
    """All findings, fatal ones and warnings."""
    for part in (
        _check_server,
        _check_upstreams,
        check_prices,
        _check_cache,
        _check_modules,
        check_budgets,
        check_clients,
        check_routing,
        check_tasks,
    ):
        yield from part(settings)
    for part_by_name in (_check_models, _check_ledger):
        yield from part_by_name(settings, declared)


def _check_server(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    if not server.listen:
        yield Finding(("server", "listen"), "at least one address is needed")
    for index, text in enumerate(server.listen):
        yield from check_listen(("server", "listen", index), text, settings)
    for index, host in enumerate(server.allowed_hosts):
        if not _HOST.fullmatch(host):
            yield Finding(("server", "allowed_hosts", index), "expected a host name or address, without a port")
    for index, origin in enumerate(server.allowed_origins):
        yield from _check_origin(("server", "allowed_origins", index), origin)
    if server.tls.key_file and not server.tls.cert_file:
        yield Finding(("server", "tls", "key_file"), "a key without cert_file")
    places = {
        "state_dir": settings.state_dir,
        "control.socket": settings.control.socket,
        "server.tls.cert_file": server.tls.cert_file,
        "server.tls.key_file": server.tls.key_file,
    }
    for name, path in places.items():
        if path and not path.startswith(("/", "~/")):
            yield Finding(tuple(name.split(".")), "expected an absolute path, or one that starts with ~/")


def _check_origin(path: KeyPath, origin: str) -> Iterator[Finding]:
    parts = _split(origin)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.path:
        yield Finding(path, 'expected an origin such as "http://localhost:3000", without a path')


def _check_upstreams(settings: Settings) -> Iterator[Finding]:
    if not settings.upstreams:
        yield Finding(("upstreams",), "no upstream: there is nobody to ask", fatal=False)
    for name, upstream in settings.upstreams.items():
        path = ("upstreams", name)
        if not _NAME.fullmatch(name):
            yield Finding(path, "the name of an upstream has letters, digits, '.', '_' and '-' only")
        yield from _check_url((*path, "url"), upstream.url)
        yield from _check_headers((*path, "headers"), upstream.headers)
        if upstream.key is not None:
            yield from _check_key((*path, "key"), upstream.key, upstream)
        yield from _check_keep_alive((*path, "keep_alive"), upstream.keep_alive)
        yield from _check_local_models((*path, "models"), upstream)
        if upstream.api != "chat" and upstream.dialect != "openai":
            yield Finding((*path, "api"), "only servers of the dialect openai have two APIs")
        if upstream.ca_file and not PurePosixPath(upstream.ca_file).is_absolute():
            yield Finding((*path, "ca_file"), "expected an absolute path")


def _check_keep_alive(path: KeyPath, keep_alive: str | int) -> Iterator[Finding]:
    """Ollama refuses a bare number in a string, so every request would fail."""
    if isinstance(keep_alive, str) and keep_alive and not _DURATION.fullmatch(keep_alive):
        yield Finding(path, 'expected seconds as an integer (-1: for ever) or a duration with units such as "30m"')


def _check_local_models(path: KeyPath, upstream: Upstream) -> Iterator[Finding]:
    if upstream.models and upstream.dialect != "ollama":
        yield Finding(path, "only an Ollama server's models are loaded and unloaded by Lodestar")
    for name, model in upstream.models.items():
        yield from _check_keep_alive((*path, name, "keep_alive"), model.keep_alive)
    for word in ("warm", "pinned", "default"):
        named = [name for name, model in upstream.models.items() if getattr(model, word)]
        if len(named) > upstream.resident_models:
            many = f"{len(named)} models are {word}, but resident_models is {upstream.resident_models}"
            yield Finding((*path, named[-1], word), many)


def _check_url(path: KeyPath, url: str) -> Iterator[Finding]:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        yield Finding(path, "expected a URL that starts with http:// or https://")
    elif parts.username is not None or parts.password is not None:
        yield Finding(path, "a user name or password has no place in the URL; say where the key is with `key`")
    elif not parts.hostname or not _HOST.fullmatch(parts.hostname):
        yield Finding(path, "expected a host name or address after http(s)://")
    elif "?" in url or "#" in url:
        yield Finding(path, "a base URL has no query and no fragment")
    elif re.search(r"[^!-~]", url):
        yield Finding(path, "a URL has no spaces and only ASCII characters")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _check_headers(path: KeyPath, headers: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            yield Finding((*path, name), "not a valid header: names are tokens, values printable ASCII")
        elif name.lower() in _OWN_HEADERS:
            yield Finding((*path, name), "Lodestar sets this header itself")
        elif _SECRET_HEADER.search(name):
            yield Finding((*path, name), "a secret has no place in this file; say where the key is with `key`")


def _check_key(path: KeyPath, key: KeySource, upstream: Upstream) -> Iterator[Finding]:
    yield from check_source(path, key)
    if upstream.url.startswith("http://") and not _is_near(upstream.url):
        yield Finding((*path[:-1], "url"), "http:// sends the key unencrypted; use https://", fatal=False)


def check_source(path: KeyPath, key: KeySource) -> Iterator[Finding]:
    """What is wrong with the place of a secret, whoever it is for."""
    given = [name for name in ("credential", "env", "file") if getattr(key, name)]
    if len(given) != 1:
        yield Finding(path, "expected exactly one of credential, env and file")
    if key.credential and (not _NAME.fullmatch(key.credential) or len(key.credential) > 255):
        yield Finding((*path, "credential"), "expected the name of a systemd credential, without slashes")
    if key.env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key.env):
        yield Finding((*path, "env"), "expected the name of an environment variable, not the key itself")
    if key.file and not key.file.startswith(("/", "~/")):
        yield Finding((*path, "file"), "expected an absolute path, or one that starts with ~/")


def _check_modules(settings: Settings) -> Iterator[Finding]:
    for path, source in find_sources(settings.modules):
        yield from check_source(path, source)


def _is_near(url: str) -> bool:
    parts = _split(url)
    return parts is not None and (parts.hostname or "") in ("localhost", "127.0.0.1", "::1")


def _check_models(settings: Settings, declared: Declared) -> Iterator[Finding]:
    for alias, model in settings.models.items():
        path = ("models", alias)
        if not _ALIAS.fullmatch(alias):
            yield Finding(
                path, "an alias has up to 200 printable ASCII characters, no space and no '#' (tags follow it)"
            )
        for index, text in enumerate(model.route):
            yield from _check_target((*path, "route", index), text, settings, declared)
        for index, text in enumerate(model.balance):
            if text not in model.route:
                yield Finding((*path, "balance", index), f"not in the route{or_nearest(text, model.route)}")
    if "auto" not in settings.models:
        yield Finding(("models",), 'no alias "auto": clients that let Lodestar choose will not find it', fatal=False)


def _check_target(path: KeyPath, text: str, settings: Settings, declared: Declared) -> Iterator[Finding]:
    try:
        target = Target.parse(text)
    except ValueError:
        yield Finding(path, 'expected "upstream/model"')
        return
    upstream = settings.upstreams.get(target.upstream)
    if target.upstream not in declared.upstreams:
        yield Finding(path, f"no upstream {target.upstream!r}{or_nearest(target.upstream, declared.upstreams)}")
    elif upstream is not None and not upstream.free and (text in settings.prices or text not in declared.prices):
        yield from check_paid(path, text, upstream, settings)


def _check_ledger(settings: Settings, declared: Declared) -> Iterator[Finding]:
    baseline = settings.ledger.baseline
    if baseline and "/" not in baseline.strip("/"):
        yield Finding(("ledger", "baseline"), 'expected "upstream/model"')
    elif baseline and not settings.price_book.enabled and baseline not in declared.prices:
        yield Finding(("ledger", "baseline"), f"the baseline has no price{or_nearest(baseline, declared.prices)}")
    zone = settings.ledger.timezone
    if zone and not is_zone(zone):
        yield Finding(("ledger", "timezone"), "this machine knows no such time zone; write it as in Europe/Berlin")


def _check_cache(settings: Settings) -> Iterator[Finding]:
    cache = settings.cache
    largest = cache.max_bytes if cache.disk else cache.memory_bytes
    if cache.max_entry_bytes > largest:
        yield Finding(("cache", "max_entry_bytes"), "larger than the cache that the entry must fit in")
