"""``python -m tests.bench.routing``; ``--help`` says what can be asked for."""

import sys

from tests.bench.routing.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
