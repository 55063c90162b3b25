"""The dialects that clients speak to us, each at endpoints of its own.

Law: a dialect is one reader and one writer over the intermediate form of ``domain/request.py`` and
``domain/reply.py``; none of them knows of another one, or of any upstream's.
"""

from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.openai_chat import OpenAIChat

OPENAI_CHAT: ClientCodec = OpenAIChat()
CLIENTS: tuple[ClientCodec, ...] = (OPENAI_CHAT,)
