"""What a request is to a card: who waits for it, what it continues, how large it is, which older one it replaces.

Law: pure and quick, for it lies on the way of every local request: hashes are of bounded beginnings, the prompt is
gone over in C alone. Labels are what a client says of itself: they share out the card among the askers of one
principal, never between principals.
"""

import hashlib

import msgspec

from lodestard.domain.request import Caller, Conversation, ImagePart, Message, TextPart
from lodestard.domain.residency import Ask, Rank
from lodestard.residency.view import INTERACTIVE, RANKS, URGENCIES
from lodestard.tokens.basis import basis_bytes

SYSTEM_CHARS = 2_048
"""How much of the system's message tells conversations apart."""

FIRST_CHARS = 192
"""How much of the first message after it: a question is told from another one, while what Aider says before a map
of the repository (about 200 characters), which is new in each turn, is not reached."""

TYPED_CHARS = 256
"""How much of what an editor wants completed tells one place from another."""

AUTOCOMPLETE = "autocomplete"
_HOLE = "<QUERY>"  # hole-filler prompts say the same before it, examples and all
_SEPARATOR = "\x1f"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as residency sees it. It holds no text of the prompt.

    ``urgency`` is a rank as a number (``view.URGENCIES``). ``group`` is who asks, within ``principal``; ``who`` names
    a sitting: everything that tells one user of one program from another. ``conversation`` is a digest of what the
    prompt begins with: requests that share it share a prefix that a card may still know. ``basis_bytes`` is the
    prompt's size as ``tokens/basis.py`` weighs it. ``output_tokens`` is the client's own limit. ``supersede``: a
    newer request with the same one takes this one's place; empty for what nothing replaces. ``embeds``: vectors are
    asked for, of each input apart. ``client``, ``task`` and ``session`` are for display.
    """

    model: str
    urgency: int
    principal: str
    group: str
    who: str
    conversation: str
    basis_bytes: int
    messages: int
    images: int = 0
    output_tokens: int | None = None
    supersede: str = ""
    embeds: bool = False
    client: str = ""
    task: str = ""
    session: str = ""

    @property
    def has_images(self) -> bool:
        return self.images > 0

    @property
    def rank(self) -> Rank:
        return RANKS[self.urgency]

    @property
    def work(self) -> str:
        """Its kind: what it has in common with others that are answered and read alike; it begins with the task."""
        return f"{self.task}/{self.client}/{self.rank}"


def read_ask(ask: Ask) -> Asked:
    """What ``ask`` is to a card.

    Interactive is what does not say otherwise, commit messages and summaries too: nobody reads them closely, but
    Aider stands still until it has them, and somebody sits before it.
    """
    caller, talk = ask.caller, ask.request.conversation
    who = _SEPARATOR.join((caller.principal, caller.project, caller.client, caller.user, caller.session))
    return Asked(
        model=ask.target.model,
        urgency=_urgency(caller.priority),
        principal=caller.principal,
        group=_SEPARATOR.join((caller.client, caller.user or caller.session)),
        who=who,
        conversation=_digest(who, *_beginning(talk)),
        basis_bytes=basis_bytes(ask.request),
        messages=len(talk.messages),
        images=_count_images(talk),
        output_tokens=talk.sampling.max_output_tokens,
        supersede=_supersede_key(caller, talk, who) if caller.task == AUTOCOMPLETE else "",
        embeds=talk.embedding is not None,
        client=caller.client,
        task=caller.task,
        session=caller.session,
    )


def _urgency(priority: str) -> int:
    return next((urgency for rank, urgency in URGENCIES.items() if rank == priority), INTERACTIVE)


def _beginning(talk: Conversation) -> tuple[str, str]:
    """What stays while a chat goes on: the system's message, and how the first one after it begins.

    Aider says: system, examples, files to read, map of the repository, history, files to edit, question. Files and
    map change from turn to turn; the beginning does not, and it is what the next prompt shares with this one.
    """
    messages = talk.messages
    if not messages:
        return "", ""
    if messages[0].role not in ("system", "developer"):
        return "", _first_text(messages[0])[:FIRST_CHARS]
    first = _first_text(messages[1])[:FIRST_CHARS] if len(messages) > 1 else ""
    return _first_text(messages[0])[:SYSTEM_CHARS], first


def _supersede_key(caller: Caller, talk: Conversation, who: str) -> str:
    """What the completions that one editor asks for have in common, and no other editor's.

    Where a session or a user is named, that is the editor: whoever types in one place waits for no other place.
    Where nobody is, two editors can't be told apart by what they say of themselves, so what they complete must begin
    alike too: somebody who goes on typing replaces his older request (the text before him stays as it is), somebody
    in another file replaces nobody's. The price is small: an older request for a file that was left is answered for
    nothing, where its editor did not hang up.
    """
    if caller.said_session or caller.user:
        return _digest(who, caller.said_session)
    text = _first_text(talk.messages[-1]) if talk.messages else ""
    start = text.rfind(_HOLE) + 1
    return _digest(who, text[start : start + TYPED_CHARS])


def _first_text(message: Message) -> str:
    return next((part.text for part in message.parts if type(part) is TextPart), "")


def _count_images(talk: Conversation) -> int:
    return sum(type(part) is ImagePart for message in talk.messages for part in message.parts)


def _digest(*texts: str) -> str:
    data = _SEPARATOR.join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).hexdigest()
