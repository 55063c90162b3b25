"""``lodestarctl status``: alerts that speak of now come first."""

from collections.abc import Sequence

import msgspec

from lodestarctl import exit_codes
from lodestarctl.render.alerts import render_banner
from lodestarctl.render.blocks import Block
from lodestarctl.render.status import render_status
from lodestarctl.session import Session
from lodestard.control.messages import Status

ALERTS = "alerts"


def run(session: Session) -> int:
    session.report("status", {}, Status, screen)
    return exit_codes.OK


def screen(status: Status) -> Sequence[Block]:
    """The house's own screen, with the banner below its first line."""
    others = {name: part for name, part in status.parts.items() if name != ALERTS}
    heading, *rest = render_status(msgspec.structs.replace(status, parts=others))
    return [heading, *render_banner(status.parts.get(ALERTS, {})), *rest]
