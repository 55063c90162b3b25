"""``keys.add``, ``keys.list``, ``keys.revoke``: clients with keys of their own.

Law: a key is told once, to whoever made it, and kept nowhere; no answer but that one has a key or a hash of one. What
is said to be done is in force: a file that has the last word over ours is told of, not overlooked.
"""

import logging
from collections.abc import Mapping
from secrets import token_bytes
from typing import Any

from lodestard.control.messages import ConfigProblem, ReloadReport
from lodestard.control.messages.keys import KeyAdded, KeyList, KeyRevoked, KeyRow
from lodestard.control.verbs.desk import Desk
from lodestard.domain.client import RANDOM_BYTES, KnownClient, digest_of, write_key
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.verbs import Argument, Arguments, Verb

NAME = Argument(name="name", required=True, help="the client's name")
WHO = Argument(name="who", kind="caller")
MEMBERS = ("project", "user", "models", "priority", "expires", "requests_per_minute", "tokens_per_minute")
ADD = (
    NAME,
    Argument(name="project", help="bind its requests to this project"),
    Argument(name="user", help="bind its requests to this user"),
    Argument(name="models", kind="list", help="the aliases that it may use; without it all"),
    Argument(name="priority", choices=("interactive", "background", "idle"), help="where a request says nothing"),
    Argument(name="expires", help="its last day: 2026-12-31"),
    Argument(name="requests_per_minute", kind="integer", help="requests in any minute"),
    Argument(name="tokens_per_minute", kind="integer", help="tokens in any minute"),
    Argument(name="replace", kind="flag", help="a new key for a client that is there"),
    WHO,
)

logger = logging.getLogger(__name__)


def key_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def add(arguments: Arguments) -> KeyAdded:
        return await add_key(desk, arguments)

    async def show(_arguments: Arguments) -> KeyList:
        return await read_keys(desk)

    async def revoke(arguments: Arguments) -> KeyRevoked:
        return await revoke_key(desk, arguments["name"], arguments["who"])

    return (
        Verb(name="keys.add", summary="make a key for a client", needs="admin", arguments=ADD, answer=add),
        Verb(name="keys.list", summary="the clients that have keys", needs="read", answer=show),
        Verb(
            name="keys.revoke", summary="a key opens nothing any more", needs="admin", arguments=(NAME, WHO),
            answer=revoke,
        ),
    )  # fmt: skip


async def add_key(desk: Desk, arguments: Arguments) -> KeyAdded:
    """Make a key, write its hash to the drop-in and take it in. Raises ``CallerFault`` for a name that is taken."""
    name, clients = arguments["name"], desk.runtime.settings.clients
    if name in clients and not arguments["replace"]:
        text = f"There is a client {name!r} already. --replace gives it a new key; the old one opens nothing then."
        raise CallerFault(Code.INVALID_REQUEST, text, param="name")
    key = write_key(token_bytes(RANDOM_BYTES))
    members: dict[str, Any] = {member: arguments[member] for member in MEMBERS if arguments[member] is not None}
    members |= {"key_sha256": digest_of(key).hex(), "enabled": True}
    report = await desk.change_configs({("clients", name, member): value for member, value in members.items()})
    known = desk.runtime.clients.by_digest.get(digest_of(key)) if report.ok else None
    if report.ok and (known is None or not known.enabled):
        report = overruled(name)
    if not report.ok:
        return KeyAdded(name=name, report=report)
    logger.info("a key was made for the client %s by %s", name, arguments["who"])
    server = desk.runtime.settings.server
    return KeyAdded(name=name, report=report, key=key, first=not clients, keyless_loopback=server.keyless_loopback)


async def revoke_key(desk: Desk, name: str, who: str) -> KeyRevoked:
    """From its return on the key opens nothing. Raises ``CallerFault`` where there is no such client."""
    clients = desk.runtime.settings.clients
    if name not in clients:
        near = did_you_mean(name, clients)
        hint = f" Did you mean {near}?" if near else ""
        raise CallerFault(Code.NOT_FOUND, f"There is no client {name!r}.{hint}", param="name")
    report = await desk.change_configs({("clients", name, "enabled"): False})
    if report.ok and name in {each.principal.name for each in active(desk.runtime.clients.by_digest)}:
        report = overruled(name)
    if report.ok:
        logger.info("the key of the client %s was revoked by %s", name, who)
    return KeyRevoked(name=name, report=report)


def active(by_digest: Mapping[bytes, KnownClient]) -> list[KnownClient]:
    return [each for each in by_digest.values() if each.enabled]


def overruled(name: str) -> ReloadReport:
    """A drop-in that sorts after ours has the last word, and it says otherwise."""
    message = "another file says otherwise and has the last word: lodestarctl config show --origin says which"
    return ReloadReport(ok=False, faults=(ConfigProblem(key=f"clients.{name}", message=message),))


async def read_keys(desk: Desk) -> KeyList:
    """Every client, by name."""
    runtime = desk.runtime
    seen = await desk.session_reports.last_seen()
    now_ms = runtime.clock.now_ms()
    rows = []
    for known in sorted(runtime.clients.by_digest.values(), key=lambda known: known.principal.name):
        name = known.principal.name
        client = runtime.settings.clients[name]
        said = {member: getattr(client, member) for member in MEMBERS}
        rows.append(KeyRow(name=name, state=known.state(now_ms), last_seen_ms=seen.get(name), **said))
    return KeyList(keys=tuple(rows), keyless_loopback=runtime.settings.server.keyless_loopback)
