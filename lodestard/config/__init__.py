"""The configuration room: TOML to frozen records, checked as a whole.

Law: a configuration is used whole or not at all; all its faults are told at once, with key, file and line. A
person's file is never written to; what a program changes goes to a drop-in of its own. No secret is ever in a
record, a message or a listing.
"""

from lodestard.config.fault import ConfigError, ConfigFault, Place
from lodestard.config.load import Loaded, ModuleSchemas, build, load

__all__ = ["ConfigError", "ConfigFault", "Loaded", "ModuleSchemas", "Place", "build", "load"]
