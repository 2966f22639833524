"""Names of resources (AIP-122) as the mailer's messages hold them."""


def resource(collection: str, identity: str) -> str:
    """The name of a resource; empty if there is none."""
    return f"{collection}/{identity}" if identity else ""
