"""F18: clients that ask the same at the same time, and requests that have no business here.

What must hold: no answer of an upstream goes to two principals, whatever is kept, shared, retried or replayed; and no
header, field, page or redirect gets a request to anywhere that the configuration does not name.
"""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import trio

from lodestard.domain.client import digest_of, write_key
from tests.fakes.world import CHAT, Answer, World, chat, eventually

ALIAS, TEXT = "gpt-4o-mini", "the same question"
ANSWERS = 400
GONE, OLD, STRANGE = (write_key(bytes([200 + number] * 20)) for number in range(3))
LOCAL = "local"


def name_principals(count: int) -> list[str]:
    """So many with keys, and this machine's own without one."""
    return [*(f"p{number}" for number in range(count - 1)), LOCAL]


def key_of(principal: str) -> str:
    """Its key; what a tool without one sends, where it has none."""
    return "none" if principal == LOCAL else write_key(principal.encode().ljust(20, b"."))


def write_clients(principals: Sequence[str], *, keyless: bool = True) -> str:
    """TOML."""
    known = {name: (key_of(name), "") for name in principals if name != LOCAL}
    known |= {"gone": (GONE, "enabled = false"), "old": (OLD, 'expires = "2020-01-01"')}
    tables = (
        f'[clients.{name}]\nkey_sha256 = "{digest_of(key).hex()}"\n{more}\n' for name, (key, more) in known.items()
    )
    return f"[server]\nkeyless_loopback = {str(keyless).lower()}\n" + "".join(tables)


@dataclass
class Crowd:
    """Principals that ask the same question, and the texts that each was told."""

    world: World
    principals: Sequence[str]
    luck: random.Random
    told: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    requests: int = 0

    def prepare(self) -> None:
        """Every answer of the upstream is another one, so that who was told it tells whose it is."""
        self.world.openai.say(*(f"answer {number} of its kind" for number in range(ANSWERS)))

    def shuffled(self) -> list[str]:
        return self.luck.sample(self.principals, len(self.principals))

    async def ask(self, principal: str, text: str = TEXT, *, headers: Mapping[str, str] = {}, **more: Any) -> Answer:
        """One request, which must be answered; what it was told is noted."""
        self.requests += 1
        fields = {"authorization": f"Bearer {key_of(principal)}", **headers}
        answer = await self.world.ask(ALIAS, text, headers=fields, **more)
        assert answer.status == 200, f"{principal}: {answer.status} {answer.body!r}"
        self.told[answer.text].add(principal)
        return answer

    def check(self) -> None:
        """No answer went to two of them, and the ledger has each under its own name."""
        for text, owners in self.told.items():
            assert len(owners) == 1, f"one answer, {len(owners)} principals: {text!r} went to {sorted(owners)}"

    async def check_rows(self) -> None:
        rows = await self.world.rows()
        by_session = defaultdict(set)
        for row in rows:
            by_session[row.session].add(row.principal)
        mixed = {session: owners for session, owners in by_session.items() if session and len(owners) > 1}
        assert not mixed, f"sessions of several principals: {mixed}"
        assert {row.principal for row in rows} == set(self.principals)


async def share_kept_answers(crowd: Crowd) -> None:
    """Everybody asks twice, in any order: the second answer is the first one again, and nobody else's."""
    for principal in crowd.shuffled() + crowd.shuffled():
        await crowd.ask(principal, "kept", temperature=0)
    again = [(await crowd.ask(principal, "kept", temperature=0)).lodestar["cache"] for principal in crowd.shuffled()]
    assert again == ["hit"] * len(again), f"their own answers were not kept: {again}"


async def share_flights(crowd: Crowd) -> None:
    """Everybody asks twice at once, while the upstream takes its time."""
    upstream, before = crowd.world.openai, len(crowd.world.openai.questions)
    async with trio.open_nursery() as nursery:
        with upstream.held():
            for number, principal in enumerate(crowd.shuffled() + crowd.shuffled()):
                ask = _asking(crowd, principal, "shared", temperature=0, stream=bool(number % 3))
                nursery.start_soon(ask)
            await upstream.wait_questions(before + len(crowd.principals))
            await crowd.world.wait_open(2 * len(crowd.principals))
    asked = len(upstream.questions) - before
    assert asked == len(crowd.principals), f"{asked} flights for {len(crowd.principals)} principals"


def _asking(crowd: Crowd, principal: str, text: str, **more: Any) -> Any:
    async def ask() -> None:
        await crowd.ask(principal, text, **more)

    return ask


async def share_idempotency_keys(crowd: Crowd) -> None:
    """Everybody has chosen the same Idempotency-Key: for the same request, and for another one, all at once."""
    upstream, before = crowd.world.openai, len(crowd.world.openai.questions)
    for texts in ({}, {name: f"of {name}" for name in crowd.principals}):
        async with trio.open_nursery() as nursery:
            with upstream.held():
                for principal in crowd.shuffled():
                    key = {"idempotency-key": f"the same {bool(texts)}"}
                    nursery.start_soon(_asking(crowd, principal, texts.get(principal, "once"), headers=key))
                await crowd.world.wait_open(len(crowd.principals))
    asked = len(upstream.questions) - before
    assert asked == 2 * len(crowd.principals), f"{asked} answers for {2 * len(crowd.principals)} requests"


async def share_answers_that_were_left(crowd: Crowd) -> None:
    """One leaves a paid answer, which is kept for its retry: the others' retries of the same don't find it."""
    for leaver, other in crowd.luck.sample(list(permutations(crowd.principals, 2)), min(6, len(crowd.principals))):
        text = f"left by {leaver} before {other}"
        key = {"idempotency-key": f"again {leaver} {other}", "x-stainless-retry-count": "1"}
        before, fields = len(crowd.world.openai.questions), key | {"authorization": f"Bearer {key_of(leaver)}"}
        async with crowd.world.open() as talk:
            with crowd.world.openai.held():
                await talk.send("POST", CHAT, chat(ALIAS, text, stream=True), fields)
                await crowd.world.openai.wait_questions(before + 1)
                await talk.leave()
        await crowd.world.settle()
        await crowd.ask(other, text, headers=key, stream=True)
        mine = await crowd.ask(leaver, text, headers=key, stream=True)
        assert mine.lodestar["cache"] == "hit", "its own answer was not kept for it"


async def share_a_session_s_name(crowd: Crowd) -> None:
    """Everybody calls its session the same."""
    for principal in crowd.shuffled():
        headers = {"x-lodestar-session": f"of-{principal}", "x-lodestar-project": "the-same"}
        await crowd.ask(principal, "session", headers=headers)


SITUATIONS = {
    "kept answers": share_kept_answers,
    "flights": share_flights,
    "idempotency keys": share_idempotency_keys,
    "answers that were left": share_answers_that_were_left,
    "sessions": share_a_session_s_name,
}


async def keep_apart(world: World, principals: Sequence[str], seed: int) -> int:
    """Every situation, one after the other. How many requests that took."""
    crowd = Crowd(world, principals, random.Random(seed))
    for situation in SITUATIONS.values():
        crowd.prepare()
        await situation(crowd)
        crowd.check()
    await crowd.check_rows()
    return crowd.requests


# -- a place where nothing may arrive ------------------------------------------------------------------------------


@dataclass
class Trap:
    """A listener that the configuration does not name."""

    port: int
    caught: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def check(self, what: str) -> None:
        assert not self.caught, f"{what}: dialled a host that nobody configured, with {self.caught[0][:80]!r}"


@asynccontextmanager
async def open_trap() -> AsyncIterator[Trap]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    trap = Trap(listener.socket.getsockname()[1])

    async def catch(stream: trio.SocketStream) -> None:
        trap.caught.append(b"")
        trap.caught[-1] += await stream.receive_some(65536)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, catch, [listener])
        yield trap
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_redirector(target: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An upstream that sends everybody to ``target``, each time with another status; its port, what it heard."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    asked: list[bytes] = []

    async def redirect(stream: trio.SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive_some(65536))
            status = (301, 302, 303, 307, 308)[len(asked) % 5]
            head = f"HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            await stream.send_all(head.encode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, redirect, [listener])
        yield listener.socket.getsockname()[1], asked
        nursery.cancel_scope.cancel()


def misleading_headers(trap: Trap) -> list[dict[str, str]]:
    """Headers by which other gateways or proxies let a client choose where a request goes."""
    place = f"127.0.0.1:{trap.port}"
    names = (
        "x-upstream", "x-lodestar-upstream", "x-lodestar-url", "x-lodestar-provider", "x-portkey-custom-host",
        "x-portkey-base-url", "x-base-url", "x-api-base", "x-target-url", "x-original-url", "x-rewrite-url",
        "x-forwarded-host", "x-forwarded-server", "x-host", "x-forwarded-for", "proxy-host", "openai-base-url",
        "helicone-target-url", "cf-aig-target", "destination", "location", "referer", "via",
    )  # fmt: skip
    values = [{name: value} for name in names for value in (trap.url, place)]
    return [*values, {"forwarded": f"host={place};proto=http"}]


def misleading_members(trap: Trap) -> list[dict[str, Any]]:
    """Members of a body that would do the same."""
    names = ("api_base", "base_url", "custom_llm_provider", "url", "endpoint", "host", "provider", "proxy", "route")
    nested = ("extra_body", "metadata", "litellm_params", "config", "options")
    plain: list[dict[str, Any]] = [{name: trap.url} for name in names]
    return plain + [{name: {"api_base": trap.url, "base_url": trap.url, "host": trap.url}} for name in nested]


def misleading_models(trap: Trap) -> list[str]:
    place = f"127.0.0.1:{trap.port}"
    return [
        f"{trap.url}/x", f"//{place}/x", f"{place}/x", f"openai/{trap.url}/x", f"openai@{place}/x",
        f"openai/../{place}/gpt-4o", f"t600/{place}/llama3.1:8b",
    ]  # fmt: skip


async def try_to_mislead(world: World, trap: Trap, headers: Mapping[str, str]) -> int:
    """All of them, in the head, the body, the query and the path; how many."""
    requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    requests += [(CHAT, chat("local-llama"), more) for more in misleading_headers(trap)]
    requests += [(CHAT, chat("local-llama", **more), {}) for more in misleading_members(trap)]
    requests += [(CHAT, chat(model), {}) for model in misleading_models(trap)]
    query = f"{CHAT}?api_base={trap.url}&base_url={trap.url}&host=127.0.0.1:{trap.port}&upstream={trap.url}"
    paths = (query, f"{trap.url}{CHAT}", f"/{trap.url}{CHAT}", f"/proxy/{trap.url}", f"//127.0.0.1:{trap.port}{CHAT}")
    requests += [(path, chat("local-llama"), {}) for path in paths]
    for path, body, more in requests:
        answer = await world.request("POST", path, body, {**headers, **more})
        assert answer.status in (200, 400, 403, 404), (path, body, more, answer.status)
        trap.check(f"{path} {body.get('model')} {more}")
    await eventually(lambda: not world.proxy.exchanges, "rest")
    return len(requests)
