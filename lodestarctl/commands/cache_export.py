"""``lodestarctl cache export``: data by its nature, so the lines are the same with and without ``--json``."""

from lodestarctl import exit_codes
from lodestarctl.session import Session


def run(session: Session) -> int:
    for data in session.client.stream("cache.export"):
        session.output.write(bytes(data).decode() + "\n")
    return exit_codes.OK
