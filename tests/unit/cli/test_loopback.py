"""Where a browser comes back to: the one answer that knows the state, and nothing else."""

import threading
from collections.abc import Mapping

import httpx2
import pytest

from tocsin.cli.loopback import LoopbackListener
from tocsin.errors import DeadlineExceeded

PATH = "/sign-in/oidc/sso/callback"


def visited(*targets: str) -> tuple[Mapping[str, str], list[int]]:
    """What is found, and how each visit is answered, while a browser makes them in turn."""
    statuses: list[int] = []
    with LoopbackListener() as listener:

        def visit() -> None:
            with httpx2.Client(base_url=listener.origin, trust_env=False) as browser:
                statuses.extend(browser.get(target).status_code for target in targets)

        thread = threading.Thread(target=visit)
        thread.start()
        found = listener.wait(path=PATH, state="s1", seconds=30)
        thread.join()
    return found, statuses


@pytest.mark.parametrize(
    "other",
    [f"{PATH}?state=s2&code=x", f"{PATH}?code=x", f"{PATH}?", "/favicon.ico", "/other?state=s1&code=x", f"{PATH}?{'a=1&' * 100}state=s1"],
    ids=["other-state", "no-state", "nothing", "icon", "other-path", "many-fields"],
)
def test_only_the_answer_counts(other: str) -> None:
    """A page that tries ports, or a browser that asks for an icon, ends nothing."""
    found, statuses = visited(other, f"{PATH}?state=s1&code=c1&iss=https%3A%2F%2Fidp.example")
    assert found == {"state": "s1", "code": "c1", "iss": "https://idp.example"}
    assert statuses == [404, 200]


def test_nobody_waits_for_ever() -> None:
    """A browser that does not come back is given up."""
    with LoopbackListener() as listener, pytest.raises(DeadlineExceeded):
        listener.wait(path=PATH, state="s1", seconds=0)


def test_it_listens_here_alone() -> None:
    """On 127.0.0.1, at any free port or the one that is wanted, which must be free."""
    with LoopbackListener() as listener:
        port = int(listener.origin.removeprefix("http://127.0.0.1:"))
        with pytest.raises(OSError, match="in use"):
            LoopbackListener(port=port)
