"""``lodestarctl prices [MODEL]``."""

from lodestarctl import exit_codes
from lodestarctl.render.prices import render_price, render_prices
from lodestarctl.session import Session
from lodestard.control.messages.prices import PricesReport


def run(session: Session) -> int:
    model = session.args.model
    render = render_price if model else render_prices
    session.report("prices", {"model": model} if model else {}, PricesReport, render)
    return exit_codes.OK
