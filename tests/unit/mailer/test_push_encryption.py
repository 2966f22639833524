"""Web Push, the cryptography: what RFC 8291 and 8292 prescribe, and that nobody else can read or sign it."""

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.channels.push.encryption import MAX_PLAINTEXT, encrypt
from mailer_svc.channels.push.subscription import PushSubscription, decode, parse
from mailer_svc.channels.push.vapid import KEY_BYTES, Vapid, installation_key, key_of, public_text, read_key
from tocsin.egress.urls import parse_url
from tocsin.installation_key import InstallationKey
from tocsin.testing.browser import PushReceiver
from tocsin.testing.clock import FakeClock

ENDPOINT = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"
# RFC 8291, appendix A.
RFC: dict[str, Any] = {
    "plaintext": "V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24",
    "server": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "browser": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "public": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "body": "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6"
    "cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
}


def test_the_example_of_the_rfc() -> None:
    """The same keys, salt and text give the same octets, and the browser of the example reads them."""
    subscription = PushSubscription(endpoint=parse_url(ENDPOINT), public_key=decode(RFC["public"]), auth=decode(RFC["auth"]))
    body = encrypt(decode(RFC["plaintext"]), subscription, private_key=read_key(RFC["server"]), salt=decode(RFC["salt"]))
    assert body == decode(RFC["body"])
    browser = PushReceiver(private_key=read_key(RFC["browser"]), auth=decode(RFC["auth"]))
    assert browser.decrypt(body) == b"When I grow up, I want to be a watermelon"


@given(st.binary(max_size=MAX_PLAINTEXT))
def test_the_browser_reads_what_was_written(plaintext: bytes) -> None:
    """Every length that fits, each with a key and a salt of its own."""
    browser = PushReceiver()
    subscription = parse(browser.address(ENDPOINT))
    first, second = encrypt(plaintext, subscription), encrypt(plaintext, subscription)
    assert browser.decrypt(first) == browser.decrypt(second) == plaintext
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]
    with pytest.raises(InvalidTag):
        PushReceiver().decrypt(first)


def test_the_longest_message_has_4096_octets() -> None:
    """RFC 8030, 7.2: so much is taken everywhere; an octet more is refused here."""
    subscription = parse(PushReceiver().address(ENDPOINT))
    assert len(encrypt(bytes(MAX_PLAINTEXT), subscription)) == 4096
    with pytest.raises(ValueError, match="3994 octets"):
        encrypt(bytes(MAX_PLAINTEXT + 1), subscription)


def vapid(clock: FakeClock) -> Vapid:
    """Who sends."""
    return Vapid(key=lambda: key_of(bytes(KEY_BYTES)), subject="mailto:ops@example.com", clock=clock)


def claims_of(header: str) -> dict[str, Any]:
    """The claims of ``Authorization``, verified with the key that stands beside them."""
    scheme, _, parameters = header.partition(" ")
    values = dict(part.split("=", 1) for part in parameters.split(", "))
    assert (scheme, sorted(values)) == ("vapid", ["k", "t"])
    public: Any = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(values["k"]))
    return jwt.decode(values["t"], public, algorithms=["ES256"], options={"verify_exp": False, "verify_aud": False})


def test_a_token_names_audience_subject_and_end(clock: FakeClock) -> None:
    """RFC 8292, 2: at most 24 hours, for one origin."""
    now = clock.micros() // 1_000_000
    claims = claims_of(vapid(clock).authorization("https://push.example.net"))
    assert claims == {"aud": "https://push.example.net", "sub": "mailto:ops@example.com", "exp": now + 12 * 3600}


async def test_a_token_is_kept_until_shortly_before_its_end(clock: FakeClock) -> None:
    """One signature for each push service in eleven hours, also after many others."""
    sender = vapid(clock)
    first = sender.authorization("https://a.example")
    assert sender.authorization("https://b.example") != first
    await clock.advance(11 * 3600 - 1)
    assert sender.authorization("https://a.example") == first
    await clock.advance(2)
    second = sender.authorization("https://a.example")
    assert claims_of(second)["exp"] > claims_of(first)["exp"]
    for number in range(300):
        sender.authorization(f"https://{number}.example")
    assert claims_of(sender.authorization("https://a.example"))["aud"] == "https://a.example"


def test_the_key_is_that_of_the_installation(tmp_path: Path) -> None:
    """The same secret gives the same key to every replica, another secret another; one that is set comes before."""
    secrets = [InstallationKey(secret=word * 32, file=tmp_path / "none") for word in ("a", "a", "b")]
    one, same, other = (public_text(installation_key("", secret)) for secret in secrets)
    assert one == same != other
    assert public_text(installation_key(RFC["server"], secrets[0])) not in (one, other)
    assert len(decode(one)) == 65
    assert "=" not in one


def test_every_seed_gives_a_key() -> None:
    """The least and the greatest, too."""
    keys = [public_text(key_of(seed)) for seed in (bytes(KEY_BYTES), b"\xff" * KEY_BYTES)]
    assert len(set(keys)) == 2


def test_keys_of_other_tools_are_read() -> None:
    """PEM, and the number in base64url; what is neither is refused in words that do not hold it."""
    key = read_key(RFC["server"])
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
        assert read_key(pem).private_numbers() == key.private_numbers()
    secp384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    zero = base64.urlsafe_b64encode(bytes(32)).decode()
    for text in ("", "secret", RFC["auth"], zero, "_" * 43, secp384, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"):
        with pytest.raises(ValueError, match="must be a private key of the curve P-256") as raised:
            read_key(text)
        assert not text or text not in str(raised.value)
