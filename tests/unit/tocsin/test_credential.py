"""An API key is never in an error, whatever is wrong with it."""

import traceback

import httpx2
import pytest

from tocsin.cli.__main__ import main
from tocsin.client import Client, authorization
from tocsin.errors import Unauthenticated

MARK = "tk_MARKED5ecret"
STRANGE = [
    *(f"{MARK}{tail}" for tail in ("\nx", "\r\nHost: evil", "é", "\u2028x", "\0", " x", "\ud800", "\x7f")),
    f"é{MARK}",
]


@pytest.mark.parametrize("key", [f"{MARK}\n", f"\t {MARK}\r\n", f"\ufeff{MARK}"[1:], MARK])
def test_white_space_around_a_key_is_left_out(key: str) -> None:
    """As it comes from a file or a clipboard."""
    assert authorization(key) == f"Bearer {MARK}"
    seen = list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json={})

    with Client(url="http://x", api_key=key, transport=httpx2.MockTransport(answer)) as client:
        client.call("GET", "/v1/alarms")
    assert seen == [f"Bearer {MARK}"]


@pytest.mark.parametrize("key", STRANGE)
def test_a_strange_key_is_refused_without_being_shown(key: str) -> None:
    """Neither the words nor the chain of errors nor their stack holds any of it."""
    with pytest.raises(Unauthenticated) as caught:
        Client(url="http://x", api_key=key)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "5ecret" not in told
    assert "at position" in told


@pytest.mark.parametrize("key", ["\n", "  "])
def test_an_empty_key_is_refused(key: str) -> None:
    """It is a mistake, and not a call without a key."""
    with pytest.raises(Unauthenticated, match="empty"):
        Client(url="http://x", api_key=key)


COMMANDS = ["alarm list", "event send x", "ping k", "export", "inbox", "audit", "stats", "run uppercase"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("key", [f"{MARK}\nx", f"{MARK}é"])
def test_the_command_line_does_not_show_it(
    command: str, key: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever command, its output and its errors hold none of it."""
    monkeypatch.setenv("TOCSIN_CLIENT_API_KEY", key)
    monkeypatch.setenv("TOCSIN_CLIENT_URL", "http://127.0.0.1:9")
    with pytest.raises(SystemExit) as end:
        main(command.split())
    said = "".join(capfd.readouterr()) + "".join(traceback.format_exception(end.value))
    assert "5ecret" not in said
    assert end.value.code not in (0, None)
