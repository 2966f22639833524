"""The settings of auth_svc: documented, and refused where they would be unsafe."""

from pathlib import Path

import pytest

from auth_svc.config import AuthSettings
from tocsin.config import ConfigError, describe, load

README = Path(__file__).parents[3] / "auth_svc" / "README.md"


def test_defaults_are_those_of_the_design() -> None:
    """Without any variable: closed registration, a first start, OWASP's Argon2id, 15 characters, 15 minutes, 30 days, 90 days."""
    settings = load(AuthSettings, {"TOCSIN_STATE_DIR": "/srv/tocsin"})
    assert settings.signing_key_file == Path("/srv/tocsin/keys/signing.pem")
    assert (settings.registration, settings.bootstrap) == ("closed", True)
    assert (settings.argon2_memory_kib, settings.argon2_iterations, settings.argon2_parallelism) == (19456, 2, 1)
    assert settings.password_min_length == 15
    assert (settings.access_token_seconds, settings.refresh_token_seconds, settings.session_seconds) == (900, 30 * 86400, 90 * 86400)


def test_retired_keys_are_a_list() -> None:
    """Written with commas."""
    settings = load(AuthSettings, {"TOCSIN_AUTH_RETIRED_KEY_FILES": "/k/1.pem, /k/2.pem"})
    assert settings.retired_key_files == (Path("/k/1.pem"), Path("/k/2.pem"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_AUTH_REGISTRATION", "maybe"),
        ("TOCSIN_AUTH_BOOTSTRAP_EMAIL", "admin@tocsin.local"),
        ("TOCSIN_AUTH_BOOTSTRAP_EMAIL", "admin"),
        ("TOCSIN_AUTH_ARGON2_MEMORY_KIB", "1024"),
        ("TOCSIN_AUTH_ACCESS_TOKEN_SECONDS", "86400"),
        ("TOCSIN_AUTH_LOGIN_LONGEST_WAIT_SECONDS", "86400"),
        ("TOCSIN_AUTH_PASSWORD_THREADS", "0"),
        ("TOCSIN_AUTH_PASSWORD_MIN_LENGTH", "7"),
        ("TOCSIN_AUTH_PASSWORD_MIN_LENGTH", "129"),
        ("TOCSIN_AUTH_REGISTRATIONS", "open"),
    ],
)
def test_bad_setting_is_named(name: str, value: str) -> None:
    """A value that is wrong or unsafe, or a name that does not exist, stops the start."""
    with pytest.raises(ConfigError, match=name):
        load(AuthSettings, {name: value})


def test_every_setting_stands_in_the_readme() -> None:
    """With its default; the page is what an operator reads."""
    text = README.read_text()
    for row in describe(AuthSettings):
        if row.name.startswith("TOCSIN_AUTH_") and row.name != "TOCSIN_AUTH_TARGET":
            shown = row.default.replace("<state_dir>", "`<state_dir>`")
            assert f"| `{row.name}` | {shown} |" in text, row.name
