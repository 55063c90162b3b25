"""Estimates of prompts, by target. Changed in sync code only."""

from lodestard.domain.request import ImagePart, Request
from lodestard.domain.upstream import Target
from lodestard.tokens.basis import basis_bytes

TOKENS_PER_BYTE = 0.27
IMAGE_TOKENS = 600


class Estimator:
    """What a prompt is likely to count for at a target."""

    def estimate(self, target: Target, request: Request) -> int:  # noqa: ARG002
        """The prompt's tokens, most likely."""
        parts = (part for message in request.conversation.messages for part in message.parts)
        images = sum(isinstance(part, ImagePart) for part in parts)
        return round(basis_bytes(request) * TOKENS_PER_BYTE) + IMAGE_TOKENS * images
