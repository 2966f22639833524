"""The installation's key: one secret, a key for each purpose, and a file that nobody else can read."""

import stat
from pathlib import Path
from typing import ClassVar

import pytest

from tocsin.config import ConfigError, ServiceSettings, StoreSettings, load
from tocsin.installation_key import KEY_FILE, InstallationKey

SECRET = "0123456789abcdefghijklmnopqrstuv"


class ScribeSettings(StoreSettings, ServiceSettings):
    """Those of a service with a database."""

    service: ClassVar[str] = "mailer"


def key_of(folder: Path, **env: str) -> InstallationKey:
    """The key under these settings."""
    return InstallationKey.of(load(ScribeSettings, {"TOCSIN_STATE_DIR": str(folder), **env}))


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    """The same at every call and in every process; another for another purpose or another secret."""
    key = key_of(tmp_path, TOCSIN_SECRET_KEY=SECRET)
    assert key.derive("a") == key_of(tmp_path, TOCSIN_SECRET_KEY=SECRET).derive("a")
    assert len({key.derive("a"), key.derive("b"), key_of(tmp_path, TOCSIN_SECRET_KEY=SECRET + "x").derive("a")}) == 3
    assert (len(key.derive("a")), len(key.derive("a", length=16))) == (32, 16)
    assert not (tmp_path / KEY_FILE).exists()


def test_the_derivation_never_changes() -> None:
    """Links in mails that people keep, and what is sealed in databases, stand on these bytes."""
    key = InstallationKey(secret=SECRET, file=Path("/nowhere"))
    assert key.derive("unsubscribe").hex() == "590f67d16c086b4afdbdb912818de374cc92db11488c688fc97c5b3b0d21fa37"


async def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """At the first start, for its owner alone; the next process finds it."""
    first, second = key_of(tmp_path), key_of(tmp_path)
    await first.start()
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert first.derive("a") == second.derive("a")
    await first.stop()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
async def test_a_file_without_a_secret_stops_the_start(tmp_path: Path, content: bytes) -> None:
    """A new secret would make what the old one sealed unreadable, so nobody makes one in its place."""
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=KEY_FILE):
        await key_of(tmp_path).start()
    assert (tmp_path / KEY_FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("env", "warnings"),
    [
        ({}, 0),
        ({"TOCSIN_DATABASE_URL": "postgresql://u:p@h/d"}, 1),
        ({"TOCSIN_DATABASE_URL": "postgresql://u:p@h/d", "TOCSIN_SECRET_KEY": SECRET}, 0),
    ],
)
async def test_replicas_are_told_that_they_need_one_secret(
    tmp_path: Path, env: dict[str, str], warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Where several processes can share a database, a secret in a file of one of them is a trap."""
    await key_of(tmp_path, **env).start()
    assert caplog.text.count("TOCSIN_SECRET_KEY") == warnings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_SECRET_KEY", "short"),
        ("TOCSIN_PUBLIC_URL", "alarms.example.com"),
        ("TOCSIN_PUBLIC_URL", "https://"),
        ("TOCSIN_PUBLIC_URL", "https://a/?x=1"),
        ("TOCSIN_PUBLIC_URL", "https://u:p@a"),
        ("TOCSIN_PUBLIC_URL", "https://a\r\nBcc: b"),
        ("TOCSIN_PUBLIC_URL", "https://a>"),
        ("TOCSIN_PUBLIC_URL", "ftp://a"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    """A secret is not shown, and a URL can go into a header as it is."""
    with pytest.raises(ConfigError, match=name) as refused:
        load(ScribeSettings, {name: value})
    assert name != "TOCSIN_SECRET_KEY" or value not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "link"), [("", ""), ("https://a.example", "https://a.example/u/x"), ("http://[::1]:8000/t/", "http://[::1]:8000/t/u/x")]
)
def test_links_lead_to_the_gateway(url: str, link: str) -> None:
    """Where people reach it; nowhere if nobody knows where that is."""
    assert load(ScribeSettings, {"TOCSIN_PUBLIC_URL": url}).public_link("/u/x") == link
