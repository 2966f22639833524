"""The use cases: signing in, the users of a tenant, API keys, and the first start."""

from auth_svc.service.alerts import AlertLog
from auth_svc.service.housekeeping import AlertHousekeeper, SessionHousekeeper
from auth_svc.service.installation import Installer, SecretFiles
from auth_svc.service.keys import ApiKeys
from auth_svc.service.sessions import SessionRule, Sessions, TokenPair
from auth_svc.service.users import Users

__all__ = [
    "AlertHousekeeper",
    "AlertLog",
    "ApiKeys",
    "Installer",
    "SecretFiles",
    "SessionHousekeeper",
    "SessionRule",
    "Sessions",
    "TokenPair",
    "Users",
]
