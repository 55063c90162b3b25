"""What the doctor looks at: the configuration, the upstreams, the disk, the clock, the ports.

Law: only looks. Nothing here judges, changes anything, costs a token or takes longer than a few seconds; what can't
be looked at is left out.
"""

import errno
import http.client
import ipaddress
import os
import shutil
import socket
import urllib.parse
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import trio

from lodestard.control.messages.gpu import GpuHost
from lodestard.control.messages.prices import PriceFinding
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.gpu_hosts import look_at_hosts
from lodestard.control.verbs.house import HEALTH_PART, down_advice, part_of
from lodestard.control.verbs.price_check import check_prices
from lodestard.domain.errors import Code, Fault
from lodestard.domain.provider import may_be_listed
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.runtime import Runtime

LOOK_TIMEOUT_S = 3.0
MOST_BYTES = 4_000_000
HTTPS = "https://"


class UpstreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``error`` is empty where it answered or nobody looked."""

    error: str = ""
    advice: str = ""
    models_missing: tuple[str, ...] = ()


class FolderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``mode`` is None where there is no such folder."""

    path: str = ""
    mode: int | None = None
    writable: bool = False
    free_bytes: int = 0


class BackupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the backup module (where it is there) says of itself. ``last_ms`` is 0 where there is no backup."""

    last_ms: int = 0
    late: bool = False
    same_disk: bool = False
    trouble: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at. What is empty gives no finding.

    ``exposed`` are the proxy's addresses that other machines can reach; ``known_by_name``: there is something that
    those may call it.
    """

    now_ms: int
    newest_request_ms: int = 0
    config_faults: tuple[str, ...] = ()
    upstreams: Mapping[str, UpstreamFacts] = {}
    keys_missing: Mapping[str, str] = {}
    unusable_aliases: Mapping[str, str] = {}
    baseline_without_price: str = ""
    prices: tuple[PriceFinding, ...] = ()
    cards: tuple[GpuHost, ...] = ()
    state_dir: FolderFacts = FolderFacts()
    sqlite: str = ""
    ports_taken: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    known_by_name: bool = True
    certificate: str = ""
    certificate_expires_ms: int = 0
    systemd_extra_missing: bool = False
    backup: BackupFacts = BackupFacts()


async def gather(desk: Desk) -> Facts:
    """The facts of a running house. Ports are its own, so they are not looked at."""
    runtime, state = desk.runtime, desk.state()
    newest = await desk.reports.requests(1)
    look = partial(look_around, runtime.settings, state.state_dir, os.environ)
    around = await trio.to_thread.run_sync(look)
    return msgspec.structs.replace(
        around,
        now_ms=runtime.clock.now_ms(),
        newest_request_ms=newest[0].received_ms if newest else 0,
        upstreams=with_health(around.upstreams, runtime),
        keys_missing=runtime.keys_missing,
        unusable_aliases=unusable_aliases(runtime),
        baseline_without_price=baseline_now(runtime),
        prices=check_prices(runtime, desk.price_book()).findings,
        cards=look_at_hosts(desk),
        sqlite=desk.versions().get("sqlite", ""),
        exposed=tuple(each.address for each in state.listeners if each.kind == "proxy" and is_exposed(each.address)),
        certificate=state.certificate,
        certificate_expires_ms=state.certificate_expires_ms,
        backup=look_at_backups(runtime),
    )


def look_around(
    settings: Settings, state_dir: str, environ: Mapping[str, str], *, now_ms: int = 0, ports: bool = False
) -> Facts:
    """What can be seen without a running house. Blocks, for some seconds at most.

    ``ports``: also whether the addresses to listen on are taken.
    """
    return Facts(
        now_ms=now_ms,
        upstreams={name: look_at_upstream(name, upstream, settings) for name, upstream in settings.upstreams.items()},
        baseline_without_price=baseline_without_price(settings),
        state_dir=look_at_folder(state_dir),
        ports_taken=tuple(address for address in settings.server.listen if ports and is_taken(address)),
        exposed=tuple(address for address in settings.server.listen if is_exposed(address)),
        known_by_name=bool(settings.server.allowed_hosts),
        systemd_extra_missing=bool(environ.get("NOTIFY_SOCKET")) and find_spec("systemd") is None,
    )


def with_health(seen: Mapping[str, UpstreamFacts], runtime: Runtime) -> Mapping[str, UpstreamFacts]:
    """What was seen, and what the health module says of those that were not looked at."""
    part = runtime.hooks.status_parts.get(HEALTH_PART)
    health = part_of({HEALTH_PART: part()}, HEALTH_PART) if part is not None else {}
    facts = dict(seen)
    for name, upstream in runtime.settings.upstreams.items():
        known = part_of(health, name)
        if known.get("state") == "down" and not facts[name].error:
            error = str(known.get("error") or "it is down")
            facts[name] = UpstreamFacts(error=error, advice=down_advice(upstream))
    return facts


def look_at_backups(runtime: Runtime) -> BackupFacts:
    """What is told of backups; nothing where the module is off."""
    part = runtime.hooks.status_parts.get("backup")
    told = part_of({"backup": part()}, "backup") if part is not None else {}
    figures = {**part_of(told, "figures"), "trouble": told.get("trouble", "")}
    try:
        return msgspec.convert(figures, BackupFacts)
    except msgspec.ValidationError:
        return BackupFacts()


def unusable_aliases(runtime: Runtime) -> Mapping[str, str]:
    """Aliases that nobody can answer, with the reason; missing prices are told of by the model that lacks one."""
    found = {}
    for alias in runtime.settings.models:
        try:
            runtime.routes.choose(alias)
        except Fault as fault:
            if fault.code != Code.PRICE_UNKNOWN:
                found[alias] = fault.message
    return found


def baseline_without_price(settings: Settings) -> str:
    """The baseline model where it can have no price, otherwise an empty string. Pure."""
    baseline = settings.ledger.baseline
    if not baseline or baseline in settings.prices:
        return ""
    upstream = settings.upstreams.get(Target.parse(baseline).upstream)
    listed = settings.price_book.enabled and (upstream is None or may_be_listed(upstream))
    return "" if listed else baseline


def baseline_now(runtime: Runtime) -> str:
    """The baseline model where it has no price now, otherwise an empty string."""
    baseline = runtime.settings.ledger.baseline
    return baseline if baseline and runtime.routes.price_of(Target.parse(baseline)) is None else ""


def look_at_folder(path: str) -> FolderFacts:
    """Its rights and the room that is left."""
    if not path:
        return FolderFacts()
    try:
        mode = Path(path).stat().st_mode & 0o777
        free_bytes = shutil.disk_usage(path).free
    except OSError:
        return FolderFacts(path=path)
    return FolderFacts(path=path, mode=mode, writable=os.access(path, os.W_OK), free_bytes=free_bytes)


def look_at_upstream(name: str, upstream: Upstream, settings: Settings) -> UpstreamFacts:
    """Which models an Ollama server lacks; other upstreams are the health module's. Costs no token."""
    if upstream.dialect != "ollama":
        return UpstreamFacts()
    try:
        there = read_tags(upstream.url)
    except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return UpstreamFacts(error=str(reason), advice=down_advice(upstream))
    return UpstreamFacts(models_missing=tuple(sorted(wanted_models(name, settings) - there)))


def wanted_models(name: str, settings: Settings) -> set[str]:
    """The models of an upstream that routes name. Pure."""
    targets = [Target.parse(target) for model in settings.models.values() for target in model.route]
    return {target.model for target in targets if target.upstream == name}


def read_tags(url: str) -> set[str]:
    """The models that an Ollama server has, by every name that it would accept. Raises ``OSError`` and its kin."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=LOOK_TIMEOUT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") + "/api/tags")
        body = connection.getresponse().read(MOST_BYTES)
    finally:
        connection.close()
    return names_of(msgspec.json.decode(body, type=dict[str, Any]).get("models"))


def names_of(models: object) -> set[str]:
    """Ollama lists ``llama3:latest`` where ``llama3`` is asked for. Pure."""
    listed = models if isinstance(models, list) else []
    names = {str(model.get("name")) for model in listed if isinstance(model, dict)}
    return names | {name.removesuffix(":latest") for name in names}


def is_exposed(address: str) -> bool:
    """Whether other machines can reach an address of the proxy's; a Unix socket's path is none. Pure."""
    host = address.removeprefix(HTTPS).rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_taken(address: str) -> bool:
    """Whether somebody listens there already."""
    host, _, port = address.removeprefix(HTTPS).rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
