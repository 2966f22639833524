"""Who a delivery is."""

import hashlib


def delivery_id(*, tenant: str, firing: str, channel: str, address: str) -> str:
    """The id of a delivery: 32 hexadecimal digits that derive from what it is, so that handing it in twice gives the same.

    ``channel`` is the one asked for, empty for the default: a default that changes between two submissions makes no second delivery.
    Addresses that differ in case alone are one.
    """
    identity = "\0".join((tenant, firing, channel, address.casefold())).encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def message_id(delivery: str, domain: str) -> str:
    """The Message-ID of every attempt at a delivery (RFC 5322, 3.6.4)."""
    return f"<{delivery}@{domain}>"
