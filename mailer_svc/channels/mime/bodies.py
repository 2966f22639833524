"""The bodies of a mail (RFC 2045, 2046, 2387): text, HTML, and the images that the HTML brings along."""

import base64
import binascii
import hashlib
import re
from typing import Final, NamedTuple

from mailer_svc.domain import Content

# Neither base64 nor quoted-printable can hold "=_" (RFC 2045, 6.7), so no body can hold these.
_ALTERNATIVE: Final = "=_tocsin_alternative"
_RELATED: Final = "=_tocsin_related"
_LONGEST_LINE: Final = 998  # RFC 5322, 2.1.1
_BREAKS: Final = re.compile(r"\r\n|\r|\n")
_NOT_PLAIN: Final = re.compile(r"[^\t\n\r\x20-\x7e]")
_HIGH: Final = bytes(range(128, 256))
_MAX_IMAGES: Final = 32
_IMAGE: Final = re.compile(r"""(\ssrc=)(["'])data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=\s]{4,})\2""", re.IGNORECASE)


class InlineImage(NamedTuple):
    """An image of HTML: its Content-ID (RFC 2392), its media type, and itself."""

    name: str
    kind: str
    data: bytes


def body_of(content: Content) -> str:
    """What stands behind the header of a mail: its ``Content-…`` lines, an empty line, and the bodies that are not empty."""
    if content.text and content.html:
        # The richer one last (RFC 2046, 5.1.4).
        return _multipart("alternative", _ALTERNATIVE, [_part("plain", content.text), _html(content.html)])
    return _html(content.html) if content.html else _part("plain", content.text)


def _html(html: str) -> str:
    """The HTML, with its images as parts of their own."""
    html, images = inline_images(html)
    if not images:
        return _part("html", html)
    return _multipart("related", _RELATED, [_part("html", html), *map(_image_part, images)], root="text/html")


def inline_images(html: str) -> tuple[str, list[InlineImage]]:
    """The HTML in which images that stand in it as ``data:`` URLs, which many readers do not show, are named; and those images."""
    images: dict[str, InlineImage] = {}
    if "data:image/" in html:
        html = _IMAGE.sub(lambda found: _moved(found, images), html)
    return html, list(images.values())


def _image_part(image: InlineImage) -> str:
    return (
        f"Content-Type: {image.kind}\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{image.name}>\r\n"
        f"Content-Disposition: inline\r\n\r\n{_base64_lines(image.data)}"
    )


def _moved(found: re.Match[str], images: dict[str, InlineImage]) -> str:
    """The attribute that names the part; as it was if it holds no image, or there are many."""
    attribute, quotes, kind, encoded = found.groups()
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error:
        return found[0]
    name = f"{hashlib.sha256(data).hexdigest()[:24]}@images.tocsin"
    if name not in images:
        if len(images) == _MAX_IMAGES:
            return found[0]
        images[name] = InlineImage(name, kind.lower(), data)
    return f"{attribute}{quotes}cid:{name}{quotes}"


def _multipart(subtype: str, boundary: str, parts: list[str], *, root: str = "") -> str:
    opening = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    kind = f'; type="{root}"' if root else ""
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"{kind}\r\n\r\n{opening}--{boundary}--\r\n'


def _part(subtype: str, body: str) -> str:
    encoding, encoded = encode_body(body)
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{encoded}"


def encode_body(body: str) -> tuple[str, str]:
    """The transfer encoding that suits ``body``, and the body in it, with CRLF line ends and a last line break.

    Line breaks of every kind become CRLF. ASCII with short lines goes as it is, mostly ASCII as quoted-printable, anything else as base64.
    """
    normal = _BREAKS.sub("\r\n", body)
    plain = _NOT_PLAIN.search(normal) is None
    # A line of 7bit that begins with "--" could be taken for a boundary, and "From " is changed by old mail stores.
    if plain and "\n--" not in normal and not normal.startswith("--") and max(map(len, normal.split("\r\n"))) <= _LONGEST_LINE:
        return "7bit", normal if normal.endswith("\r\n") else normal + "\r\n"
    data = normal.encode()
    high = len(data) - len(data.translate(None, _HIGH))
    controls = _NOT_PLAIN.search(normal) is not None and any(character < " " and character not in "\t\r\n" for character in normal)
    if controls or high * 6 > len(data):
        return "base64", _base64_lines(data)
    return "quoted-printable", _quoted_printable(data)


def _base64_lines(data: bytes) -> str:
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def _quoted_printable(data: bytes) -> str:
    """RFC 2045, 6.7; line breaks of the text stay line breaks."""
    lines = [binascii.b2a_qp(line, quotetabs=False, istext=True).decode().replace("=\n", "=\r\n") for line in data.split(b"\r\n")]
    text = "\r\n".join(lines)
    return text if text.endswith("\r\n") else text + "\r\n"
