"""Authenticator apps: what they read."""

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from auth_svc.domain.totp import new_totp_secret, qr_code, totp_uri


def test_a_qr_code_is_a_picture_black_on_white() -> None:
    """An SVG that needs nothing else, with four modules of quiet around (ISO/IEC 18004, 5.3.8); the longest account fits."""
    uri = totp_uri(new_totp_secret(), issuer="Tocsin", account=f"{'a' * 64}@{'example.' * 23}com")
    kind, _, text = qr_code(uri).partition(",")
    assert kind == "data:image/svg+xml;charset=utf-8"
    picture = ElementTree.fromstring(unquote(text))  # noqa: S314 - our own
    size = int(picture.attrib["viewBox"].split()[2])
    assert (size - 8 - 17) % 4 == 0, "a side of 17 + 4 * version modules"
    ground, modules = picture
    assert (ground.attrib["fill"], modules.attrib["stroke"]) == ("#fff", "#000")
    assert modules.attrib["d"].startswith("M4 4.5h7")


@pytest.mark.parametrize("character", ["a", "ü", "字", "😀", "%", ":", "\x7f"])
def test_a_code_is_made_for_every_account(character: str) -> None:
    """Of 254 characters that take up to 12 in an address each: what it holds is bounded, so that cameras read it."""
    uri = totp_uri(new_totp_secret(), issuer="Tocsin", account=character * 254)
    assert len(uri) < 1000
    assert qr_code(uri).startswith("data:image/svg+xml")
