"""Takes a picture of every page of the console, light, dark and on a phone, into docs/console: `make console-pictures`.

It starts a stack of its own, fills it with `tests.browser.sample`, and signs a browser in. The pages are those of PLACES in
console/src/app.tsx, and a few with something open. Each picture has 256 colours at most; a console has few.
"""

import asyncio
import base64
import json
import re
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any, Final

from tests.browser.chromium import Chromium, Page
from tests.browser.console import sign_in_link
from tests.browser.sample import Sample
from tocsin.testing.stack import RunningStack

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = ROOT / "console" / "src" / "app.tsx"
FOLDER: Final = ROOT / "docs" / "console"
LOOKS: Final[dict[str, tuple[int, int, str]]] = {
    "light": (1280, 800, "light"),
    "dark": (1280, 800, "dark"),
    "phone": (390, 844, "light"),
}
"""Width, height and colour scheme of each kind of picture."""

OPEN: Final = {"incident": "incidents", "alarm": "alarms", "firing": "firings", "delivery": "deliveries", "mail": "inbox"}
"""Pages with the first row open, by the name of the picture."""

_PLACE: Final = re.compile(r'\{ path: "/console(?:/([a-z0-9/-]+))?"')
_READY: Final = "document.querySelector('main h1') !== null && document.querySelector('[aria-busy=true]') === null"
# Calls of a second and more have been seen by then: the words on the arrows are rates.
_TRAFFIC: Final = f"{_READY} && document.querySelectorAll('.edge text').length >= 4"
# The 256 commonest colours, bright ones before greys, as marks of states are small; and for every other one the nearest of them.
_PALETTE: Final = """
(async (source) => {
  const bitmap = await createImageBitmap(await (await fetch(source)).blob());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const parts = (pixel) => [0, 8, 16].map((bits) => (pixel >> bits) & 255);
  const chroma = (pixel) => Math.max(...parts(pixel)) - Math.min(...parts(pixel));
  const worth = ([pixel, count]) => count * (1 + chroma(pixel));
  const colours = [...counts].sort((one, other) => worth(other) - worth(one) || one[0] - other[0]).slice(0, 256).map(([pixel]) => pixel);
  const place = new Map(colours.map((colour, index) => [colour, index]));
  const away = (one, other) => [0, 8, 16].reduce((sum, bits) => sum + (((one >> bits) & 255) - ((other >> bits) & 255)) ** 2, 0);
  const nearest = (pixel) => colours.reduce((best, colour, index) => (away(colour, pixel) < away(colours[best], pixel) ? index : best), 0);
  for (const pixel of counts.keys()) if (!place.has(pixel)) place.set(pixel, nearest(pixel));
  const indexes = Uint8Array.from(pixels, (pixel) => place.get(pixel));
  let text = "";
  for (let at = 0; at < indexes.length; at += 32768) text += String.fromCharCode(...indexes.subarray(at, at + 32768));
  return { width: bitmap.width, height: bitmap.height, colours, indexes: btoa(text) };
})
"""


def places(source: str) -> list[str]:
    """The paths of the pages below /console, as app.tsx lists them; "" is the first page."""
    return [found[1] or "" for found in _PLACE.finditer(source)]


def _name(place: str) -> str:
    return place.replace("/", "-") or "now"


def names(source: str) -> list[str]:
    """The pictures that there must be, without what tells their look."""
    return [*(_name(place) for place in places(source)), *OPEN, "new-alarm", "status-page"]


def palette_png(width: int, height: int, colours: list[int], indexes: bytes) -> bytes:
    """A PNG of colour type 3 (https://www.w3.org/TR/png/); each colour is 0xAABBGGRR."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    palette = b"".join(struct.pack("<I", colour)[:3] for colour in colours)
    rows = b"".join(b"\0" + indexes[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


class Camera:
    """Takes pictures with a browser that is signed in."""

    def __init__(self, browser: Chromium, dark_room: Page, folder: Path) -> None:
        self._browser = browser
        self._dark_room = dark_room
        self._folder = folder

    async def take(self, name: str, url: str, *, ready: str = _READY, first: bool = False) -> None:
        """Three pictures of a page; ``first``: with its first row open."""
        for look, (width, height, scheme) in LOOKS.items():
            page = await self._browser.open("about:blank", width=width, height=height)
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": look == "phone"}
            await page.call("Emulation.setDeviceMetricsOverride", **size)
            await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            await page.call("Page.navigate", url=url)
            await page.until(ready)
            if first:
                await page.until("document.querySelector('.extent .row a') !== null")
                await page.value("document.querySelector('.extent .row a').click()")
                await page.until(f"document.querySelector('.panel') !== null && {_READY}")
            await page.value("new Promise((done) => setTimeout(done, 400))")
            shot = await page.call("Page.captureScreenshot", format="png")
            await page.call("Page.close")
            await self._keep(f"{name}-{look}.png", shot["data"])

    async def _keep(self, name: str, picture: str) -> None:
        found: dict[str, Any] = await self._dark_room.value(f"({_PALETTE})({json.dumps('data:image/png;base64,' + picture)})")
        data = palette_png(found["width"], found["height"], found["colours"], base64.b64decode(found["indexes"]))
        (self._folder / name).write_bytes(data)
        sys.stdout.write(f"{name}  {len(data) / 1024:.0f} KiB\n")


async def take_all(folder: Path) -> None:
    """Starts a stack, fills it, and takes every picture."""
    source = APP.read_text()
    with tempfile.TemporaryDirectory() as place, RunningStack(state=Path(place) / "state") as stack:
        async with stack.client() as client:
            await Sample(client).fill()
        async with Chromium(profile=Path(place) / "profile") as browser:
            link = await asyncio.to_thread(sign_in_link, Path(place) / "state")
            page = await browser.open(link.replace("127.0.0.1", "localhost"), width=1280, height=800)
            await page.value("document.querySelector('button').click()")
            await page.until("!location.pathname.startsWith('/sign-in')")
            origin = stack.info["http"].replace("127.0.0.1", "localhost")
            camera = Camera(browser, await browser.open("about:blank", width=1280, height=800), folder)
            for path in places(source):
                await camera.take(_name(path), f"{origin}/console/{path}".rstrip("/"), ready=_TRAFFIC if path == "mesh" else _READY)
            for name, path in OPEN.items():
                await camera.take(name, f"{origin}/console/{path}", first=True)
            await camera.take("new-alarm", f"{origin}/console/alarms/new")
            await camera.take("status-page", f"{origin}/status/acme", ready="document.querySelector('main h1, h1') !== null")


def main() -> None:
    """Takes them into docs/console, or into the folder that is named; pictures of pages that are no more go."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    kept = {f"{name}-{look}.png" for name in names(APP.read_text()) for look in LOOKS}
    for picture in folder.glob("*.png"):
        if picture.name not in kept:
            picture.unlink()
    asyncio.run(take_all(folder))


if __name__ == "__main__":
    main()
