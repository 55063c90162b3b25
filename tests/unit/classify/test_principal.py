"""Whose key it is: the one place that looks at keys."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.caller import identify_caller
from lodestard.classify.key_label import KEY_HEADERS, read_key_label
from lodestard.classify.principal import Refusal, find_principal, is_local
from lodestard.config.clients import read_clients
from lodestard.domain.client import LOCAL, NO_CLIENTS, Clients, Principal, digest_of, write_key
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Client, Server, Settings
from tests.unit.classify.test_caller import request_of

ANN, BOB, GONE, OLD, STRANGE = (write_key(bytes([number] * 20)) for number in range(5))
NOW_MS = 1_796_083_200_000  # 2026-12-01 in UTC


def client(key: str, **members: object) -> Client:
    return Client(key_sha256=digest_of(key).hex(), **members)  # type: ignore[arg-type]


SETTINGS = Settings(
    clients={
        "ann": client(ANN, project="web", user="ann", priority="background", models=("local-llama",)),
        "bob": client(BOB, expires="2026-12-01"),
        "gone": client(GONE, enabled=False),
        "old": client(OLD, expires="2026-11-30"),
    }
)
CLIENTS = read_clients(SETTINGS, "UTC")
KEYLESS = read_clients(msgspec.structs.replace(SETTINGS, server=Server(keyless_loopback=True)), "UTC")


def find(headers: Mapping[str, str], clients: Clients = CLIENTS, *, local: bool = True) -> str:
    found = find_principal(headers, clients, local=local, now_ms=NOW_MS)
    return f"refused: {found.reason}" if isinstance(found, Refusal) else found.name


def test_a_key_has_160_random_bits_and_is_easily_told_from_others() -> None:
    assert len({len(key) for key in (ANN, BOB, GONE)}) == 1
    assert ANN.startswith("lodestar-")
    assert len(ANN) == len("lodestar-") + 32
    assert ANN.lower() == ANN


@pytest.mark.parametrize("carrier", KEY_HEADERS)
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer  "])
@pytest.mark.parametrize(
    ("key", "who"),
    [
        (ANN, "ann"),
        (BOB, "bob"),
        (f"{BOB}:web:s1", "bob"),
        (GONE, "refused: revoked"),
        (OLD, "refused: expired"),
        (STRANGE, "refused: unknown"),
        (ANN.upper(), "refused: unknown"),
        (f"{ANN}x", "refused: unknown"),
        (ANN[:-1], "refused: unknown"),
        (f"{ANN}, {ANN}", "refused: unknown"),
        ("sk-something", "refused: unknown"),
        ("", "refused: none"),
        ("lodestar:web:s1", "refused: none"),
    ],
)
def test_every_carrier_is_read_alike(carrier: str, scheme: str, key: str, who: str) -> None:
    assert find({carrier: f"{scheme}{key}".strip()}) == who


@pytest.mark.parametrize("clients", [CLIENTS, KEYLESS])
@pytest.mark.parametrize("others", [(ANN, BOB), (ANN, "sk-x"), (STRANGE, ANN)])
def test_two_different_keys_are_refused_and_twice_the_same_is_one(clients: Clients, others: tuple[str, str]) -> None:
    one, other = others
    assert find({"authorization": f"Bearer {one}", "x-api-key": other}, clients) == "refused: conflict"
    assert find({"x-api-key": one, "api-key": other}, clients) == "refused: conflict"
    assert find({"authorization": f"Bearer {ANN}", "x-api-key": ANN, "api-key": f"{ANN}:web"}, clients) == "ann"


def test_labels_beside_a_key_are_no_second_key() -> None:
    assert find({"authorization": f"Bearer {ANN}", "x-api-key": "lodestar:web"}) == "ann"


@pytest.mark.parametrize(
    ("key", "local", "who"),
    [
        ("", True, "local"),
        ("none", True, "local"),
        ("lodestar:web", True, "local"),
        (BOB, True, "bob"),
        (STRANGE, True, "refused: unknown"),
        (GONE, True, "refused: revoked"),
        ("", False, "refused: none"),
        ("none", False, "refused: unknown"),
        (BOB, False, "bob"),
    ],
)
def test_this_machine_s_own_may_be_let_in_without_a_key(key: str, local: bool, who: str) -> None:
    assert find({"authorization": f"Bearer {key}"}, KEYLESS, local=local) == who


@given(st.dictionaries(st.sampled_from(KEY_HEADERS), st.text(max_size=80)), st.booleans())
def test_without_clients_nothing_that_was_sent_makes_a_difference(headers: dict[str, str], local: bool) -> None:
    assert find_principal(headers, NO_CLIENTS, local=local, now_ms=NOW_MS) is LOCAL


@given(st.dictionaries(st.sampled_from(KEY_HEADERS), st.text(max_size=80), min_size=1))
def test_nothing_but_a_key_opens(headers: dict[str, str]) -> None:
    found = find_principal(headers, CLIENTS, local=True, now_ms=NOW_MS)
    assert isinstance(found, Refusal)
    assert not any(key in found.message for key in (ANN, BOB, GONE, OLD))
    assert not any(len(value) > 8 and value in found.message for value in headers.values())


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("", True),
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.168.1.5", False),
        ("192.168.1.5", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("example", False),
    ],
)
def test_who_is_on_this_machine(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_a_key_expires_at_the_end_of_its_day_in_the_ledger_s_zone() -> None:
    settings = Settings(clients={"bob": client(BOB, expires="2026-12-01")})
    for zone, hours in (("UTC", 24), ("Europe/Berlin", 23), ("America/New_York", 29)):
        (known,) = read_clients(settings, zone).by_digest.values()
        assert known.until_ms == NOW_MS + hours * 3_600_000
        assert known.state((known.until_ms or 0) - 1) == "active"
        assert known.state(known.until_ms or 0) == "expired"


def test_what_is_bound_to_a_key_stands_whatever_is_said() -> None:
    ann = Principal(name="ann", project="web", user="ann", priority="background")
    headers = {
        "authorization": f"Bearer {ANN}:other:s1:eve",
        "x-lodestar-project": "theirs",
        "x-lodestar-user": "eve",
        "x-lodestar-folder": "/home/eve/theirs",
    }
    caller = identify_caller(headers, request_of(user="eve"), ann)
    assert (caller.principal, caller.project, caller.user, caller.session) == ("ann", "web", "ann", "s1")
    assert caller.priority == "background"
    said = identify_caller({"x-lodestar-priority": "idle"}, request_of(), ann)
    assert said.priority == "idle"
    unbound = identify_caller(headers, request_of(user="eve"), Principal(name="bob"))
    assert (unbound.principal, unbound.project, unbound.user) == ("bob", "theirs", "eve")


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (f"Bearer {ANN}:web:s1:ann", ("web", "s1", "ann")),
        (f"{ANN}:web", ("web", "", "")),
        (ANN, ("", "", "")),
        ("sk-x:web", ("", "", "")),
    ],
)
def test_labels_may_stand_behind_a_key(value: str, label: tuple[str, str, str]) -> None:
    assert read_key_label(value) == label


def test_an_alias_that_a_key_may_not_use_is_as_if_it_were_not_there() -> None:
    CLIENTS.require_use("ann", "local-llama")
    CLIENTS.require_use("bob", "gpt-4o")
    CLIENTS.require_use("local", "gpt-4o")
    with pytest.raises(CallerFault, match="it may use: local-llama") as refused:
        CLIENTS.require_use("ann", "gpt-4o")
    assert refused.value.code is Code.MODEL_NOT_FOUND
