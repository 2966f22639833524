"""The limits at the door unless a setting says otherwise; see `tocsin.mesh.limits` for the words."""

from typing import Final

TENANT_DEFAULTS: Final = (
    "read=100000/10s,list=20000/10s,write=100000/10s,stream=10000/10s,bulk=1000/10s,compute=5000/10s,auth=10000/10s,public=100000/10s"
)
"""Per tenant. One process serves a few thousand calls a second: these stop a loop that went wild at many replicas, and nothing else."""
ADDRESS_DEFAULTS: Final = "auth=1200/m,public=20000/10s,credentials=1200/m"
"""Per client address, before anybody is known. A sign-in takes a core for a twentieth of a second, so 20 a second are all that one can."""

CREDENTIALS: Final = "credentials"
"""The limit of credentials that are not valid."""
PUBLIC: Final = "public"
"""The limit of public methods whose rate class has none of its own."""
