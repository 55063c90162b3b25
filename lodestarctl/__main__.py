"""``python -m lodestarctl`` and the ``lodestarctl`` script."""

import sys

from lodestarctl import cli


def main() -> None:
    """Run and exit."""
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
