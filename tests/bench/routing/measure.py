"""One set of data from beginning to end: all policies tried, and what they come to."""

from collections.abc import Sequence

from lodestard.domain.task import Task
from tests.bench.routing.asks import Ask, Policy
from tests.bench.routing.bag_of_words import Bag
from tests.bench.routing.baselines import baselines
from tests.bench.routing.cases import Case, Data
from tests.bench.routing.figures import best_single, curve, figures
from tests.bench.routing.folds import FOLDS, split
from tests.bench.routing.generate import generate
from tests.bench.routing.policy import Lodestar, classify
from tests.bench.routing.report import Guessed, Result
from tests.bench.routing.trial import by_odds, oracle, tally, try_policies, try_policy
from tests.bench.routing.worlds import WORLDS

TOLD = "lodestar, told the truth of each prompt"


def measure_world(name: str, seed: int, count: int) -> Result:
    """A world's data, made and measured."""
    world = next(world for world in WORLDS if world.name == name)
    return measure(generate(world, seed, count), world.says)


def measure(data: Data, says: str = "") -> Result:
    """All policies on one set of data."""
    bound = by_odds(data)
    tried = [oracle(data), *([bound] if bound else []), *try_policies(data, policies(), classify)]
    if all(case.hardness is not None for case in data.cases):
        tried.append(try_policy(data, [tell_truth(case) for case in data.cases], Lodestar(TOLD)))
    return Result(
        name=data.name,
        says=says,
        cases=len(data.cases),
        best=best_single(data),
        singles={model: tally(data.cases, [model] * len(data.cases)) for model in data.models},
        policies=tuple(figures(data, one) for one in tried),
        curves={one.name: tuple(curve(data, one)) for one in tried},
        guessed=guess_kinds(data),
    )


def policies() -> Sequence[Policy]:
    """In the order of the report."""
    return (*baselines(), Lodestar(), Lodestar("lodestar by names", learns=False))


def tell_truth(case: Case) -> Ask:
    """As a classifier would see it that is never wrong: how far the rest could come with a better one."""
    return Ask(case.prompt, case.prompt_tokens, Task(kind=case.kind, hardness=case.hardness or 0.0, sure=1.0))


def guess_kinds(data: Data) -> Guessed | None:
    """How well kinds are told: by the commonest, by a bag of words that saw the other folds, by the classifier."""
    labelled = [number for number, case in enumerate(data.cases) if case.kind]
    if not labelled:
        return None
    right = {"majority": 0, "bag of words": 0, "lodestar": 0}
    for part in split([data.cases[number] for number in labelled], FOLDS, "fold"):
        bag = Bag((case.prompt, case.kind) for case in part.seen)
        kinds = [case.kind for case in part.seen]
        commonest = max(sorted(set(kinds)), key=kinds.count)
        for number in part.tested:
            case = data.cases[labelled[number]]
            right["majority"] += commonest == case.kind
            right["bag of words"] += bag.kind_of(case.prompt) == case.kind
            right["lodestar"] += classify(case.prompt).kind == case.kind
    return Guessed(len(labelled), {name: count / len(labelled) for name, count in right.items()})
