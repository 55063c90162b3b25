"""Projects and quick switches: which working folders' files are trusted, and which model somebody asks for instead.

Law: what is in force was said by a person on this machine, word for word; requests only look it up, in memory.
Owner of ``projects.json`` and ``use.json`` in the state folder.
"""

from lodestard.projects.switches import Switches
from lodestard.projects.trust import Projects
from lodestard.projects.watch import run_watch

__all__ = ["Projects", "Switches", "run_watch"]
