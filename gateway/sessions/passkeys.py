"""What the sign-in pages need for passkeys: their one script, and what a browser asks a passkey by."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from gateway.http.endpoints import Answer, BodyRule, Endpoint, PageEndpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import NOT_STORED, has_etag, is_json, is_plain
from gateway.ports import SessionKeeper
from gateway.sessions.browser import BrowserSessions
from gateway.transcoding.problems import Problem, UnsupportedMediaType, problem
from gateway.transcoding.rendering import JSON_TYPE
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import MethodPolicy, policies
from tocsin.protojson.codec import dump_json, load_json

SCRIPT: Final = "/sign-in/passkeys.js"
"""Path of the script."""
_BEGIN: Final = "/tocsin.api.auth.v1.AuthService/BeginPasskey"
_MOST_BODY: Final = 1024


def passkey_endpoints(*, sessions: BrowserSessions, keeper: SessionKeeper, rule: BodyRule) -> Sequence[tuple[str, Endpoint]]:
    """The endpoints with their HTTP methods."""
    return (
        ("GET", PageEndpoint(template=SCRIPT, page=_Script().show)),
        ("POST", PasskeyEndpoint(sessions=sessions, keeper=keeper, rule=rule)),
    )


class _Script:
    """The file, which a browser asks for again each time and seldom gets again."""

    def __init__(self) -> None:
        self._data = (files("gateway.sessions") / "passkeys.js").read_bytes()
        self._etag = f'"{hashlib.sha256(self._data).hexdigest()[:16]}"'.encode()

    async def show(self, exchange: Exchange) -> Answer:
        """The script, or 304 to who has it."""
        common = ((b"etag", self._etag), (b"cache-control", b"no-cache"))
        if has_etag(exchange.headers.get(b"if-none-match"), self._etag):
            return Answer(status=304, headers=common, data=b"")
        return Answer(headers=((b"content-type", b"text/javascript; charset=utf-8"), *common), data=self._data)


class PasskeyEndpoint:
    """Gives a page what it asks a passkey by: for the challenge of a sign-in, or, with an empty one, for a sign-in by a passkey alone."""

    template = "/sign-in/passkey"
    scope = ""
    public = True

    def __init__(self, *, sessions: BrowserSessions, keeper: SessionKeeper, rule: BodyRule) -> None:
        """Makes the endpoint; the limits of BeginPasskey count."""
        self.policy: MethodPolicy | None = policies()[_BEGIN]
        self.timeout = policies()[_BEGIN].timeout
        self._sessions = sessions
        self._keeper = keeper
        self._rule = rule

    def problem(self, exchange: Exchange) -> Problem:
        """Its errors are for the script."""
        return problem

    async def serve(self, exchange: Exchange) -> None:
        """Answers with `challenge` and `options`.

        Raises:
            TocsinError: that is refused.
        """
        self._sessions.require_sign_in(exchange)
        body = await exchange.body(timeout=self._rule.timeout_seconds, most=_MOST_BODY)
        if not (is_plain(exchange.headers) and is_json(exchange.headers.get(b"content-type", b""))):
            raise UnsupportedMediaType("The body must be application/json, in UTF-8.")
        found = load_json(body)
        challenge = found.get("challenge", "") if isinstance(found, dict) else None
        if not isinstance(challenge, str):
            raise InvalidInput.at("challenge", "must be a string")
        begun = await self._keeper.begin_passkey(challenge, self._sessions.device(exchange))
        shown = dump_json({"challenge": begun.challenge, "options": begun.options})
        await exchange.send(200, ((b"content-type", JSON_TYPE.encode()), *NOT_STORED), shown)
