"""``python -m lodestard.prices.extract``."""

import sys

from lodestard.prices.extract.program import main

if __name__ == "__main__":
    sys.exit(main())
