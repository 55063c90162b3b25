"""``route.explain``, ``recommend``, ``route.backtest`` and ``route.shadow``: asking the router, not a model."""

from typing import get_args
from zoneinfo import ZoneInfo

from lodestard.control.messages.advice import BacktestItem, Move, Recommendation, RouteAdvice, ShadowReport
from lodestard.control.verbs.advice_desk import DIALECTS, ShadowMove, WantedBacktest, WantedRoute
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.when import read_since_ms, read_until_ms
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.routing_settings import Prefer
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb

SINCE = "30d"
MOST_MOVES = 50

WHO = (
    Argument(name="prefer", choices=get_args(Prefer), help="what the request would prefer"),
    Argument(name="tags", help="its tags, parted by commas"),
    Argument(name="client", help="the client that would send it"),
    Argument(name="task", help="what it would be for, where the text does not tell"),
    Argument(name="project", help="its project"),
    Argument(name="folder", help="the folder that is worked in; its last name is the project"),
    Argument(name="user", help="its user"),
    Argument(name="session", help="its session; otherwise it would be the first of one"),
)
WHAT = (
    Argument(name="text", default="", help="the prompt"),
    Argument(name="tokens", kind="integer", default=0, help="as if it were at least so long"),
    Argument(name="images", kind="flag", help="as if it had an image"),
    Argument(name="tools", kind="flag", help="as if it had tools"),
    Argument(name="body", default="", help="a whole request instead, as a client would send it"),
    Argument(name="dialect", choices=DIALECTS, default="openai", help="the dialect of the body"),
)
SPAN = (
    Argument(name="config", required=True, help="the candidate configuration, as TOML"),
    Argument(name="name", default="the candidate", help="what it is called"),
    Argument(name="since", default=SINCE, help="from when"),
    Argument(name="until", help="to when; a date is included"),
)


def advice_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def explain(arguments: Arguments) -> RouteAdvice:
        return desk.advice.explain_route(read_wanted(arguments, arguments["model"] or ""))

    async def recommend(arguments: Arguments) -> Recommendation:
        return desk.advice.recommend(read_wanted(arguments, ""))

    async def backtest(arguments: Arguments, emit: Emits[BacktestItem]) -> None:
        async with desk.advice.backtest(read_backtest(desk, arguments)) as items:
            async for item in items:
                await emit(item)

    async def shadow(arguments: Arguments) -> ShadowReport:
        return await read_shadow(desk, arguments["since"])

    model = Argument(name="model", help="the alias, or upstream/model, that it would ask for")
    since = (Argument(name="since", default=SINCE, help="from when"),)
    explained = (*WHAT, model, *WHO)
    return (
        Verb(
            name="route.explain", summary="what would become of a request", needs="read", arguments=explained,
            answer=explain,
        ),
        Verb(
            name="recommend", summary="which model to take for a request", needs="read", arguments=(*WHAT, *WHO),
            answer=recommend,
        ),
        Verb(
            name="route.backtest", summary="another policy over past requests", needs="read", arguments=SPAN,
            stream=backtest,
        ),
        Verb(name="route.shadow", summary="what the shadow policy did", needs="read", arguments=since, answer=shadow),
    )  # fmt: skip


def read_wanted(arguments: Arguments, model: str) -> WantedRoute:
    """Raises ``CallerFault`` for a size that is none, and for what says two things. Pure."""
    if arguments["tokens"] < 0:
        raise CallerFault(Code.INVALID_REQUEST, "tokens must not be negative.", param="tokens")
    if arguments["body"] and arguments["text"]:
        raise CallerFault(Code.INVALID_REQUEST, "Say a prompt or a whole body, not both.", param="body")
    if arguments["body"] and (arguments["images"] or arguments["tools"]):
        raise CallerFault(
            Code.INVALID_REQUEST, "A whole body says itself whether it has images or tools.", param="body"
        )
    who = {argument.name: arguments[argument.name] or "" for argument in WHO}
    return WantedRoute(
        text=arguments["text"],
        body=arguments["body"],
        dialect=arguments["dialect"],
        model=model,
        prompt_tokens=arguments["tokens"],
        images=arguments["images"],
        tools=arguments["tools"],
        **who,
    )


def read_backtest(desk: Desk, arguments: Arguments) -> WantedBacktest:
    """Raises ``CallerFault`` for a time that is none."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    return WantedBacktest(
        name=arguments["name"],
        text=arguments["config"],
        since_ms=read_since_ms(arguments["since"], now_ms, zone),
        until_ms=read_until_ms(arguments["until"], now_ms, zone) if arguments["until"] else now_ms + 1,
    )


async def read_shadow(desk: Desk, since: str) -> ShadowReport:
    """Sums over the traces. Raises ``CallerFault`` for a time that is none, ``HouseFault``."""
    since_ms = read_since_ms(since, desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone))
    found = await desk.advice.shadow_moves(since_ms)
    moved = sorted((one for one in found if one.differing), key=lambda one: -one.differing)
    return ShadowReport(
        file=desk.runtime.settings.routing.shadow,
        since_ms=since_ms,
        looked_at=sum(one.requests for one in found),
        differs=sum(one.differing for one in found),
        cost_nano_usd=sum(one.cost_nano_usd for one in found),
        shadow_cost_nano_usd=sum(one.shadow_cost_nano_usd for one in found),
        moves=tuple(map(move_of, moved[:MOST_MOVES])),
    )


def move_of(found: ShadowMove) -> Move:
    return Move(
        source=found.source,
        target=found.target,
        requests=found.differing,
        cost_nano_usd=found.cost_nano_usd,
        new_cost_nano_usd=found.shadow_cost_nano_usd,
    )
