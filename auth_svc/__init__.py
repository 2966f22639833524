"""auth_svc answers the question "who?": tenants, users, sessions, tokens and API keys.

It owns passwords, the signing key and every secret that signs somebody in, and it is the only signer of the platform. It does not own
what a token may reach: the scope of each method stands in the contract, and every service checks it again.
"""
