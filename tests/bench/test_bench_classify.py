"""The classifier's judge: the prompts are whole and apart from what was learned, and it does well on them."""

import re
from collections import Counter

import pytest

from lodestard.classify.model import SPOKEN, read_model
from lodestard.domain.request import Request
from lodestard.domain.task import KINDS
from tests.bench.classify import accuracy, judge, level_of, rank_correlation, samples, share
from tests.bench.generated import read_generated, trainer
from tests.bench.labelled import LEVELS, Labelled, read_labelled

LEAST_PROMPTS, LEAST_OF_A_KIND = 640, 25
SHARED_WORDS = 6
_EVERYBODY_S = "traceback most recent call last file"  # Python's own line


@pytest.fixture(scope="module")
def entries() -> list[Labelled]:
    return read_labelled()


def rows_of_words(request: Request) -> set[str]:
    texts = [message.text.lower() for message in request.conversation.messages]
    words = [re.findall(r"\w+", text) for text in texts]
    return {" ".join(found[at : at + SHARED_WORDS]) for found in words for at in range(len(found) - SHARED_WORDS + 1)}


def test_there_are_enough_of_every_kind_and_none_twice(entries: list[Labelled]) -> None:
    counts = Counter(entry.kind for entry in entries)
    assert counts.keys() == set(KINDS)
    assert counts.total() >= LEAST_PROMPTS
    assert min(counts.values()) >= LEAST_OF_A_KIND
    assert {entry.hardness for entry in entries} == set(LEVELS)
    whole = Counter(repr(entry.request.conversation) for entry in entries)
    assert [text for text, count in whole.items() if count > 1] == []


def test_what_is_learned_from_shares_no_six_words_with_it(entries: list[Labelled]) -> None:
    learned = set().union(*(rows_of_words(request) for request, _, _ in read_generated()))
    judged = set().union(*(rows_of_words(entry.request) for entry in entries if not entry.shaped))
    assert learned & judged <= {_EVERYBODY_S}


def test_the_generator_makes_the_same_prompts_of_every_kind_that_words_tell() -> None:
    make = trainer().make_prompts
    once, again = list(make(per_kind=5)), list(make(per_kind=5))
    assert once == again
    assert {prompt.kind for prompt in once} == set(SPOKEN)
    assert list(make(seed=1, per_kind=5)) != once


def test_four_in_five_are_right_and_nearly_all_where_it_is_sure(entries: list[Labelled]) -> None:
    judged = [one for one in judge(entries) if not one.entry.shaped]
    sure = [one for one in judged if one.sure >= 0.5]
    assert accuracy(judged) >= 0.80
    assert accuracy(sure) >= 0.95
    assert len(sure) >= len(judged) * 0.35
    assert all(one.kind == one.entry.kind for one in judge([entry for entry in entries if entry.shaped]))


def test_hardness_is_in_a_person_s_order_more_often_than_not(entries: list[Labelled]) -> None:
    assert rank_correlation(judge(entries)) >= 0.5
    assert [level_of(hardness) for hardness in (0.1, 0.5, 0.9)] == list(LEVELS)


def test_the_table_s_parts() -> None:
    assert share(read_labelled()[:3], lambda _: "chat") in (0, 1 / 3, 2 / 3, 1)
    assert all(request.conversation.messages for request in samples().values())


def test_the_installed_weights_were_made_of_what_is_here() -> None:
    """That the trainer makes them of it shows ``make bench-classify``, which takes a while."""
    module = trainer()
    recorded = module.RECORD.read_text()
    assert recorded == module.made_of(list(module.make_prompts()), module.TARGET.read_bytes()), (
        "make train-classifier makes them anew"
    )


def test_training_gives_the_same_weights_again_and_teaches() -> None:
    module = trainer()
    samples = module.make_samples(list(module.make_prompts(per_kind=4)))
    once, again = (module.quantise(module.train(samples)) for _ in range(2))
    assert once == again
    assert module.is_same(once, again)
    assert not module.is_same(once, module.TARGET.read_bytes())
    model = read_model(once)
    right = [model.score(one.features) for one in samples]
    told = sum(scores.index(max(scores)) == one.label for scores, one in zip(right, samples, strict=True))
    assert told / len(samples) >= 0.9
