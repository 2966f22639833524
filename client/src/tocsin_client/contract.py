"""The calls of the contract. Generated from the contract by `make gen`; not to be edited."""

from tocsin_client import models as models  # the messages are known by name once they are loaded
from tocsin_client.calls import Call
from tocsin_client.values import ANY, BOOL, BYTES, DURATION, ENUM, INTEGER, MASK, NUMBER, TEXT, TIME, Param, many, mapped, message, optional

CHANGE_PASSWORD = Call(
    method="POST",
    paths=("/v1/account:changePassword",),
    params={
        "current_password": Param("currentPassword", TEXT),
        "new_password": Param("newPassword", TEXT),
    },
    body="*",
    repeat="key",
    timeout=5,
)

BEGIN_REAUTHENTICATION = Call(
    method="POST",
    paths=("/v1/account:beginReauthentication",),
    params={},
    body="*",
    answer=message("BeginReauthenticationResponse"),
    repeat="key",
    timeout=5,
)

REAUTHENTICATE = Call(
    method="POST",
    paths=("/v1/account:reauthenticate",),
    params={
        "password": Param("password", TEXT),
        "code": Param("code", TEXT),
        "challenge": Param("challenge", TEXT),
        "passkey_response": Param("passkeyResponse", TEXT),
    },
    body="*",
    repeat="key",
    timeout=5,
)

REQUEST_PASSWORD_RESET = Call(
    method="POST",
    paths=("/v1/account:requestPasswordReset",),
    params={
        "email": Param("email", TEXT),
        "locale": Param("locale", TEXT),
    },
    body="*",
    repeat="never",
    timeout=5,
)

RESET_PASSWORD = Call(
    method="POST",
    paths=("/v1/account:resetPassword",),
    params={
        "token": Param("token", TEXT),
        "new_password": Param("newPassword", TEXT),
    },
    body="*",
    repeat="never",
    timeout=5,
)

ACCOUNT_VERIFY_ADDRESS = Call(
    method="POST",
    paths=("/v1/account:verifyAddress",),
    params={
        "token": Param("token", TEXT),
    },
    body="*",
    answer=message("VerifyAddressResponse"),
    repeat="never",
    timeout=5,
)

CHANGE_ADDRESS = Call(
    method="POST",
    paths=("/v1/account:changeAddress",),
    params={
        "new_email": Param("newEmail", TEXT),
    },
    body="*",
    repeat="key",
    timeout=5,
)

CONFIRM_ADDRESS_CHANGE = Call(
    method="POST",
    paths=("/v1/account:confirmAddressChange",),
    params={
        "token": Param("token", TEXT),
    },
    body="*",
    answer=message("ConfirmAddressChangeResponse"),
    repeat="never",
    timeout=5,
)

REVERT_ADDRESS_CHANGE = Call(
    method="POST",
    paths=("/v1/account:revertAddressChange",),
    params={
        "token": Param("token", TEXT),
    },
    body="*",
    answer=message("RevertAddressChangeResponse"),
    repeat="never",
    timeout=5,
)

CREATE_SIGN_IN_LINK = Call(
    method="POST",
    paths=("/v1/{user=users/*}:createSignInLink",),
    params={
        "user": Param("user", TEXT),
    },
    body="*",
    answer=message("CreateSignInLinkResponse"),
    repeat="key",
    timeout=5,
)

RESEND_VERIFICATION = Call(
    method="POST",
    paths=("/v1/account:resendVerification",),
    params={},
    body="*",
    repeat="key",
    timeout=5,
)

SHOW_RESET_PAGE = Call(
    method="GET",
    paths=("/account/reset/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SUBMIT_RESET_PAGE = Call(
    method="POST",
    paths=("/account/reset/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="never",
    timeout=5,
)

SHOW_VERIFY_PAGE = Call(
    method="GET",
    paths=("/account/verify/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SHOW_ADDRESS_PAGE = Call(
    method="GET",
    paths=("/account/address/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SUBMIT_ADDRESS_PAGE = Call(
    method="POST",
    paths=("/account/address/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="never",
    timeout=5,
)

SHOW_ADDRESS_BACK_PAGE = Call(
    method="GET",
    paths=("/account/address-back/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SUBMIT_ADDRESS_BACK_PAGE = Call(
    method="POST",
    paths=("/account/address-back/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="never",
    timeout=5,
)

SHOW_INVITATION_PAGE = Call(
    method="GET",
    paths=("/account/invitation/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SUBMIT_INVITATION_PAGE = Call(
    method="POST",
    paths=("/account/invitation/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="never",
    timeout=5,
)

SUBMIT_VERIFY_PAGE = Call(
    method="POST",
    paths=("/account/verify/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="never",
    timeout=5,
)

CREATE_API_KEY = Call(
    method="POST",
    paths=("/v1/apiKeys",),
    params={
        "display_name": Param("displayName", TEXT),
        "scopes": Param("scopes", many(TEXT)),
        "expire_time": Param("expireTime", TIME),
        "owner": Param("owner", TEXT),
    },
    body="*",
    answer=message("CreateApiKeyResponse"),
    repeat="key",
    timeout=5,
)

GET_API_KEY = Call(
    method="GET",
    paths=("/v1/{name=apiKeys/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("ApiKey"),
    repeat="always",
    timeout=5,
)

LIST_API_KEYS = Call(
    method="GET",
    paths=("/v1/apiKeys",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "owner": Param("owner", TEXT),
    },
    answer=message("ListApiKeysResponse"),
    repeat="always",
    timeout=5,
)

ROTATE_API_KEY = Call(
    method="POST",
    paths=("/v1/{name=apiKeys/*}:rotate",),
    params={
        "name": Param("name", TEXT),
        "overlap": Param("overlap", DURATION),
        "expire_time": Param("expireTime", TIME),
    },
    body="*",
    answer=message("RotateApiKeyResponse"),
    repeat="key",
    timeout=5,
)

DELETE_API_KEY = Call(
    method="DELETE",
    paths=("/v1/{name=apiKeys/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

GET_AUDIT_LOG = Call(
    method="GET",
    paths=("/v1/{name=auditLogs/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("AuditLog"),
    repeat="always",
    timeout=5,
)

LIST_AUDIT_LOGS = Call(
    method="GET",
    paths=("/v1/auditLogs",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListAuditLogsResponse"),
    repeat="always",
    timeout=5,
)

WATCH_AUDIT_LOGS = Call(
    method="GET",
    paths=("/v1/auditLogs:watch",),
    params={
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchAuditLogsResponse"),
    repeat="always",
    timeout=3600,
)

EXPORT_AUDIT_LOGS = Call(
    method="GET",
    paths=("/v1/auditLogs:export",),
    params={},
    answer=message("ExportAuditLogsResponse"),
    repeat="always",
    timeout=3600,
)

REGISTER = Call(
    method="POST",
    paths=("/v1/auth:register",),
    params={
        "email": Param("email", TEXT),
        "password": Param("password", TEXT),
        "display_name": Param("displayName", TEXT),
        "tenant_display_name": Param("tenantDisplayName", TEXT),
        "username": Param("username", TEXT),
        "locale": Param("locale", TEXT),
    },
    body="*",
    answer=message("RegisterResponse"),
    repeat="never",
    timeout=5,
)

ISSUE_TOKEN = Call(
    method="POST",
    paths=("/v1/auth:token",),
    params={
        "email": Param("email", TEXT),
        "password": Param("password", TEXT),
        "scope": Param("scope", TEXT),
        "username": Param("username", TEXT),
        "grant_type": Param("grantType", TEXT),
        "refresh_token": Param("refreshToken", TEXT),
        "device_token": Param("deviceToken", TEXT),
        "challenge": Param("challenge", TEXT),
        "code": Param("code", TEXT),
        "passkey_response": Param("passkeyResponse", TEXT),
    },
    body="*",
    answer=message("TokenResponse"),
    repeat="never",
    timeout=5,
)

BEGIN_PASSKEY = Call(
    method="POST",
    paths=("/v1/auth:beginPasskey",),
    params={
        "challenge": Param("challenge", TEXT),
        "device_token": Param("deviceToken", TEXT),
    },
    body="*",
    answer=message("BeginPasskeyResponse"),
    repeat="never",
    timeout=5,
)

REFRESH_TOKEN = Call(
    method="POST",
    paths=("/v1/auth:refresh",),
    params={
        "refresh_token": Param("refreshToken", TEXT),
    },
    body="*",
    answer=message("TokenResponse"),
    repeat="never",
    timeout=5,
)

REVOKE_TOKEN = Call(
    method="POST",
    paths=("/v1/auth:revoke",),
    params={
        "refresh_token": Param("refreshToken", TEXT),
    },
    body="*",
    repeat="always",
    timeout=5,
)

EXCHANGE_LINK = Call(
    method="POST",
    paths=("/v1/auth:exchangeLink",),
    params={
        "token": Param("token", TEXT),
    },
    body="*",
    answer=message("TokenResponse"),
    repeat="never",
    timeout=5,
)

VERIFY_TOKEN = Call(
    method="GET",
    paths=("/v1/auth:verify",),
    params={},
    answer=message("VerifyTokenResponse"),
    repeat="always",
    timeout=5,
)

GET_JWKS = Call(
    method="GET",
    paths=("/.well-known/jwks.json",),
    params={},
    answer=message("JsonWebKeySet"),
    repeat="always",
    timeout=5,
)

LIST_FACTORS = Call(
    method="GET",
    paths=("/v1/factors",),
    params={},
    answer=message("ListFactorsResponse"),
    repeat="always",
    timeout=5,
)

ENROL_TOTP = Call(
    method="POST",
    paths=("/v1/factors:enrolTotp",),
    params={
        "display_name": Param("displayName", TEXT),
    },
    body="*",
    answer=message("EnrolTotpResponse"),
    repeat="key",
    timeout=5,
)

CONFIRM_TOTP = Call(
    method="POST",
    paths=("/v1/{name=factors/*}:confirm",),
    params={
        "name": Param("name", TEXT),
        "code": Param("code", TEXT),
    },
    body="*",
    answer=message("EnrolledFactor"),
    repeat="key",
    timeout=5,
)

BEGIN_PASSKEY_ENROLMENT = Call(
    method="POST",
    paths=("/v1/factors:beginPasskey",),
    params={},
    body="*",
    answer=message("BeginPasskeyEnrolmentResponse"),
    repeat="key",
    timeout=5,
)

ENROL_PASSKEY = Call(
    method="POST",
    paths=("/v1/factors:enrolPasskey",),
    params={
        "challenge": Param("challenge", TEXT),
        "passkey_response": Param("passkeyResponse", TEXT),
        "display_name": Param("displayName", TEXT),
    },
    body="*",
    answer=message("EnrolledFactor"),
    repeat="key",
    timeout=5,
)

UPDATE_FACTOR = Call(
    method="PATCH",
    paths=("/v1/{factor.name=factors/*}",),
    params={
        "factor": Param("factor", message("Factor")),
        "update_mask": Param("updateMask", MASK),
    },
    body="factor",
    answer=message("Factor"),
    repeat="always",
    timeout=5,
)

DELETE_FACTOR = Call(
    method="DELETE",
    paths=("/v1/{name=factors/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

CREATE_RECOVERY_CODES = Call(
    method="POST",
    paths=("/v1/factors:createRecoveryCodes",),
    params={},
    body="*",
    answer=message("CreateRecoveryCodesResponse"),
    repeat="key",
    timeout=5,
)

LIST_USER_FACTORS = Call(
    method="GET",
    paths=("/v1/{user=users/*}/factors",),
    params={
        "user": Param("user", TEXT),
    },
    answer=message("ListFactorsResponse"),
    repeat="always",
    timeout=5,
)

RESET_USER_FACTORS = Call(
    method="POST",
    paths=("/v1/{user=users/*}/factors:reset",),
    params={
        "user": Param("user", TEXT),
    },
    body="*",
    answer=message("ResetUserFactorsResponse"),
    repeat="key",
    timeout=5,
)

CREATE_IDENTITY_PROVIDER = Call(
    method="POST",
    paths=("/v1/identityProviders",),
    params={
        "identity_provider": Param("identityProvider", message("IdentityProvider")),
        "identity_provider_id": Param("identityProviderId", TEXT),
    },
    body="identity_provider",
    answer=message("IdentityProvider"),
    repeat="key",
    timeout=5,
)

GET_IDENTITY_PROVIDER = Call(
    method="GET",
    paths=("/v1/{name=identityProviders/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("IdentityProvider"),
    repeat="always",
    timeout=5,
)

LIST_IDENTITY_PROVIDERS = Call(
    method="GET",
    paths=("/v1/identityProviders",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIdentityProvidersResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_IDENTITY_PROVIDER = Call(
    method="PATCH",
    paths=("/v1/{identity_provider.name=identityProviders/*}",),
    params={
        "identity_provider": Param("identityProvider", message("IdentityProvider")),
        "update_mask": Param("updateMask", MASK),
    },
    body="identity_provider",
    answer=message("IdentityProvider"),
    repeat="always",
    timeout=5,
)

DELETE_IDENTITY_PROVIDER = Call(
    method="DELETE",
    paths=("/v1/{name=identityProviders/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

TEST_IDENTITY_PROVIDER = Call(
    method="POST",
    paths=("/v1/{name=identityProviders/*}:test",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("TestIdentityProviderResponse"),
    repeat="key",
    timeout=20,
)

LIST_IDENTITIES = Call(
    method="GET",
    paths=("/v1/{parent=users/*}/identities",),
    params={
        "parent": Param("parent", TEXT),
    },
    answer=message("ListIdentitiesResponse"),
    repeat="always",
    timeout=5,
)

CREATE_IDENTITY = Call(
    method="POST",
    paths=("/v1/{parent=users/*}/identities",),
    params={
        "parent": Param("parent", TEXT),
        "identity": Param("identity", message("Identity")),
    },
    body="identity",
    answer=message("Identity"),
    repeat="key",
    timeout=5,
)

DELETE_IDENTITY = Call(
    method="DELETE",
    paths=("/v1/{name=users/*/identities/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

LIST_SIGN_IN_PROVIDERS = Call(
    method="GET",
    paths=("/v1/auth:providers",),
    params={},
    answer=message("ListSignInProvidersResponse"),
    repeat="always",
    timeout=15,
)

BEGIN_OIDC_SIGN_IN = Call(
    method="POST",
    paths=("/v1/auth:beginOidc",),
    params={
        "provider": Param("provider", TEXT),
        "return_to": Param("returnTo", TEXT),
        "loopback_origin": Param("loopbackOrigin", TEXT),
        "binding": Param("binding", TEXT),
    },
    body="*",
    answer=message("BeginOidcSignInResponse"),
    repeat="never",
    timeout=15,
)

COMPLETE_OIDC_SIGN_IN = Call(
    method="POST",
    paths=("/v1/auth:completeOidc",),
    params={
        "state": Param("state", TEXT),
        "code": Param("code", TEXT),
        "issuer": Param("issuer", optional(TEXT)),
        "error": Param("error", TEXT),
        "binding": Param("binding", TEXT),
        "device_token": Param("deviceToken", TEXT),
    },
    body="*",
    answer=message("CompleteOidcSignInResponse"),
    repeat="never",
    timeout=15,
)

CREATE_INVITATION = Call(
    method="POST",
    paths=("/v1/invitations",),
    params={
        "email": Param("email", TEXT),
        "role": Param("role", TEXT),
        "locale": Param("locale", TEXT),
    },
    body="*",
    answer=message("Invitation"),
    repeat="key",
    timeout=5,
)

GET_INVITATION = Call(
    method="GET",
    paths=("/v1/{name=invitations/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Invitation"),
    repeat="always",
    timeout=5,
)

LIST_INVITATIONS = Call(
    method="GET",
    paths=("/v1/invitations",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListInvitationsResponse"),
    repeat="always",
    timeout=5,
)

RESEND_INVITATION = Call(
    method="POST",
    paths=("/v1/{name=invitations/*}:resend",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Invitation"),
    repeat="key",
    timeout=5,
)

REVOKE_INVITATION = Call(
    method="POST",
    paths=("/v1/{name=invitations/*}:revoke",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Invitation"),
    repeat="always",
    timeout=5,
)

ACCEPT_INVITATION = Call(
    method="POST",
    paths=("/v1/account:acceptInvitation",),
    params={
        "token": Param("token", TEXT),
        "display_name": Param("displayName", TEXT),
        "password": Param("password", TEXT),
        "username": Param("username", TEXT),
    },
    body="*",
    answer=message("AcceptInvitationResponse"),
    repeat="never",
    timeout=5,
)

CREATE_USER = Call(
    method="POST",
    paths=("/v1/users",),
    params={
        "email": Param("email", TEXT),
        "password": Param("password", TEXT),
        "display_name": Param("displayName", TEXT),
        "role": Param("role", ENUM),
        "username": Param("username", TEXT),
        "role_name": Param("roleName", TEXT),
    },
    body="*",
    answer=message("User"),
    repeat="key",
    timeout=5,
)

GET_USER = Call(
    method="GET",
    paths=("/v1/{name=users/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("User"),
    repeat="always",
    timeout=5,
)

LIST_USERS = Call(
    method="GET",
    paths=("/v1/users",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListUsersResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_USER = Call(
    method="PATCH",
    paths=("/v1/{user.name=users/*}",),
    params={
        "user": Param("user", message("User")),
        "update_mask": Param("updateMask", MASK),
    },
    body="user",
    answer=message("User"),
    repeat="always",
    timeout=5,
)

DEACTIVATE_USER = Call(
    method="POST",
    paths=("/v1/{name=users/*}:deactivate",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("User"),
    repeat="always",
    timeout=5,
)

REACTIVATE_USER = Call(
    method="POST",
    paths=("/v1/{name=users/*}:reactivate",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("User"),
    repeat="always",
    timeout=5,
)

DELETE_USER = Call(
    method="DELETE",
    paths=("/v1/{name=users/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

GET_TENANT = Call(
    method="GET",
    paths=("/v1/tenant",),
    params={},
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

UPDATE_TENANT = Call(
    method="PATCH",
    paths=("/v1/tenant",),
    params={
        "tenant": Param("tenant", message("Tenant")),
        "update_mask": Param("updateMask", MASK),
    },
    body="tenant",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

GET_PROFILE = Call(
    method="GET",
    paths=("/v1/profile",),
    params={},
    answer=message("User"),
    repeat="always",
    timeout=5,
)

UPDATE_PROFILE = Call(
    method="PATCH",
    paths=("/v1/profile",),
    params={
        "profile": Param("profile", message("User")),
        "update_mask": Param("updateMask", MASK),
    },
    body="profile",
    answer=message("User"),
    repeat="always",
    timeout=5,
)

BATCH_GET_NAMES = Call(
    method="GET",
    paths=("/v1/names:batchGet",),
    params={
        "names": Param("names", many(TEXT)),
    },
    answer=message("BatchGetNamesResponse"),
    repeat="always",
    timeout=5,
)

CREATE_ROLE = Call(
    method="POST",
    paths=("/v1/roles",),
    params={
        "role": Param("role", message("Role")),
    },
    body="role",
    answer=message("Role"),
    repeat="key",
    timeout=5,
)

GET_ROLE = Call(
    method="GET",
    paths=("/v1/{name=roles/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Role"),
    repeat="always",
    timeout=5,
)

LIST_ROLES = Call(
    method="GET",
    paths=("/v1/roles",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListRolesResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_ROLE = Call(
    method="PATCH",
    paths=("/v1/{role.name=roles/*}",),
    params={
        "role": Param("role", message("Role")),
        "update_mask": Param("updateMask", MASK),
    },
    body="role",
    answer=message("Role"),
    repeat="always",
    timeout=5,
)

DELETE_ROLE = Call(
    method="DELETE",
    paths=("/v1/{name=roles/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

GET_ALERT = Call(
    method="GET",
    paths=("/v1/{name=security/alerts/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("SecurityAlert"),
    repeat="always",
    timeout=5,
)

LIST_ALERTS = Call(
    method="GET",
    paths=("/v1/security/alerts",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListAlertsResponse"),
    repeat="always",
    timeout=5,
)

WATCH_ALERTS = Call(
    method="GET",
    paths=("/v1/security/alerts:watch",),
    params={
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchAlertsResponse"),
    repeat="always",
    timeout=3600,
)

GET_ALERT_POLICY = Call(
    method="GET",
    paths=("/v1/security/alertPolicy",),
    params={},
    answer=message("AlertPolicy"),
    repeat="always",
    timeout=5,
)

SET_ALERT_POLICY = Call(
    method="PUT",
    paths=("/v1/security/alertPolicy",),
    params={
        "policy": Param("policy", message("AlertPolicy")),
    },
    body="policy",
    answer=message("AlertPolicy"),
    repeat="always",
    timeout=5,
)

CREATE_SERVICE_ACCOUNT = Call(
    method="POST",
    paths=("/v1/serviceAccounts",),
    params={
        "service_account": Param("serviceAccount", message("ServiceAccount")),
    },
    body="service_account",
    answer=message("ServiceAccount"),
    repeat="key",
    timeout=5,
)

GET_SERVICE_ACCOUNT = Call(
    method="GET",
    paths=("/v1/{name=serviceAccounts/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("ServiceAccount"),
    repeat="always",
    timeout=5,
)

LIST_SERVICE_ACCOUNTS = Call(
    method="GET",
    paths=("/v1/serviceAccounts",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListServiceAccountsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_SERVICE_ACCOUNT = Call(
    method="PATCH",
    paths=("/v1/{service_account.name=serviceAccounts/*}",),
    params={
        "service_account": Param("serviceAccount", message("ServiceAccount")),
        "update_mask": Param("updateMask", MASK),
    },
    body="service_account",
    answer=message("ServiceAccount"),
    repeat="always",
    timeout=5,
)

DEACTIVATE_SERVICE_ACCOUNT = Call(
    method="POST",
    paths=("/v1/{name=serviceAccounts/*}:deactivate",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("ServiceAccount"),
    repeat="always",
    timeout=5,
)

REACTIVATE_SERVICE_ACCOUNT = Call(
    method="POST",
    paths=("/v1/{name=serviceAccounts/*}:reactivate",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("ServiceAccount"),
    repeat="always",
    timeout=5,
)

DELETE_SERVICE_ACCOUNT = Call(
    method="DELETE",
    paths=("/v1/{name=serviceAccounts/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

LIST_SESSIONS = Call(
    method="GET",
    paths=("/v1/sessions",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListSessionsResponse"),
    repeat="always",
    timeout=5,
)

DELETE_SESSION = Call(
    method="DELETE",
    paths=("/v1/{name=sessions/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

REVOKE_ALL_SESSIONS = Call(
    method="POST",
    paths=("/v1/sessions:revokeAll",),
    params={
        "keep_current": Param("keepCurrent", BOOL),
    },
    body="*",
    answer=message("RevokeAllSessionsResponse"),
    repeat="always",
    timeout=5,
)

LIST_USER_SESSIONS = Call(
    method="GET",
    paths=("/v1/{user=users/*}/sessions",),
    params={
        "user": Param("user", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListSessionsResponse"),
    repeat="always",
    timeout=5,
)

DELETE_USER_SESSION = Call(
    method="DELETE",
    paths=("/v1/{name=users/*/sessions/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

REVOKE_USER_SESSIONS = Call(
    method="POST",
    paths=("/v1/{user=users/*}/sessions:revokeAll",),
    params={
        "user": Param("user", TEXT),
    },
    body="*",
    answer=message("RevokeAllSessionsResponse"),
    repeat="always",
    timeout=5,
)

CREATE_STREAM_TOKEN = Call(
    method="POST",
    paths=("/v1/streamTokens",),
    params={
        "path": Param("path", TEXT),
    },
    body="*",
    answer=message("CreateStreamTokenResponse"),
    repeat="key",
    timeout=5,
)

CREATE_TENANT = Call(
    method="POST",
    paths=("/v1/tenants",),
    params={
        "display_name": Param("displayName", TEXT),
        "time_zone": Param("timeZone", TEXT),
        "owner_email": Param("ownerEmail", TEXT),
        "locale": Param("locale", TEXT),
        "invitation": Param("invitation", ENUM),
        "quotas": Param("quotas", message("TenantQuotas")),
    },
    body="*",
    answer=message("CreateTenantResponse"),
    repeat="key",
    timeout=5,
)

INSPECT_TENANT = Call(
    method="GET",
    paths=("/v1/{name=tenants/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

LIST_TENANTS = Call(
    method="GET",
    paths=("/v1/tenants",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListTenantsResponse"),
    repeat="always",
    timeout=5,
)

AMEND_TENANT = Call(
    method="PATCH",
    paths=("/v1/{tenant.name=tenants/*}",),
    params={
        "tenant": Param("tenant", message("Tenant")),
        "update_mask": Param("updateMask", MASK),
    },
    body="tenant",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

SUSPEND_TENANT = Call(
    method="POST",
    paths=("/v1/{name=tenants/*}:suspend",),
    params={
        "name": Param("name", TEXT),
        "reason": Param("reason", TEXT),
    },
    body="*",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

RESUME_TENANT = Call(
    method="POST",
    paths=("/v1/{name=tenants/*}:resume",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

DELETE_TENANT = Call(
    method="DELETE",
    paths=("/v1/{name=tenants/*}",),
    params={
        "name": Param("name", TEXT),
        "at_once": Param("atOnce", BOOL),
        "confirm": Param("confirm", TEXT),
        "export_sha256": Param("exportSha256", TEXT),
    },
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

UNDELETE_TENANT = Call(
    method="POST",
    paths=("/v1/{name=tenants/*}:undelete",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

GET_TENANT_DELETION = Call(
    method="GET",
    paths=("/v1/{name=tenants/*/deletion}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("TenantDeletion"),
    repeat="always",
    timeout=5,
)

SET_TENANT_QUOTAS = Call(
    method="PUT",
    paths=("/v1/{name=tenants/*}/quotas",),
    params={
        "name": Param("name", TEXT),
        "quotas": Param("quotas", message("TenantQuotas")),
    },
    body="quotas",
    answer=message("Tenant"),
    repeat="always",
    timeout=5,
)

GET_DELIVERY = Call(
    method="GET",
    paths=("/v1/{name=deliveries/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Delivery"),
    repeat="always",
    timeout=5,
)

LIST_DELIVERIES = Call(
    method="GET",
    paths=("/v1/deliveries",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListDeliveriesResponse"),
    repeat="always",
    timeout=5,
)

SUMMARIZE_DELIVERIES = Call(
    method="GET",
    paths=("/v1/deliveries:summarize",),
    params={
        "minutes": Param("minutes", INTEGER),
    },
    answer=message("SummarizeDeliveriesResponse"),
    repeat="always",
    timeout=5,
)

RETRY_DELIVERY = Call(
    method="POST",
    paths=("/v1/{name=deliveries/*}:retry",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Delivery"),
    repeat="always",
    timeout=5,
)

RETRY_DELIVERIES = Call(
    method="POST",
    paths=("/v1/deliveries:retry",),
    params={
        "filter": Param("filter", TEXT),
        "limit": Param("limit", INTEGER),
    },
    body="*",
    answer=message("RetryDeliveriesResponse"),
    repeat="always",
    timeout=15,
)

REPORT_STATUS = Call(
    method="POST",
    paths=("/v1/deliveries:report",),
    params={
        "delivery": Param("delivery", TEXT),
        "notification": Param("notification", TEXT),
        "channel": Param("channel", TEXT),
        "status": Param("status", TEXT),
        "error": Param("error", TEXT),
        "timestamp": Param("timestamp", TIME),
        "report_id": Param("reportId", TEXT),
    },
    body="*",
    answer=message("ReportStatusResponse"),
    repeat="always",
    timeout=5,
)

WATCH_DELIVERIES = Call(
    method="GET",
    paths=("/v1/deliveries:watch",),
    params={
        "firing": Param("firing", TEXT),
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchDeliveriesResponse"),
    repeat="always",
    timeout=3600,
)

CREATE_ROTATION = Call(
    method="POST",
    paths=("/v1/rotations",),
    params={
        "rotation": Param("rotation", message("Rotation")),
    },
    body="rotation",
    answer=message("Rotation"),
    repeat="key",
    timeout=10,
)

GET_ROTATION = Call(
    method="GET",
    paths=("/v1/{name=rotations/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Rotation"),
    repeat="always",
    timeout=10,
)

LIST_ROTATIONS = Call(
    method="GET",
    paths=("/v1/rotations",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListRotationsResponse"),
    repeat="always",
    timeout=10,
)

UPDATE_ROTATION = Call(
    method="PATCH",
    paths=("/v1/{rotation.name=rotations/*}",),
    params={
        "rotation": Param("rotation", message("Rotation")),
        "update_mask": Param("updateMask", MASK),
    },
    body="rotation",
    answer=message("Rotation"),
    repeat="key",
    timeout=10,
)

DELETE_ROTATION = Call(
    method="DELETE",
    paths=("/v1/{name=rotations/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=10,
)

LIST_ROTATION_REVISIONS = Call(
    method="GET",
    paths=("/v1/{name=rotations/*}/revisions",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListRotationRevisionsResponse"),
    repeat="always",
    timeout=10,
)

GET_ON_CALL = Call(
    method="GET",
    paths=("/v1/{name=rotations/*}:onCall",),
    params={
        "name": Param("name", TEXT),
        "at": Param("at", TIME),
    },
    answer=message("OnCall"),
    repeat="always",
    timeout=10,
)

LIST_ON_CALL = Call(
    method="GET",
    paths=("/v1/onCall",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "at": Param("at", TIME),
        "recipient": Param("recipient", TEXT),
    },
    answer=message("ListOnCallResponse"),
    repeat="always",
    timeout=10,
)

WATCH_ROTATIONS = Call(
    method="GET",
    paths=("/v1/rotations:watch",),
    params={
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchRotationsResponse"),
    repeat="always",
    timeout=3600,
)

PREVIEW_ROTATION = Call(
    method="GET",
    paths=("/v1/{name=rotations/*}:preview",),
    params={
        "name": Param("name", TEXT),
        "from_": Param("from", TIME),
        "to": Param("to", TIME),
    },
    answer=message("PreviewRotationResponse"),
    repeat="always",
    timeout=10,
)

PREVIEW_ROTATION_DRAFT = Call(
    method="POST",
    paths=("/v1/rotations:preview",),
    params={
        "rotation": Param("rotation", message("Rotation")),
        "from_": Param("from", TIME),
        "to": Param("to", TIME),
    },
    body="*",
    answer=message("PreviewRotationDraftResponse"),
    repeat="always",
    timeout=10,
)

PREVIEW_ON_CALL = Call(
    method="GET",
    paths=("/v1/onCall:preview",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "from_": Param("from", TIME),
        "to": Param("to", TIME),
    },
    answer=message("PreviewOnCallResponse"),
    repeat="always",
    timeout=10,
)

CREATE_ROTATION_OVERRIDE = Call(
    method="POST",
    paths=("/v1/{parent=rotations/*}/overrides",),
    params={
        "parent": Param("parent", TEXT),
        "override": Param("override", message("RotationOverride")),
    },
    body="override",
    answer=message("RotationOverride"),
    repeat="key",
    timeout=10,
)

LIST_ROTATION_OVERRIDES = Call(
    method="GET",
    paths=("/v1/{parent=rotations/*}/overrides",),
    params={
        "parent": Param("parent", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "show_ended": Param("showEnded", BOOL),
    },
    answer=message("ListRotationOverridesResponse"),
    repeat="always",
    timeout=10,
)

DELETE_ROTATION_OVERRIDE = Call(
    method="DELETE",
    paths=("/v1/{name=rotations/*/overrides/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=10,
)

GET_MESH = Call(
    method="GET",
    paths=("/v1/mesh",),
    params={},
    answer=message("MeshPicture"),
    repeat="always",
    timeout=10,
)

WATCH_MESH = Call(
    method="GET",
    paths=("/v1/mesh:watch",),
    params={
        "interval_seconds": Param("intervalSeconds", INTEGER),
    },
    answer=message("WatchMeshResponse"),
    repeat="always",
    timeout=3600,
)

WATCH_CALLS = Call(
    method="GET",
    paths=("/v1/mesh/calls:watch",),
    params={
        "service": Param("service", TEXT),
        "method": Param("filter.method", TEXT),
        "caller": Param("filter.caller", TEXT),
        "tenant": Param("filter.tenant", TEXT),
        "code": Param("filter.code", TEXT),
    },
    answer=message("WatchCallsResponse"),
    repeat="always",
    timeout=3600,
)

GET_MESH_POLICY = Call(
    method="GET",
    paths=("/v1/mesh/policy",),
    params={
        "method": Param("method", TEXT),
    },
    answer=message("MeshPolicy"),
    repeat="always",
    timeout=10,
)

SET_MESH_POLICY = Call(
    method="POST",
    paths=("/v1/mesh/policy:set",),
    params={
        "rule": Param("rule", message("PolicyRule")),
        "ttl": Param("ttl", DURATION),
        "dry_run": Param("dryRun", BOOL),
        "access": Param("access", message("AccessRule")),
        "rate": Param("rate", message("RateRule")),
        "split": Param("split", message("SplitRule")),
        "mirror": Param("mirror", message("MirrorRule")),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

RESET_MESH_POLICY = Call(
    method="POST",
    paths=("/v1/mesh/policy:reset",),
    params={
        "method": Param("method", TEXT),
        "caller": Param("caller", TEXT),
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

RESET_SERVICE_BREAKERS = Call(
    method="POST",
    paths=("/v1/mesh/services/{service}:reset",),
    params={
        "service": Param("service", TEXT),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

RESET_BREAKER = Call(
    method="POST",
    paths=("/v1/mesh/breakers/{id=**}:reset",),
    params={
        "id": Param("id", TEXT),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

OPEN_BREAKER = Call(
    method="POST",
    paths=("/v1/mesh/breakers/{id=**}:open",),
    params={
        "id": Param("id", TEXT),
        "duration": Param("duration", DURATION),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

CLOSE_BREAKER = Call(
    method="POST",
    paths=("/v1/mesh/breakers/{id=**}:close",),
    params={
        "id": Param("id", TEXT),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

INJECT_FAULT = Call(
    method="POST",
    paths=("/v1/mesh/faults",),
    params={
        "service": Param("service", TEXT),
        "fault": Param("fault", message("Fault")),
    },
    body="*",
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

REMOVE_FAULTS = Call(
    method="DELETE",
    paths=("/v1/mesh/faults",),
    params={
        "service": Param("service", TEXT),
        "method": Param("method", TEXT),
    },
    answer=message("OrderReport"),
    repeat="always",
    timeout=10,
)

GET_FIRING = Call(
    method="GET",
    paths=("/v1/{name=firings/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Firing"),
    repeat="always",
    timeout=5,
)

LIST_FIRINGS = Call(
    method="GET",
    paths=("/v1/firings",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListFiringsResponse"),
    repeat="always",
    timeout=5,
)

SUMMARIZE_FIRINGS = Call(
    method="GET",
    paths=("/v1/firings:summarize",),
    params={
        "minutes": Param("minutes", INTEGER),
        "alarm": Param("alarm", TEXT),
    },
    answer=message("SummarizeFiringsResponse"),
    repeat="always",
    timeout=5,
)

WATCH_FIRINGS = Call(
    method="GET",
    paths=("/v1/firings:watch",),
    params={
        "alarm": Param("alarm", TEXT),
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchFiringsResponse"),
    repeat="always",
    timeout=3600,
)

AUDIT_FIRINGS = Call(
    method="GET",
    paths=("/v1/firings:audit",),
    params={
        "start_time": Param("startTime", TIME),
        "end_time": Param("endTime", TIME),
        "alarm": Param("alarm", TEXT),
        "incident": Param("incident", TEXT),
    },
    answer=message("AuditFiringsResponse"),
    repeat="always",
    timeout=3600,
)

REPLAY_FIRING = Call(
    method="POST",
    paths=("/v1/{name=firings/*}:replay",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Firing"),
    repeat="always",
    timeout=5,
)

TRIGGER_INCIDENT = Call(
    method="POST",
    paths=("/v1/incidents",),
    params={
        "incident": Param("incident", message("Incident")),
        "request_id": Param("requestId", TEXT),
    },
    body="incident",
    answer=message("Incident"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_INCIDENT = Call(
    method="GET",
    paths=("/v1/{name=incidents/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Incident"),
    repeat="always",
    timeout=5,
)

LIST_INCIDENTS = Call(
    method="GET",
    paths=("/v1/incidents",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListIncidentsResponse"),
    repeat="always",
    timeout=5,
)

WATCH_INCIDENTS = Call(
    method="GET",
    paths=("/v1/incidents:watch",),
    params={
        "incident": Param("incident", TEXT),
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchIncidentsResponse"),
    repeat="always",
    timeout=3600,
)

LIST_INCIDENT_EVENTS = Call(
    method="GET",
    paths=("/v1/{name=incidents/*}/events",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIncidentEventsResponse"),
    repeat="always",
    timeout=5,
)

LIST_INCIDENT_ALERTS = Call(
    method="GET",
    paths=("/v1/{name=incidents/*}/alerts",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIncidentAlertsResponse"),
    repeat="always",
    timeout=5,
)

ACKNOWLEDGE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:acknowledge",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
    },
    body="*",
    answer=message("Incident"),
    repeat="always",
    timeout=5,
)

UNACKNOWLEDGE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:unacknowledge",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
    },
    body="*",
    answer=message("Incident"),
    repeat="always",
    timeout=5,
)

RESOLVE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:resolve",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
    },
    body="*",
    answer=message("Incident"),
    repeat="always",
    timeout=5,
)

SNOOZE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:snooze",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
        "until": Param("until", TIME),
        "duration": Param("duration", DURATION),
    },
    body="*",
    answer=message("Incident"),
    repeat="key",
    timeout=5,
)

REASSIGN_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:reassign",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
        "escalation_policy": Param("escalationPolicy", TEXT),
        "targets": Param("targets", many(TEXT)),
    },
    body="*",
    answer=message("Incident"),
    repeat="key",
    timeout=5,
)

NOTE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:note",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("Incident"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

MERGE_INCIDENT = Call(
    method="POST",
    paths=("/v1/{name=incidents/*}:merge",),
    params={
        "name": Param("name", TEXT),
        "note": Param("note", TEXT),
        "into": Param("into", TEXT),
    },
    body="*",
    answer=message("Incident"),
    repeat="always",
    timeout=5,
)

WATCH_CHANGES = Call(
    method="GET",
    paths=("/v1/changes:watch",),
    params={
        "kinds": Param("kinds", many(ENUM)),
        "resume_token": Param("resumeToken", TEXT),
    },
    answer=message("WatchChangesResponse"),
    repeat="always",
    timeout=3600,
)

SHOW_ANSWER_PAGE = Call(
    method="GET",
    paths=("/i/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

ANSWER_BY_LINK = Call(
    method="POST",
    paths=("/i/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="always",
    timeout=5,
)

RECEIVE_CALLBACK = Call(
    method="POST",
    paths=("/v1/callbacks/{provider}",),
    params={
        "provider": Param("provider", TEXT),
        "body": Param("body", ANY),
    },
    body="body",
    raw=True,
    answer=message("ReceiveCallbackResponse"),
    repeat="always",
    timeout=10,
)

CREATE_CATEGORY = Call(
    method="POST",
    paths=("/v1/categories",),
    params={
        "category": Param("category", message("Category")),
    },
    body="category",
    answer=message("Category"),
    repeat="key",
    timeout=5,
)

GET_CATEGORY = Call(
    method="GET",
    paths=("/v1/{name=categories/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Category"),
    repeat="always",
    timeout=5,
)

LIST_CATEGORIES = Call(
    method="GET",
    paths=("/v1/categories",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListCategoriesResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_CATEGORY = Call(
    method="PATCH",
    paths=("/v1/{category.name=categories/*}",),
    params={
        "category": Param("category", message("Category")),
        "update_mask": Param("updateMask", MASK),
    },
    body="category",
    answer=message("Category"),
    repeat="key",
    timeout=5,
)

DELETE_CATEGORY = Call(
    method="DELETE",
    paths=("/v1/{name=categories/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

IMPORT_CATEGORIES = Call(
    method="POST",
    paths=("/v1/categories:import",),
    params={
        "data": Param("data", ANY),
        "skip_lines": Param("options.skipLines", INTEGER),
        "validate_only": Param("options.validateOnly", BOOL),
    },
    body="data",
    raw=True,
    answer=message("ImportProgress"),
    repeat="never",
    timeout=3600,
)

EXPORT_CATEGORIES = Call(
    method="GET",
    paths=("/v1/categories:export",),
    params={},
    answer=message("Category"),
    repeat="always",
    timeout=3600,
)

CREATE_FEED = Call(
    method="POST",
    paths=("/v1/{subject=rotations/*}:createFeed", "/v1/{subject=recipients/*}:createFeed",),
    params={
        "subject": Param("subject", TEXT),
    },
    body="*",
    answer=message("Feed"),
    repeat="key",
    timeout=10,
)

GET_FEED = Call(
    method="GET",
    paths=("/v1/{subject=rotations/*}/feed", "/v1/{subject=recipients/*}/feed",),
    params={
        "subject": Param("subject", TEXT),
    },
    answer=message("Feed"),
    repeat="always",
    timeout=10,
)

REVOKE_FEED = Call(
    method="POST",
    paths=("/v1/{subject=rotations/*}:revokeFeed", "/v1/{subject=recipients/*}:revokeFeed",),
    params={
        "subject": Param("subject", TEXT),
    },
    body="*",
    repeat="always",
    timeout=10,
)

READ_FEED = Call(
    method="GET",
    paths=("/v1/feeds/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=10,
)

CREATE_GROUP = Call(
    method="POST",
    paths=("/v1/groups",),
    params={
        "group": Param("group", message("Group")),
    },
    body="group",
    answer=message("Group"),
    repeat="key",
    timeout=5,
)

GET_GROUP = Call(
    method="GET",
    paths=("/v1/{name=groups/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Group"),
    repeat="always",
    timeout=5,
)

LIST_GROUPS = Call(
    method="GET",
    paths=("/v1/groups",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListGroupsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_GROUP = Call(
    method="PATCH",
    paths=("/v1/{group.name=groups/*}",),
    params={
        "group": Param("group", message("Group")),
        "update_mask": Param("updateMask", MASK),
    },
    body="group",
    answer=message("Group"),
    repeat="key",
    timeout=5,
)

DELETE_GROUP = Call(
    method="DELETE",
    paths=("/v1/{name=groups/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

ADD_GROUP_MEMBERS = Call(
    method="POST",
    paths=("/v1/{name=groups/*}:addMembers",),
    params={
        "name": Param("name", TEXT),
        "members": Param("members", many(TEXT)),
    },
    body="*",
    answer=message("Group"),
    repeat="always",
    timeout=5,
)

REMOVE_GROUP_MEMBERS = Call(
    method="POST",
    paths=("/v1/{name=groups/*}:removeMembers",),
    params={
        "name": Param("name", TEXT),
        "members": Param("members", many(TEXT)),
    },
    body="*",
    answer=message("Group"),
    repeat="always",
    timeout=5,
)

LIST_GROUP_MEMBERS = Call(
    method="GET",
    paths=("/v1/{name=groups/*}/members",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListGroupMembersResponse"),
    repeat="always",
    timeout=5,
)

IMPORT_GROUPS = Call(
    method="POST",
    paths=("/v1/groups:import",),
    params={
        "data": Param("data", ANY),
        "skip_lines": Param("options.skipLines", INTEGER),
        "validate_only": Param("options.validateOnly", BOOL),
    },
    body="data",
    raw=True,
    answer=message("ImportProgress"),
    repeat="never",
    timeout=3600,
)

EXPORT_GROUPS = Call(
    method="GET",
    paths=("/v1/groups:export",),
    params={},
    answer=message("GroupLine"),
    repeat="always",
    timeout=3600,
)

LIST_MESSAGES = Call(
    method="GET",
    paths=("/v1/inbox/messages",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListMessagesResponse"),
    repeat="always",
    timeout=5,
)

GET_MESSAGE = Call(
    method="GET",
    paths=("/v1/{name=inbox/messages/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("InboxMessage"),
    repeat="always",
    timeout=5,
)

SHOW_MESSAGE = Call(
    method="GET",
    paths=("/v1/{name=inbox/messages/*}:show",),
    params={
        "name": Param("name", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SEND_NOTIFICATION = Call(
    method="POST",
    paths=("/v1/notifications",),
    params={
        "notification": Param("notification", message("Notification")),
        "request_id": Param("requestId", TEXT),
    },
    body="notification",
    answer=message("Notification"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_NOTIFICATION = Call(
    method="GET",
    paths=("/v1/{name=notifications/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Notification"),
    repeat="always",
    timeout=5,
)

LIST_NOTIFICATIONS = Call(
    method="GET",
    paths=("/v1/notifications",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListNotificationsResponse"),
    repeat="always",
    timeout=5,
)

CANCEL_NOTIFICATION = Call(
    method="POST",
    paths=("/v1/{name=notifications/*}:cancel",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Notification"),
    repeat="always",
    timeout=5,
)

GET_CALLBACK_SECRET = Call(
    method="POST",
    paths=("/v1/notifications:callbackSecret",),
    params={},
    body="*",
    answer=message("GetCallbackSecretResponse"),
    repeat="key",
    timeout=5,
)

GET_PREFERENCES = Call(
    method="GET",
    paths=("/v1/{name=recipients/*/preferences}", "/v1/{name=preferences}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Preferences"),
    repeat="always",
    timeout=5,
)

UPDATE_PREFERENCES = Call(
    method="PATCH",
    paths=("/v1/{preferences.name=recipients/*/preferences}", "/v1/{preferences.name=preferences}",),
    params={
        "preferences": Param("preferences", message("Preferences")),
        "update_mask": Param("updateMask", MASK),
    },
    body="preferences",
    answer=message("Preferences"),
    repeat="key",
    timeout=5,
)

REPLACE_PREFERENCES = Call(
    method="PUT",
    paths=("/v1/{preferences.name=recipients/*/preferences}", "/v1/{preferences.name=preferences}",),
    params={
        "preferences": Param("preferences", message("Preferences")),
    },
    body="preferences",
    answer=message("Preferences"),
    repeat="always",
    timeout=5,
)

CREATE_PROVIDER = Call(
    method="POST",
    paths=("/v1/providers",),
    params={
        "provider": Param("provider", message("Provider")),
    },
    body="provider",
    answer=message("Provider"),
    repeat="key",
    timeout=5,
)

GET_PROVIDER = Call(
    method="GET",
    paths=("/v1/{name=providers/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Provider"),
    repeat="always",
    timeout=5,
)

LIST_PROVIDERS = Call(
    method="GET",
    paths=("/v1/providers",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListProvidersResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_PROVIDER = Call(
    method="PATCH",
    paths=("/v1/{provider.name=providers/*}",),
    params={
        "provider": Param("provider", message("Provider")),
        "update_mask": Param("updateMask", MASK),
    },
    body="provider",
    answer=message("Provider"),
    repeat="always",
    timeout=5,
)

DELETE_PROVIDER = Call(
    method="DELETE",
    paths=("/v1/{name=providers/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="always",
    timeout=5,
)

TEST_PROVIDER = Call(
    method="POST",
    paths=("/v1/{name=providers/*}:test",),
    params={
        "name": Param("name", TEXT),
        "to": Param("to", TEXT),
    },
    body="*",
    answer=message("TestProviderResponse"),
    repeat="key",
    timeout=30,
)

LIST_PROVIDER_KINDS = Call(
    method="GET",
    paths=("/v1/providerKinds",),
    params={},
    answer=message("ListProviderKindsResponse"),
    repeat="always",
    timeout=5,
)

GET_PUSH_KEY = Call(
    method="GET",
    paths=("/v1/push/key",),
    params={},
    answer=message("PushKey"),
    repeat="always",
    timeout=5,
)

CREATE_RECIPIENT = Call(
    method="POST",
    paths=("/v1/recipients",),
    params={
        "recipient": Param("recipient", message("Recipient")),
    },
    body="recipient",
    answer=message("Recipient"),
    repeat="key",
    timeout=5,
)

GET_RECIPIENT = Call(
    method="GET",
    paths=("/v1/{name=recipients/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Recipient"),
    repeat="always",
    timeout=5,
)

LIST_RECIPIENTS = Call(
    method="GET",
    paths=("/v1/recipients",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListRecipientsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_RECIPIENT = Call(
    method="PATCH",
    paths=("/v1/{recipient.name=recipients/*}",),
    params={
        "recipient": Param("recipient", message("Recipient")),
        "update_mask": Param("updateMask", MASK),
    },
    body="recipient",
    answer=message("Recipient"),
    repeat="key",
    timeout=5,
)

DELETE_RECIPIENT = Call(
    method="DELETE",
    paths=("/v1/{name=recipients/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

ADD_ADDRESS = Call(
    method="POST",
    paths=("/v1/{parent=recipients/*}/addresses",),
    params={
        "parent": Param("parent", TEXT),
        "address": Param("address", message("Address")),
    },
    body="address",
    answer=message("Address"),
    repeat="key",
    timeout=5,
)

REMOVE_ADDRESS = Call(
    method="DELETE",
    paths=("/v1/{name=recipients/*/addresses/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

REQUEST_ADDRESS_VERIFICATION = Call(
    method="POST",
    paths=("/v1/{name=recipients/*/addresses/*}:requestVerification",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Address"),
    repeat="key",
    timeout=5,
)

RECIPIENT_VERIFY_ADDRESS = Call(
    method="POST",
    paths=("/v1/{name=recipients/*/addresses/*}:verify",),
    params={
        "name": Param("name", TEXT),
        "code": Param("code", TEXT),
    },
    body="*",
    answer=message("Address"),
    repeat="key",
    timeout=5,
)

GET_PERSONAL_RULES = Call(
    method="GET",
    paths=("/v1/{name=recipients/*/rules}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("PersonalRules"),
    repeat="always",
    timeout=5,
)

REPLACE_PERSONAL_RULES = Call(
    method="PUT",
    paths=("/v1/{rules.name=recipients/*/rules}",),
    params={
        "rules": Param("rules", message("PersonalRules")),
    },
    body="rules",
    answer=message("PersonalRules"),
    repeat="always",
    timeout=5,
)

IMPORT_RECIPIENTS = Call(
    method="POST",
    paths=("/v1/recipients:import",),
    params={
        "data": Param("data", ANY),
        "skip_lines": Param("options.skipLines", INTEGER),
        "validate_only": Param("options.validateOnly", BOOL),
    },
    body="data",
    raw=True,
    answer=message("ImportProgress"),
    repeat="never",
    timeout=3600,
)

EXPORT_RECIPIENTS = Call(
    method="GET",
    paths=("/v1/recipients:export",),
    params={
        "filter": Param("filter", TEXT),
    },
    answer=message("Recipient"),
    repeat="always",
    timeout=3600,
)

SEND_SIMPLE_NOTIFICATION = Call(
    method="POST",
    paths=("/v1/notifications:sendSimple",),
    params={
        "notification_type": Param("notificationType", TEXT),
        "user_id": Param("userId", TEXT),
        "template_code": Param("templateCode", TEXT),
        "variables": Param("variables", ANY),
        "request_id": Param("requestId", TEXT),
        "priority": Param("priority", INTEGER),
        "metadata": Param("metadata", ANY),
    },
    body="*",
    answer=message("SimpleNotification"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_SIMPLE_NOTIFICATION = Call(
    method="GET",
    paths=("/v1/notifications:status",),
    params={
        "notification_id": Param("notificationId", TEXT),
        "request_id": Param("requestId", TEXT),
    },
    answer=message("SimpleNotification"),
    repeat="always",
    timeout=5,
)

REGISTER_RECIPIENT = Call(
    method="POST",
    paths=("/v1/recipients:register",),
    params={
        "user_id": Param("userId", TEXT),
        "name": Param("name", TEXT),
        "email": Param("email", TEXT),
        "push_token": Param("pushToken", TEXT),
        "preferences": Param("preferences", message("SimplePreferences")),
        "locale": Param("locale", TEXT),
        "time_zone": Param("timeZone", TEXT),
    },
    body="*",
    answer=message("RegisteredRecipient"),
    repeat="key",
    timeout=5,
)

CREATE_SUPPRESSION = Call(
    method="POST",
    paths=("/v1/suppressions",),
    params={
        "suppression": Param("suppression", message("Suppression")),
    },
    body="suppression",
    answer=message("Suppression"),
    repeat="always",
    timeout=5,
)

GET_SUPPRESSION = Call(
    method="GET",
    paths=("/v1/{name=suppressions/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Suppression"),
    repeat="always",
    timeout=5,
)

LIST_SUPPRESSIONS = Call(
    method="GET",
    paths=("/v1/suppressions",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListSuppressionsResponse"),
    repeat="always",
    timeout=5,
)

DELETE_SUPPRESSION = Call(
    method="DELETE",
    paths=("/v1/{name=suppressions/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

IMPORT_SUPPRESSIONS = Call(
    method="POST",
    paths=("/v1/suppressions:import",),
    params={
        "data": Param("data", ANY),
        "skip_lines": Param("options.skipLines", INTEGER),
        "validate_only": Param("options.validateOnly", BOOL),
    },
    body="data",
    raw=True,
    answer=message("ImportProgress"),
    repeat="never",
    timeout=3600,
)

EXPORT_SUPPRESSIONS = Call(
    method="GET",
    paths=("/v1/suppressions:export",),
    params={
        "filter": Param("filter", TEXT),
    },
    answer=message("Suppression"),
    repeat="always",
    timeout=3600,
)

CREATE_TEMPLATE = Call(
    method="POST",
    paths=("/v1/templates",),
    params={
        "template": Param("template", message("Template")),
    },
    body="template",
    answer=message("Template"),
    repeat="key",
    timeout=5,
)

GET_TEMPLATE = Call(
    method="GET",
    paths=("/v1/{name=templates/*}",),
    params={
        "name": Param("name", TEXT),
        "version": Param("version", INTEGER),
    },
    answer=message("Template"),
    repeat="always",
    timeout=5,
)

LIST_TEMPLATES = Call(
    method="GET",
    paths=("/v1/templates",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "show_built_in": Param("showBuiltIn", BOOL),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListTemplatesResponse"),
    repeat="always",
    timeout=5,
)

LIST_TEMPLATE_VERSIONS = Call(
    method="GET",
    paths=("/v1/{name=templates/*}/versions",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListTemplateVersionsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_TEMPLATE = Call(
    method="PUT",
    paths=("/v1/{template.name=templates/*}",),
    params={
        "template": Param("template", message("Template")),
        "force": Param("force", BOOL),
        "promote": Param("promote", optional(BOOL)),
    },
    body="template",
    answer=message("Template"),
    repeat="key",
    timeout=5,
)

PROMOTE_TEMPLATE = Call(
    method="POST",
    paths=("/v1/{name=templates/*}:promote",),
    params={
        "name": Param("name", TEXT),
        "version": Param("version", INTEGER),
        "force": Param("force", BOOL),
    },
    body="*",
    answer=message("Template"),
    repeat="key",
    timeout=5,
)

DELETE_TEMPLATE = Call(
    method="DELETE",
    paths=("/v1/{name=templates/*}",),
    params={
        "name": Param("name", TEXT),
        "force": Param("force", BOOL),
    },
    repeat="key",
    timeout=5,
)

RENDER_TEMPLATE = Call(
    method="POST",
    paths=("/v1/{name=templates/*}:render",),
    params={
        "name": Param("name", TEXT),
        "variables": Param("variables", mapped(TEXT)),
        "version": Param("version", INTEGER),
        "channel": Param("channel", TEXT),
        "locale": Param("locale", TEXT),
        "recipient": Param("recipient", ANY),
        "context": Param("context", ANY),
    },
    body="*",
    answer=message("RenderTemplateResponse"),
    repeat="always",
    timeout=5,
)

PREVIEW_TEMPLATE = Call(
    method="POST",
    paths=("/v1/templates:preview",),
    params={
        "template": Param("template", message("Template")),
        "variables": Param("variables", mapped(TEXT)),
        "channel": Param("channel", TEXT),
        "locale": Param("locale", TEXT),
        "recipient": Param("recipient", ANY),
        "context": Param("context", ANY),
    },
    body="*",
    answer=message("RenderTemplateResponse"),
    repeat="always",
    timeout=5,
)

SEND_TEST_MESSAGE = Call(
    method="POST",
    paths=("/v1/{name=templates/*}:sendTest",),
    params={
        "name": Param("name", TEXT),
        "to": Param("to", TEXT),
        "channel": Param("channel", TEXT),
        "variables": Param("variables", mapped(TEXT)),
        "version": Param("version", INTEGER),
        "locale": Param("locale", TEXT),
        "recipient": Param("recipient", ANY),
        "context": Param("context", ANY),
    },
    body="*",
    answer=message("SendTestMessageResponse"),
    repeat="key",
    timeout=5,
)

SHOW_UNSUBSCRIBE_PAGE = Call(
    method="GET",
    paths=("/u/{token}",),
    params={
        "token": Param("token", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

UNSUBSCRIBE = Call(
    method="POST",
    paths=("/u/{token}",),
    params={
        "token": Param("token", TEXT),
        "form": Param("form", ANY),
    },
    body="form",
    raw=True,
    content=True,
    repeat="always",
    timeout=5,
)

LIST_SPOOLED_CALLS = Call(
    method="GET",
    paths=("/v1/spooledCalls",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "tenant": Param("tenant", TEXT),
    },
    answer=message("ListSpooledCallsResponse"),
    repeat="always",
    timeout=10,
)

GET_SPOOLED_CALL = Call(
    method="GET",
    paths=("/v1/{name=spooledCalls/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("SpooledCall"),
    repeat="always",
    timeout=10,
)

RETRY_SPOOLED_CALL = Call(
    method="POST",
    paths=("/v1/{name=spooledCalls/*}:retry",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    repeat="always",
    timeout=10,
)

DROP_SPOOLED_CALL = Call(
    method="DELETE",
    paths=("/v1/{name=spooledCalls/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=10,
)

SET_PII_POLICY = Call(
    method="PUT",
    paths=("/v1/{policy.name=pii/policies/*}",),
    params={
        "policy": Param("policy", message("PiiPolicy")),
    },
    body="policy",
    answer=message("PiiPolicy"),
    repeat="always",
    timeout=5,
)

GET_PII_POLICY = Call(
    method="GET",
    paths=("/v1/{name=pii/policies/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("PiiPolicy"),
    repeat="always",
    timeout=5,
)

LIST_PII_POLICIES = Call(
    method="GET",
    paths=("/v1/pii/policies",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListPiiPoliciesResponse"),
    repeat="always",
    timeout=5,
)

DELETE_PII_POLICY = Call(
    method="DELETE",
    paths=("/v1/{name=pii/policies/*}",),
    params={
        "name": Param("name", TEXT),
    },
    repeat="key",
    timeout=5,
)

SCAN_TEXT = Call(
    method="POST",
    paths=("/v1/pii:scan",),
    params={
        "text": Param("text", TEXT),
        "kinds": Param("kinds", many(ENUM)),
    },
    body="*",
    answer=message("ScanTextResponse"),
    repeat="always",
    timeout=5,
)

SET_RECORD = Call(
    method="PUT",
    paths=("/v1/records/{key}",),
    params={
        "key": Param("key", TEXT),
        "value": Param("value", TEXT),
    },
    body="*",
    answer=message("Record"),
    repeat="always",
    timeout=5,
)

GET_RECORD = Call(
    method="GET",
    paths=("/v1/records/{key}",),
    params={
        "key": Param("key", TEXT),
    },
    answer=message("Record"),
    repeat="always",
    timeout=5,
)

LIST_RECORDS = Call(
    method="GET",
    paths=("/v1/records",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListRecordsResponse"),
    repeat="always",
    timeout=5,
)

DELETE_RECORD = Call(
    method="DELETE",
    paths=("/v1/records/{key}",),
    params={
        "key": Param("key", TEXT),
    },
    repeat="key",
    timeout=5,
)

RUN_RECORD = Call(
    method="POST",
    paths=("/v1/records/{key}:run",),
    params={
        "key": Param("key", TEXT),
        "handler": Param("handler", TEXT),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("RunRecordResponse"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

START_SENSOR_TEST = Call(
    method="POST",
    paths=("/v1/sensors/{sensor_type}:test",),
    params={
        "sensor_type": Param("sensorType", TEXT),
        "minimum": Param("minimum", optional(NUMBER)),
        "maximum": Param("maximum", optional(NUMBER)),
        "max_age_seconds": Param("maxAgeSeconds", NUMBER),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("SensorTest"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_SENSOR_TEST = Call(
    method="GET",
    paths=("/v1/sensorTests/{test_id}",),
    params={
        "test_id": Param("testId", TEXT),
    },
    answer=message("SensorTest"),
    repeat="always",
    timeout=5,
)

SUBMIT_TASK = Call(
    method="POST",
    paths=("/v1/tasks",),
    params={
        "handler": Param("handler", TEXT),
        "input": Param("input", ANY),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("Task"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_TASK = Call(
    method="GET",
    paths=("/v1/{name=tasks/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Task"),
    repeat="always",
    timeout=5,
)

CANCEL_TASK = Call(
    method="POST",
    paths=("/v1/{name=tasks/*}:cancel",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Task"),
    repeat="always",
    timeout=5,
)

WATCH_TASK = Call(
    method="GET",
    paths=("/v1/{name=tasks/*}:watch",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("WatchTaskResponse"),
    repeat="always",
    timeout=3600,
)

LIST_TASKS = Call(
    method="GET",
    paths=("/v1/tasks",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListTasksResponse"),
    repeat="always",
    timeout=5,
)

LIST_HANDLERS = Call(
    method="GET",
    paths=("/v1/handlers",),
    params={},
    answer=message("ListHandlersResponse"),
    repeat="always",
    timeout=5,
)

CREATE_ALARM = Call(
    method="POST",
    paths=("/v1/alarms",),
    params={
        "alarm": Param("alarm", message("Alarm")),
        "request_id": Param("requestId", TEXT),
    },
    body="alarm",
    answer=message("Alarm"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

CREATE_SIMPLE_ALARM = Call(
    method="POST",
    paths=("/v1/alarms:createSimple",),
    params={
        "code_id": Param("codeId", TEXT),
        "email": Param("email", TEXT),
        "time": Param("time", TEXT),
        "is_recurring": Param("isRecurring", BOOL),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("Alarm"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

GET_ALARM = Call(
    method="GET",
    paths=("/v1/{name=alarms/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Alarm"),
    repeat="always",
    timeout=5,
)

LIST_ALARMS = Call(
    method="GET",
    paths=("/v1/alarms",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListAlarmsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_ALARM = Call(
    method="PATCH",
    paths=("/v1/{alarm.name=alarms/*}",),
    params={
        "alarm": Param("alarm", message("Alarm")),
        "update_mask": Param("updateMask", MASK),
    },
    body="alarm",
    answer=message("Alarm"),
    repeat="key",
    timeout=5,
)

DELETE_ALARM = Call(
    method="DELETE",
    paths=("/v1/{name=alarms/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=5,
)

PURGE_ALARMS = Call(
    method="POST",
    paths=("/v1/alarms:purge",),
    params={
        "filter": Param("filter", TEXT),
        "force": Param("force", BOOL),
    },
    body="*",
    answer=message("PurgeAlarmsResponse"),
    repeat="key",
    timeout=30,
)

PAUSE_ALARM = Call(
    method="POST",
    paths=("/v1/{name=alarms/*}:pause",),
    params={
        "name": Param("name", TEXT),
        "reason": Param("reason", TEXT),
    },
    body="*",
    answer=message("Alarm"),
    repeat="always",
    timeout=5,
)

RESUME_ALARM = Call(
    method="POST",
    paths=("/v1/{name=alarms/*}:resume",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Alarm"),
    repeat="always",
    timeout=5,
)

PAUSE_ALARMS = Call(
    method="POST",
    paths=("/v1/alarms:pause",),
    params={
        "filter": Param("filter", TEXT),
        "force": Param("force", BOOL),
        "reason": Param("reason", TEXT),
    },
    body="*",
    answer=message("PauseAlarmsResponse"),
    repeat="key",
    timeout=30,
)

RESUME_ALARMS = Call(
    method="POST",
    paths=("/v1/alarms:resume",),
    params={
        "filter": Param("filter", TEXT),
        "force": Param("force", BOOL),
    },
    body="*",
    answer=message("ResumeAlarmsResponse"),
    repeat="key",
    timeout=30,
)

PREVIEW_ALARM = Call(
    method="POST",
    paths=("/v1/alarms:preview",),
    params={
        "trigger": Param("trigger", message("Trigger")),
        "from_": Param("from", TIME),
        "count": Param("count", INTEGER),
    },
    body="*",
    answer=message("PreviewAlarmResponse"),
    repeat="always",
    timeout=5,
)

VALIDATE_ALARM = Call(
    method="POST",
    paths=("/v1/alarms:validate",),
    params={
        "trigger": Param("trigger", message("Trigger")),
        "action": Param("action", message("Action")),
    },
    body="*",
    answer=message("ValidateAlarmResponse"),
    repeat="always",
    timeout=5,
)

BACKFILL_ALARM = Call(
    method="POST",
    paths=("/v1/{name=alarms/*}:backfill",),
    params={
        "name": Param("name", TEXT),
        "start_time": Param("startTime", TIME),
        "end_time": Param("endTime", TIME),
        "limit": Param("limit", INTEGER),
    },
    body="*",
    answer=message("BackfillAlarmResponse"),
    repeat="always",
    timeout=5,
)

IMPORT_ALARMS = Call(
    method="POST",
    paths=("/v1/alarms:import",),
    params={
        "data": Param("data", ANY),
        "skip_lines": Param("options.skipLines", INTEGER),
        "validate_only": Param("options.validateOnly", BOOL),
    },
    body="data",
    raw=True,
    answer=message("ImportAlarmsResponse"),
    repeat="never",
    timeout=3600,
)

EXPORT_ALARMS = Call(
    method="GET",
    paths=("/v1/alarms:export",),
    params={
        "filter": Param("filter", TEXT),
    },
    answer=message("Alarm"),
    repeat="always",
    timeout=3600,
)

FIRE_ALARM = Call(
    method="POST",
    paths=("/v1/{name=alarms/*}:fire",),
    params={
        "name": Param("name", TEXT),
        "request_id": Param("requestId", TEXT),
    },
    body="*",
    answer=message("Firing"),
    identity="request_id",
    repeat="always",
    timeout=5,
)

CREATE_CALENDAR = Call(
    method="POST",
    paths=("/v1/calendars",),
    params={
        "calendar": Param("calendar", message("Calendar")),
    },
    body="calendar",
    answer=message("Calendar"),
    repeat="key",
    timeout=10,
)

GET_CALENDAR = Call(
    method="GET",
    paths=("/v1/{name=calendars/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Calendar"),
    repeat="always",
    timeout=10,
)

LIST_CALENDARS = Call(
    method="GET",
    paths=("/v1/calendars",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListCalendarsResponse"),
    repeat="always",
    timeout=10,
)

UPDATE_CALENDAR = Call(
    method="PATCH",
    paths=("/v1/{calendar.name=calendars/*}",),
    params={
        "calendar": Param("calendar", message("Calendar")),
        "update_mask": Param("updateMask", MASK),
    },
    body="calendar",
    answer=message("Calendar"),
    repeat="key",
    timeout=10,
)

DELETE_CALENDAR = Call(
    method="DELETE",
    paths=("/v1/{name=calendars/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=10,
)

CREATE_ESCALATION_POLICY = Call(
    method="POST",
    paths=("/v1/escalationPolicies",),
    params={
        "escalation_policy": Param("escalationPolicy", message("EscalationPolicy")),
    },
    body="escalation_policy",
    answer=message("EscalationPolicy"),
    repeat="key",
    timeout=5,
)

GET_ESCALATION_POLICY = Call(
    method="GET",
    paths=("/v1/{name=escalationPolicies/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("EscalationPolicy"),
    repeat="always",
    timeout=5,
)

LIST_ESCALATION_POLICIES = Call(
    method="GET",
    paths=("/v1/escalationPolicies",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListEscalationPoliciesResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_ESCALATION_POLICY = Call(
    method="PATCH",
    paths=("/v1/{escalation_policy.name=escalationPolicies/*}",),
    params={
        "escalation_policy": Param("escalationPolicy", message("EscalationPolicy")),
        "update_mask": Param("updateMask", MASK),
    },
    body="escalation_policy",
    answer=message("EscalationPolicy"),
    repeat="key",
    timeout=5,
)

DELETE_ESCALATION_POLICY = Call(
    method="DELETE",
    paths=("/v1/{name=escalationPolicies/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=5,
)

GET_FORECAST = Call(
    method="GET",
    paths=("/v1/forecast",),
    params={
        "start_time": Param("startTime", TIME),
        "minutes": Param("minutes", INTEGER),
    },
    answer=message("Forecast"),
    repeat="always",
    timeout=5,
)

CREATE_SILENCE = Call(
    method="POST",
    paths=("/v1/silences",),
    params={
        "silence": Param("silence", message("Silence")),
    },
    body="silence",
    answer=message("Silence"),
    repeat="key",
    timeout=5,
)

GET_SILENCE = Call(
    method="GET",
    paths=("/v1/{name=silences/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Silence"),
    repeat="always",
    timeout=5,
)

LIST_SILENCES = Call(
    method="GET",
    paths=("/v1/silences",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListSilencesResponse"),
    repeat="always",
    timeout=5,
)

PREVIEW_SILENCE = Call(
    method="POST",
    paths=("/v1/silences:preview",),
    params={
        "name": Param("name", TEXT),
        "silence": Param("silence", message("Silence")),
        "count": Param("count", INTEGER),
    },
    body="*",
    answer=message("PreviewSilenceResponse"),
    repeat="always",
    timeout=5,
)

EXPIRE_SILENCE = Call(
    method="POST",
    paths=("/v1/{name=silences/*}:expire",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Silence"),
    repeat="always",
    timeout=5,
)

CREATE_INCIDENT_DEPENDENCY = Call(
    method="POST",
    paths=("/v1/incidentDependencies",),
    params={
        "incident_dependency": Param("incidentDependency", message("IncidentDependency")),
    },
    body="incident_dependency",
    answer=message("IncidentDependency"),
    repeat="key",
    timeout=5,
)

GET_INCIDENT_DEPENDENCY = Call(
    method="GET",
    paths=("/v1/{name=incidentDependencies/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("IncidentDependency"),
    repeat="always",
    timeout=5,
)

LIST_INCIDENT_DEPENDENCIES = Call(
    method="GET",
    paths=("/v1/incidentDependencies",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIncidentDependenciesResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_INCIDENT_DEPENDENCY = Call(
    method="PATCH",
    paths=("/v1/{incident_dependency.name=incidentDependencies/*}",),
    params={
        "incident_dependency": Param("incidentDependency", message("IncidentDependency")),
        "update_mask": Param("updateMask", MASK),
    },
    body="incident_dependency",
    answer=message("IncidentDependency"),
    repeat="key",
    timeout=5,
)

DELETE_INCIDENT_DEPENDENCY = Call(
    method="DELETE",
    paths=("/v1/{name=incidentDependencies/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=5,
)

CREATE_INCIDENT_ROUTE = Call(
    method="POST",
    paths=("/v1/incidentRoutes",),
    params={
        "incident_route": Param("incidentRoute", message("IncidentRoute")),
    },
    body="incident_route",
    answer=message("IncidentRoute"),
    repeat="key",
    timeout=5,
)

GET_INCIDENT_ROUTE = Call(
    method="GET",
    paths=("/v1/{name=incidentRoutes/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("IncidentRoute"),
    repeat="always",
    timeout=5,
)

LIST_INCIDENT_ROUTES = Call(
    method="GET",
    paths=("/v1/incidentRoutes",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIncidentRoutesResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_INCIDENT_ROUTE = Call(
    method="PATCH",
    paths=("/v1/{incident_route.name=incidentRoutes/*}",),
    params={
        "incident_route": Param("incidentRoute", message("IncidentRoute")),
        "update_mask": Param("updateMask", MASK),
    },
    body="incident_route",
    answer=message("IncidentRoute"),
    repeat="key",
    timeout=5,
)

DELETE_INCIDENT_ROUTE = Call(
    method="DELETE",
    paths=("/v1/{name=incidentRoutes/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=5,
)

MATCH_INCIDENT_ROUTE = Call(
    method="POST",
    paths=("/v1/incidentRoutes:match",),
    params={
        "labels": Param("labels", mapped(TEXT)),
        "severity": Param("severity", ENUM),
        "source": Param("source", TEXT),
        "dedup_key": Param("dedupKey", TEXT),
    },
    body="*",
    answer=message("MatchIncidentRouteResponse"),
    repeat="always",
    timeout=5,
)

CREATE_INTEGRATION = Call(
    method="POST",
    paths=("/v1/integrations",),
    params={
        "integration": Param("integration", message("Integration")),
    },
    body="integration",
    answer=message("Integration"),
    repeat="key",
    timeout=5,
)

GET_INTEGRATION = Call(
    method="GET",
    paths=("/v1/{name=integrations/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("Integration"),
    repeat="always",
    timeout=5,
)

LIST_INTEGRATIONS = Call(
    method="GET",
    paths=("/v1/integrations",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListIntegrationsResponse"),
    repeat="always",
    timeout=5,
)

UPDATE_INTEGRATION = Call(
    method="PATCH",
    paths=("/v1/{integration.name=integrations/*}",),
    params={
        "integration": Param("integration", message("Integration")),
        "update_mask": Param("updateMask", MASK),
    },
    body="integration",
    answer=message("Integration"),
    repeat="key",
    timeout=5,
)

DELETE_INTEGRATION = Call(
    method="DELETE",
    paths=("/v1/{name=integrations/*}",),
    params={
        "name": Param("name", TEXT),
        "etag": Param("etag", TEXT),
    },
    repeat="key",
    timeout=5,
)

ROTATE_INTEGRATION_KEY = Call(
    method="POST",
    paths=("/v1/{name=integrations/*}:rotateKey",),
    params={
        "name": Param("name", TEXT),
    },
    body="*",
    answer=message("Integration"),
    repeat="key",
    timeout=5,
)

TRY_INTEGRATION = Call(
    method="POST",
    paths=("/v1/{name=integrations/*}:try",),
    params={
        "name": Param("name", TEXT),
        "payload": Param("payload", TEXT),
        "mapping": Param("mapping", message("PayloadMapping")),
        "content_type": Param("contentType", TEXT),
    },
    body="*",
    answer=message("TryIntegrationResponse"),
    repeat="always",
    timeout=5,
)

LIST_INTEGRATION_PAYLOADS = Call(
    method="GET",
    paths=("/v1/{name=integrations/*}/payloads",),
    params={
        "name": Param("name", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListIntegrationPayloadsResponse"),
    repeat="always",
    timeout=5,
)

RECEIVE_PAYLOAD = Call(
    method="POST",
    paths=("/v1/integrations/{key}/{format=alertmanager}", "/v1/integrations/{key}/{format=grafana}", "/v1/integrations/{key}/{format=generic}", "/v1/integrations/{key}/{format=cloudevents}",),
    params={
        "key": Param("key", TEXT),
        "format": Param("format", TEXT),
        "body": Param("body", ANY),
    },
    body="body",
    raw=True,
    answer=message("PayloadReceipt"),
    repeat="never",
    timeout=20,
)

ENQUEUE_PAGER_DUTY_EVENT = Call(
    method="POST",
    paths=("/v2/enqueue",),
    params={
        "body": Param("body", ANY),
    },
    body="body",
    raw=True,
    content=True,
    repeat="never",
    timeout=20,
)

GET_SCHEDULER_STATS = Call(
    method="GET",
    paths=("/v1/scheduler/stats",),
    params={},
    answer=message("SchedulerStats"),
    repeat="always",
    timeout=5,
)

LIST_REPLANS = Call(
    method="GET",
    paths=("/v1/scheduler/replans",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListReplansResponse"),
    repeat="always",
    timeout=5,
)

GET_USAGE = Call(
    method="GET",
    paths=("/v1/usage",),
    params={},
    answer=message("Usage"),
    repeat="always",
    timeout=5,
)

INSPECT_USAGE = Call(
    method="GET",
    paths=("/v1/{tenant=tenants/*}/usage",),
    params={
        "tenant": Param("tenant", TEXT),
    },
    answer=message("Usage"),
    repeat="always",
    timeout=5,
)

PUBLISH_EVENT = Call(
    method="POST",
    paths=("/v1/events",),
    params={
        "event": Param("event", message("PublishedEvent")),
    },
    body="event",
    answer=message("PublishEventResponse"),
    identity="event.id",
    repeat="always",
    timeout=5,
)

STREAM_EVENTS = Call(
    method="POST",
    paths=("/v1/events:stream",),
    params={
        "event": Param("event", message("PublishedEvent")),
    },
    body="event",
    uploads="event",
    answer=message("StreamEventsResponse"),
    repeat="never",
    timeout=3600,
)

RECORD_READING = Call(
    method="POST",
    paths=("/v1/readings",),
    params={
        "reading": Param("reading", message("Reading")),
    },
    body="reading",
    answer=message("RecordReadingResponse"),
    identity="reading.id",
    repeat="always",
    timeout=5,
)

GET_READING = Call(
    method="GET",
    paths=("/v1/readings/{metric=**}",),
    params={
        "metric": Param("metric", TEXT),
    },
    answer=message("Reading"),
    repeat="always",
    timeout=5,
)

STREAM_READINGS = Call(
    method="POST",
    paths=("/v1/readings:stream",),
    params={
        "reading": Param("reading", message("Reading")),
    },
    body="reading",
    uploads="reading",
    answer=message("StreamReadingsResponse"),
    repeat="never",
    timeout=3600,
)

PING = Call(
    method="POST",
    paths=("/v1/pings/{key}",),
    params={
        "key": Param("key", TEXT),
        "kind": Param("kind", ENUM),
        "exit_status": Param("exitStatus", optional(INTEGER)),
        "run_id": Param("runId", TEXT),
        "body": Param("body", BYTES),
        "time": Param("time", TIME),
    },
    answer=message("PingResponse"),
    repeat="always",
    timeout=5,
)

RECEIVE_PING = Call(
    method="POST",
    paths=("/ping/{key}", "/ping/{key}/", "/ping/{key}/{first}", "/ping/{key}/{first}/{second}",),
    params={
        "key": Param("key", TEXT),
        "body": Param("body", ANY),
        "first": Param("first", TEXT),
        "second": Param("second", TEXT),
        "time": Param("time", TIME),
    },
    body="body",
    raw=True,
    content=True,
    repeat="always",
    timeout=5,
)

GET_PING_KEY = Call(
    method="GET",
    paths=("/v1/pingKey",),
    params={},
    answer=message("PingKey"),
    repeat="always",
    timeout=5,
)

UPDATE_PING_KEY = Call(
    method="PUT",
    paths=("/v1/pingKey",),
    params={
        "ping_key": Param("pingKey", message("PingKey")),
        "rotate": Param("rotate", BOOL),
    },
    body="ping_key",
    answer=message("PingKey"),
    repeat="always",
    timeout=5,
)

GET_TRIGGER_STATS = Call(
    method="GET",
    paths=("/v1/triggers:stats",),
    params={},
    answer=message("TriggerStats"),
    repeat="always",
    timeout=5,
)

LIST_TRIGGER_LOGS = Call(
    method="GET",
    paths=("/v1/triggers:logs",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
        "filter": Param("filter", TEXT),
    },
    answer=message("ListTriggerLogsResponse"),
    repeat="always",
    timeout=5,
)

GET_STATUS = Call(
    method="GET",
    paths=("/v1/status",),
    params={
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("GetStatusResponse"),
    repeat="always",
    timeout=5,
)

LIST_PINGS = Call(
    method="GET",
    paths=("/v1/{parent=alarms/*}/pings",),
    params={
        "parent": Param("parent", TEXT),
        "page_size": Param("pageSize", INTEGER),
        "page_token": Param("pageToken", TEXT),
    },
    answer=message("ListPingsResponse"),
    repeat="always",
    timeout=5,
)

GET_PING = Call(
    method="GET",
    paths=("/v1/{name=alarms/*/pings/*}",),
    params={
        "name": Param("name", TEXT),
    },
    answer=message("KeptPing"),
    repeat="always",
    timeout=5,
)

GET_PING_BODY = Call(
    method="GET",
    paths=("/v1/{name=alarms/*/pings/*}/body",),
    params={
        "name": Param("name", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

GET_STATUS_PAGE = Call(
    method="GET",
    paths=("/v1/statusPage",),
    params={},
    answer=message("StatusPage"),
    repeat="always",
    timeout=5,
)

UPDATE_STATUS_PAGE = Call(
    method="PUT",
    paths=("/v1/statusPage",),
    params={
        "status_page": Param("statusPage", message("StatusPage")),
        "rotate_badge_key": Param("rotateBadgeKey", BOOL),
    },
    body="status_page",
    answer=message("StatusPage"),
    repeat="always",
    timeout=5,
)

SHOW_STATUS_PAGE = Call(
    method="GET",
    paths=("/status/{slug}",),
    params={
        "slug": Param("slug", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)

SHOW_BADGE = Call(
    method="GET",
    paths=("/badge/{key}/{badge}",),
    params={
        "key": Param("key", TEXT),
        "badge": Param("badge", TEXT),
    },
    content=True,
    repeat="always",
    timeout=5,
)
