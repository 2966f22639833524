"""The credential that a client sends, as a header that says nothing of it when it is wrong."""

from tocsin.errors import Unauthenticated


def authorization(credential: str) -> str:
    """The value of the header ``Authorization`` (RFC 6750, section 2.1) for an API key or a token; white space around it is left out.

    Raises:
        Unauthenticated: it is empty, or has a character that no credential has; the words tell where, and never what.
    """
    text = credential.strip()
    if not text:
        raise Unauthenticated("The API key is empty.")
    # Enumerated here, so that no library meets it: each shows the whole text in its error.
    strange = next((place for place, character in enumerate(text, 1) if not "!" <= character <= "~"), None)
    if strange is not None:
        raise Unauthenticated(f"The API key contains an invalid character at position {strange}, such as a space or an accented letter.")
    return f"Bearer {text}"
