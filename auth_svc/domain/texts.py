"""Names that sign in, zones, languages, and names for people, as they are checked and compared (pure)."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from tocsin.errors import InvalidInput
from tocsin.zones import NoSuchZone, zone

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}\Z")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def normalize_email(text: str, *, field: str = "email") -> str:
    """The address as it is stored: syntax checked, Unicode and the domain normalised. Asks no DNS.

    Raises:
        InvalidInput: it is no address that could sign in; reserved domains other than ".test" (RFC 6761) are none.
    """
    try:
        return validate_email(text, check_deliverability=False, test_environment=True, strict=True).normalized
    except EmailNotValidError as error:
        raise InvalidInput.at(field, str(error)) from None


def sign_in_names(*, email: str, username: str, display_name: str) -> tuple[str, str]:
    """The email address and the username that sign in; with neither, ``display_name`` is the username.

    Raises:
        InvalidInput: there is none, or one that cannot be used.
    """
    if email:
        return normalize_email(email), checked_username(username, field="username") if username else ""
    if username:
        return "", checked_username(username, field="username")
    if not display_name:
        raise InvalidInput.at("email", "an email address or a username is needed")
    return "", checked_username(display_name, field="displayName")


def checked_username(text: str, *, field: str) -> str:
    """A name that signs in; never an address, so that the two are told apart.

    Raises:
        InvalidInput: it is none.
    """
    if not _USERNAME.match(text):
        raise InvalidInput.at(field, "cannot sign in: a username has up to 64 letters, digits, dots, dashes and underscores (ASCII)")
    return text


def sign_in_key(text: str) -> str:
    """What tells addresses and usernames apart: equal for those that differ in case alone. Takes any text."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def checked_zone(text: str, *, field: str) -> str:
    """The IANA time zone ``text``; "UTC" for an empty one.

    Raises:
        InvalidInput: there is no such zone.
    """
    if not text:
        return "UTC"
    try:
        zone(text)
    except NoSuchZone as error:
        raise InvalidInput.at(field, str(error)) from None
    return text


def checked_locale(text: str, *, field: str) -> str:
    """A language tag in BCP 47's spelling (an underscore is taken for a hyphen); empty stays empty.

    Raises:
        InvalidInput: it is no tag.
    """
    tag = text.replace("_", "-")
    if tag and not _LOCALE.match(tag):
        raise InvalidInput.at(field, 'must be a language tag such as "de" or "de-CH" (BCP 47)')
    return tag


def checked_name(text: str, *, field: str, default: str = "", longest: int = 100) -> str:
    """A name for people, without white space around it; ``default`` when it is empty.

    Raises:
        InvalidInput: too long, or with characters that are not text.
    """
    name = text.strip() or default
    if len(name) > longest:
        raise InvalidInput.at(field, f"must have at most {longest} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InvalidInput.at(field, "must not contain control characters")
    return name
