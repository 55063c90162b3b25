"""An image as OpenAI's dialects name it: by an address, or in a ``data:`` URL.

Law: ``data:image/png;base64,…`` is taken apart; any other address stays one.
"""

from lodestard.domain.request import ImagePart


def read_image(url: str, detail: str) -> ImagePart:
    """What a client said of an image → the image."""
    if url[:5].lower() == "data:":
        head, comma, data = url[5:].partition(",")
        kind, semicolon, encoding = head.rpartition(";")
        if comma and semicolon and encoding.lower() == "base64":
            return ImagePart(media_type=kind, data=data, detail=detail)
    return ImagePart(url=url, detail=detail)


def write_url(image: ImagePart) -> str:
    """The reverse."""
    return f"data:{image.media_type};base64,{image.data}" if image.data else image.url
