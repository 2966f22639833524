"""Pings in the lines of healthchecks.io's documentation, sent by a real curl; what is kept and shown of them."""

import asyncio
import re
import secrets
import shutil
import uuid
import xml.etree.ElementTree as ET
from typing import Any, Final

import httpx2
import pytest

from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

EVIL: Final = '<script>alert(1)</script>"&\u202eÜ'
NOTIFY: Final = {"to": ["ann@example.com"], "subject": "down", "text": "It is down."}


async def heartbeat(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """An alarm that waits for pings; fields of the alarm beside those of the heartbeat."""
    beside = {name: fields.pop(name) for name in ("displayName", "labels") if name in fields}
    trigger = {"heartbeat": {"every": "3600s", **fields} if "cron" not in fields else fields}
    made = await client.post("/v1/alarms", json={"trigger": trigger, "action": {"notify": NOTIFY}, **beside})
    assert made.status_code == 200, made.text
    return made.json()


def door(client: httpx2.AsyncClient) -> str:
    """The address of the gateway."""
    return str(client.base_url).rstrip("/")


def key_of(alarm: dict[str, Any]) -> str:
    """The secret key of a heartbeat."""
    return alarm["trigger"]["heartbeat"]["key"]


async def shell(line: str, **names: str) -> tuple[int, str]:
    """Runs a line as cron does; its exit status and what it says."""
    assert shutil.which("curl"), "install curl: apt-get install curl"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", line, env={"PATH": "/usr/bin:/bin", **names}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace")


async def pings(client: httpx2.AsyncClient, alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """What is kept, the oldest first."""
    answer = await client.get(f"/v1/{alarm['name']}/pings")
    assert answer.status_code == 200, answer.text
    return answer.json()["pings"][::-1]


async def standing(client: httpx2.AsyncClient, alarm: dict[str, Any]) -> dict[str, Any]:
    """How the alarm stands."""
    found = (await client.get("/v1/status", params={"pageSize": 1000})).json()["standings"]
    return next(each for each in found if each["alarm"] == alarm["name"])


CURL: Final = "curl -fsS -m 10 --retry 5 -o /dev/null"
LINES: Final = [
    (f"{CURL} $URL", ("GET", "PING_KIND_SUCCESS", None, "")),
    (f"{CURL} --http1.0 $URL", ("GET", "PING_KIND_SUCCESS", None, "")),
    (f"{CURL} --head $URL", ("HEAD", "PING_KIND_SUCCESS", None, "")),
    (f"{CURL} $URL/start", ("GET", "PING_KIND_START", None, "")),
    (f"{CURL} $URL/fail", ("GET", "PING_KIND_FAIL", None, "")),
    (f"false; {CURL} $URL/$?", ("GET", "PING_KIND_FAIL", 1, "")),
    (f"true; {CURL} $URL/$?", ("GET", "PING_KIND_SUCCESS", 0, "")),
    (f"exit_with() {{ return 255; }}; exit_with; {CURL} $URL/$?", ("GET", "PING_KIND_FAIL", 255, "")),
    (f"true && {CURL} $URL", ("GET", "PING_KIND_SUCCESS", None, "")),
    (f'{CURL} --data-raw "$(echo free: 5%)" $URL/log', ("POST", "PING_KIND_LOG", None, "free: 5%")),
    (f'm=$(echo Backup done 2>&1); {CURL} --data-raw "$m" $URL/$?', ("POST", "PING_KIND_SUCCESS", 0, "Backup done")),
    (f"printf 'a\\000b\\377' | {CURL} --data-binary @- $URL", ("POST", "PING_KIND_SUCCESS", None, "a\0b\ufffd")),
    (f"{CURL} -X POST $URL/", ("POST", "PING_KIND_SUCCESS", None, "")),
    (f"{CURL} -X GET --data-raw x $URL", ("GET", "PING_KIND_SUCCESS", None, "")),
]


async def test_the_lines_of_the_documentation_work(client: httpx2.AsyncClient) -> None:
    """Each is taken and kept: method, what it says, exit status, body, who sent it."""
    alarm = await heartbeat(client)
    url = f"{door(client)}/ping/{key_of(alarm)}"
    for line, _ in LINES:
        assert await shell(line, URL=url) == (0, ""), line
    kept = await pings(client, alarm)
    assert [(each["method"], each["kind"], each.get("exitStatus"), each.get("text", "")) for each in kept] == [said for _, said in LINES]
    assert {each["address"] for each in kept} == {"127.0.0.1"}
    assert all(each["userAgent"].startswith("curl/") for each in kept)
    binary = next(each for each in kept if each.get("size") == "4")
    body = await client.get(f"/v1/{binary['name']}/body")
    assert (body.content, body.headers["content-type"]) == (b"a\0b\xff", "text/plain; charset=utf-8")


async def test_a_run_is_measured_and_a_failure_is_told(client: httpx2.AsyncClient) -> None:
    """As runitor does: start and end with the id of the run, two at once; a failure fires at once, a success resolves it."""
    alarm = await heartbeat(client, slug=f"job-{secrets.token_hex(4)}")
    url, one, two = f"{door(client)}/ping/{key_of(alarm)}", str(uuid.uuid4()), str(uuid.uuid4())
    for path in (f"start?rid={one}", f"start?rid={two}", f"0?rid={one}", f"3?rid={two}"):
        assert (await shell(f"curl -fsS -A runitor/1.3 '{url}/{path}'"))[1] == "OK"
    kept = await pings(client, alarm)
    assert ["duration" in each for each in kept] == [False, False, True, True]
    assert [each["runId"] for each in kept] == [one, two, one, two]
    found = await standing(client, alarm)
    assert (found["state"], found["kind"], "lastDuration" in found) == ("DOWN", "HEARTBEAT", True)

    async def fired() -> bool:
        page = (await client.get("/v1/firings", params={"filter": f'alarm="{alarm["name"]}"'})).json()
        return [each["origin"] for each in page.get("firings", [])] == ["RAISED"]

    await eventually(fired)
    assert (await shell(f"curl -fsS {url}"))[1] == "OK"
    assert (await standing(client, alarm))["state"] == "UP"


async def test_a_slug_and_a_ping_key(stranger: httpx2.AsyncClient) -> None:
    """A ping key names heartbeats of its tenant by their slugs, and makes them where an escalation policy says whom they tell."""
    assert (await stranger.get("/v1/pingKey")).status_code == 404
    key = (await stranger.put("/v1/pingKey", json={})).json()["key"]
    assert (await stranger.put("/v1/pingKey", json={})).json()["key"] == key
    slug = f"db-{secrets.token_hex(4)}"
    url = f"{door(stranger)}/ping/{key}"
    words = "curl -sS -o /dev/null -w %{http_code}"
    assert (await shell(f"{words} {url}/{slug}"))[1] == "404"
    assert (await shell(f"{words} '{url}/{slug}?create=1'"))[1] == "400"
    steps = {"steps": [{"targets": ["recipients/nobody"]}], "displayName": "x", "name": "escalationPolicies/nights"}
    made = await stranger.post("/v1/escalationPolicies", json=steps)
    assert made.status_code == 200, made.text
    await stranger.put("/v1/pingKey", json={"key": key, "escalationPolicy": made.json()["name"]})
    assert (await shell(f"curl -fsS '{url}/{slug}/start?create=1'"))[1] == "Created"
    assert (await shell(f"curl -fsS '{url}/{slug}/0?create=1'"))[1] == "OK"
    found = (await stranger.get("/v1/status")).json()["standings"]
    assert [(each["slug"], each["state"]) for each in found] == [(slug, "UP")]
    other = (await stranger.put("/v1/pingKey", params={"rotate": True}, json={})).json()["key"]
    assert other != key
    assert (await shell(f"{words} {url}/{slug}"))[1] == "404"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("KEY/256", 400, "invalid url format"),
        ("KEY/999", 400, "invalid url format"),
        ("KEY/9999999999999999999", 400, "invalid url format"),
        ("KEY/-1", 404, "not found"),
        ("KEY/stop", 404, "not found"),
        ("KEY/start/fail", 404, "not found"),
        ("KEY?rid=junk", 400, "invalid uuid format"),
        ("KEY?rid=" + "x" * 8000, 400, "invalid uuid format"),
        ("KEY?rid=", 400, "invalid uuid format"),
        ("KEY?" + "&".join("a=1" for _ in range(60)), 400, "invalid query"),
        ("KEY?x=%ff&rid", 400, "invalid uuid format"),
        ("00000000-0000-4000-8000-000000000000", 404, "not found"),
        ("%F0%9F%92%A5", 404, "not found"),
        ("%F0%9F%92%A5/ü", 404, "not found"),
        ("a" * 900, 404, "not found"),
        ("a" * 30 + "/" + "b" * 900, 404, "not found"),
        ("' OR 1=1 --/x/y", 404, "not found"),
    ],
)
async def test_odd_pings_are_refused(client: httpx2.AsyncClient, path: str, status: int, text: str) -> None:
    """In the words of healthchecks.io, and nothing is kept of them."""
    alarm = await heartbeat(client)
    async with httpx2.AsyncClient(base_url=client.base_url, trust_env=False) as nobody:
        answer = await nobody.get("/ping/" + path.replace("KEY", key_of(alarm)))
    assert (answer.status_code, answer.text) == (status, text)
    assert await pings(client, alarm) == []


async def test_a_body_is_bounded_and_a_flood_costs_its_heartbeat_alone(client: httpx2.AsyncClient) -> None:
    """Of ten megabytes the beginning is kept; beyond the rate the answer is 429 with a time, and another heartbeat goes on."""
    alarm, calm = await heartbeat(client), await heartbeat(client)
    line = f"head -c 10000000 /dev/zero | tr '\\0' x | curl -sS -D - --data-binary @- {door(client)}/ping/{key_of(alarm)}"
    assert "ping-body-limit: 100000" in (await shell(line))[1]
    (kept,) = await pings(client, alarm)
    assert (kept["size"], len(kept["text"])) == ("10000000", 1000)
    assert len((await client.get(f"/v1/{kept['name']}/body")).content) == 100_000
    async with httpx2.AsyncClient(base_url=client.base_url, trust_env=False) as nobody:
        answers = [await nobody.get(f"/ping/{key_of(alarm)}") for _ in range(150)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert {(answer.status_code, answer.text) for answer in refused} == {(429, "rate limit exceeded")}
        assert int(refused[0].headers["retry-after"]) >= 1
        assert (await nobody.get(f"/ping/{key_of(calm)}")).status_code == 200
    assert len(await pings(client, alarm)) == 50


async def test_what_another_tenant_has_is_not_there(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    """Pings, slugs and bodies of others are not found; a key that another has, or a slug of one's own, is taken."""
    alarm = await heartbeat(client, slug=f"mine-{secrets.token_hex(4)}")
    await client.post(f"/ping/{key_of(alarm)}", content=b"secret")
    (kept,) = await pings(client, alarm)
    for path in (f"{alarm['name']}/pings", kept["name"], f"{kept['name']}/body"):
        assert (await stranger.get(f"/v1/{path}")).status_code == 404
    assert (await stranger.get("/v1/status")).json()["standings"] == []
    for where, fields in ((stranger, {"key": key_of(alarm)}), (client, {"slug": alarm["trigger"]["heartbeat"]["slug"]})):
        trigger = {"heartbeat": {"every": "60s", **fields}}
        refused = await where.post("/v1/alarms", json={"trigger": trigger, "action": {"notify": NOTIFY}})
        assert (refused.status_code, refused.json()["status"]) == (409, 409)
    assert (await stranger.post("/v1/alarms", json={"trigger": {"heartbeat": {}}, "action": {"notify": NOTIFY}})).status_code == 400


async def test_a_status_page_shows_what_it_was_told_to(stranger: httpx2.AsyncClient) -> None:
    """Nothing before it is asked for; then those named and labelled, with texts that can do nothing, and who has it gets 304."""
    up = await heartbeat(stranger, displayName=EVIL, labels={"team": "web"})
    down = await heartbeat(stranger, displayName="Nightly backup", cron="H 3 * * *", slug="nightly")
    await heartbeat(stranger, displayName="not to be seen")
    await stranger.post(f"/ping/{key_of(up)}")
    await stranger.post(f"/ping/{key_of(down)}/fail")
    slug = f"acme-{secrets.token_hex(4)}"
    async with httpx2.AsyncClient(base_url=stranger.base_url, trust_env=False) as nobody:
        assert (await nobody.get(f"/status/{slug}")).status_code == 404
        settings = {"enabled": True, "slug": slug, "title": EVIL, "alarms": [down["name"]], "labels": {"team": "web"}}
        made = await stranger.put("/v1/statusPage", json=settings)
        assert made.status_code == 200, made.text
        page = await nobody.get(f"/status/{slug}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert "not to be seen" not in page.text
        assert "Something is down" in page.text
        again = await nobody.get(f"/status/{slug}", headers={"if-none-match": page.headers["etag"]})
        assert (again.status_code, page.headers["cache-control"]) == (304, "public, max-age=30")
        told = (await nobody.get(f"/status/{slug}.json")).json()
        assert [(each["name"], each["state"]) for each in told["items"]] == [("Nightly backup", "DOWN"), (EVIL, "UP")]
        assert told["state"] == "DOWN"
        await _badges(nobody, made.json()["badgeKey"], up)
    taken = await stranger.put("/v1/statusPage", json={"enabled": True})
    assert (taken.status_code, "is needed to show the page" in taken.text) == (400, True)


async def _badges(nobody: httpx2.AsyncClient, key: str, up: dict[str, Any]) -> None:
    for name, word in ((up["name"].removeprefix("alarms/"), "up"), ("nightly", "down"), ("team=web", "up"), ("all", "down")):
        badge = await nobody.get(f"/badge/{key}/{name}.svg")
        assert (badge.status_code, badge.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8"), name
        texts = [each.text for each in ET.fromstring(badge.text).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314  our own
        assert texts[1] == word
        assert not re.search(r"<script|onload", badge.text)
        said = (await nobody.get(f"/badge/{key}/{name}.json")).json()
        assert (said["schemaVersion"], said["message"]) == (1, word)
    for path in (f"{key}/all.png", f"{key}/nobody.svg", f"{key}/.svg", "junk/all.svg", f"{key}/team=none.svg", f"{key}/{'x' * 300}.svg"):
        assert (await nobody.get(f"/badge/{path}")).status_code == 404, path
