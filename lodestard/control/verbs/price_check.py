"""What is wrong with prices: who has none, whose model is retired, what differs from the list, what is old. Pure."""

from collections.abc import Iterator

from lodestard.control.messages.prices import PriceCheck, PriceFinding
from lodestard.control.verbs.desk import BookState
from lodestard.domain.price import Price, Quote, Rates
from lodestard.domain.settings import Settings
from lodestard.domain.upstream import Target
from lodestard.runtime import Runtime

LATE = 3  # refreshes that were missed
MS_PER_S = 1_000
RATES = tuple(Rates.__struct_fields__)


def paid_targets(settings: Settings) -> tuple[str, ...]:
    """The targets of paid upstreams that routes name, and the baseline."""
    routed = {name for model in settings.models.values() for name in model.route}
    baseline = {settings.ledger.baseline} if settings.ledger.baseline else set()
    upstreams = settings.upstreams
    free = {name for name in routed if (known := upstreams.get(Target.parse(name).upstream)) is None or known.free}
    return tuple(sorted((routed - free) | baseline))


def check_prices(runtime: Runtime, book: BookState) -> PriceCheck:
    """Every finding about the prices of what is configured."""
    settings, now_ms = runtime.settings, runtime.clock.now_ms()
    findings = list(_check_list(settings, book, now_ms))
    targets = paid_targets(settings)
    for name in targets:
        price = runtime.routes.price_of(Target.parse(name))
        findings += _check_target(name, price, book.quotes.get(name, Quote()), now_ms)
    return PriceCheck(
        findings=tuple(findings), checked=len(targets), list_version=book.version, list_made_ms=book.made_ms
    )


def _check_list(settings: Settings, book: BookState, now_ms: int) -> Iterator[PriceFinding]:
    refresh_s = settings.price_book.refresh_s
    if book.problem:
        mend = "What was known stays. [prices] says what a model costs without the list."
        yield PriceFinding(kind="list_failed", severity="warning", what=f"{_sentence(book.problem)}", mend=mend)
    elif book.version and now_ms - book.made_ms > LATE * refresh_s * MS_PER_S:
        days = (now_ms - book.made_ms) // 86_400_000
        what = f"The price list was read {days} days ago."
        yield PriceFinding(kind="stale", severity="warning", what=what, mend="Is this machine's clock right?")


def _check_target(name: str, price: Price | None, quote: Quote, now_ms: int) -> Iterator[PriceFinding]:
    if price is None or price.source == "ceiling":
        yield _unpriced(name, price, quote)
    if quote.retired:
        what = f"{name}: its provider has retired {quote.listed_as}."
        yield PriceFinding(kind="retired", severity="warning", what=what, mend="Route to its successor.", target=name)
    if price is not None and price.source == "config":
        yield from _compare(name, price, quote, now_ms)


def _compare(name: str, price: Price, quote: Quote, now_ms: int) -> Iterator[PriceFinding]:
    """A price of one's own with the list's."""
    listed = quote.price_at(now_ms)
    if listed is not None and (differing := differences(price, listed)):
        what = f"{name}: [prices] and the price list differ: {'; '.join(differing)}."
        mend = f'Take [prices."{name}"] out to follow the list.'
        yield PriceFinding(kind="differs", severity="info", what=what, mend=mend, target=name)
    if quote.provider and not quote.listed_as:
        what = f"{name} is charged by [prices] alone: {quote.problem}."
        mend = "Compare it with its provider's page now and then, or route to its successor."
        yield PriceFinding(kind="unlisted", severity="info", what=what, mend=mend, target=name)


def _unpriced(name: str, price: Price | None, quote: Quote) -> PriceFinding:
    why = f": {quote.problem}" if quote.problem else ""
    mend = f'Add [prices."{name}"], route to another model, or give its upstream free = true if it is your own.'
    if price is None:
        what = f"{name} has no price and is refused{why}."
        return PriceFinding(kind="unpriced", severity="warning", what=what, mend=mend, target=name)
    what = f"{name} has no price and is charged at [price_book.ceiling]{why}."
    return PriceFinding(kind="ceiling", severity="warning", what=what, mend=mend, target=name)


def differences(own: Price, listed: Price) -> list[str]:
    """Where a price of one's own says another rate than the list: ``input 2.5 instead of 3``."""
    found = []
    for name in RATES:
        ours, theirs = getattr(own, name), getattr(listed, name)
        if ours is not None and theirs is not None and ours != theirs:
            found.append(f"{name.removesuffix('_pico_usd')} ${dollars(ours)} instead of ${dollars(theirs)}")
    unsaid = [name for name in ("tiers", "service_tiers") if getattr(listed, name) and not getattr(own, name)]
    found += [f"the list has {name.replace('_', ' ')}" for name in unsaid]
    return found


def dollars(pico_usd: int) -> str:
    """pico-USD a token → US dollars per million tokens, exactly."""
    whole, rest = divmod(pico_usd, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
