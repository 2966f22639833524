"""The use cases: signing in, the users of a tenant, API keys, and the first start."""

from auth_svc.service.account_mails import AccountMails, AccountMailSender
from auth_svc.service.accounts import Accounts
from auth_svc.service.addresses import AddressChanges
from auth_svc.service.alert_policies import AlertPolicies, AlertTelling
from auth_svc.service.alerts import AlertLog
from auth_svc.service.audit import AuditLog
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.deletions import AuditLogPurge, TenantDeletions
from auth_svc.service.ended_credentials import CredentialNow, EndedBatch, EndedCredentials
from auth_svc.service.factors import FactorOffice, NewApp
from auth_svc.service.housekeeping import AccountHousekeeper, AlertHousekeeper, AuditHousekeeper, SessionHousekeeper, SignInHousekeeper
from auth_svc.service.identity_providers import CHANGEABLE, IdentityProviders, ProviderDraft
from auth_svc.service.installation import Installer, SecretFiles
from auth_svc.service.invitations import Invitations
from auth_svc.service.issuer_logouts import IssuerLogouts
from auth_svc.service.key_uses import KeyUses
from auth_svc.service.key_warnings import KeyWarnings
from auth_svc.service.keys import ApiKeys
from auth_svc.service.new_passwords import NewPasswords
from auth_svc.service.new_tenants import MadeTenant, TenantMaker
from auth_svc.service.oidc import BegunSignIn, CompletedSignIn, OidcSignIns, ReturnedBrowser
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.service.open_sessions import OpenSessions
from auth_svc.service.opening import SessionOpening, SessionRule, TokenPair
from auth_svc.service.own_sessions import SessionList
from auth_svc.service.profiles import Profiles
from auth_svc.service.reauthentication import Reauthentication
from auth_svc.service.registering import Registering, RegistrationRule
from auth_svc.service.roles import Roles
from auth_svc.service.second_factor import Challenge, FactorAnswer, SecondFactors
from auth_svc.service.service_accounts import ServiceAccounts
from auth_svc.service.sessions import Sessions
from auth_svc.service.stream_tokens import StreamTokens
from auth_svc.service.tenants import TenantOffice
from auth_svc.service.users import Users

__all__ = [
    "CHANGEABLE",
    "AccountHousekeeper",
    "AccountMailSender",
    "AccountMails",
    "Accounts",
    "AddressChanges",
    "AlertHousekeeper",
    "AlertLog",
    "AlertPolicies",
    "AlertTelling",
    "ApiKeys",
    "AuditHousekeeper",
    "AuditLog",
    "AuditLogPurge",
    "Authorizer",
    "BegunSignIn",
    "Challenge",
    "CompletedSignIn",
    "CredentialNow",
    "EndedBatch",
    "EndedCredentials",
    "FactorAnswer",
    "FactorOffice",
    "IdentityProviders",
    "Installer",
    "Invitations",
    "IssuerLogouts",
    "KeyUses",
    "KeyWarnings",
    "MadeTenant",
    "NewApp",
    "NewPasswords",
    "OidcSignIns",
    "OneTimeTokens",
    "OpenSessions",
    "Profiles",
    "ProviderDraft",
    "Reauthentication",
    "Registering",
    "RegistrationRule",
    "ReturnedBrowser",
    "Roles",
    "SecondFactors",
    "SecretFiles",
    "ServiceAccounts",
    "SessionHousekeeper",
    "SessionList",
    "SessionOpening",
    "SessionRule",
    "Sessions",
    "SignInHousekeeper",
    "StreamTokens",
    "TenantDeletions",
    "TenantMaker",
    "TenantOffice",
    "TokenPair",
    "Users",
]
