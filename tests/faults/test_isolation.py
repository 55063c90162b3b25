"""F18: nobody gets what is another's, gets in without a key, or gets out to where nothing was configured."""

from collections.abc import AsyncIterator, Mapping
from itertools import product
from pathlib import Path

import pytest

from lodestard.modules import metrics
from tests.fakes.canaries import UPSTREAM_KEYS as KEYS_OF_UPSTREAMS
from tests.fakes.canaries import require_none
from tests.fakes.world import CHAT, Answer, Stage, World, chat, is_question, open_world
from tests.faults.dialects import OVERLAY
from tests.faults.doors import chats
from tests.faults.doses import Figure, Tell, dose
from tests.faults.isolation import (
    GONE,
    LOCAL,
    OLD,
    STRANGE,
    keep_apart,
    key_of,
    name_principals,
    open_redirector,
    open_trap,
    try_to_mislead,
    write_clients,
)

SHORT, TABLE = 4, 12
ANN, BOB = key_of("ann"), key_of("bob")
CARRIERS = {"bearer": "authorization", "bare": "authorization", "x-api-key": "x-api-key", "api-key": "api-key"}
ENDPOINTS = (
    ("POST", CHAT),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/local-llama"),
    ("GET", "/models"),
    ("HEAD", "/v1/models"),
    ("GET", "/metrics"),
    ("OPTIONS", CHAT),
    ("GET", "/nothing"),
)
OPEN = ("/", "/health/live", "/health/ready")
# What is sent → whose it is where every request needs a key, and where this machine's own need none; "" is refused.
KEYS = {
    "right": (ANN, "ann", "ann"),
    "right, with labels": (f"{ANN}:web:s1", "ann", "ann"),
    "unknown": (STRANGE, "", ""),
    "revoked": (GONE, "", ""),
    "expired": (OLD, "", ""),
    "cut": (ANN[:-1], "", ""),
    "in capitals": (ANN.upper(), "", LOCAL),
    "foreign": ("sk-proj-of-somebody", "", LOCAL),
    "labels": ("lodestar:web:s1", "", LOCAL),
    "none": ("", "", LOCAL),
    "twice": (f"{ANN}, {ANN}", "", ""),
    "two": (f"{ANN}, {BOB}", "", ""),
}
FOREIGN_HOSTS = (
    "evil.example", "evil.example:4000", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost.example",
    "192.0.2.1", "[2001:db8::1]", "127.0.0.1.nip.example:80", "xn--lcalhost-n4a",
)  # fmt: skip
FOREIGN_PAGES: tuple[Mapping[str, str], ...] = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:3001"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "https://localhost:3000"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "Cross-Site", "sec-fetch-mode": "no-cors"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
)


@pytest.mark.parametrize("where", ["local", "keys alone"])
async def test_principals_share_nothing(ram_path: Path, seed: int, tell: Tell, where: str) -> None:
    count = dose(SHORT, TABLE)
    principals = [name for name in name_principals(count) if where == "local" or name != LOCAL]
    async with open_world(ram_path, write_clients(principals, keyless=where == "local")) as world:
        requests = await keep_apart(world, principals, seed)
    figure = f"{requests} requests, no answer to two"
    tell(Figure(f"F18 same prompt ({where})", f"{len(principals)} principals", figure))


def fields_of(carrier: str, key: str) -> dict[str, str]:
    return {CARRIERS[carrier]: f"Bearer {key}" if carrier == "bearer" else key} if key else {"authorization": ""}


@pytest.fixture(params=[False, True], ids=["keys alone", "keyless here"])
async def house(request: pytest.FixtureRequest, ram_path: Path) -> AsyncIterator[tuple[World, bool]]:
    overlay = write_clients(["ann", "bob"], keyless=request.param)
    async with open_world(ram_path, overlay, stage=Stage(modules=(metrics.MODULE,))) as world:
        yield world, request.param


async def test_every_carrier_at_every_endpoint(house: tuple[World, bool], tell: Tell) -> None:
    (world, keyless), tried = house, 0
    for kind, carrier, (method, path) in product(KEYS, CARRIERS, ENDPOINTS):
        key, *whose = KEYS[kind]
        tried += 1
        answer = await ask(world, method, path, fields_of(carrier, key))
        check_gate(answer, whose[keyless], f"{kind} as {carrier} at {method} {path}")
    for (one, other), (method, path) in product(((ANN, BOB), (ANN, STRANGE), ("sk-x", ANN)), ENDPOINTS):
        for fields in ({"x-api-key": one, "authorization": f"Bearer {other}"}, {"api-key": one, "x-api-key": other}):
            tried += 1
            check_gate(await ask(world, method, path, fields), "", f"two keys at {method} {path}")
    for path in OPEN:
        assert (await world.request("GET", path, headers={"authorization": f"Bearer {STRANGE}"})).status == 200
    rows = await world.rows()
    assert {row.principal for row in rows} == ({"ann", LOCAL} if keyless else {"ann"})
    tell(Figure(f"F18 carrier x endpoint ({'keyless' if keyless else 'keys alone'})", str(tried), "as in the table"))


async def ask(world: World, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    body = chat("local-llama", temperature=0) if method == "POST" else None
    return await world.request(method, path, body, headers)


def check_gate(answer: Answer, whose: str, what: str) -> None:
    """Let in or refused, as it should be; and no page elsewhere may read any of it."""
    if whose:
        assert answer.status in (200, 404, 405), f"{what}: {answer.status}"
    else:
        assert answer.status == 401, f"{what}: let in with {answer.status}"
        assert answer.headers["www-authenticate"] == "Bearer", what
        assert not answer.body or answer.error["code"] == "invalid_api_key", what
    check_no_cors(answer, what)


def check_no_cors(answer: Answer, what: str) -> None:
    told = [name for name in answer.headers if name.startswith("access-control-") or name == "set-cookie"]
    assert not told, f"{what}: {told}"


async def test_pages_and_names_from_elsewhere_reach_nothing(house: tuple[World, bool], tell: Tell) -> None:
    (world, _), tried = house, 0
    right = {"authorization": f"Bearer {ANN}"}
    for (method, path), host in product((*ENDPOINTS, *(("GET", path) for path in OPEN)), FOREIGN_HOSTS):
        answer = await ask(world, method, path, {**right, "host": host})
        check_forbidden(answer, "forbidden_host", f"{host} at {method} {path}")
        tried += 1
    for (method, path), page in product((*ENDPOINTS, *(("GET", path) for path in OPEN)), FOREIGN_PAGES):
        answer = await ask(world, method, path, {**right, **page})
        check_forbidden(answer, "forbidden_origin", f"{page} at {method} {path}")
        tried += 1
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = await world.request("POST", CHAT, chat("local-llama"), {**right, "content-type": kind})
        assert answer.status == 415, kind
        tried += 1
    assert not [request for upstream in world.upstreams.values() for request in questions(upstream.app.requests)]
    assert not await world.rows()
    own = await ask(world, "POST", CHAT, {**right, "origin": "http://localhost:3000", "sec-fetch-site": "same-site"})
    assert own.status == 200
    check_no_cors(own, "a page of our own")
    tell(Figure("F18 DNS rebinding, cross-site", str(tried), "403 each, nothing reached"))


def questions(requests: list) -> list:  # type: ignore[type-arg]
    return [request for request in requests if is_question(request)]


def check_forbidden(answer: Answer, code: str, what: str) -> None:
    assert answer.status == 403, f"{what}: let in with {answer.status}"
    assert not answer.body or answer.error["code"] == code, what
    check_no_cors(answer, what)


async def test_no_request_chooses_a_host(house: tuple[World, bool], tell: Tell) -> None:
    world, _ = house
    async with open_trap() as trap:
        tried = await try_to_mislead(world, trap, {"authorization": f"Bearer {ANN}"})
        trap.check("after all")
    for upstream in world.upstreams.values():
        place = upstream.url.partition("://")[2]
        assert {request.headers.get("host") for request in upstream.app.requests} <= {place}
    tell(Figure("F18 hosts chosen by a request", str(tried), "no other host dialled"))


async def test_a_key_goes_to_its_upstream_alone(ram_path: Path, tell: Tell) -> None:
    aliases = ("gpt-4o-mini", "grok-beta", "local-llama", "gemini-pro", "claude-sonnet", "flash", "responding")
    async with open_world(ram_path, write_clients(["ann"]) + OVERLAY) as world:
        for alias, carrier, stream in product(aliases, CARRIERS, (False, True)):
            for path, body in chats(alias).items():
                headers = fields_of(carrier, f"{ANN}:web")
                answer = await world.request("POST", path, {**body, "stream": stream}, headers)
                assert answer.status == 200, (alias, path, answer.body)
        own = {name: KEYS_OF_UPSTREAMS[f"{name.upper()}_API_KEY"] for name in ("openai", "xai", "anthropic")}
        looked_at = 0
        for name, upstream in world.upstreams.items():
            for request in upstream.app.requests:
                sent = "\n".join([*request.headers.values(), request.path]).encode() + request.body
                others = {key for other, key in own.items() if other != name}
                require_none(sent, f"a request to {name}", {ANN, *others})
                assert name not in own or own[name].encode() in sent
                looked_at += 1
    tell(Figure("F18 keys on their way", str(looked_at), "each upstream saw its own alone"))


async def test_without_clients_an_unverified_key_splits_nothing(ram_path: Path, tell: Tell) -> None:
    keys = ("", "none", "sk-one", "sk-two", ANN, STRANGE, "lodestar:web:s1")
    async with open_world(ram_path) as world:
        answers = [
            await world.ask("gpt-4o-mini", temperature=0, headers=fields_of(carrier, key))
            for key, carrier in product(keys, CARRIERS)
        ]
        assert len({answer.text for answer in answers}) == 1
        assert [answer.lodestar["cache"] for answer in answers] == ["miss", *["hit"] * (len(answers) - 1)]
        assert {row.principal for row in await world.rows()} == {LOCAL}
    tell(Figure("F18 unverified keys", str(len(answers)), "one principal"))


async def test_redirects_are_not_followed(ram_path: Path, tell: Tell) -> None:
    async with open_trap() as trap, open_redirector(f"{trap.url}/v1/chat/completions") as (port, asked):
        overlay = (
            f'[upstreams.moved]\ndialect = "openai"\nurl = "http://127.0.0.1:{port}/v1"\nfree = true\n'
            'key = { env = "OPENAI_API_KEY" }\n[models]\nmoved = { route = ["moved/m"] }\n'
        )
        async with open_world(ram_path, overlay) as world:
            for number in range(10):
                answer = await world.ask("moved", f"question {number}", stream=bool(number % 2))
                assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        trap.check("a redirect was followed")
    tell(Figure("F18 redirects", str(len(asked)), "none followed"))
