"""What fits on four gigabytes, and how fast it is there."""

import math

import pytest

from lodestard.simulator.card.arithmetic import (
    RunnerOptions,
    decode_s,
    load_s,
    must_evict,
    place,
    prefill_s,
    unload_s,
)
from lodestard.simulator.card.durations import DurationError, parse_keep_alive
from lodestard.simulator.card.figures import DEEPSEEK_CODER, DEMO, GIB, INSTANT, LLAMA, MACHINES, NOMIC, T600
from lodestard.simulator.card.prefix import PrefixSlots, common_prefix

AT_4096 = RunnerOptions(num_ctx=4096)


def test_the_kv_cache_of_both_models_is_as_published() -> None:
    assert DEEPSEEK_CODER.kv_bytes_per_token == 512 * 1024
    assert LLAMA.kv_bytes_per_token == 128 * 1024


def test_neither_model_fits_the_card_whole() -> None:
    for model in (DEEPSEEK_CODER, LLAMA):
        placed = place(model, AT_4096, T600.card, 4 * GIB, 1)
        assert 0 < placed.layers_on_gpu < model.layers + 1
        assert placed.size_vram < 4 * GIB - T600.card.reserve_bytes + 1
        assert placed.weights_on_gpu + placed.weights_on_cpu == model.file_bytes


def test_deepseek_puts_about_half_of_its_layers_on_the_card() -> None:
    assert 12 <= place(DEEPSEEK_CODER, AT_4096, T600.card, 4 * GIB, 1).layers_on_gpu <= 18


def test_a_small_model_fits_whole() -> None:
    placed = place(NOMIC, RunnerOptions(num_ctx=2048), T600.card, 4 * GIB, 1)
    assert placed.weights_on_cpu == 0
    assert placed.size == placed.size_vram


def test_no_room_is_no_layer() -> None:
    placed = place(LLAMA, AT_4096, T600.card, 0, 1)
    assert (placed.layers_on_gpu, placed.size_vram, placed.weights_on_gpu) == (0, 0, 0)


def test_speed_is_that_of_such_a_card() -> None:
    deepseek = place(DEEPSEEK_CODER, AT_4096, T600.card, 4 * GIB, 1)
    llama = place(LLAMA, AT_4096, T600.card, 4 * GIB, 1)
    assert 10 < 1 / decode_s(deepseek, T600) < 25
    assert 8 < 1 / decode_s(llama, T600) < 1 / decode_s(deepseek, T600) * 1.3
    assert 10 < prefill_s(DEEPSEEK_CODER, 2500, T600) < 15


def test_the_eighty_percent_rule() -> None:
    assert must_evict(DEEPSEEK_CODER, AT_4096, 4 * GIB, 1)
    assert not must_evict(NOMIC, RunnerOptions(num_ctx=2048), GIB, 1)
    assert not must_evict(DEEPSEEK_CODER, RunnerOptions(num_ctx=4096, num_gpu=10), GIB, 1)
    assert must_evict(DEEPSEEK_CODER, RunnerOptions(num_ctx=4096, num_gpu=33), GIB, 1)


def test_profiles() -> None:
    placed = place(LLAMA, AT_4096, T600.card, 4 * GIB, 1)
    assert load_s(LLAMA, placed, DEMO, cached=False) == 1.2
    assert 1 / decode_s(placed, DEMO) == 40
    assert load_s(LLAMA, placed, INSTANT, cached=False) == decode_s(placed, INSTANT) == unload_s(INSTANT) == 0
    assert set(MACHINES) == {"t600", "demo", "instant"}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        (90, 90),
        (2.5, 2.5),
        (0, 0),
        ("0", 0),
        (-1, math.inf),
        ("-1m", math.inf),
    ],
)
def test_keep_alive(given: object, seconds: float | None) -> None:
    assert parse_keep_alive(given) == seconds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("300", 'time: missing unit in duration "300"'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        (True, "Unsupported type: 'bool'"),
        ([1], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_what_is_no_keep_alive(given: object, message: str) -> None:
    with pytest.raises(DurationError) as caught:
        parse_keep_alive(given)
    assert str(caught.value) == message


def test_common_prefix() -> None:
    assert common_prefix("", "abc") == 0
    assert common_prefix("abc", "abd") == 2
    assert common_prefix("abc", "abcdef") == 3
    assert common_prefix("x", "abc") == 0


def test_the_slot_that_shares_most_is_taken() -> None:
    slots = PrefixSlots(2)
    first, shared = slots.take("a" * 40)
    assert shared == 0
    second, _ = slots.take("b" * 40)
    slots.give_back(first, "a" * 40)
    slots.give_back(second, "b" * 40)
    slot, shared = slots.take("b" * 40 + "c" * 8)
    assert (slot, shared) == (second, 10)
    slots.give_back(slot, "b" * 40)
    assert slots.take("b" * 40) == (second, 9)
