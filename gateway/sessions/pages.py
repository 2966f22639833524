"""The pages that sign in and out: they need no script, but for passkeys, and nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlencode

from tocsin.html_page import html_page, preferred_language


class SignInButton(NamedTuple):
    """Another way in: what it is called, and where it begins."""

    name: str
    path: str


_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "sign_in": "Sign in",
        "name": "E-mail or username",
        "password": "Password",
        "code": "Code",
        "passkey": "Sign in with a passkey",
        "use_passkey": "Use a passkey",
        "no_passkey": "No passkey was shown, or there is none for this site. Try again, or sign in another way.",
        "wrong_passkey": "This passkey does not open an account here.",
        "second": "A second proof",
        "second_text": "Enter the code that your app shows, or one of your recovery codes.",
        "with": "Sign in with {name}",
        "link": "Sign in by this link",
        "link_text": "It works once. Nobody but you should have it.",
        "no_link": "This link does not work",
        "no_link_text": "It was used, or has expired. Ask for another one, or sign in with your password.",
        "signed_in": "You are signed in",
        "go_on": "Go on",
        "sign_out": "Sign out",
        "signed_out": "You are signed out",
        "insecure": "Not over plain http",
        "refused": "That did not work",
        "again": "Try again",
        "wrong": "The name or the password is wrong.",
        "wrong_code": "The code is wrong, or has expired.",
        "wait": "Too many attempts. Wait for {seconds} s, then try again.",
        "later": "The service cannot be reached right now. Try again in a moment.",
        "oidc_void": "This sign-in was used, has expired, or began in another browser. Begin again.",
        "oidc_answer": "What the identity provider answered cannot be trusted. Tell your administrator.",
        "oidc_denied": "The identity provider did not sign you in.",
        "oidc_unavailable": "The identity provider does not answer. Try again in a moment.",
        "oidc_unknown": "There is no such identity provider, or it cannot be used here.",
        "denied_role": "You are signed in there, but none of your groups has access here. Ask an administrator.",
        "denied_user": "You are signed in there, but have no user here. Ask an administrator.",
        "denied_address": "Access needs an e-mail address that the identity provider has verified.",
        "denied_taken": "Another user has your e-mail address. Ask an administrator to link you.",
        "denied_domain": "E-mail addresses of your domain have no access here.",
        "denied_groups": "You are in too many groups for the identity provider to name them. Ask an administrator.",
    },
    "de": {
        "sign_in": "Anmelden",
        "name": "E-Mail oder Benutzername",
        "password": "Passwort",
        "code": "Code",
        "passkey": "Mit einem Passkey anmelden",
        "use_passkey": "Passkey benutzen",
        "no_passkey": "Es wurde kein Passkey gezeigt, oder für diese Seite gibt es keinen. Noch einmal, oder melden Sie sich anders an.",
        "wrong_passkey": "Dieser Passkey öffnet hier kein Konto.",
        "second": "Ein zweiter Nachweis",
        "second_text": "Geben Sie den Code ein, den Ihre App zeigt, oder einen Ihrer Wiederherstellungscodes.",
        "with": "Anmelden mit {name}",
        "link": "Mit diesem Link anmelden",
        "link_text": "Er gilt einmal. Niemand außer Ihnen sollte ihn haben.",
        "no_link": "Dieser Link funktioniert nicht",
        "no_link_text": "Er wurde benutzt oder ist abgelaufen. Fordern Sie einen neuen an, oder melden Sie sich mit Ihrem Passwort an.",
        "signed_in": "Sie sind angemeldet",
        "go_on": "Weiter",
        "sign_out": "Abmelden",
        "signed_out": "Sie sind abgemeldet",
        "insecure": "Nicht über unverschlüsseltes http",
        "refused": "Das hat nicht geklappt",
        "again": "Noch einmal",
        "wrong": "Name oder Passwort ist falsch.",
        "wrong_code": "Der Code ist falsch oder abgelaufen.",
        "wait": "Zu viele Versuche. Warten Sie {seconds} s, und versuchen Sie es dann noch einmal.",
        "later": "Der Dienst ist gerade nicht erreichbar. Versuchen Sie es gleich noch einmal.",
        "oidc_void": "Diese Anmeldung wurde benutzt, ist abgelaufen oder begann in einem anderen Browser. Beginnen Sie noch einmal.",
        "oidc_answer": "Der Antwort des Identitätsanbieters ist nicht zu trauen. Sagen Sie es Ihrer Administration.",
        "oidc_denied": "Der Identitätsanbieter hat Sie nicht angemeldet.",
        "oidc_unavailable": "Der Identitätsanbieter antwortet nicht. Versuchen Sie es gleich noch einmal.",
        "oidc_unknown": "Diesen Identitätsanbieter gibt es nicht, oder er ist hier nicht zu gebrauchen.",
        "denied_role": "Sie sind dort angemeldet, aber keine Ihrer Gruppen hat hier Zugang. Fragen Sie Ihre Administration.",
        "denied_user": "Sie sind dort angemeldet, haben hier aber kein Konto. Fragen Sie Ihre Administration.",
        "denied_address": "Der Zugang braucht eine E-Mail-Adresse, die der Identitätsanbieter geprüft hat.",
        "denied_taken": "Jemand anders hat hier Ihre E-Mail-Adresse. Bitten Sie Ihre Administration, Sie zu verknüpfen.",
        "denied_domain": "Adressen Ihrer Domain haben hier keinen Zugang.",
        "denied_groups": "Sie sind in zu vielen Gruppen, als dass der Identitätsanbieter sie nennt. Fragen Sie Ihre Administration.",
    },
}
_STYLE: Final = """
label { display: block; margin: 0 0 1rem; }
input { font: inherit; display: block; width: 100%; padding: .5rem; box-sizing: border-box; }
.ways { margin-top: 2rem; }
.ways button { border: 1px solid var(--accent); background: none; color: var(--accent); }"""
_NAME_FORM: Final = """
<form method="post" action="/session{query}">
<label>{name} <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label>
<label>{password} <input type="password" name="password" autocomplete="current-password" required></label>
<button type="submit">{sign_in}</button>
</form>"""
_CODE_FORM: Final = """
<form method="post" action="/session{query}">
<input type="hidden" name="grantType" value="second_factor">
<input type="hidden" name="challenge" value="{challenge}">
<label>{code} <input name="code" autocomplete="one-time-code" required autofocus></label>
<button type="submit">{sign_in}</button>
</form>"""
_PASSKEY_FORM: Final = """
<form class="ways" method="post" action="/session{query}" data-passkey="{challenge}" hidden>
<input type="hidden" name="grantType" value="{grant}">
<input type="hidden" name="challenge">
<input type="hidden" name="passkeyResponse">
<button type="submit">{label}</button>
<p role="alert" hidden>{no_passkey}</p>
</form>
<script src="/sign-in/passkeys.js" defer></script>"""
_BUTTON_FORM: Final = """
<form method="post"{action}>
<button type="submit">{label}</button>
</form>"""


class SignInPages:
    """The pages in the language of one reader."""

    def __init__(self, *, accept_language: str, return_to: str = "/") -> None:
        """Takes the header, and the path to go to after the sign-in."""
        self._language = preferred_language(accept_language)
        self._words = _WORDS[self._language]
        self._return_to = return_to

    def sign_in(self, *, why: str = "", buttons: Sequence[SignInButton] = ()) -> bytes:
        """The form; ``why`` says what was wrong, as a word of these pages or a text."""
        form = _NAME_FORM.format_map({**self._words, "query": self._query()})
        ways = "".join(f'<p><a href="{escape(way.path)}{self._query()}">{self._with(way)}</a></p>' for way in buttons)
        passkey = self._passkey("passkey", grant="passkey", query=self._query())
        return self._page("sign_in", self._alert(why) + form + passkey + (f'<div class="ways">{ways}</div>' if ways else ""))

    def second_factor(self, *, challenge: str, passkey: bool = False, why: str = "") -> bytes:
        """The form for a code, after a password that was right; and the button for a passkey of who has one."""
        query = self._query(**({"passkey": "1"} if passkey else {}))
        form = _CODE_FORM.format_map({**self._words, "query": query, "challenge": escape(challenge)})
        other = self._passkey("use_passkey", grant="second_factor", query=query, challenge=challenge) if passkey else ""
        return self._page("second", f"<p>{self._words['second_text']}</p>{self._alert(why)}{form}{other}")

    def link(self) -> bytes:
        """The button of a link: to look at a link, as programs do that read mails, does nothing."""
        return self._page("link", f"<p>{self._words['link_text']}</p>{_button(self._words['sign_in'])}")

    def no_link(self) -> bytes:
        """What a link shows that works no more."""
        return self._page("no_link", f'<p>{self._words["no_link_text"]}</p><p><a href="/sign-in">{self._words["sign_in"]}</a></p>')

    def signed_in(self, *, at_once: bool = False) -> bytes:
        """Who comes with a session may go on or sign out; ``at_once`` goes on by itself.

        After an answer that came from another site, as that of an issuer: a redirect would still be that site's, and bring no cookie.
        """
        target = escape(self._return_to)
        head = f'\n<meta http-equiv="refresh" content="0; url={target}">' if at_once else ""
        out = _button(self._words["sign_out"], action="/sign-out")
        return self._page("signed_in", f'<p><a href="{target}">{self._words["go_on"]}</a></p>{out}', head=head)

    def signed_out(self, elsewhere: str) -> bytes:
        """Who has signed out here goes on to the issuer, which signs out there."""
        target = escape(elsewhere)
        head = f'\n<meta http-equiv="refresh" content="0; url={target}">'
        return self._page("signed_out", f'<p><a href="{target}">{self._words["go_on"]}</a></p>', head=head)

    def refused(self, why: str, *, title: str = "refused") -> bytes:
        """What went wrong, and a way back."""
        return self._page(title, f'{self._alert(why)}<p><a href="/sign-in{self._query()}">{self._words["again"]}</a></p>')

    def word(self, name: str, **values: object) -> str:
        """One of the words."""
        return self._words[name].format_map(values)

    def _with(self, way: SignInButton) -> str:
        return self._words["with"].format(name=escape(way.name))

    def _passkey(self, label: str, *, grant: str, query: str, challenge: str = "") -> str:
        given = {"label": self._words[label], "grant": grant, "query": query, "challenge": escape(challenge)}
        return _PASSKEY_FORM.format_map({**self._words, **given})

    def _query(self, **more: str) -> str:
        given = {} if self._return_to == "/" else {"returnTo": self._return_to}
        return f"?{escape(urlencode(given | more))}" if given or more else ""

    def _alert(self, why: str) -> str:
        return f'<p role="alert"><b>{escape(why)}</b></p>' if why else ""

    def _page(self, title: str, content: str, *, head: str = "") -> bytes:
        return html_page(language=self._language, title=self._words[title], content=content, style=_STYLE, head=head).encode()


def _button(label: str, *, action: str = "") -> str:
    return _BUTTON_FORM.format(label=label, action=f' action="{action}"' if action else "")
