"""The folder that somebody works in: what a request of ours says of where it came from."""

import os


def work_folder(start: str = "") -> str:
    """The root of the git repository around ``start`` (by default the current folder), otherwise that folder itself.

    Empty where even that is gone.
    """
    try:
        here = start or os.getcwd()  # noqa: PTH109 - pathlib is not worth its import at every start
    except OSError:
        return ""
    folder = here
    while not os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return here
        folder = above
    return folder
