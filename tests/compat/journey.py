"""What a user does in an installation of mixed versions, each step asserted to the end."""

import json
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from tocsin.testing.waiting import eventually

_PASSWORD: Final = "correct horse battery staple"
_NDJSON: Final = {"content-type": "application/x-ndjson"}


class Journey:
    """One tenant's way through all five services; ``seen`` counts what was asserted."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        """``client`` is nobody yet."""
        self.seen = Counter[str]()
        self._client = client
        self._mark = secrets.token_hex(4)

    async def go(self) -> None:
        """Every step."""
        await self._sign_in()
        await self._template()
        alarms = [await self._mail(), await self._templated_mail(), await self._task()]
        await self._event()
        await self._record()
        await self._preview()
        await self._import()
        for alarm in alarms:
            await self._fired(alarm["name"])
        await self._mails()
        await self._list()

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        answer = await self._client.request(method, path, **more)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        self.seen["calls"] += 1
        return answer.json()

    async def _sign_in(self) -> None:
        email = f"{self._mark}@example.com"
        await self._call("POST", "/v1/auth:register", json={"email": email, "password": _PASSWORD})
        token = await self._call("POST", "/v1/auth:token", json={"email": email, "password": _PASSWORD})
        self._client.headers["Authorization"] = f"Bearer {token['accessToken']}"
        self.seen["sign-ins"] += 1

    async def _template(self) -> None:
        template = {"name": f"templates/t{self._mark}", "subject": f"Hi {{{{ who }}}} {self._mark}", "text": "Dear {{ who }}"}
        await self._call("POST", "/v1/templates", json=template)
        self.seen["templates"] += 1

    async def _alarm(self, trigger: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
        made = await self._call("POST", "/v1/alarms", json={"trigger": trigger, "action": action})
        assert made["state"] == "ACTIVE", made
        self.seen["alarms"] += 1
        return made

    async def _mail(self) -> dict[str, Any]:
        return await self._alarm({"at": _soon()}, {"notify": {"to": ["ann@example.com"], "subject": self._mark, "text": "Now."}})

    async def _templated_mail(self) -> dict[str, Any]:
        notify = {"to": ["ann@example.com"], "template": f"templates/t{self._mark}", "variables": {"who": "Ann"}}
        return await self._alarm({"at": _soon()}, {"notify": notify})

    async def _task(self) -> dict[str, Any]:
        return await self._alarm({"at": _soon()}, {"task": {"handler": "uppercase", "input": {"text": "hello"}}})

    async def _event(self) -> None:
        """An event fires an alarm that waits for its topic."""
        topic = f"t.{self._mark}"
        made = await self._alarm({"event": {"topic": topic}}, {"task": {"handler": "noop"}})
        await self._call("POST", "/v1/events", json={"topic": topic, "id": "e1", "data": {"total": 1}})
        await self._fired(made["name"])

    async def _record(self) -> None:
        """A record is stored, and run on demand."""
        key = f"r{self._mark}"
        await self._call("PUT", f"/v1/records/{key}", json={"value": "quiet"})
        task = (await self._call("POST", "/run", json={"key": key}))["task"]

        async def done() -> bool:
            return (await self._client.get(f"/v1/{task}")).json()["state"] == "SUCCEEDED"

        await eventually(done, what=f"the success of {task}")
        assert (await self._call("GET", f"/v1/{task}"))["result"] == {"text": "QUIET"}
        self.seen["results"] += 1

    async def _preview(self) -> None:
        trigger = {"cron": "0 9 * * *", "timeZone": "Europe/Paris"}
        answer = await self._call("POST", "/v1/alarms:preview", json={"trigger": trigger, "count": 5})
        assert len(answer["occurrences"]) == 5, answer
        self.seen["occurrences"] += 5

    async def _import(self) -> None:
        """Three alarms, and the same lines once more: nothing is made twice."""
        trigger, action = {"cron": "0 9 1 1 *"}, {"task": {"handler": "noop"}}
        lines = "".join(json.dumps({"key": f"{self._mark}-{n}", "trigger": trigger, "action": action}) + "\n" for n in range(3))
        for made in ("created", "unchanged"):
            answer = await self._client.post("/v1/alarms:import", content=lines, headers=_NDJSON)
            assert answer.status_code == 200, answer.text
            last = json.loads(answer.text.splitlines()[-1])
            assert (last["done"], last.get(made)) == (True, "3"), answer.text
            self.seen[f"lines {made}"] += 3

    async def _fired(self, alarm: str) -> None:
        """Once, at the first attempt."""

        async def succeeded() -> bool:
            page = await self._client.get("/v1/firings", params={"filter": f'alarm="{alarm}"'})
            return [firing["state"] for firing in page.json().get("firings", [])] == ["SUCCEEDED"]

        await eventually(succeeded, what=f"the success of {alarm}")
        (firing,) = (await self._call("GET", "/v1/firings", params={"filter": f'alarm="{alarm}"'}))["firings"]
        if "text" in firing.get("result", {}):
            assert firing["result"] == {"text": "HELLO"}, firing
            self.seen["results"] += 1
        self.seen["firings"] += 1

    async def _mails(self) -> None:
        """Both mails are in the inbox, once each, and their deliveries are sent."""
        messages = (await self._call("GET", "/v1/inbox/messages", params={"page_size": 100}))["messages"]
        assert sorted(message["subject"] for message in messages) == sorted([self._mark, f"Hi Ann {self._mark}"]), messages
        for message in messages:
            delivery = await self._call("GET", f"/v1/{message['delivery']}")
            assert delivery["state"] == "SENT", delivery
            assert delivery["timeline"][-1]["state"] == "SENT", delivery
            self.seen["mails"] += 1

    async def _list(self) -> None:
        """Four alarms by hand and three by import, over pages."""
        names: list[str] = []
        token = ""
        while True:
            page = await self._call("GET", "/v1/alarms", params={"page_size": 3, "page_token": token})
            names += [alarm["name"] for alarm in page.get("alarms", [])]
            if not (token := page.get("nextPageToken", "")):
                break
        assert len(set(names)) == len(names) == 7, names
        self.seen["listed"] += 7


def _soon() -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S.%fZ}"
