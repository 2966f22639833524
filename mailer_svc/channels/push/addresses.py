"""The addresses of push: a browser's subscription, a registration of Firebase, a subscription of OneSignal."""

import re
from typing import Final

from mailer_svc.channels.push import fcm, onesignal, subscription
from tocsin.addresses import AddressInvalid

_FORMS: Final = {
    fcm.PREFIX: (re.compile(r"[A-Za-z0-9_:.-]{16,1000}"), "a registration token of Firebase"),
    onesignal.PREFIX: (re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"), "the id of a subscription, a UUID"),
}


def normal_address(text: str) -> str:
    """An address in its normal form, by its prefix.

    Raises:
        AddressInvalid: it has none of the three forms.
    """
    if text.startswith(subscription.PREFIX):
        return subscription.parse(text).address()
    for prefix, (form, words) in _FORMS.items():
        if text.startswith(prefix):
            if not form.fullmatch(text, len(prefix)):
                raise AddressInvalid.at("to", f"must be {prefix!r} and {words}")
            return text.lower() if prefix == onesignal.PREFIX else text
    raise AddressInvalid.at("to", f"must begin with {', '.join([subscription.PREFIX, *_FORMS])}, which say by whom it is reached")
