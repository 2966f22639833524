from pathlib import Path

import pytest

from gateway.config import GatewaySettings
from tocsin.config import ConfigError, describe, load

README = Path(__file__).parents[3] / "gateway" / "README.md"


def test_origins_are_a_list() -> None:
    """Written with commas, as a browser sends them."""
    settings = load(GatewaySettings, {"TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS": "https://a.example.com, http://localhost:3000"})
    assert settings.cors_allow_origins == ("https://a.example.com", "http://localhost:3000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS", "app.example.com"),
        ("TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS", "https://app.example.com/path"),
        ("TOCSIN_GATEWAY_HTTP_PORT", "70000"),
        ("TOCSIN_GATEWAY_MAX_BODY_BYTES", "-1"),
        ("TOCSIN_GATEWAY_HTTP_PROT", "8000"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    """A value that makes no sense, or a name that does not exist, stops the start."""
    with pytest.raises(ConfigError, match=name):
        load(GatewaySettings, {name: value})


def test_every_setting_stands_in_the_readme() -> None:
    """With its default; the page is what an operator reads."""
    text = README.read_text()
    for row in describe(GatewaySettings):
        if row.name.startswith("TOCSIN_GATEWAY_"):
            assert f"| `{row.name}` | {row.default} |" in text, row.name
