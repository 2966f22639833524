"""A night on call, from the alert to the audit: `make night`, or `make night ARGS="--wait 5m"` to take the five minutes that it tells of.

Alertmanager fires. Who is on call first sleeps through it, though critical messages pass her quiet hours. The second one is asked, and
acknowledges by the link in the mail, while the scheduler is killed. The alert resolves, and everybody hears it, the sleeper in the morning,
which comes two minutes later. At the end: the timeline, the ledger, and the audit.

Everything runs on this machine: `tocsin up`, a mail server that keeps what it gets, and a real Alertmanager where one is installed (Debian:
apt-get install prometheus-alertmanager); without one its webhook is sent as it sends it.
"""

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2

from tocsin.clock import SystemClock, from_micros
from tocsin.testing.process import free_port
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

LABELS: Final = {"alertname": "DiskFull", "instance": "db-1", "severity": "critical"}
ANNOTATIONS: Final = {"summary": "The disk of db-1 is full", "description": "99 % of /var/lib/postgresql."}
ALERTMANAGER: Final = "prometheus-alertmanager"
PATIENCE_SECONDS: Final = 60.0


def now() -> datetime:
    """The time, in UTC."""
    return from_micros(SystemClock().micros())


class Sender(Protocol):
    """Whoever sends the alert."""

    async def send(self, *, ended: bool) -> None:
        """Says that the alert fires, or that it has ended."""
        ...


class Webhook:
    """Sends what an Alertmanager sends (webhook, version 4)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._since = now()

    async def send(self, *, ended: bool) -> None:
        """Posts a group of one alert."""
        status = "resolved" if ended else "firing"
        alert = {
            "status": status,
            "labels": LABELS,
            "annotations": ANNOTATIONS,
            "startsAt": self._since.isoformat(),
            "endsAt": now().isoformat() if ended else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph",
            "fingerprint": "4b8c1f20d3a5e697",
        }
        body = {
            "version": "4",
            "groupKey": '{}:{alertname="DiskFull"}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "tocsin",
            "groupLabels": {"alertname": "DiskFull"},
            "commonLabels": LABELS,
            "commonAnnotations": ANNOTATIONS,
            "externalURL": "http://alertmanager:9093",
            "alerts": [alert],
        }
        async with httpx2.AsyncClient(trust_env=False) as client:
            (await client.post(self._url, json=body)).raise_for_status()


class Alertmanager:
    """A real one, told by its own API as Prometheus tells it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2/alerts"
        self._since = now()

    async def send(self, *, ended: bool) -> None:
        """Posts the alert."""
        ends = now() if ended else self._since + timedelta(hours=1)
        alert = {"labels": LABELS, "annotations": ANNOTATIONS, "startsAt": self._since.isoformat(), "endsAt": ends.isoformat()}
        async with httpx2.AsyncClient(trust_env=False) as client:
            (await client.post(self._url, json=[alert])).raise_for_status()


@asynccontextmanager
async def sender(url: str, folder: Path) -> AsyncGenerator[Sender]:
    """A real Alertmanager that sends to ``url``, or what stands in for it."""
    program = shutil.which(ALERTMANAGER) or shutil.which("alertmanager")
    if program is None:
        say(f"no {ALERTMANAGER} is installed here: its webhook is sent as it sends it")
        yield Webhook(url)
        return
    config, port = folder / "alertmanager.yml", free_port()
    config.write_text(
        "route: {receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n"
        f"receivers: [{{name: tocsin, webhook_configs: [{{url: '{url}', send_resolved: true}}]}}]\n",
        encoding="utf-8",
    )
    options = (f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=")
    log = (folder / "alertmanager.log").open("w")
    process = await asyncio.create_subprocess_exec(
        program, *options, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=asyncio.subprocess.STDOUT
    )
    try:
        await eventually(lambda: _ready(port), what="an Alertmanager that is ready")
        say("a real Alertmanager runs; its one receiver is the URL of the integration")
        yield Alertmanager(port)
    finally:
        process.terminate()
        await process.wait()
        log.close()


async def _ready(port: int) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        with suppress(httpx2.HTTPError):
            return (await client.get(f"http://127.0.0.1:{port}/-/ready")).is_success
    return False


class Night:
    """The stack, its people, and what happens to them."""

    def __init__(self, stack: RunningStack, client: httpx2.AsyncClient, mails: SmtpSink, wait: float) -> None:
        self._stack = stack
        self._client = client
        self._mails = mails
        self._wait = wait

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """One call, tried again while a service is being started: every one of them may be repeated."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with suppress(httpx2.TransportError):
                    answer = await self._client.request(method, path, json=body, params=params)
                    if answer.status_code not in (502, 503, 504):
                        require(answer.is_success, f"{method} {path} is taken: {answer.text}")
                        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
                await asyncio.sleep(0.2)

    async def prepare(self) -> str:
        """Two people, whose turn it is, whom to ask, and the URL for Alertmanager; the URL."""
        for name in ("ann", "bea"):
            address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
            await self.ask("POST", "/v1/recipients", {"name": f"recipients/{name}", "addresses": [address]})
        begin, end = now() - timedelta(hours=8), morning(self._wait)
        quiet = {"weekday": begin.isoweekday(), "start": f"{begin:%H:%M}", "end": f"{end:%H:%M}"}
        await self.ask("PUT", "/v1/recipients/ann/preferences", {"quietHours": {"times": [quiet], "normal": "HOLD"}})
        layer = {
            "participants": [{"recipients": ["recipients/ann"]}],
            "turnUnit": "WEEKS",
            "turnCount": 1,
            "start": f"{begin:%Y-%m-%dT%H:%M}",
        }
        await self.ask("POST", "/v1/rotations", {"name": "rotations/primary", "timeZone": "UTC", "layers": [layer]})
        steps = [{"targets": ["rotations/primary"], "wait": f"{self._wait:g}s"}, {"targets": ["recipients/bea"], "wait": "600s"}]
        await self.ask("POST", "/v1/escalationPolicies", {"name": "escalationPolicies/nights", "steps": steps})
        made = await self.ask("POST", "/v1/integrations", {"kind": "ALERTMANAGER", "escalationPolicy": "escalationPolicies/nights"})
        say(f"ann is on call; until {end:%H:%M} her quiet hours hold back what is not critical; bea is asked next")
        await self.ask(
            "POST", "/v1/notifications", {"recipients": ["recipients/ann"], "subject": "The weekly report", "text": "All is well."}
        )
        return f"{self._stack.info['http']}/v1/integrations/{made['key']}/alertmanager"

    async def live(self, alerts: Sender) -> str:
        """The night; the incident's name."""
        await alerts.send(ended=False)
        await self._heard("ann", 1)
        incident = (await self.ask("GET", "/v1/incidents"))["incidents"][0]
        say(f'the alert fired: {incident["name"]}, {incident["severity"]}, "{incident["title"]}"')
        require(self._to("ann")[0] != "The weekly report" and not self._to("bea"), "ann was asked, nobody else, and no report woke her")
        say(f"ann was asked by mail through her quiet hours, and sleeps on; {self._wait:g} s pass")
        await self._heard("bea", 1)
        path = link_in(self._mails.messages[-1], self._stack.info["http"])
        require("acknowledge" in str(await self.ask("GET", path)).lower(), "the link shows a page with a button")
        killed = self._stack.kill("scheduler_svc")
        await self._acknowledge(path)
        say(f"bea was asked, and acknowledged by the link in her mail while the scheduler (process {killed}) was killed")
        taken = await self.ask("GET", f"/v1/{incident['name']}")
        require((taken["state"], taken["acknowledgedBy"]) == ("ACKNOWLEDGED", "recipients/bea"), "she has it")
        await self._heard("bea", 2)
        await alerts.send(ended=True)
        await self._heard("bea", 3)
        require(len(self._to("ann")) == 1, "who has it, and that it is over, woke nobody")
        say("the alert resolved; bea heard it at once")
        await self._heard("ann", 4)
        say(f"it is morning, and ann reads: {', '.join(self._to('ann')[1:])}")
        return incident["name"]

    def _to(self, name: str) -> list[str]:
        """The subjects of somebody's mails."""
        return [str(mail.message["Subject"]) for mail in self._mails.messages if mail.recipients == (f"{name}@example.com",)]

    async def _heard(self, name: str, mails: int) -> None:
        await eventually(lambda: len(self._to(name)) >= mails, seconds=self._wait + 3 * PATIENCE_SECONDS, what=f"mail {mails} to {name}")

    async def _acknowledge(self, path: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with suppress(httpx2.TransportError):
                    if (await self._client.post(path, data={"answer": "acknowledge"})).is_success:
                        return
                await asyncio.sleep(0.1)

    async def account(self, incident: str) -> None:
        """Shows the timeline, the ledger and the audit, and requires that they agree."""
        await eventually(self._settled, what="an end of every firing")
        shown = await asyncio.to_thread(self._stack.command, "incident", "show", incident)
        print(f"\n-- the timeline\n{shown.stdout.rstrip()}")
        firings = await self._told()
        print("\n-- the ledger: who was told, each once")
        for firing in sorted(firings, key=lambda one: one["dueTime"]):
            print(f"  {firing['dueTime']}  {firing['name']}  {firing['outcome']} {firing['state']}")
        events = (await self.ask("GET", f"/v1/{incident}/events"))["events"]
        named = [event["firing"] for event in events if event.get("firing")]
        require(sorted(named) == sorted(firing["name"] for firing in firings), "the timeline and the ledger name the same firings")
        require((len(self._to("ann")), len(self._to("bea"))) == (4, 3), "ann had four mails, with the report, and bea three")
        audit = await asyncio.to_thread(self._stack.command, "audit", check=False)
        print(f"\n-- the audit\n{(audit.stdout + audit.stderr).rstrip()}")
        require(audit.returncode == 0, "the audit finds nothing")

    async def _told(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", "/v1/firings", filter='origin="ESCALATION"'))["firings"]

    async def _settled(self) -> bool:
        return all(firing["state"] == "SUCCEEDED" for firing in await self._told())


def morning(wait: float) -> datetime:
    """The first full minute after all that happens in the night."""
    return (now() + timedelta(seconds=wait + PATIENCE_SECONDS)).replace(second=0, microsecond=0) + timedelta(minutes=1)


def link_in(mail: Any, base: str) -> str:
    """The path of the link to answer by."""
    text = str(mail.message.get_body(("plain",)).get_content())
    found = re.search(rf"{re.escape(base)}(/i/\S+)", text)
    require(found is not None, "the mail has a link to answer by")
    return found[1] if found else ""


def say(what: str) -> None:
    """A line of the story."""
    print(f"{now():%H:%M:%S}  {what}", flush=True)


def require(held: bool, what: str) -> None:
    """Ends the night if something does not hold."""
    if not held:
        sys.exit(f"night: it does not hold that {what}")


async def run(wait: float, folder: Path) -> None:
    """One night in ``folder``."""
    mails = SmtpSink()
    await mails.start()
    stack = RunningStack(
        state=folder / "state",
        env={
            "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
            "TOCSIN_MAILER_SMTP_PORT": str(mails.port),
            "TOCSIN_MAILER_SMTP_TLS": "none",
        },
    )
    say("tocsin up")
    try:
        with stack:
            async with stack.client() as client:
                night = Night(stack, client, mails, wait)
                url = await night.prepare()
                async with sender(url, folder) as alerts:
                    incident = await night.live(alerts)
                await night.account(incident)
    finally:
        await mails.stop()
    print("\nnight: all of it held")


def seconds(text: str) -> float:
    """A wait such as "5m" or "20s"."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError("is a number and a unit: 20s, 5m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Lives through the night."""
    parser = argparse.ArgumentParser(description="A night on call, from the alert to the audit.")
    parser.add_argument("--wait", type=seconds, default=5.0, help="how long the first one has to answer; 5s unless given")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options.wait, Path(folder)))


if __name__ == "__main__":
    main()
