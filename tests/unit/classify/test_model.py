"""The linear model's file: as it was written, refused where it is not; and the features, the same everywhere."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.classify import examine
from lodestard.classify.model import SPOKEN, load_model, read_model, write_model
from lodestard.classify.reading import read
from lodestard.classify.task_rules import compile_rules
from lodestard.classify.words import BUCKETS, hash_features, name_features
from tests.bench.labelled import ask

SIZE = BUCKETS * len(SPOKEN)
MOST_BYTES = 150_000


def test_a_file_is_read_as_it_was_written() -> None:
    weights = bytes(at % 251 for at in range(SIZE))
    model = read_model(write_model(weights, 0.5))
    assert bytes(model.weights) == weights
    assert model.scale == 0.5


def test_a_score_is_the_sum_of_the_rows() -> None:
    rows = bytearray(SIZE)
    rows[0], rows[len(SPOKEN)], rows[len(SPOKEN) + 1] = 3, 0xFF, 5
    scores = read_model(write_model(bytes(rows), 2.0)).score([0, 1, 2, 3])
    assert scores[:3] == [2.0, 5.0, 0.0]
    assert load_model().score([]) == [0.0] * len(SPOKEN)


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="classifier's file"):
        read_model(data)
    with pytest.raises(ValueError, match="classifier's file"):
        read_model(write_model(bytes(SIZE), 1.0)[:18] + data)


def test_cut_altered_and_of_another_form() -> None:
    data = write_model(bytes(SIZE), 1.0)
    for wrong in (data[:-5], data[:6] + b"\0\0" + data[8:], data[:14] + b"\0\0\0\0" + data[18:]):
        with pytest.raises(ValueError, match="classifier's file"):
            read_model(wrong)
    with pytest.raises(ValueError, match="another form"):
        read_model(write_model(bytes(SIZE), float("nan")))


def test_the_installed_file_is_small_and_whole() -> None:
    model = load_model()
    assert len(model.weights) == SIZE
    assert len(write_model(bytes(model.weights), model.scale)) <= MOST_BYTES


def test_features_are_the_same_on_every_machine() -> None:
    found = examine(ask("fix it"), compile_rules(()))
    features, scores = found.features, found.scores
    assert features == sorted(set(features))
    assert all(0 <= at < BUCKETS for at in features)
    assert len(scores) == len(SPOKEN)
    assert zlib.crc32(b"w hello") % BUCKETS in hash_features(read(ask("hello")))


def test_features_by_name() -> None:
    named = set(name_features(read(ask("Refactor it, please?")), ()))
    assert {"w refactor", "p refac", "b refactor it", "1 refactor", "1 refactor it", "9 please", "asks"} <= named
    assert "system" not in named
