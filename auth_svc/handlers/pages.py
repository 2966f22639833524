"""AccountPageService: the pages behind the links of mails, which need no script."""

from collections.abc import Mapping
from enum import Enum
from html import escape
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import grpc
from google.api import httpbody_pb2

from auth_svc.domain import EmailTaken, OneTimeTokenVoid, TokenPurpose, UsernameTaken
from auth_svc.handlers.convert import client_facts
from auth_svc.service import Accounts, AddressChanges, Invitations
from auth_svc.service.invitations import OpenInvitation
from tocsin.api.auth.v1 import account_service_pb2 as pb
from tocsin.api.auth.v1 import account_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.html_page import html_page, preferred_language

Context = grpc.aio.ServicerContext[Any, Any]


class AccountView(Enum):
    """What a page says."""

    CHOOSE = "choose"
    CHANGED = "changed"
    CONFIRM = "confirm"
    CONFIRMED = "confirmed"
    NAME_TAKEN = "name taken"
    INVITED = "invited"
    JOINED = "joined"
    ELSEWHERE = "elsewhere"
    MOVE = "move"
    MOVED = "moved"
    MOVE_BACK = "move back"
    MOVED_BACK = "moved back"
    NO_LINK = "no link"


class _AccountWords(NamedTuple):
    title: str
    text: str


_WORDS: Final[Mapping[str, Mapping[AccountView, _AccountWords]]] = {
    "en": {
        AccountView.CHOOSE: _AccountWords("Choose a new password", "Every session of the account ends with that."),
        AccountView.CHANGED: _AccountWords("Your password is changed", "Every session has ended. Sign in with the new one."),
        AccountView.CONFIRM: _AccountWords("Confirm your address", "Is it yours, and did you ask for the account?"),
        AccountView.CONFIRMED: _AccountWords("Your address is confirmed", "You can sign in."),
        AccountView.NAME_TAKEN: _AccountWords(
            "The username is taken", "Somebody else has it by now. Please register again with another one."
        ),
        AccountView.INVITED: _AccountWords("You are invited", "Choose a name and a password to accept."),
        AccountView.JOINED: _AccountWords("Welcome", "Your account is made. Sign in with your address and your password."),
        AccountView.ELSEWHERE: _AccountWords(
            "This address has an account already",
            "It belongs to another organisation here, and an address signs in to one. Ask whoever invited you to invite another address "
            "of yours, or have the other account removed first: this link works until then.",
        ),
        AccountView.MOVE: _AccountWords("Use this address", "Is it yours, and did you ask for it to be that of your account?"),
        AccountView.MOVED: _AccountWords(
            "Your address is changed", "Sign in with it from now on. Every other session has ended, and the address of before was told."
        ),
        AccountView.MOVE_BACK: _AccountWords(
            "It was not you?",
            "Your account gets this address back, every session ends, and its password works no more: a mail with a link to choose another "
            "one follows.",
        ),
        AccountView.MOVED_BACK: _AccountWords(
            "Your account has this address again",
            "Every session has ended. Choose a new password by the link in the mail that follows, look through your second factors and API "
            "keys then, and tell your administrator.",
        ),
        AccountView.NO_LINK: _AccountWords(
            "This link does not work", "It was used, has expired, or is incomplete. Ask for another mail where you asked for this one."
        ),
    },
    "de": {
        AccountView.CHOOSE: _AccountWords("Neues Passwort wählen", "Damit enden alle Sitzungen des Kontos."),
        AccountView.CHANGED: _AccountWords("Ihr Passwort ist geändert", "Alle Sitzungen sind beendet. Melden Sie sich mit dem neuen an."),
        AccountView.CONFIRM: _AccountWords("Adresse bestätigen", "Gehört sie Ihnen, und haben Sie das Konto gewünscht?"),
        AccountView.CONFIRMED: _AccountWords("Ihre Adresse ist bestätigt", "Sie können sich anmelden."),
        AccountView.NAME_TAKEN: _AccountWords(
            "Der Benutzername ist vergeben", "Jemand anders hat ihn inzwischen. Bitte registrieren Sie sich noch einmal mit einem anderen."
        ),
        AccountView.INVITED: _AccountWords("Sie sind eingeladen", "Wählen Sie einen Namen und ein Passwort, um anzunehmen."),
        AccountView.JOINED: _AccountWords("Willkommen", "Ihr Konto ist angelegt. Melden Sie sich mit Adresse und Passwort an."),
        AccountView.ELSEWHERE: _AccountWords(
            "Diese Adresse hat schon ein Konto",
            "Es gehört hier zu einer anderen Organisation, und eine Adresse meldet sich bei einer an. Bitten Sie um eine Einladung an eine "
            "andere Adresse, oder lassen Sie das andere Konto zuerst entfernen: So lange gilt dieser Link.",
        ),
        AccountView.MOVE: _AccountWords("Diese Adresse verwenden", "Gehört sie Ihnen, und soll sie die Ihres Kontos sein?"),
        AccountView.MOVED: _AccountWords(
            "Ihre Adresse ist geändert",
            "Melden Sie sich ab jetzt mit ihr an. Alle anderen Sitzungen sind beendet, und die bisherige Adresse weiß davon.",
        ),
        AccountView.MOVE_BACK: _AccountWords(
            "Das waren Sie nicht?",
            "Ihr Konto bekommt diese Adresse zurück, alle Sitzungen enden, und sein Passwort gilt nicht mehr: Eine Nachricht mit einem "
            "Link zu einem neuen folgt.",
        ),
        AccountView.MOVED_BACK: _AccountWords(
            "Ihr Konto hat wieder diese Adresse",
            "Alle Sitzungen sind beendet. Wählen Sie mit dem Link der Nachricht, die folgt, ein neues Passwort, sehen Sie dann Ihre "
            "zweiten Faktoren und API-Schlüssel durch, und sagen Sie es Ihrer Verwaltung.",
        ),
        AccountView.NO_LINK: _AccountWords(
            "Dieser Link funktioniert nicht",
            "Er wurde benutzt, ist abgelaufen oder unvollständig. Fordern Sie eine neue Nachricht an, wo Sie diese angefordert haben.",
        ),
    },
}
_LABELS: Final = {
    "en": {
        "password": "New password",
        "again": "Again",
        "change": "Change it",
        "confirm": "Yes, confirm",
        "move": "Yes, use it",
        "back": "It was not me: take it back",
        "differ": "The two differ.",
        "name": "Your name",
        "choose": "Password",
        "accept": "Accept",
        "address": "Address",
        "tenant": "To",
    },
    "de": {
        "password": "Neues Passwort",
        "again": "Noch einmal",
        "change": "Ändern",
        "confirm": "Ja, bestätigen",
        "move": "Ja, verwenden",
        "back": "Das war ich nicht: zurück",
        "differ": "Die beiden sind verschieden.",
        "name": "Ihr Name",
        "choose": "Passwort",
        "accept": "Annehmen",
        "address": "Adresse",
        "tenant": "Zu",
    },
}
_STATUS: Final = {AccountView.NO_LINK: 404, AccountView.NAME_TAKEN: 409, AccountView.ELSEWHERE: 409}
_REFUSED: Final = 400
_STYLE: Final = """
label { display: block; margin: 0 0 1rem; }
input { font: inherit; display: block; width: 100%; padding: .5rem; box-sizing: border-box; }"""
# Without an action it goes to the page's own address (HTML, 4.10.21.3). Browsers and password managers know what they fill in.
_CHOOSE_FORM: Final = """
<form method="post">
<label>{password} <input type="password" name="password" autocomplete="new-password" required autofocus></label>
<label>{again} <input type="password" name="again" autocomplete="new-password" required></label>
<button type="submit">{change}</button>
</form>"""
_CONFIRM_FORM: Final = """
<form method="post">
<button type="submit" name="confirm" value="yes">{label}</button>
</form>"""

_BUTTONS: Final = {AccountView.CONFIRM: "confirm", AccountView.MOVE: "move", AccountView.MOVE_BACK: "back"}
"""The label of the button of a page that has nothing but one."""

# The address is there for password managers, and goes back unread: the link says whose invitation it is.
_INVITED_FORM: Final = """
<p>{tenant}: <b>{given_tenant}</b></p>
<form method="post">
<label>{address} <input type="email" name="username" autocomplete="username" value="{given_email}" readonly></label>
<label>{name} <input name="name" autocomplete="name" maxlength="100" value="{given_name}" required autofocus></label>
<label>{choose} <input type="password" name="password" autocomplete="new-password" required></label>
<label>{again} <input type="password" name="again" autocomplete="new-password" required></label>
<button type="submit">{accept}</button>
</form>"""


class AccountPageHandlers(rpc.AccountPageServiceServicer):
    """Shows pages to people who have a link, and takes what they send."""

    def __init__(self, *, accounts: Accounts, invitations: Invitations, addresses: AddressChanges) -> None:
        self._accounts = accounts
        self._invitations = invitations
        self._addresses = addresses

    async def ShowResetPage(self, request: pb.ShowResetPageRequest, context: Context) -> pb.AccountPage:
        """Shows the form; changes nothing."""
        return await self._form(request.token, TokenPurpose.RESET_PASSWORD, AccountView.CHOOSE, request.headers)

    async def SubmitResetPage(self, request: pb.SubmitResetPageRequest, context: Context) -> pb.AccountPage:
        """Takes a password."""
        fields, headers = _fields(request.form), request.headers
        labels = _LABELS[_language(headers)]
        try:
            if fields.get("password", "") != fields.get("again", ""):
                await self._accounts.require_link(TokenPurpose.RESET_PASSWORD, request.token)
                return _page(AccountView.CHOOSE, headers, refused=labels["differ"])
            await self._accounts.reset_password(request.token, new=fields.get("password", ""), client=client_facts())
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, headers)
        except InvalidInput as error:
            return _page(AccountView.CHOOSE, headers, refused=f"{labels['password']}: {error.violations[0].description}")
        return _page(AccountView.CHANGED, headers)

    async def ShowVerifyPage(self, request: pb.ShowVerifyPageRequest, context: Context) -> pb.AccountPage:
        """Shows the button; changes nothing."""
        return await self._form(request.token, TokenPurpose.VERIFY_ADDRESS, AccountView.CONFIRM, request.headers)

    async def SubmitVerifyPage(self, request: pb.SubmitVerifyPageRequest, context: Context) -> pb.AccountPage:
        """Confirms the address."""
        if not _fields(request.form).get("confirm"):
            return await self._form(request.token, TokenPurpose.VERIFY_ADDRESS, AccountView.CONFIRM, request.headers)
        try:
            await self._accounts.verify_address(request.token)
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, request.headers)
        except UsernameTaken:
            return _page(AccountView.NAME_TAKEN, request.headers)
        return _page(AccountView.CONFIRMED, request.headers)

    async def ShowAddressPage(self, request: pb.ShowAddressPageRequest, context: Context) -> pb.AccountPage:
        """Shows the button; changes nothing."""
        return await self._form(request.token, TokenPurpose.CHANGE_ADDRESS, AccountView.MOVE, request.headers)

    async def SubmitAddressPage(self, request: pb.SubmitAddressPageRequest, context: Context) -> pb.AccountPage:
        """Makes another address count."""
        if not _fields(request.form).get("confirm"):
            return await self._form(request.token, TokenPurpose.CHANGE_ADDRESS, AccountView.MOVE, request.headers)
        try:
            await self._addresses.confirm(request.token)
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, request.headers)
        return _page(AccountView.MOVED, request.headers)

    async def ShowAddressBackPage(self, request: pb.ShowAddressBackPageRequest, context: Context) -> pb.AccountPage:
        """Shows the button; changes nothing."""
        return await self._form(request.token, TokenPurpose.REVERT_ADDRESS, AccountView.MOVE_BACK, request.headers)

    async def SubmitAddressBackPage(self, request: pb.SubmitAddressBackPageRequest, context: Context) -> pb.AccountPage:
        """Takes another address back."""
        if not _fields(request.form).get("confirm"):
            return await self._form(request.token, TokenPurpose.REVERT_ADDRESS, AccountView.MOVE_BACK, request.headers)
        try:
            await self._addresses.revert(request.token)
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, request.headers)
        return _page(AccountView.MOVED_BACK, request.headers)

    async def ShowInvitationPage(self, request: pb.ShowInvitationPageRequest, context: Context) -> pb.AccountPage:
        """Shows the form; changes nothing."""
        try:
            found = await self._invitations.read(request.token)
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, request.headers)
        return _invitation_page(found, request.headers)

    async def SubmitInvitationPage(self, request: pb.SubmitInvitationPageRequest, context: Context) -> pb.AccountPage:
        """Makes the user."""
        fields, headers = _fields(request.form), request.headers
        labels, name = _LABELS[_language(headers)], fields.get("name", "")
        try:
            found = await self._invitations.read(request.token)
            if fields.get("password", "") != fields.get("again", ""):
                return _invitation_page(found, headers, name=name, refused=labels["differ"])
            try:
                await self._invitations.accept(
                    request.token, display_name=name, username="", password=fields.get("password", ""), client=client_facts()
                )
            except InvalidInput as error:
                wrong = error.violations[0]
                label = labels["name" if wrong.field == "displayName" else "choose"]
                return _invitation_page(found, headers, name=name, refused=f"{label}: {wrong.description}")
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, headers)
        except EmailTaken:
            return _page(AccountView.ELSEWHERE, headers)
        return _page(AccountView.JOINED, headers)

    async def _form(self, token: str, purpose: TokenPurpose, view: AccountView, headers: Mapping[str, str]) -> pb.AccountPage:
        try:
            await self._accounts.require_link(purpose, token)
        except OneTimeTokenVoid:
            return _page(AccountView.NO_LINK, headers)
        return _page(view, headers)


def _fields(form: httpbody_pb2.HttpBody) -> Mapping[str, str]:
    """The first value of each field of a form; none of what is no form."""
    if form.content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    try:
        found = parse_qs(form.data.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _language(headers: Mapping[str, str]) -> str:
    return preferred_language(headers.get("accept-language", ""))


def _invitation_page(found: OpenInvitation, headers: Mapping[str, str], *, name: str = "", refused: str = "") -> pb.AccountPage:
    given = {"given_tenant": found.tenant.display_name, "given_email": found.invitation.email, "given_name": name[:100]}
    labels = _LABELS[_language(headers)] | {key: escape(text) for key, text in given.items()}
    return _page(AccountView.INVITED, headers, refused=refused, form=_INVITED_FORM.format_map(labels))


def _page(view: AccountView, headers: Mapping[str, str], *, refused: str = "", form: str = "") -> pb.AccountPage:
    language = _language(headers)
    words = _WORDS[language][view]
    labels = _LABELS[language]
    if view is AccountView.CHOOSE:
        form = _CHOOSE_FORM.format_map(labels)
    elif (button := _BUTTONS.get(view)) is not None:
        form = _CONFIRM_FORM.format(label=labels[button])
    why = f'<p role="alert"><b>{escape(refused)}</b></p>' if refused else ""
    html = html_page(language=language, title=words.title, content=f"<p>{words.text}</p>{why}{form}", style=_STYLE)
    body = httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=html.encode())
    return pb.AccountPage(page=body, status=_REFUSED if refused else _STATUS.get(view, 200))
