"""The document that survives the daemon: read whatever it is, and never too long."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.residency.hindsight import Hindsight
from lodestard.residency.memory import MOST_BYTES, VERSION, HostMemory, Learned, decode, encode
from lodestard.residency.rates import MOST_MODELS, SCATTER, Rates
from lodestard.residency.samples import WINDOW

HOST = HostMemory(
    rates={"version": 1, "models": {"llama3.1:8b": {"load_s": [5.1, 4.9]}}},
    habits={"version": 1, "after": {"a": ["b", 3]}},
    hindsight={"version": 1, "below": 1.5},
    pins={"llama3.1:8b": "kept", "deepseek-coder:6.7b": "exclusive"},
    paused_until_ms=0,
)
TOLD = HostMemory(pins=HOST.pins, paused_until_ms=HOST.paused_until_ms)


def document(host: object, version: object = VERSION) -> bytes:
    return msgspec.json.encode({"version": version, "hosts": {"t600": host}})


def read(data: bytes) -> HostMemory:
    return decode(data).hosts["t600"]


def test_what_is_kept_is_what_was_known() -> None:
    learned = Learned(hosts={"t600": HOST, "other": HostMemory(paused_until_ms=1_795_000_000_000)})
    assert decode(encode(learned)) == learned
    assert decode(encode(Learned())) == Learned()


def test_not_paused_until_told_otherwise_and_until_then_are_three_things() -> None:
    for paused_until_ms in (None, 0, 1_795_000_000_000):
        kept = Learned(hosts={"t600": HostMemory(paused_until_ms=paused_until_ms)})
        assert read(encode(kept)).paused_until_ms == paused_until_ms


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (document(HOST, version=2), TOLD),
        (document(HOST, version="1"), TOLD),
        (document({**msgspec.to_builtins(HOST), "rates": [1], "habits": "x", "hindsight": None}), TOLD),
        (
            document({"pins": {"a": "kept", "b": "for ever", "c": 1, "x" * 300: "kept"}}),
            HostMemory(pins={"a": "kept"}),
        ),
        (document({"pins": ["a"], "paused_until_ms": -1}), HostMemory()),
        (document({"paused_until_ms": True}), HostMemory()),
        (document({"paused_until_ms": 10**18}), HostMemory()),
        (document({"paused_until_ms": 1.5}), HostMemory()),
        (document(None), HostMemory()),
        (document({"unknown": 1, "paused_until_ms": 7}), HostMemory(paused_until_ms=7)),
    ],
)
def test_what_can_be_saved_is_saved(data: bytes, kept: HostMemory) -> None:
    assert read(data) == kept


def test_absurd_numbers_take_only_themselves_with_them() -> None:
    data = document(HOST).replace(b"5.1", b"1e999").replace(b"4.9", b"9" * 5_000)
    host = read(data.replace(b"1.5", b"NaN"))
    assert host.rates == {"version": 1, "models": {"llama3.1:8b": {"load_s": [None, None]}}}
    assert host.hindsight == {"version": 1, "below": None}
    assert (host.habits, host.pins, host.paused_until_ms) == (HOST.habits, HOST.pins, HOST.paused_until_ms)


def test_half_a_character_is_not_taken_in_so_that_it_can_be_written_again() -> None:
    data = document(HOST).replace(b'"a":', b'"\\ud800":').replace(b"deepseek", b"\\udfff")
    host = read(data)
    assert (dict(host.habits), dict(host.pins)) == ({}, {"llama3.1:8b": "kept"})
    assert host.rates == HOST.rates
    encode(Learned(hosts={"t600": host}))


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{", b"\xff\xfe\x00", b"[" * 200_000, b'{"version":1}', b'{"version":1,"hosts":[]}'],
)
def test_what_is_no_document_is_an_empty_one(data: bytes) -> None:
    assert decode(data) == Learned()


@given(st.binary(max_size=200))
def test_reading_never_fails(data: bytes) -> None:
    assert isinstance(decode(data), Learned)


@given(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_document_is_read_and_can_be_written_again(at: int, put: bytes, drop: int) -> None:
    whole = encode(Learned(hosts={"t600": HOST}))
    at %= len(whole)
    learned = decode(whole[:at] + put + whole[at + drop :])
    assert decode(encode(learned)) == learned


def full_host(number: int) -> HostMemory:
    """As much as one host can have been taught."""
    rates, hindsight = Rates(), Hindsight()
    values = [1.234e-05 + at / 1e9 for at in range(WINDOW)]
    rates.take(
        {
            "version": 1,
            "unload_s": values,
            "models": {f"model-{number}-{at}" * 8: dict.fromkeys(SCATTER, values) for at in range(MOST_MODELS)},
        }
    )
    hindsight.take({"version": 1, "errors": [0.1] * 128, "within": [1] * 128, "count": 128})
    habits: dict[str, Any] = {"after": {f"{at}": "x" * 100 for at in range(200)}}
    pins = {f"model-{at}": "kept" for at in range(100)}
    return HostMemory(
        rates=rates.dump(),
        habits=habits,
        hindsight=hindsight.dump(),
        pins=pins,  # type: ignore[arg-type]
        paused_until_ms=0,
    )


@pytest.mark.parametrize("hosts", [1, 3, 70, 5_000])
def test_it_is_never_too_long_and_what_a_person_told_goes_last(hosts: int) -> None:
    one = full_host(0)
    data = encode(Learned(hosts={f"host-{number}": one for number in range(hosts)}))
    assert len(data) <= MOST_BYTES
    kept = decode(data)
    assert kept.hosts["host-0"].pins
    assert kept.hosts["host-0"].paused_until_ms == 0
    if hosts == 1:
        assert kept.hosts["host-0"].rates
        assert kept.hosts["host-0"].habits == one.habits


def test_names_without_end_are_left_out() -> None:
    long_pins = {"n" * 250 + f"{at}": "kept" for at in range(64)}
    host = HostMemory(pins=long_pins)  # type: ignore[arg-type]
    data = encode(Learned(hosts={"h" * 1_000: HOST, **{"h" * 200 + f"{at}": host for at in range(64)}}))
    assert len(data) <= MOST_BYTES
    assert 0 < len(decode(data).hosts) < 64
