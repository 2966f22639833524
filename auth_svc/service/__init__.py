"""The use cases: signing in, the people of a tenant, API keys, and the first start."""

from auth_svc.service.housekeeping import Housekeeper
from auth_svc.service.installation import Installer, SecretFiles
from auth_svc.service.keys import ApiKeys
from auth_svc.service.people import People
from auth_svc.service.sessions import Sessions, TokenPair

__all__ = ["ApiKeys", "Housekeeper", "Installer", "People", "SecretFiles", "Sessions", "TokenPair"]
