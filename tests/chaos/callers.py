"""People and programs who sign in, use keys, refresh and revoke at two gateways, while auth_svc is killed."""

import asyncio
import itertools
import random
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from tests.chaos.credentials import REFUSED, CredentialAccount

PASSWORD = "correct horse battery staple"
PLACE = "/v1/firings"
"""Served by another service: a good token is taken while auth_svc is away."""
NOT_NOW = frozenset({429, 503, 504})
NO_ANSWER = 0


class Caller:
    """Somebody with an account: what is shown and what is answered stands in the account of the run.

    A refusal of what is valid is a fault, whatever happens; so is what a gateway takes that had refused it after its revocation.
    """

    def __init__(self, gateways: Sequence[Callable[[str], httpx2.AsyncClient]], email: str, account: CredentialAccount) -> None:
        """Takes what makes a client of each gateway with a credential, who it is, and where to note."""
        self._gateways = gateways
        self._email = email
        self._account = account
        self._turns = itertools.cycle(range(len(gateways)))
        self._deaf: dict[str, set[int]] = {}
        self.statuses: list[int] = []

    async def call(
        self, method: str, path: str, body: Any = None, *, credential: str = "none", gateway: int | None = None
    ) -> httpx2.Response | None:
        """One attempt; None if no answer came."""
        turn = next(self._turns) if gateway is None else gateway
        try:
            async with self._gateways[turn](credential) as client:
                answer = await client.request(method, path, json=body)
        except httpx2.HTTPError:
            self.statuses.append(NO_ANSWER)
            return None
        self.statuses.append(answer.status_code)
        return answer

    async def insist(self, method: str, path: str, body: Any = None, *, credential: str = "none") -> httpx2.Response:
        """The first answer that is more than "not now"."""
        while True:
            answer = await self.call(method, path, body, credential=credential)
            if answer is not None and answer.status_code not in NOT_NOW:
                return answer
            await asyncio.sleep(0.05)

    async def sign_in(self) -> dict[str, Any]:
        """A session."""
        answer = await self.insist("POST", "/v1/auth:token", {"email": self._email, "password": PASSWORD})
        assert answer.status_code == 200, f"the right password: {answer.status_code} {answer.text}"
        self._account.counts["sign-ins"] += 1
        tokens = answer.json()
        self._account.valid.add(tokens["accessToken"])
        return tokens

    async def use(self, credential: str) -> None:
        """Shows a credential that is valid at each gateway."""
        for gateway in range(len(self._gateways)):
            answer = await self.call("GET", PLACE, credential=credential, gateway=gateway)
            self._account.counts["uses"] += 1
            if answer is not None and answer.status_code in REFUSED:
                self._account.refused.append(f"use at {gateway}: {answer.status_code} {answer.text[:200]}")

    async def refresh(self, tokens: dict[str, Any]) -> dict[str, Any] | None:
        """Refreshes at both gateways at once, as two tabs do; None if that ended the session, or nobody knows whether it did."""
        body = {"grantType": "refresh_token", "refreshToken": tokens["refreshToken"]}
        at_once = random.random() < 0.3
        ways = range(len(self._gateways)) if at_once else [None]
        answers = await asyncio.gather(*(self.call("POST", "/v1/auth:token", body, gateway=gateway) for gateway in ways))
        good = [answer.json() for answer in answers if answer is not None and answer.status_code == 200]
        self._account.counts["refreshes"] += 1
        self._account.successors[tokens["refreshToken"]] += len(good)
        if at_once or not good:
            # A second use ends the session, and so may one whose answer did not come: what it gave is of no use to anybody.
            self._account.valid -= {tokens["accessToken"], *tokens.get("before", [])}
            return None
        [fresh] = good
        self._account.valid |= {fresh["accessToken"]}
        return fresh | {"before": [*tokens.get("before", []), tokens["accessToken"]]}

    async def revoke_session(self, tokens: dict[str, Any]) -> None:
        """Signs out: every access token of the session is over."""
        answer = await self.insist("POST", "/v1/auth:revoke", {"refreshToken": tokens["refreshToken"]})
        self._revoked([tokens["accessToken"], *tokens.get("before", [])], answer)

    async def make_key(self, credential: str) -> tuple[str, str] | None:
        """An API key: its name and secret; None if the answer did not come."""
        answer = await self.call("POST", "/v1/apiKeys", {"displayName": "k", "scopes": ["firings:read"]}, credential=credential)
        if answer is None or answer.status_code in NOT_NOW:
            return None
        if answer.status_code != 200:
            self._account.refused.append(f"key {answer.status_code} {answer.text[:200]}")
            return None
        made = answer.json()
        self._account.counts["keys"] += 1
        self._account.valid.add(made["secret"])
        return made["apiKey"]["name"], made["secret"]

    async def revoke_key(self, name: str, secret: str, credential: str) -> None:
        """Deletes a key: 404 says that an attempt without an answer did so."""
        answer = await self.insist("DELETE", f"/v1/{name}", credential=credential)
        self._revoked([secret], answer, done=(200, 404))

    def _revoked(self, gone: Sequence[str], answer: httpx2.Response, *, done: Sequence[int] = (200,)) -> None:
        if answer.status_code not in done:
            self._account.refused.append(f"revocation {answer.status_code} {answer.text[:200]}")
            return
        self._account.counts["revocations"] += 1
        self._account.valid -= {*gone}
        self._account.revoked |= {*gone}

    async def look(self, credential: str) -> bool:
        """Shows one that was revoked at each gateway: whether each refuses it. Who has refused it never takes it again."""
        deaf = self._deaf.setdefault(credential, set())
        for gateway in range(len(self._gateways)):
            answer = await self.call("GET", PLACE, credential=credential, gateway=gateway)
            if answer is None or answer.status_code in NOT_NOW:
                continue
            if answer.status_code in REFUSED:
                deaf.add(gateway)
            elif gateway in deaf:
                self._account.revived.append(f"at {gateway}: {answer.status_code}")
        return len(deaf) == len(self._gateways)

    async def live(self, ending: asyncio.Event) -> None:
        """Signs in, works, and signs out, again and again; one thing in three is left as it is."""
        while not ending.is_set():
            tokens: dict[str, Any] | None = await self.sign_in()
            key = await self.make_key(tokens["accessToken"])
            for _ in range(random.randint(1, 3)):
                await self.use(tokens["accessToken"])
                if key is not None:
                    await self.use(key[1])
                if (tokens := await self.refresh(tokens)) is None:
                    break
            if key is not None and random.random() < 0.7:
                await self.revoke_key(*key, (tokens or await self.sign_in())["accessToken"])
                await self.look(key[1])
            if tokens is not None and random.random() < 0.7:
                await self.revoke_session(tokens)
                await self.look(tokens["accessToken"])


def stranger() -> str:
    """An address that nobody has."""
    return f"{secrets.token_hex(6)}@example.com"
