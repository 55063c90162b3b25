"""What measures the choice of models measures right: nobody beats the oracle, and nothing tested was learned from."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.bench.routing.asks import Ask, Choose, Lesson, Market
from tests.bench.routing.bag_of_words import Bag
from tests.bench.routing.baselines import Length
from tests.bench.routing.cases import Case, Data, Outcome
from tests.bench.routing.command import main
from tests.bench.routing.day import BY_HAND, MODES, Mode, live, write_day_report
from tests.bench.routing.day_script import CALLS, write_day
from tests.bench.routing.decision import RULES, make_rule, time_choices, write_timed
from tests.bench.routing.figures import area, best_single, cost_for, figures, height_at, hull
from tests.bench.routing.folds import FOLDS, place_of, split
from tests.bench.routing.generate import generate
from tests.bench.routing.measure import TOLD, measure, policies
from tests.bench.routing.policy import classify
from tests.bench.routing.report import Result, write_curve, write_result, write_totals
from tests.bench.routing.table import TableError, read_rows, write_table
from tests.bench.routing.trial import Tally, Tried, best_setting, oracle, tally, try_policies, try_policy
from tests.bench.routing.worlds import WORLDS, World

COUNT, FEW = 150, 60
POLICIES = policies()
USUAL = WORLDS[0]
BY_NAME: Mapping[str, World] = {world.name: world for world in WORLDS}


@pytest.fixture(scope="module")
def usual() -> Data:
    return generate(USUAL, 1, COUNT)


@pytest.fixture(scope="module")
def few(usual: Data) -> Data:
    """For what tries all policies."""
    return msgspec.structs.replace(usual, cases=usual.cases[:FEW])


@pytest.fixture(scope="module")
def result(few: Data) -> Result:
    return measure(few, USUAL.says)


@pytest.fixture(scope="module")
def tried(few: Data) -> list[Tried]:
    return try_policies(few, POLICIES, classify)


# -- the data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_data_is_a_function_of_world_and_seed(world: World) -> None:
    assert generate(world, 1, 30) == generate(world, 1, 30)
    assert generate(world, 1, 30) != generate(world, 2, 30)
    assert generate(world, 1, 60).cases[:30] == generate(world, 1, 30).cases


def test_worlds_are_what_they_say(usual: Data) -> None:
    def means(data: Data) -> Mapping[str, Tally]:
        return {model: tally(data.cases, [model] * len(data.cases)) for model in data.models}

    assert best_single(generate(USUAL, 1, 600)) == "anthropic/claude-sonnet-4-5"
    star, poor = (means(generate(BY_NAME[name], 1, COUNT)) for name in ("local-star", "local-poor"))
    assert star["t600/qwen2.5-coder:3b"].quality > means(usual)["t600/qwen2.5-coder:3b"].quality + 0.05
    assert poor["t600/llama3.1:8b"].quality < means(usual)["t600/llama3.1:8b"].quality - 0.2
    slips = generate(BY_NAME["strong-slips"], 1, 600)
    docs = [case for case in slips.cases if case.kind in ("docs", "data", "explain")]
    assert tally(docs, ["anthropic/claude-sonnet-4-5"] * len(docs)).quality < 0.8
    assert best_single(slips) != "anthropic/claude-sonnet-4-5"


def test_judges_err_where_they_are_blind_and_nowhere_else(usual: Data) -> None:
    def wrong(data: Data) -> float:
        every = [one for case in data.cases for one in case.outcomes.values()]
        return sum(one.score != one.judged for one in every) / len(every)

    assert wrong(usual) == 0
    assert 0.1 < wrong(generate(BY_NAME["blind-judge"], 1, COUNT)) < 0.3


def test_a_harder_prompt_is_done_less_often(usual: Data) -> None:
    hard = [case for case in usual.cases if (case.hardness or 0) > 0.6]
    easy = [case for case in usual.cases if (case.hardness or 1) < 0.3]
    for model in usual.models:
        assert tally(hard, [model] * len(hard)).quality < tally(easy, [model] * len(easy)).quality


def test_words_tell_something_of_the_kind_but_not_all() -> None:
    """Chance is 1 in 17; text alone must not reach the truth."""
    data = generate(USUAL, 1, 600)
    learned = Bag((case.prompt, case.kind) for case in data.cases[:400])
    right = sum(learned.kind_of(case.prompt) == case.kind for case in data.cases[400:]) / 200
    assert 0.5 < right < 0.95


# -- the trial -----------------------------------------------------------------------------------------------------


def test_folds_part_the_prompts(usual: Data) -> None:
    parts = list(split(usual.cases, FOLDS, "fold"))
    tested = sorted(number for part in parts for number in part.tested)
    assert tested == list(range(COUNT))
    for part in parts:
        prompts = {usual.cases[number].prompt for number in part.tested}
        assert not prompts & {case.prompt for case in part.seen}


def test_nobody_beats_the_oracle_and_nothing_is_cheaper_than_the_cheapest(few: Data, result: Result) -> None:
    rows = {row.name: row for row in result.policies}
    assert next(iter(rows)) == "oracle"
    assert set(rows) == {"oracle", "best by the odds", TOLD, *(policy.name for policy in POLICIES)}
    for row in rows.values():
        assert row.score <= rows["oracle"].score
        assert row.regret >= 0
        assert row.cost.value >= rows["always cheap"].cost.value
        assert row.area <= rows["oracle"].area
        assert row.quality.low <= row.quality.value <= row.quality.high
    best = Tried("best", (best_single(few),) * FEW, (), {})
    assert figures(few, best).quality == figures(few, best).cost == (1.0, 1.0, 1.0)
    assert rows["always cheap"].local == 1.0


def test_no_setting_sees_a_tested_prompt(few: Data, tried: list[Tried]) -> None:
    """A test fold in which good is bad and dear is cheap changes no setting that it is tested with."""
    poisoned_fold = 0
    poisoned = msgspec.structs.replace(
        few,
        cases=tuple(
            poison(case) if place_of(case.prompt, "fold", FOLDS) == poisoned_fold else case for case in few.cases
        ),
    )
    assert poisoned != few
    for before, after in zip(tried, try_policies(poisoned, POLICIES, classify), strict=True):
        assert before.settings[poisoned_fold] == after.settings[poisoned_fold]
        for number, case in enumerate(few.cases):
            if place_of(case.prompt, "fold", FOLDS) == poisoned_fold:
                assert before.picks[number] == after.picks[number]


def poison(case: Case) -> Case:
    turned = {
        model: Outcome(1 - one.score, 10**9 - one.cost_nano_usd, 1 - one.judged, odds=0.5)
        for model, one in case.outcomes.items()
    }
    return msgspec.structs.replace(case, outcomes=turned)


def test_a_policy_is_told_no_truth_and_learns_from_verdicts() -> None:
    data = generate(BY_NAME["blind-judge"], 1, COUNT)
    told: list[Lesson] = []

    class Spy:
        name = "spy"

        def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
            told.extend(lessons)
            return {"": choose}

    def choose(ask: Ask) -> str:
        assert not hasattr(ask, "case")
        assert not hasattr(ask, "outcomes")
        return data.models[0]

    (tried,) = try_policies(data, [Spy()], classify)
    assert set(tried.picks) == {data.models[0]}
    truth = {case.prompt: case for case in data.cases}
    for lesson in told:
        for model, one in lesson.case.outcomes.items():
            assert one.score == truth[lesson.case.prompt].outcomes[model].judged


def test_a_knob_is_the_cheapest_that_is_good_enough_or_else_the_best() -> None:
    tallies = {"low": Tally(0.8, 1), "middle": Tally(0.9, 5), "dear": Tally(0.9, 9), "high": Tally(0.95, 7)}
    assert best_setting(tallies, 0.85) == "middle"
    assert best_setting(tallies, 0.95) == "high"
    assert best_setting(tallies, 0.99) == "high"


def test_a_length_threshold_is_found_where_there_is_one() -> None:
    """Short prompts any model does, long ones the strong one alone."""
    outcomes = {True: {"cheap": Outcome(1, 0, 1), "strong": Outcome(1, 100, 1)}}
    outcomes[False] = {"cheap": Outcome(0, 0, 0), "strong": Outcome(1, 100, 1)}
    prompts = [f"{number:03} " + "x" * (20 if number % 2 else 80) for number in range(100)]
    cases = tuple(Case(prompt, "", None, 10, outcomes[len(prompt) < 50]) for prompt in prompts)
    data = Data("made", ("cheap", "strong"), cases, {})
    (tried,) = try_policies(data, [Length()], classify)
    seen = figures(data, tried)
    assert seen.quality.value == pytest.approx(1.0)
    assert seen.cost.value == pytest.approx(0.5)


def test_a_hull_is_what_mixing_reaches() -> None:
    points = [Tally(0.5, 0.0), Tally(0.6, 0.5), Tally(0.9, 0.5), Tally(1.0, 1.0), Tally(0.7, 0.9)]
    assert hull(points) == [Tally(0.5, 0.0), Tally(0.9, 0.5), Tally(1.0, 1.0)]
    cases = (
        Case("a", "", None, 1, {"cheap": Outcome(1, 0, 1), "strong": Outcome(1, 10, 1)}),
        Case("b", "", None, 1, {"cheap": Outcome(0, 0, 0), "strong": Outcome(1, 10, 1)}),
    )
    data = Data("two", ("cheap", "strong"), cases, {})
    assert area(data, Tried("singles", ("cheap", "cheap"), (), {})) == pytest.approx(0.75)
    assert area(data, oracle(data)) == pytest.approx(0.875)
    assert height_at(hull(points), 0.25) == pytest.approx(0.7)
    assert height_at(hull(points), 2.0) == 1.0
    assert cost_for(hull(points), 0.7) == pytest.approx(0.25)
    assert cost_for(hull(points), 1.1) == float("inf")


def test_the_report_names_every_policy_and_its_seed(result: Result) -> None:
    told = "\n".join((*write_result(result), *write_curve(result, "lodestar"), *write_totals([result])))
    assert "## usual/1: models are what their names make believe" in told
    for policy in ("oracle", "always strong", "random", "prompt length", "lodestar"):
        assert told.count(f"| {policy} |") == 2
    assert "Cost → quality of lodestar: " in told
    assert "bag of words" in told


# -- the day -------------------------------------------------------------------------------------------------------


def test_a_day_is_a_function_of_its_seed_and_has_repeats() -> None:
    day = write_day(1)
    assert day == write_day(1)
    assert day[:50] == write_day(1, 50)
    assert len(day) == CALLS
    assert {call.role for call in day} == set(BY_HAND)
    firsts = [call for call in day if not call.again]
    assert len({call.key for call in firsts}) == len(firsts)
    assert 0.05 < 1 - len(firsts) / CALLS < 0.2


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
async def test_a_day_s_saving_is_the_sum_of_its_levers(mode: Mode, tmp_path: Path) -> None:
    """``live`` itself asserts that every request was answered, and that the books agree with what was billed."""
    calls = write_day(2, 25)
    seen = await live(mode, calls, tmp_path)
    total = seen.total
    levers = (
        total.saved_local_nano_usd,
        total.saved_cache_nano_usd,
        total.saved_cheaper_nano_usd,
        total.saved_prompt_cache_nano_usd,
    )
    assert sum(levers) == total.saved_nano_usd == total.baseline_nano_usd - total.cost_nano_usd
    assert total.cache_hits == (sum(call.again for call in calls) if mode.cache else 0)
    if set(mode.aliases.values()) == {"day-strong"}:
        assert not total.free_requests
    assert 0 < seen.quality <= 1
    told = "\n".join(write_day_report([seen], 2))
    assert f"| {mode.name} | {total.cost_nano_usd / 1e9:.3f} |" in told


# -- the time of one choice ----------------------------------------------------------------------------------------


def test_choices_are_timed_over_what_they_are_meant_to() -> None:
    assert len({make_rule(place).name for place in range(RULES)}) == RULES
    timed = time_choices(60)
    assert 40 < timed.candidates < 50  # some are forbidden by a rule
    assert 0 < timed.median_ms <= timed.p99_ms
    assert 0 < timed.peak_kib < 1024
    assert "A choice among 50 models with 100 rules" in write_timed(timed)


# -- tables --------------------------------------------------------------------------------------------------------

LONG = ["prompt,task,model,score,cost", "p,code,a,1,0.5", "p,code,b,0,0.001"]
WIDE = ["sample_id,prompt,eval_name,a,b,a|total_cost,b|total_cost", "1,p,code,1,0,0.5,0.001"]


@pytest.mark.parametrize("lines", [LONG, WIDE], ids=["long", "wide"])
def test_both_forms_say_the_same(lines: list[str]) -> None:
    data = read_rows("t", lines)
    assert data.models == ("a", "b")
    (case,) = data.cases
    assert (case.prompt, case.kind, case.hardness) == ("p", "code", None)
    assert case.outcomes == {"a": Outcome(1, 500_000_000, 1), "b": Outcome(0, 1_000_000, 0)}


def test_what_is_written_is_read_again(usual: Data) -> None:
    out = io.StringIO()
    write_table(usual, out)
    read = read_rows("usual", io.StringIO(out.getvalue()))
    assert read.cases == usual.cases


def test_a_table_without_kinds_is_measured() -> None:
    data = read_rows("t", ["prompt,x,y,x|total_cost,y|total_cost", *(f"p{n},0.{n},1,0,0.01" for n in range(10))])
    seen = measure(data)
    assert seen.best == "y"
    assert seen.guessed is None
    assert {row.name: row.score for row in seen.policies}["oracle"] == 1.0


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([], 1, "no column prompt"),
        (LONG[:1], 1, "no row"),
        (["text,model"], 1, "no column prompt"),
        (["prompt,task,model,score"], 1, "no column cost"),
        (["prompt,a,b", "p,1,1"], 1, "X|total_cost"),
        ([*LONG, "p,code,a,1,0"], 4, "was there before"),
        ([*LONG, "q,code,a,1,0"], 4, "no row of the model 'b'"),
        ([*LONG, ",code,a,1,0"], 4, "prompt is empty"),
        ([*LONG, "q,code,,1,0"], 4, "no model"),
        ([*LONG, "q,code,a,1.5,0"], 4, "not between 0 and 1"),
        ([*LONG, "q,code,a,NaN,0"], 4, "no number"),
        ([*LONG, "q,code,a,good,0"], 4, "no number"),
        ([*LONG, "q,code,a,1,-1"], 4, "negative"),
        ([*LONG, "q,code,a,1"], 4, "the cost '' is no number"),
        ([*LONG, "q,code,a,1,0,0"], 4, "more fields than columns"),
        ([*LONG, '"two\nlines",code,a,2,0'], 5, "not between 0 and 1"),
        ([LONG[0] + ",prompt_tokens", "p,code,a,1,0,many"], 2, "no whole number"),
        ([LONG[0] + ",id", "p,code,a,1,0,7", "q,code,b,1,0,7"], 3, "had another prompt on line 2"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(lines: list[str], line: int, says: str) -> None:
    with pytest.raises(TableError, match=says) as caught:
        read_rows("t", io.StringIO("\n".join(lines)))
    assert caught.value.line == line


def test_the_command_writes_a_table_and_measures_it(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("routing") / "made.csv"
    assert main(["--write", str(file), "--worlds", "strangers", "--count", "25"]) == 0
    assert main(["--csv", str(file)]) == 0
    assert "## made\n" in capsys.readouterr().out


def test_each_policy_has_the_same_settings_whatever_it_has_learned(usual: Data) -> None:
    market = Market(usual.models, usual.rates)
    lessons = [Lesson(Ask(case.prompt, case.prompt_tokens, classify(case.prompt)), case) for case in usual.cases]
    for policy in POLICIES:
        assert list(policy.teach(market, lessons[:1])) == list(policy.teach(market, lessons[:90]))


def test_choices_are_a_function_of_data_and_policy(few: Data, tried: list[Tried]) -> None:
    asks = [Ask(case.prompt, case.prompt_tokens, classify(case.prompt)) for case in few.cases]
    assert [try_policy(few, asks, policy) for policy in POLICIES] == tried
