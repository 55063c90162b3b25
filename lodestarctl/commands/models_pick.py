"""``lodestarctl models pick [QUERY]``: on a terminal a list that narrows as one types, otherwise the ranked list."""

import os

import msgspec

from lodestarctl import exit_codes
from lodestarctl.dashboard.paint import Palette
from lodestarctl.dashboard.terminal import is_utf8, why_no_screen
from lodestarctl.picker.loop import pick
from lodestarctl.picker.state import State, open_state
from lodestarctl.render.picking import render_picks
from lodestarctl.render.projects import render_switches
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.picking import PickList, PickRow
from lodestard.control.messages.projects import SwitchList


def run(session: Session) -> int:
    args = session.args
    found = session.client.ask("models.pick", {}, PickList)
    state = open_state(found.models, " ".join(args.query))
    ranked = [state.catalogue.rows[place] for place in state.found]
    if session.output.json:
        session.output.envelope("models.pick", msgspec.Raw(msgspec.json.encode(PickList(models=tuple(ranked)))))
        return exit_codes.OK
    if why_no_screen(os.environ):
        return listed(session, ranked)
    chosen = choose(session, state)
    if chosen is None:
        return exit_codes.INTERRUPTED
    return switch(session, chosen) if args.use else say(session, chosen)


def listed(session: Session, ranked: list[PickRow]) -> int:
    """Nobody can pick here: the best first. ``--use`` would have to guess."""
    if session.args.use:
        raise UsageError("models pick --use needs a terminal; lodestarctl use MODEL switches without one")
    session.output.show(render_picks(ranked))
    return exit_codes.OK if ranked else exit_codes.FAILURE


def choose(session: Session, state: State) -> PickRow | None:
    palette = Palette(colour=session.output.colour, utf8=is_utf8(os.environ))
    return pick(state, session.stdin.fileno(), session.output.stdout.fileno(), palette)


def say(session: Session, chosen: PickRow) -> int:
    session.output.write(f"{chosen.name}\n")
    return exit_codes.OK


def switch(session: Session, chosen: PickRow) -> int:
    if not chosen.alias:
        raise UsageError(f"{chosen.name} has no alias: only an alias can be switched to")
    session.report("use.set", {"alias": chosen.name}, SwitchList, render_switches)
    return exit_codes.OK
