"""Random traffic for a card on the mock clock: people, batches and editors; and, in company, others at its server.

`blow` asks, `Witness` looks at every change. What must always hold is theirs to check; a seed gives the same plan.
"""

import random
from dataclasses import dataclass, field

import trio

from lodestard.domain.errors import CallerFault, Fault
from lodestard.domain.upstream import Target
from lodestard.residency.view import URGENCIES
from lodestard.simulator.card.figures import Model
from tests.fakes.card_house import CODER, LLAMA, QWEN, CardHouse, Told, check_state, settle
from tests.fakes.card_server import CLOCK

MODELS = (LLAMA, LLAMA, CODER, CODER, QWEN)
EXPECTED = {"upstream_busy", "superseded"}
IN_COMPANY = {"upstream_cut", "upstream_unreachable", "upstream_timeout"}
SLACK_S = 0.01
PHASE = 20
GAPS_S = ((0.1, 1.0, 3.0, 8.0), (10.0, 20.0, 40.0), (0.0, 0.0, 0.1))
"""How far requests are apart: phases of so many, usual, calm, and more than the card can do."""


@dataclass(frozen=True, slots=True)
class Weather:
    """``company``: the server restarts, others load and unload there, a person tells the card what to do."""

    seed: int
    requests: int = 80
    company: bool = False


@dataclass(slots=True, eq=False)
class Witness:
    """Looks at a house on every change of its card, and at what its server's memory holds."""

    house: CardHouse
    most: int
    looks: int = 0
    wanted: bool = False
    alone: bool = True
    company: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """After every change: what is said of it agrees with itself, and nobody waits at the server."""
        card = self.house.card()
        while True:
            await card.changed.park()
            check_state(self.house)
            self.looks += 1
            for runner in self.house.server.app.app.scheduler.loaded():
                if self.alone and runner.in_use > card.terms.parallel(runner.model.name):
                    self.problems.append(f"{runner.model.name} is asked {runner.in_use} times at once")

    def hear(self, what: str, model: Model) -> None:
        """The card's memory changes: no more models than may be, and only guesses are given up.

        Called by the simulator, which would take what is raised for a defect of its own.
        """
        state = self.house.card().state
        if what == "load":
            self.wanted = state.loading is not None and state.loading.wanted
        if what == "abort" and self.wanted:
            self.problems.append(f"the load of {model.name} was aborted, which somebody asked for")
        scheduler = self.house.server.app.app.scheduler
        held = {*scheduler._runners, *filter(None, [scheduler.loading])}
        if len(held) > self.most:
            self.problems.append(f"{sorted(held)} are in memory at once")


async def blow(house: CardHouse, weather: Weather) -> Witness:
    """All of it. Returns once everybody is answered, and everything was checked."""
    luck = random.Random(weather.seed)
    settings = house.card().terms
    witness = Witness(house, settings.policy.resident_models)
    witness.alone = not weather.company
    if not weather.company:
        server, news = house.server, house.server.app.app.scheduler.on_news

        def hear(what: str, model: Model) -> None:
            news(what, model)
            witness.hear(what, model)

        server.app.app.scheduler.on_news = hear
    async with trio.open_nursery() as watching:
        watching.start_soon(witness.watch)
        async with trio.open_nursery() as nursery:
            if weather.company:
                nursery.start_soon(keep_company, witness, random.Random(weather.seed), weather.requests * 3.0)
            for number in range(weather.requests):
                nursery.start_soon(come, house, random.Random(f"{weather.seed} {number}"))
                await trio.sleep(luck.choice(GAPS_S[number // PHASE % len(GAPS_S)]))
        for told in house.told:
            await told.wait()
        await believe(house)
        watching.cancel_scope.cancel()
    assert not witness.problems, witness.problems
    check_told(house, weather)
    return witness


async def believe(house: CardHouse) -> None:
    """After a look or some, what is believed of the server's memory is what is there."""
    for _ in range(4):
        await trio.sleep(house.card().terms.residency.poll_s)
        house.card().look_soon()
        await settle()
        await house.moves_end()
        if house.resident == house.server.loaded:
            return
    raise AssertionError(f"a wrong belief: {house.resident}, and in memory is {house.server.loaded}")


async def come(house: CardHouse, luck: random.Random) -> None:
    """One client: asks, and waits, or leaves some time later."""
    editor = luck.random() < 0.3
    caller = (
        {"task": "autocomplete", "client": "continue", "session": luck.choice("xy"), "said_session": "s"}
        if editor
        else {"priority": luck.choice(["", "", "", "background", "idle"]), "client": luck.choice(["aider", "batch"])}
    )
    text = f"{luck.choice([1, 5, 20, 60])} words {luck.random()}"
    told = house.start(luck.choice(MODELS), text, principal=luck.choice(["local", "mia"]), **caller)
    if luck.random() < 0.4:
        with trio.move_on_after(luck.choice([0.0, 0.5, 2.0, 5.0, 30.0])) as patience:
            await told.wait()
        if patience.cancelled_caught and not told.ended.is_set():
            told.leave()


async def keep_company(witness: Witness, luck: random.Random, for_s: float) -> None:
    """What else happens at a server and to a card."""
    until_s, house = trio.current_time() + for_s, witness.house
    async with trio.open_nursery() as nursery:
        while trio.current_time() < until_s:
            await trio.sleep(luck.uniform(1.0, 40.0))
            model = luck.choice(MODELS)
            witness.company.append(luck.choice(["restart", "load", "unload", "warm", "tell", "pin", "lend", "ask"]))
            match witness.company[-1]:
                case "restart":
                    house.server.restart(luck.choice([0.0, 0.0, 4.0]))
                case "load":
                    nursery.start_soon(try_to_load, house, model)
                case "unload":
                    nursery.start_soon(house.server.try_other, {"model": model, "messages": [], "keep_alive": 0})
                case "warm":
                    nursery.start_soon(tell, house, "warm", model)
                case "tell":
                    nursery.start_soon(tell, house, "unload", model)
                case "pin":
                    await pin_for_a_while(house, model, luck)
                case "lend":
                    house.room.pause("t600", CLOCK.now_ms() + luck.choice([1, 5_000, 20_000]))
                case _:
                    nursery.start_soon(ask_past_us, house, model)
    house.room.resume("t600")
    for model in MODELS:
        house.room.unpin(Target("t600", model))


async def try_to_load(house: CardHouse, model: str) -> None:
    await house.server.try_other({"model": model, "messages": [], "options": {"num_ctx": 4096}, "keep_alive": "1m"})


async def ask_past_us(house: CardHouse, model: str) -> None:
    message = {"role": "user", "content": "30 words"}
    await house.server.try_other({"model": model, "messages": [message], "options": {"num_ctx": 4096}})


async def tell(house: CardHouse, verb: str, model: str) -> None:
    """A person's word, who waits for what comes of it."""
    try:
        await getattr(house.room, verb)(Target("t600", model))
    except Fault as fault:
        assert fault.code.value in EXPECTED | IN_COMPANY | {"upstream_error"}, repr(fault)


async def pin_for_a_while(house: CardHouse, model: str, luck: random.Random) -> None:
    try:
        house.room.pin(Target("t600", model), exclusive=luck.random() < 0.5)
    except CallerFault:
        return  # another one is
    await trio.sleep(luck.uniform(0.0, 20.0))
    house.room.unpin(Target("t600", model))


# -- what must hold ------------------------------------------------------------------------------------------------


def check_told(house: CardHouse, weather: Weather) -> None:
    """Everybody has had an answer or knows why not, in time; no load was aborted, none done for options."""
    expected = EXPECTED | (IN_COMPANY if weather.company else set())
    policy = house.card().terms.policy
    for told in house.told:
        assert told.left or told.ok or told.code in expected, repr(told.fault)
        longest_s = policy.max_wait_s[URGENCIES[told.priority or "interactive"]]  # type: ignore[index]
        assert waited_s(told) <= longest_s + SLACK_S, f"{told.model} waited {waited_s(told):.1f} s"
    scheduler = house.server.app.app.scheduler
    assert scheduler.tally.reloads == 0, f"{scheduler.tally.reloads} reloads"
    counts = house.state().counts
    if not weather.company:
        assert scheduler.aborted_loads <= counts.cancelled_loads
        assert counts.unplanned == 0, f"{counts.unplanned} unplanned loads"
        assert counts.restarts == 0, f"{counts.restarts} restarts"


def waited_s(told: Told) -> float:
    """Until it began, or until it ended without having begun."""
    until_s = told.begun_s if told.begun_s is not None else told.ended_s
    assert until_s is not None
    return until_s - told.asked_s
