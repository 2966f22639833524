"""Authenticator apps: what they read."""

from urllib.parse import unquote
from xml.etree import ElementTree

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
