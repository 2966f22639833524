"""A headless Chromium, driven by its DevTools protocol over a pipe: no port, no library (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

INSTALL = "apt-get install --yes --no-install-recommends chromium"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium reads commands from descriptor 3 and writes to 4; those that it is given here are greater.
_LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
_MOST_BYTES = 64 * 1024 * 1024
_SECONDS = 30.0


class BrowserMissing(Exception):
    """There is no Chromium on this machine; the words tell how to install it."""


class CallRefused(Exception):
    """Chromium refused a command."""


def executable() -> str:
    """Chromium's path.

    Raises:
        BrowserMissing: there is none.
    """
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise BrowserMissing(f"no Chromium on PATH (looked for {', '.join(_NAMES)}); install it: {INSTALL}")
    return found


class Chromium:
    """A browser with a profile of its own; use it as an asynchronous context manager."""

    def __init__(self, *, profile: Path) -> None:
        """Starts nothing yet; ``profile`` is a folder for it alone."""
        self._profile = profile
        self._process: asyncio.subprocess.Process | None = None
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None
        self._out = -1

    async def __aenter__(self) -> Self:
        """Starts it."""
        (from_us, self._out), (incoming, to_us) = os.pipe(), os.pipe()
        options = [
            "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--disable-component-update", "--no-default-browser-check", "--no-proxy-server",
            # As root, and in containers, there is no sandbox to be had; the only page is our own.
            "--no-sandbox", "--disable-dev-shm-usage",
            "about:blank",
        ]  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _LAUNCH, str(from_us), str(to_us), executable(), *options),
            pass_fds=(from_us, to_us),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        reader = asyncio.StreamReader(limit=_MOST_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(incoming, "rb", buffering=0)
        )
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends it."""
        if self._process is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.call("Browser.close"), 5)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 10)
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        os.close(self._out)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def call(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The result of a command.

        Raises:
            CallRefused: Chromium refuses it.
        """
        self._number += 1
        number = self._number
        self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(command).encode() + b"\0")
        answer = await asyncio.wait_for(self._waiting[number], _SECONDS)
        if "error" in answer:
            raise CallRefused(f"{method}: {answer['error']}")
        return answer["result"]

    async def event(self, method: str, good: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The parameters of the first event of this name that is good, whether it came already or comes now."""

        def found() -> dict[str, Any] | None:
            return next((event["params"] for event in self._events if event["method"] == method and good(event["params"])), None)

        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: found() is not None), _SECONDS)
        parameters = found()
        assert parameters is not None
        return parameters

    async def open(self, url: str, *, width: int, height: int, script: str = "") -> "Page":
        """A new page, as large as a phone's; ``script`` runs before its own."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "ServiceWorker"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True)
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.call("Page.navigate", url=url)
        await page.until("document.readyState === 'complete'")
        return page

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            message = json.loads((await reader.readuntil(b"\0"))[:-1])
            if "id" in message:
                waiting = self._waiting.pop(message["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                continue
            async with self._changed:
                self._events.append(message)
                self._changed.notify_all()


class Page:
    """A page of the browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command about this page."""
        return await self._browser.call(method, session=self._session, **parameters)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression, or the promise that it gives, comes to.

        Raises:
            CallRefused: it throws.
        """
        found = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in found:
            raise CallRefused(str(found["exceptionDetails"].get("exception", found["exceptionDetails"])))
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        """Returns once a JavaScript expression is true."""
        loop = asyncio.get_running_loop()
        over = loop.time() + _SECONDS
        while loop.time() < over:
            with contextlib.suppress(CallRefused):  # the page is being replaced
                if await self.value(expression):
                    return
            await asyncio.sleep(0.05)
        shown = await self.value("document.body?.innerText")
        raise AssertionError(f"never true: {expression}; the page shows {shown!r}")

    async def screenshot(self, path: Path) -> None:
        """Writes what the page looks like (PNG)."""
        shot = await self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))
