"""Which model comes next: what is learned of who asks, how soon, and what a guess is worth."""

import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.residency.habits import FARTHEST_S, LEAST_PERCENT, SESSION_S, Guess, Habits, Prospect, race
from lodestard.residency.precedents import MOST_BYTES, MOST_FOOTINGS, Precedents

LLAMA, DEEPSEEK, QWEN = "llama3.1:8b", "deepseek-coder:6.7b", "qwen2.5:3b"
ANSWER_S = 4.0
ARCHITECT = (("architect", LLAMA, 40.0), ("editor", DEEPSEEK, 3.0), ("commit", LLAMA, 0.5))
EDIT = (("edit", DEEPSEEK, 40.0), ("commit", LLAMA, 0.5))


class Desk:
    """Somebody who asks, on a clock of its own. ``gap_s`` is the silence before a request."""

    def __init__(self, habits: Habits, session: str = "s", client: str = "aider", now_s: float = 0.0) -> None:
        self.habits, self.session, self.client, self.now_s = habits, session, client, now_s

    def ask(self, task: str, model: str, gap_s: float = 1.0) -> None:
        self.now_s += gap_s
        self.habits.note(self.session, self.client, task, model, self.now_s)
        self.now_s += ANSWER_S
        self.habits.ended(self.session, self.now_s)

    def work(self, cycle: Iterable[tuple[str, str, float]], times: int) -> None:
        for _ in range(times):
            for step in cycle:
                self.ask(*step)

    def guess(self, *resident: str, after_s: float = 0.0) -> Guess | None:
        return self.habits.guess(self.now_s + after_s, frozenset(resident))


def test_it_knows_nothing_of_strangers() -> None:
    habits = Habits()
    assert habits.guess(0.0, frozenset()) is None
    desk = Desk(habits)
    desk.work(ARCHITECT, 2)
    desk.ask("architect", LLAMA)
    assert desk.guess(LLAMA) is None  # an editor was seen twice after it


def test_aiders_architect_its_editor_and_its_commit() -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 3)
    desk.ask("architect", LLAMA)
    guess = desk.guess(LLAMA)
    assert guess is not None
    assert (guess.model, guess.why) == (DEEPSEEK, "follows architect of aider after about 3 s")
    assert guess.percent >= 90
    desk.ask("editor", DEEPSEEK, 3.0)
    assert (guess := desk.guess(DEEPSEEK)) is not None
    assert guess.model == LLAMA
    desk.ask("commit", LLAMA, 0.5)
    assert desk.guess(LLAMA) is None  # the architect's model is there


def test_what_is_there_is_not_guessed() -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 5)
    desk.ask("architect", LLAMA)
    assert desk.guess(LLAMA, DEEPSEEK) is None


def test_a_new_task_is_told_by_what_its_client_does_otherwise() -> None:
    desk = Desk(Habits())
    desk.work(EDIT, 4)
    desk.ask("edit-whole", DEEPSEEK)
    assert (guess := desk.guess(DEEPSEEK)) is not None
    assert guess == Guess(LLAMA, guess.percent, f"follows {DEEPSEEK} of aider after about 0 s")


def test_a_changed_habit_is_learned_within_ten_turns() -> None:
    desk = Desk(Habits())
    desk.work(EDIT, 100)
    right: list[bool] = []
    for _ in range(10):
        desk.ask("edit", DEEPSEEK, 40.0)
        guess = desk.guess(DEEPSEEK)
        right.append(guess is not None and guess.model == QWEN)
        desk.ask("commit", QWEN, 0.5)
    assert all(right[5:])
    assert not right[0]


def test_one_slip_changes_nothing() -> None:
    desk = Desk(Habits())
    desk.work(EDIT, 10)
    desk.ask("edit", DEEPSEEK, 40.0)
    desk.ask("ask", QWEN, 30.0)
    desk.ask("edit", DEEPSEEK, 40.0)
    assert (guess := desk.guess(DEEPSEEK)) is not None
    assert guess.model == LLAMA


def test_what_should_have_come_long_ago_comes_no_more() -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 10)
    desk.ask("architect", LLAMA)
    assert desk.guess(LLAMA, after_s=2.0) is not None
    assert desk.guess(LLAMA, after_s=60.0) is None


def test_what_did_not_come_at_once_leaves_what_comes_later() -> None:
    desk = Desk(Habits())
    for _ in range(8):
        desk.ask("edit", DEEPSEEK, 60.0)
        desk.ask("commit", LLAMA, 0.5)
        desk.ask("commit", LLAMA, 0.5)
        desk.ask("edit", DEEPSEEK, 60.0)
        desk.ask("ask", QWEN, 60.0)
    desk.ask("edit", DEEPSEEK, 60.0)
    guess = desk.guess(DEEPSEEK, after_s=10.0)
    assert guess is not None
    assert guess.model == QWEN


def test_what_comes_in_many_minutes_is_not_loaded_now() -> None:
    desk = Desk(Habits())
    desk.work((("chat", LLAMA, FARTHEST_S + 60), ("report", DEEPSEEK, FARTHEST_S + 60)), 6)
    desk.ask("chat", LLAMA)
    assert desk.guess(LLAMA) is None
    assert (guess := desk.guess(LLAMA, after_s=200.0)) is not None
    assert guess.model == DEEPSEEK


def test_of_two_sessions_the_sooner_one_is_heard() -> None:
    habits = Habits()
    quick = Desk(habits, "quick", "editor")
    slow = Desk(habits, "slow", "batch")
    quick.work((("complete", LLAMA, 3.0),), 10)
    slow.now_s = quick.now_s
    slow.work((("chat", LLAMA, 120.0), ("report", DEEPSEEK, 120.0)), 6)
    slow.ask("chat", LLAMA)
    assert slow.guess(LLAMA) is not None  # nobody else is there
    quick.now_s = slow.now_s - ANSWER_S
    quick.ask("complete", LLAMA, 0.0)
    assert slow.guess(LLAMA) is None  # the editor asks for what is there, long before
    assert slow.guess(QWEN) == Guess(LLAMA, slow.guess(QWEN).percent, "follows complete of editor after about 3 s")  # type: ignore[union-attr]


def test_somebody_unknown_may_want_what_he_had() -> None:
    habits = Habits()
    stranger = Desk(habits, "new", "somebody")
    desk = Desk(habits)
    desk.work((("chat", LLAMA, 60.0), ("report", DEEPSEEK, 60.0)), 6)
    desk.ask("chat", LLAMA)
    assert desk.guess(LLAMA) is not None
    stranger.now_s = desk.now_s - ANSWER_S
    stranger.ask("chat", LLAMA, 0.0)
    assert desk.guess(LLAMA) is None


def test_a_session_that_went_away_teaches_that_nothing_followed() -> None:
    habits = Habits()
    desk = Desk(habits)
    desk.work(EDIT, 6)
    desk.ask("edit", DEEPSEEK)
    before = desk.guess(DEEPSEEK)
    for number in range(4):
        late = Desk(habits, f"late{number}", now_s=desk.now_s + number)
        late.ask("edit", DEEPSEEK)
    gone_s = SESSION_S + 60
    assert desk.guess(DEEPSEEK, after_s=gone_s) is None
    again = Desk(habits, "again", now_s=desk.now_s + gone_s)
    again.ask("edit", DEEPSEEK)
    after = again.guess(DEEPSEEK)
    assert before is not None
    assert after is None or after.percent < before.percent


def test_several_requests_of_one_session_at_once() -> None:
    habits = Habits()
    for at_s in range(20):
        habits.note("s", "batch", "embed", LLAMA, float(at_s))
    for at_s in range(20):
        habits.ended("s", 20.0 + at_s)
    habits.ended("s", 50.0)
    habits.ended("unknown", 50.0)
    assert habits.guess(51.0, frozenset({LLAMA})) is None
    assert (guess := habits.guess(41.0, frozenset())) is None or guess.model == LLAMA


@pytest.mark.parametrize("cycle", [ARCHITECT, EDIT], ids=["architect", "edit"])
@pytest.mark.parametrize("seed", range(5))
def test_scripted_work_with_a_tenth_of_noise_is_foreseen(
    cycle: tuple[tuple[str, str, float], ...], seed: int
) -> None:
    score = foresee(cycle, noise=0.1, turns=400, seed=seed)
    assert score.right >= 0.9 * score.switches
    assert score.wrong <= score.slips  # nobody could have known those
    assert score.right >= 0.87 * (score.right + score.wrong)


class Score(msgspec.Struct):
    """Of ``turns`` requests: how many were not the next step, how many wanted another model than was there, how many
    of those had been guessed, and how many models would have been loaded for nothing."""

    turns: int = 0
    slips: int = 0
    switches: int = 0
    right: int = 0
    wrong: int = 0


def foresee(cycle: tuple[tuple[str, str, float], ...], noise: float, turns: int, seed: int) -> Score:
    """Somebody works through ``cycle``; now and then another step comes than the next one."""
    rng = random.Random(seed)
    desk, score, place = Desk(Habits()), Score(), 0
    resident = cycle[0][1]
    for turn in range(turns):
        slip = rng.random() < noise
        if slip:
            place += rng.randrange(1, len(cycle))
        task, model, gap_s = cycle[place % len(cycle)]
        place += 1
        if turn >= 20:
            guess = desk.guess(resident)
            score.turns += 1
            score.slips += slip
            score.switches += model != resident
            score.right += guess is not None and guess.model == model
            score.wrong += guess is not None and guess.model != model
        desk.ask(task, model, gap_s * rng.lognormvariate(0, 0.4))
        resident = model
    return score


LABELS = st.text(max_size=80)
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), LABELS, LABELS, st.sampled_from([LLAMA, DEEPSEEK, QWEN]), st.floats(0, 4000)),
    max_size=60,
)


@settings(max_examples=60)
@given(STEPS)
def test_whatever_happens_a_guess_is_one_that_is_worth_it(steps: list[tuple[str, str, str, str, float]]) -> None:
    habits, now_s = Habits(), 0.0
    for session, client, task, model, gap_s in steps:
        now_s += gap_s
        guess = habits.guess(now_s, frozenset({LLAMA}))
        if guess is not None:
            assert guess.model in (DEEPSEEK, QWEN)
            assert LEAST_PERCENT <= guess.percent <= 100
        habits.note(session, client, task, model, now_s)
        if gap_s > 1:
            habits.ended(session, now_s + 0.5)
    again = Habits()
    again.take(habits.dump())
    assert again.dump() == habits.dump()
    assert len(habits.dump()) <= MOST_BYTES


PROSPECTS = st.builds(Prospect, st.sampled_from("xyz"), st.floats(0, 0.3), st.floats(0, 500))


@given(st.lists(st.lists(PROSPECTS, max_size=3).map(tuple), max_size=12))
def test_chances_of_a_race_are_of_one_whole(sessions: list[tuple[Prospect, ...]]) -> None:
    ran = list(race(sessions))
    assert sum(chance for _, chance in ran) <= 1.02
    assert [one.wait_s for one, _ in ran] == sorted(one.wait_s for one, _ in ran)
    for one, chance in ran:
        assert 0 <= chance <= one.chance + 1e-9


def test_what_was_learned_survives() -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 6)
    saved = desk.habits.dump()
    assert b"architect" in saved
    again = Desk(Habits())
    again.habits.take(saved)
    again.ask("architect", LLAMA)
    assert (guess := again.guess(LLAMA)) is not None
    assert guess.model == DEEPSEEK


def test_what_is_saved_is_bounded_and_the_latest_is_in_it() -> None:
    habits = Habits()
    for number in range(2 * MOST_FOOTINGS):
        desk = Desk(habits, f"s{number}", client=f"client {number} " + "x" * 40, now_s=number * 100.0)
        desk.work(ARCHITECT, 3)
    saved = habits.dump()
    assert len(saved) <= MOST_BYTES
    assert f"client {2 * MOST_FOOTINGS - 1} ".encode() in saved
    assert b"client 0 " not in saved
    assert b"secret" not in saved


@given(st.binary(max_size=200))
def test_garbage_is_as_good_as_nothing(data: bytes) -> None:
    habits = Habits()
    habits.take(data)
    assert habits.guess(0.0, frozenset()) is None


@pytest.mark.parametrize(
    ("old", "new", "known"),
    [
        (b'"version":1', b'"version":2', False),
        (b'"weight":', b'"weight":-', False),
        (b'"weight":', b'"weight":1e9,"x":', False),
        (b'"gaps_s":[', b'"gaps_s":["x",', False),
        (b'"seen":', b'"seen":1e99,"x":', False),
        (b'"model":"llama3.1:8b"', b'"model":5', False),
        (b'"footings":[', b'"footings":[[],{},"x",5,null,', True),
        (b'"stops":0.0', b'"new":[1],"stops":0.0', True),
    ],
)
def test_what_is_broken_is_left_out(old: bytes, new: bytes, known: bool) -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 6)
    saved = desk.habits.dump()
    assert old in saved
    again = Desk(Habits())
    again.habits.take(saved.replace(old, new))
    again.ask("architect", LLAMA)
    assert (again.guess(LLAMA) is not None) == known


def test_a_record_that_is_whole_survives_a_broken_one_beside_it() -> None:
    desk = Desk(Habits())
    desk.work(ARCHITECT, 6)
    saved = desk.habits.dump().replace(b'"footings":[', b'"footings":[{"client":7},null,')
    assert Precedents.load(saved).dump() == desk.habits.dump()
