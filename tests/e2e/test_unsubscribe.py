"""The link in a mail, through the real gateway: a page that does nothing by being looked at, and a button that acts at once."""

import httpx2
import pytest

from mailer_svc.channels.email import unsubscribe_tokens
from mailer_svc.domain import Unsubscription
from tocsin.installation_key import KEY_FILE, InstallationKey
from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e


async def test_a_link_shows_a_button_and_the_button_acts(stack: RunningStack) -> None:
    """No cookie, no redirect, no sign-in; in the reader's language; a link that is none of ours says so."""
    tokens = unsubscribe_tokens(InstallationKey(secret="", file=stack.state / KEY_FILE))
    path = f"/u/{tokens.seal(Unsubscription('default', '', 'reader@example.com', 'news', 'email'))}"
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False) as anybody:
        looked = await anybody.get(path, headers={"accept-language": "de"})
        head = await anybody.head(path)
        acted = await anybody.post(path, data={"List-Unsubscribe": "One-Click"})
        again = await anybody.post(path, data={"List-Unsubscribe": "One-Click"})
        wrong = await anybody.get("/u/nonsense")
    assert (looked.status_code, head.status_code, head.content) == (200, 200, b"")
    assert 'lang="de"' in looked.text
    assert "default-src 'none'" in looked.headers["content-security-policy"]
    for answer in (acted, again):
        assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
        assert "set-cookie" not in answer.headers
    assert (wrong.status_code, wrong.headers["content-type"]) == (404, "text/html; charset=utf-8")
