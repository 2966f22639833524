"""The examples of docs/browsers.md, pasted into a page of another origin in a real Chromium."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "browsers.md"
EXAMPLES = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
async def stack(tmp_path: Path, page_url: str) -> AsyncIterator[RunningStack]:
    """Tocsin as it runs; the page may read its answers."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS": page_url}) as running:
        yield running


async def test_they_run_as_they_stand(stack: RunningStack, page_url: str, chromium: Chromium) -> None:
    """A call, a watch that sees an alarm ring, events both ways."""
    call, watch, both = EXAMPLES
    page = await chromium.open(page_url, width=800, height=600)

    async def run(example: str) -> Any:
        known = f"const tocsin = {json.dumps(stack.info['http'])}, token = {json.dumps(stack.api_key)};"
        return await page.value(f"(async () => {{ {known} {example} }})()")

    async with stack.client() as client:
        answer = await client.post("/v1/alarms", json={"trigger": {"every": "1s"}, "action": {"task": {"handler": "noop"}}})
        assert answer.status_code == 200, answer.text
    assert await run(call) >= 1
    assert "firing" in await run(watch)
    found = await run(both)
    assert (found["code"], len(found["answers"])) == (1000, 1), found
