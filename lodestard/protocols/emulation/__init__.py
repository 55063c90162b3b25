"""What an upstream lacks, said by instruction and found in its answer's text: tool calls, and answers in JSON.

Law: works on the intermediate form alone, so that it serves every dialect: a request is changed before the dialect's
codec writes it, an answer's pieces after its reader has read them. What was done is in the wire request's notes.
"""

from lodestard.protocols.emulation.emulating import Emulating
from lodestard.protocols.emulation.learned import without_tools

__all__ = ["Emulating", "without_tools"]
