"""OpenAI's chat completions: the one door to how a client's request is read and its answer written."""

from lodestard.protocols.openai_chat_read import read_request
from lodestard.protocols.openai_chat_write import StreamWriter, write_reply

__all__ = ["StreamWriter", "read_request", "write_reply"]
