"""``lodestarctl completion bash|zsh|fish``."""

from lodestarctl import exit_codes
from lodestarctl.completion import write_completion
from lodestarctl.session import Session


def run(session: Session) -> int:
    session.output.write(write_completion(session.args.shell))
    return exit_codes.OK
