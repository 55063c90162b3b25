"""Today's figures in one small file, for prompts and status bars.

Owns ``statusline.json`` in the house's run folder: ``lodestarctl statusline`` reads it and asks nobody.
"""

from lodestard.module import Module
from lodestard.modules.statusline.settings import StatuslineSettings
from lodestard.modules.statusline.writer import run_statusline

MODULE = Module("statusline", "today's figures in a file, for prompts", StatuslineSettings, run_statusline)
