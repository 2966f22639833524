"""The client for asyncio. Generated from the contract by `make gen`; not to be edited."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from tocsin_client import contract, models
from tocsin_client.async_core import AsyncCore, AsyncPages, AsyncStream
from tocsin_client.calls import Content
from tocsin_client.values import JsonObject


class AsyncClient(AsyncCore):
    """Every call of the REST API, with the names of the contract: ``CreateAlarm`` is ``create_alarm``."""

    async def change_password(
        self,
        *,
        current_password: str,
        new_password: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Changes the password of the caller, who says the current one. Every other session of the user ends, and a mail tells its address.

        Needs the scope ``account:write``.

        Args:
            current_password: The current one.
            new_password: The new one; for its rules see RegisterRequest.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CHANGE_PASSWORD, {"current_password": current_password, "new_password": new_password}, timeout=timeout, key=idempotency_key)

    async def begin_reauthentication(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.BeginReauthenticationResponse:
        """Gives what answers Reauthenticate, and a challenge for a passkey.

        Needs the scope ``account:write``.

        Args:
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BEGIN_REAUTHENTICATION, {}, timeout=timeout, key=idempotency_key)

    async def reauthenticate(
        self,
        *,
        password: str | None = None,
        code: str | None = None,
        challenge: str | None = None,
        passkey_response: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Shows again who the caller is: by a second factor, or by the password of who has none. What changes passwords and factors needs
        such a proof, or a sign-in, that is not older than ten minutes; otherwise it is answered PERMISSION_DENIED with reason
        FRESH_PROOF_REQUIRED.

        Needs the scope ``account:write``.

        Args:
            password: The password, of who has no second factor.
            code: Code of an authenticator app, or a recovery code.
            challenge: The challenge that the passkey answers.
            passkey_response: The PublicKeyCredential in JSON (WebAuthn, toJSON()).
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REAUTHENTICATE, {"password": password, "code": code, "challenge": challenge, "passkey_response": passkey_response}, timeout=timeout, key=idempotency_key)

    async def request_password_reset(
        self,
        *,
        email: str,
        locale: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Has a mail sent with a link to choose a new password. It is answered the same for every address: the mail tells whether it has an
        account.

        Args:
            email: Address of the account.
            locale: Language of the mail, such as "de"; that of the account unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REQUEST_PASSWORD_RESET, {"email": email, "locale": locale}, timeout=timeout)

    async def reset_password(
        self,
        *,
        token: str,
        new_password: str,
        timeout: float | None = None,
    ) -> None:
        """Sets a new password by the token of such a link, which works once and for half an hour. Every session of the user ends.

        Args:
            token: What the link ends with.
            new_password: The new one; for its rules see RegisterRequest.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESET_PASSWORD, {"token": token, "new_password": new_password}, timeout=timeout)

    async def account_verify_address(
        self,
        *,
        token: str,
        timeout: float | None = None,
    ) -> models.VerifyAddressResponse:
        """Confirms an address by the token of the link in a mail; at registration, that makes the tenant and its administrator.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ACCOUNT_VERIFY_ADDRESS, {"token": token}, timeout=timeout)

    async def change_address(
        self,
        *,
        new_email: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Has a mail sent to another address of the caller, which counts once the link in it is followed, within 24 hours. It is answered
        the same for every address: one that has an account gets a mail that says so. Needs a fresh proof, as factors do.

        Needs the scope ``account:write``.

        Args:
            new_email: The new address.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CHANGE_ADDRESS, {"new_email": new_email}, timeout=timeout, key=idempotency_key)

    async def confirm_address_change(
        self,
        *,
        token: str,
        timeout: float | None = None,
    ) -> models.ConfirmAddressChangeResponse:
        """Makes another address count by the token of such a link. Every session ends but the one that asked; a mail tells the address of
        before, and its link takes the change back.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CONFIRM_ADDRESS_CHANGE, {"token": token}, timeout=timeout)

    async def revert_address_change(
        self,
        *,
        token: str,
        timeout: float | None = None,
    ) -> models.RevertAddressChangeResponse:
        """Takes a change back by the token of the link in the mail to the address of before, within three days: the user gets that address
        again, every session ends, and the password works no more; a mail leads to another one.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVERT_ADDRESS_CHANGE, {"token": token}, timeout=timeout)

    async def create_sign_in_link(
        self,
        user: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.CreateSignInLinkResponse:
        """Makes a link that signs a user of the tenant in: it works once, and for ten minutes. Refused if the user has scopes that the
        caller lacks.

        Needs the scope ``users:write``.

        Args:
            user: Resource name of the user.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_SIGN_IN_LINK, {"user": user}, timeout=timeout, key=idempotency_key)

    async def resend_verification(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Has another mail sent that confirms the address of the caller. Once one of the links is followed, the others work no more.

        Needs the scope ``account:write``.

        Args:
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESEND_VERIFICATION, {}, timeout=timeout, key=idempotency_key)

    async def show_reset_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows the form for a new password.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_RESET_PAGE, {"token": token}, timeout=timeout)

    async def submit_reset_page(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Takes the form.

        Args:
            token: What the link ends with.
            form: The form: password and again.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_RESET_PAGE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def show_verify_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows the button that confirms an address.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_VERIFY_PAGE, {"token": token}, timeout=timeout)

    async def show_address_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows the button that makes another address count.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_ADDRESS_PAGE, {"token": token}, timeout=timeout)

    async def submit_address_page(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Makes it count.

        Args:
            token: What the link ends with.
            form: The form.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_ADDRESS_PAGE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def show_address_back_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows the button that takes another address back.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_ADDRESS_BACK_PAGE, {"token": token}, timeout=timeout)

    async def submit_address_back_page(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Takes it back.

        Args:
            token: What the link ends with.
            form: The form.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_ADDRESS_BACK_PAGE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def show_invitation_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows the form that accepts an invitation.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_INVITATION_PAGE, {"token": token}, timeout=timeout)

    async def submit_invitation_page(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Takes the form: whoever sends it is a user then.

        Args:
            token: What the link ends with.
            form: The form: name, password and again.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_INVITATION_PAGE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def submit_verify_page(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Confirms the address.

        Args:
            token: What the link ends with.
            form: The form.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_VERIFY_PAGE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def create_api_key(
        self,
        *,
        display_name: str,
        scopes: Sequence[str],
        expire_time: datetime | str | None = None,
        owner: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.CreateApiKeyResponse:
        """Makes a key, of the caller or of a service account. Its secret is in this one answer and nowhere else.

        Needs the scope ``keys:write``.

        Args:
            display_name: What it is for.
            scopes: Scopes that it shall carry; each must be one that the caller has.
            expire_time: When it shall stop working; unset means never.
            owner: Whose it shall be: a service account of the tenant, "serviceAccounts/{id}"; the caller's unless given.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_API_KEY, {"display_name": display_name, "scopes": scopes, "expire_time": expire_time, "owner": owner}, timeout=timeout, key=idempotency_key)

    async def get_api_key(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.ApiKey:
        """Reads one key, without its secret.

        Needs the scope ``keys:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_API_KEY, {"name": name}, timeout=timeout)

    def list_api_keys(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        owner: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListApiKeysResponse, models.ApiKey]:
        """Lists the keys, the oldest first, without their secrets.

        Needs the scope ``keys:read``.

        Args:
            page_size: Most keys wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            owner: Keys of this user or service account alone: "users/{id}" or "serviceAccounts/{id}"; all unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_API_KEYS, {"page_size": page_size, "page_token": page_token, "owner": owner}, "api_keys", timeout)

    async def rotate_api_key(
        self,
        name: str,
        *,
        overlap: timedelta | str | None = None,
        expire_time: datetime | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.RotateApiKeyResponse:
        """Gives a key another secret, which is in this one answer and nowhere else. The secret of before works for the overlap, so that
        programs can change over; the one before that no more. Refused if the key carries scopes that the caller lacks.

        Needs the scope ``keys:write``.

        Args:
            name: Resource name.
            overlap: How long the secret of before goes on working: a day unless given, at most 30 days; 0s ends it at once.
            expire_time: When the key shall stop working from now on; as before unless given.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ROTATE_API_KEY, {"name": name, "overlap": overlap, "expire_time": expire_time}, timeout=timeout, key=idempotency_key)

    async def delete_api_key(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Revokes a key. Every gateway refuses it within a second; one that cannot reach auth_svc goes on accepting it for ten minutes at
        most.

        Needs the scope ``keys:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_API_KEY, {"name": name}, timeout=timeout, key=idempotency_key)

    async def get_audit_log(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.AuditLog:
        """Reads one entry.

        Needs the scope ``audit:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_AUDIT_LOG, {"name": name}, timeout=timeout)

    def list_audit_logs(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListAuditLogsResponse, models.AuditLog]:
        """Lists entries, the newest first.

        Needs the scope ``audit:read``.

        Args:
            page_size: Most entries wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: Conditions joined by AND, on "service", "method", "subject", "resource", "outcome", "client_address", and on "time",
                as in subject="users/01H…" AND time>"2026-01-01T00:00:00Z" (AIP-160).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_AUDIT_LOGS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "audit_logs", timeout)

    def watch_audit_logs(
        self,
        *,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchAuditLogsResponse]:
        """Streams every entry that is written from now on, or after a resume token.

        Needs the scope ``audit:read``.

        Args:
            resume_token: resume_token of the last one seen; what came after it comes first.
        """
        return self._stream(contract.WATCH_AUDIT_LOGS, {"resume_token": resume_token})

    def export_audit_logs(
        self,
    ) -> AsyncStream[models.ExportAuditLogsResponse]:
        """Streams the whole log, the oldest entry first, with the signed heads that tell whether it is whole: `tocsin audit-log verify`
        reads it.

        Needs the scope ``audit:read``.
        """
        return self._stream(contract.EXPORT_AUDIT_LOGS, {})

    async def register(
        self,
        *,
        password: str,
        email: str | None = None,
        display_name: str | None = None,
        tenant_display_name: str | None = None,
        username: str | None = None,
        locale: str | None = None,
        timeout: float | None = None,
    ) -> models.RegisterResponse:
        """Creates a tenant of its own with its first administrator, once the address is confirmed by the link in a mail. Refused while
        registration is closed, which it is unless the settings say otherwise.

        Args:
            email: Address that signs in; unique in the platform, whatever its case.
            password: Password: 15 to 128 characters unless the settings say otherwise, counted after NFKC; none of the commonest, nor
                one made of the other fields.
            display_name: Name of the person.
            tenant_display_name: Name of the tenant; the email address or the username unless given.
            username: Name that signs in, such as "ann" or "build-7"; unique in the platform, whatever its case.
            locale: Language of mails to the person, such as "de" or "de-CH" (BCP 47); English unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REGISTER, {"email": email, "password": password, "display_name": display_name, "tenant_display_name": tenant_display_name, "username": username, "locale": locale}, timeout=timeout)

    async def issue_token(
        self,
        *,
        email: str | None = None,
        password: str | None = None,
        scope: str | None = None,
        username: str | None = None,
        grant_type: str | None = None,
        refresh_token: str | None = None,
        device_token: str | None = None,
        challenge: str | None = None,
        code: str | None = None,
        passkey_response: str | None = None,
        timeout: float | None = None,
    ) -> models.TokenResponse:
        """Exchanges a username or an email address and a password for an access token and a refresh token, or a refresh token for the next
        pair (RFC 6749, 4.3 and 6). Who has a second factor is answered UNAUTHENTICATED with reason SECOND_FACTOR_REQUIRED; its metadata
        holds a `challenge` and the `methods` that answer it ("totp", "passkey", "recovery_code"), by grant_type "second_factor". A
        passkey that verifies its user needs no password: grant_type "passkey".

        Args:
            email: Address given at registration; or username.
            password: Password.
            scope: Scopes wanted, separated by spaces; all that the user has unless given (RFC 6749, 3.3). With a refresh token, those of
                them that its session has.
            username: Username or email address given at registration, such as "ann".
            grant_type: "password", "refresh_token", "second_factor" or "passkey"; the one that the other fields are for unless given,
                the last excepted.
            refresh_token: The unspent refresh token, for the grant of that name.
            device_token: Token of an earlier sign-in of this client: others who guess the password do not slow down a client that has
                one. A challenge is bound to it, or to the network that the client is in: send it with the answer as with the password.
            challenge: What is answered, for the grants "second_factor" and "passkey". It works for five minutes, and once.
            code: Code of an authenticator app, or a recovery code, for the grant "second_factor".
            passkey_response: What a passkey answers: the PublicKeyCredential in JSON (WebAuthn, toJSON()), for the grants
                "second_factor" and "passkey".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ISSUE_TOKEN, {"email": email, "password": password, "scope": scope, "username": username, "grant_type": grant_type, "refresh_token": refresh_token, "device_token": device_token, "challenge": challenge, "code": code, "passkey_response": passkey_response}, timeout=timeout)

    async def begin_passkey(
        self,
        *,
        challenge: str | None = None,
        device_token: str | None = None,
        timeout: float | None = None,
    ) -> models.BeginPasskeyResponse:
        """Gives what a browser asks a passkey by: for the challenge of a sign-in, or, without one, for a sign-in by a passkey alone.

        Args:
            challenge: Challenge of a sign-in whose password was right; none for a sign-in by a passkey alone.
            device_token: As in IssueTokenRequest.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BEGIN_PASSKEY, {"challenge": challenge, "device_token": device_token}, timeout=timeout)

    async def refresh_token(
        self,
        *,
        refresh_token: str,
        timeout: float | None = None,
    ) -> models.TokenResponse:
        """Exchanges a refresh token for a new pair; the old refresh token is spent. Presenting a spent one revokes its whole family.

        Args:
            refresh_token: The unspent refresh token.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REFRESH_TOKEN, {"refresh_token": refresh_token}, timeout=timeout)

    async def revoke_token(
        self,
        *,
        refresh_token: str,
        timeout: float | None = None,
    ) -> None:
        """Revokes a refresh token and its family; an unknown token is no error (RFC 7009).

        Args:
            refresh_token: A refresh token of the session.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVOKE_TOKEN, {"refresh_token": refresh_token}, timeout=timeout)

    async def exchange_link(
        self,
        *,
        token: str,
        timeout: float | None = None,
    ) -> models.TokenResponse:
        """Exchanges the token of a one-time sign-in link, such as `make up` prints, for a pair. It works once, and for a few minutes.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.EXCHANGE_LINK, {"token": token}, timeout=timeout)

    async def verify_token(
        self,
        *,
        timeout: float | None = None,
    ) -> models.VerifyTokenResponse:
        """Tells who the caller is, from the token that the call carries.

        Needs the scope ``profile:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.VERIFY_TOKEN, {}, timeout=timeout)

    async def get_jwks(
        self,
        *,
        timeout: float | None = None,
    ) -> models.JsonWebKeySet:
        """The public keys that verify tokens (RFC 7517).

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_JWKS, {}, timeout=timeout)

    async def list_factors(
        self,
        *,
        timeout: float | None = None,
    ) -> models.ListFactorsResponse:
        """Lists one's own factors, the oldest first.

        Needs the scope ``account:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_FACTORS, {}, timeout=timeout)

    async def enrol_totp(
        self,
        *,
        display_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.EnrolTotpResponse:
        """Makes the secret of an authenticator app (RFC 6238). It is no factor until ConfirmTotp has got a code of it, within a quarter of
        an hour.

        Needs the scope ``account:write``.

        Args:
            display_name: Name of the app, such as "phone".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ENROL_TOTP, {"display_name": display_name}, timeout=timeout, key=idempotency_key)

    async def confirm_totp(
        self,
        name: str,
        *,
        code: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.EnrolledFactor:
        """Makes an authenticator app a factor, by a code that it shows.

        Needs the scope ``account:write``.

        Args:
            name: Resource name.
            code: Code that the app shows.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CONFIRM_TOTP, {"name": name, "code": code}, timeout=timeout, key=idempotency_key)

    async def begin_passkey_enrolment(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.BeginPasskeyEnrolmentResponse:
        """Gives what a browser makes a passkey by.

        Needs the scope ``account:write``.

        Args:
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BEGIN_PASSKEY_ENROLMENT, {}, timeout=timeout, key=idempotency_key)

    async def enrol_passkey(
        self,
        *,
        challenge: str,
        passkey_response: str,
        display_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.EnrolledFactor:
        """Makes a passkey a factor, by what the browser answers.

        Needs the scope ``account:write``.

        Args:
            challenge: The challenge that it answers.
            passkey_response: The PublicKeyCredential in JSON (WebAuthn, toJSON()).
            display_name: Name of the passkey, such as "laptop".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ENROL_PASSKEY, {"challenge": challenge, "passkey_response": passkey_response, "display_name": display_name}, timeout=timeout, key=idempotency_key)

    async def update_factor(
        self,
        factor: models.Factor | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.Factor:
        """Gives a factor another name.

        Needs the scope ``account:write``.

        Args:
            factor: The factor with its new name.
            update_mask: Fields to change: "display_name", which is the only one.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_FACTOR, {"factor": factor, "update_mask": update_mask}, timeout=timeout)

    async def delete_factor(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a factor; with the last one go the recovery codes. The last one stays where the tenant requires one.

        Needs the scope ``account:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_FACTOR, {"name": name}, timeout=timeout, key=idempotency_key)

    async def create_recovery_codes(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.CreateRecoveryCodesResponse:
        """Makes ten recovery codes, which are shown here alone; those of before work no more.

        Needs the scope ``account:write``.

        Args:
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_RECOVERY_CODES, {}, timeout=timeout, key=idempotency_key)

    async def list_user_factors(
        self,
        user: str,
        *,
        timeout: float | None = None,
    ) -> models.ListFactorsResponse:
        """Lists the factors of a user of the tenant.

        Needs the scope ``users:read``.

        Args:
            user: Resource name of the user.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_USER_FACTORS, {"user": user}, timeout=timeout)

    async def reset_user_factors(
        self,
        user: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.ResetUserFactorsResponse:
        """Removes every factor and recovery code of a user of the tenant, who has lost them. Refused if the user has scopes that the caller
        lacks.

        Needs the scope ``users:write``.

        Args:
            user: Resource name of the user.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESET_USER_FACTORS, {"user": user}, timeout=timeout, key=idempotency_key)

    async def create_identity_provider(
        self,
        identity_provider: models.IdentityProvider | JsonObject,
        *,
        identity_provider_id: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.IdentityProvider:
        """Adds a provider. Nobody gives a role that has scopes which they do not have themselves.

        Needs the scope ``identities:write``.

        Args:
            identity_provider: The provider.
            identity_provider_id: Its id, which stands in its redirect URI; unique in the installation, and made unless given.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_IDENTITY_PROVIDER, {"identity_provider": identity_provider, "identity_provider_id": identity_provider_id}, timeout=timeout, key=idempotency_key)

    async def get_identity_provider(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.IdentityProvider:
        """Reads one provider. Its secret is never told.

        Needs the scope ``identities:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_IDENTITY_PROVIDER, {"name": name}, timeout=timeout)

    def list_identity_providers(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIdentityProvidersResponse, models.IdentityProvider]:
        """Lists the providers, by id.

        Needs the scope ``identities:read``.

        Args:
            page_size: Most providers wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_IDENTITY_PROVIDERS, {"page_size": page_size, "page_token": page_token}, "identity_providers", timeout)

    async def update_identity_provider(
        self,
        identity_provider: models.IdentityProvider | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.IdentityProvider:
        """Changes a provider. The caller must have every scope that it gives, before and after the change. A secret that is not given stays
        as it is; with another issuer, it must be given anew. A provider that is disabled ends the sessions that it began.

        Needs the scope ``identities:write``.

        Args:
            identity_provider: The provider; only the fields of the mask count.
            update_mask: Fields to change; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_IDENTITY_PROVIDER, {"identity_provider": identity_provider, "update_mask": update_mask}, timeout=timeout)

    async def delete_identity_provider(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a provider, and ends the sessions that it began. Who signed in by it stays linked to what the issuer calls them: a
        provider with the same issuer knows them again.

        Needs the scope ``identities:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_IDENTITY_PROVIDER, {"name": name}, timeout=timeout, key=idempotency_key)

    async def test_identity_provider(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.TestIdentityProviderResponse:
        """Asks the issuer what it says of itself, anew, and tells what of it could not be used. Signs nobody in.

        Needs the scope ``identities:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.TEST_IDENTITY_PROVIDER, {"name": name}, timeout=timeout, key=idempotency_key)

    async def list_identities(
        self,
        parent: str,
        *,
        timeout: float | None = None,
    ) -> models.ListIdentitiesResponse:
        """Lists by what a user signs in.

        Needs the scope ``identities:read``.

        Args:
            parent: Resource name of the user.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_IDENTITIES, {"parent": parent}, timeout=timeout)

    async def create_identity(
        self,
        parent: str,
        identity: models.Identity | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Identity:
        """Links a user to what an issuer calls them, before they sign in for the first time. Refused if the user has scopes that the caller
        lacks.

        Needs the scope ``identities:write``.

        Args:
            parent: Resource name of the user.
            identity: Issuer and subject; the issuer is that of a provider of the tenant.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_IDENTITY, {"parent": parent, "identity": identity}, timeout=timeout, key=idempotency_key)

    async def delete_identity(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Ends the link of a user to an issuer, and the sessions of the user that the issuer's word began.

        Needs the scope ``identities:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_IDENTITY, {"name": name}, timeout=timeout, key=idempotency_key)

    async def list_sign_in_providers(
        self,
        *,
        timeout: float | None = None,
    ) -> models.ListSignInProvidersResponse:
        """Lists the providers that the sign-in page of this installation shows.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_SIGN_IN_PROVIDERS, {}, timeout=timeout)

    async def begin_oidc_sign_in(
        self,
        *,
        provider: str,
        return_to: str | None = None,
        loopback_origin: str | None = None,
        binding: str | None = None,
        timeout: float | None = None,
    ) -> models.BeginOidcSignInResponse:
        """Begins a sign-in: where the browser has to go. What comes back there is good once, for ten minutes, in the same browser.

        Args:
            provider: Id of the provider.
            return_to: Path of this installation that the person wants to see then, such as "/alarms"; "/" unless given.
            loopback_origin: Where the browser comes back to: a program that listens on this machine (RFC 8252, 7.3), such as
                "http://127.0.0.1:51004"; the installation itself unless given.
            binding: The secret that this browser has of another sign-in that is under way, so that both can end; made unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BEGIN_OIDC_SIGN_IN, {"provider": provider, "return_to": return_to, "loopback_origin": loopback_origin, "binding": binding}, timeout=timeout)

    async def complete_oidc_sign_in(
        self,
        *,
        state: str,
        binding: str,
        code: str | None = None,
        issuer: str | None = None,
        error: str | None = None,
        device_token: str | None = None,
        timeout: float | None = None,
    ) -> models.CompleteOidcSignInResponse:
        """Ends a sign-in: exchanges what came back in the browser for a pair of tokens.

        Args:
            state: The parameter state.
            code: The parameter code; empty if the issuer refused.
            issuer: The parameter iss (RFC 9207), if there was one.
            error: The parameter error, if there was one.
            binding: The secret that the browser kept.
            device_token: Token of an earlier sign-in of this client; see IssueTokenRequest.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.COMPLETE_OIDC_SIGN_IN, {"state": state, "code": code, "issuer": issuer, "error": error, "binding": binding, "device_token": device_token}, timeout=timeout)

    async def create_invitation(
        self,
        *,
        email: str,
        role: str,
        locale: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Invitation:
        """Invites an address. Refused if the role has scopes that the caller lacks. Whether the address has an account in another tenant is
        said to whoever follows the link, and to nobody else. A tenant has at most 100 open invitations, and sends at most 200 a day.

        Needs the scope ``users:write``.

        Args:
            email: Address to invite.
            role: What the user will be, such as "roles/operator".
            locale: Language of the mail, such as "de"; English unless given.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_INVITATION, {"email": email, "role": role, "locale": locale}, timeout=timeout, key=idempotency_key)

    async def get_invitation(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Invitation:
        """Reads one invitation.

        Needs the scope ``users:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_INVITATION, {"name": name}, timeout=timeout)

    def list_invitations(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListInvitationsResponse, models.Invitation]:
        """Lists the invitations, the newest first; those that ended are kept for 30 days.

        Needs the scope ``users:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INVITATIONS, {"page_size": page_size, "page_token": page_token}, "invitations", timeout)

    async def resend_invitation(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Invitation:
        """Sends another mail, and opens the invitation for 7 days more; the caller answers for it from then on, and must have what its role
        has.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESEND_INVITATION, {"name": name}, timeout=timeout, key=idempotency_key)

    async def revoke_invitation(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Invitation:
        """Withdraws an invitation: its links work no more.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVOKE_INVITATION, {"name": name}, timeout=timeout)

    async def accept_invitation(
        self,
        *,
        token: str,
        display_name: str,
        password: str,
        username: str | None = None,
        timeout: float | None = None,
    ) -> models.AcceptInvitationResponse:
        """Becomes a user by the token of the link in the mail. It works once, and no more when whoever invited lost what the role has.

        Args:
            token: What the link ends with.
            display_name: Name of the person.
            password: Password; for its rules see RegisterRequest.
            username: Name that signs in besides the address; unique in the platform, whatever its case.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ACCEPT_INVITATION, {"token": token, "display_name": display_name, "password": password, "username": username}, timeout=timeout)

    async def create_user(
        self,
        *,
        password: str,
        email: str | None = None,
        display_name: str | None = None,
        role: models.UserRole | None = None,
        username: str | None = None,
        role_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.User:
        """Adds a user to the caller's tenant.

        Needs the scope ``users:write``.

        Args:
            email: Address that signs in; unique in the platform, whatever its case.
            password: Password: 15 to 128 characters unless the settings say otherwise, counted after NFKC; none of the commonest, nor
                one made of the other fields.
            display_name: Name of the person.
            role: What the user may do, for clients that know no role_name; neither of the two is roles/operator.
            username: Name that signs in, such as "ann" or "build-7"; unique in the platform, whatever its case.
            role_name: Name of the role: what the user may do, such as "roles/viewer".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_USER, {"email": email, "password": password, "display_name": display_name, "role": role, "username": username, "role_name": role_name}, timeout=timeout, key=idempotency_key)

    async def get_user(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.User:
        """Reads one user.

        Needs the scope ``users:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_USER, {"name": name}, timeout=timeout)

    def list_users(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListUsersResponse, models.User]:
        """Lists the users, the oldest first.

        Needs the scope ``users:read``.

        Args:
            page_size: Most users wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_USERS, {"page_size": page_size, "page_token": page_token}, "users", timeout)

    async def update_user(
        self,
        user: models.User | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.User:
        """Changes a user. A role has to be one whose scopes the caller has; only an owner changes owners, and the last active one stays.
        What the user may no longer do ends at once, for sessions and keys.

        Needs the scope ``users:write``.

        Args:
            user: New values, and the resource name.
            update_mask: Fields to change: "display_name", "role_name" (or "role"), "locale"; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_USER, {"user": user, "update_mask": update_mask}, timeout=timeout)

    async def deactivate_user(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.User:
        """Lets a user do nothing any more: its sessions end, its API keys do not work, it cannot sign in. The last active owner stays.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DEACTIVATE_USER, {"name": name}, timeout=timeout)

    async def reactivate_user(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.User:
        """Lets a user sign in again. Refused if the user has scopes that the caller lacks.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REACTIVATE_USER, {"name": name}, timeout=timeout)

    async def delete_user(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a user, and ends the sessions and API keys that it has. Only an owner removes owners, and the last active one stays.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_USER, {"name": name}, timeout=timeout, key=idempotency_key)

    async def get_tenant(
        self,
        *,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Reads the caller's tenant.

        Needs the scope ``tenant:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_TENANT, {}, timeout=timeout)

    async def update_tenant(
        self,
        tenant: models.Tenant | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Changes the caller's tenant. A new time zone counts for tokens issued from then on.

        Needs the scope ``tenant:write``.

        Args:
            tenant: New values.
            update_mask: Fields to change: "display_name", "time_zone", "password_off", "require_second_factor"; all that are set unless
                given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_TENANT, {"tenant": tenant, "update_mask": update_mask}, timeout=timeout)

    async def get_profile(
        self,
        *,
        timeout: float | None = None,
    ) -> models.User:
        """Reads the user who asks.

        Needs the scope ``account:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PROFILE, {}, timeout=timeout)

    async def update_profile(
        self,
        profile: models.User | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.User:
        """Changes the name, or the language of mails, of the user who asks.

        Needs the scope ``account:write``.

        Args:
            profile: New values.
            update_mask: Fields to change: "display_name", "locale"; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_PROFILE, {"profile": profile, "update_mask": update_mask}, timeout=timeout)

    async def batch_get_names(
        self,
        *,
        names: Sequence[str],
        timeout: float | None = None,
    ) -> models.BatchGetNamesResponse:
        """Tells what people and programs of the tenant are called, up to a hundred at a time. Those that are gone, or never were, are left
        out.

        Needs the scope ``profile:read``.

        Args:
            names: Resource names, such as "users/{id}", "serviceAccounts/{id}" or "apiKeys/{id}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BATCH_GET_NAMES, {"names": names}, timeout=timeout)

    async def create_role(
        self,
        role: models.Role | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Role:
        """Makes a role of scopes that the caller has.

        Needs the scope ``users:write``.

        Args:
            role: The role.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_ROLE, {"role": role}, timeout=timeout, key=idempotency_key)

    async def get_role(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Role:
        """Reads one role.

        Needs the scope ``users:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ROLE, {"name": name}, timeout=timeout)

    def list_roles(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRolesResponse, models.Role]:
        """Lists the roles: those of every tenant, then the tenant's own by name.

        Needs the scope ``users:read``.

        Args:
            page_size: Most roles wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ROLES, {"page_size": page_size, "page_token": page_token}, "roles", timeout)

    async def update_role(
        self,
        role: models.Role | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.Role:
        """Changes a role of the tenant's own. Whoever has it loses at once what it gives no more; what it gives newly comes with the next
        token.

        Needs the scope ``users:write``.

        Args:
            role: New values, and the resource name.
            update_mask: Fields to change: "display_name", "description", "scopes"; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_ROLE, {"role": role, "update_mask": update_mask}, timeout=timeout)

    async def delete_role(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a role of the tenant's own that nobody has.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_ROLE, {"name": name}, timeout=timeout, key=idempotency_key)

    async def get_alert(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.SecurityAlert:
        """Reads one alert.

        Needs the scope ``alerts:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ALERT, {"name": name}, timeout=timeout)

    def list_alerts(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListAlertsResponse, models.SecurityAlert]:
        """Lists alerts, the newest first.

        Needs the scope ``alerts:read``.

        Args:
            page_size: Most alerts wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: Conditions joined by AND, on "kind", "severity", "subject", "place", and on "first_time", as in kind="PII_FOUND"
                (AIP-160).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ALERTS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "alerts", timeout)

    def watch_alerts(
        self,
        *,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchAlertsResponse]:
        """Streams every alert that is made or counted from now on, or from a resume token on. One may come twice.

        Needs the scope ``alerts:read``.

        Args:
            resume_token: resume_token of the last one seen; what came after it comes first.
        """
        return self._stream(contract.WATCH_ALERTS, {"resume_token": resume_token})

    async def get_alert_policy(
        self,
        *,
        timeout: float | None = None,
    ) -> models.AlertPolicy:
        """Shows who is told of alerts by mail, of which, and when.

        Needs the scope ``alerts:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ALERT_POLICY, {}, timeout=timeout)

    async def set_alert_policy(
        self,
        policy: models.AlertPolicy | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.AlertPolicy:
        """Says who is told of alerts by mail, of which, and when; replaces what was said before.

        Needs the scope ``alerts:write``.

        Args:
            policy: The policy.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SET_ALERT_POLICY, {"policy": policy}, timeout=timeout)

    async def create_service_account(
        self,
        service_account: models.ServiceAccount | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.ServiceAccount:
        """Makes a service account. Refused if its role has scopes that the caller lacks.

        Needs the scope ``users:write``.

        Args:
            service_account: The service account: display_name and role must be there.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_SERVICE_ACCOUNT, {"service_account": service_account}, timeout=timeout, key=idempotency_key)

    async def get_service_account(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.ServiceAccount:
        """Reads one service account.

        Needs the scope ``users:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SERVICE_ACCOUNT, {"name": name}, timeout=timeout)

    def list_service_accounts(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListServiceAccountsResponse, models.ServiceAccount]:
        """Lists the service accounts, the oldest first.

        Needs the scope ``users:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_SERVICE_ACCOUNTS, {"page_size": page_size, "page_token": page_token}, "service_accounts", timeout)

    async def update_service_account(
        self,
        service_account: models.ServiceAccount | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.ServiceAccount:
        """Changes a service account. Its keys can what its role can, at once.

        Needs the scope ``users:write``.

        Args:
            service_account: New values, and the resource name.
            update_mask: Fields to change: "display_name", "description", "role"; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_SERVICE_ACCOUNT, {"service_account": service_account, "update_mask": update_mask}, timeout=timeout)

    async def deactivate_service_account(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.ServiceAccount:
        """Lets the keys of a service account work no more, until it is activated again.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DEACTIVATE_SERVICE_ACCOUNT, {"name": name}, timeout=timeout)

    async def reactivate_service_account(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.ServiceAccount:
        """Lets the keys of a service account work again. Refused if its role has scopes that the caller lacks.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REACTIVATE_SERVICE_ACCOUNT, {"name": name}, timeout=timeout)

    async def delete_service_account(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a service account with its keys.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_SERVICE_ACCOUNT, {"name": name}, timeout=timeout, key=idempotency_key)

    def list_sessions(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListSessionsResponse, models.Session]:
        """Lists the caller's own sessions, the newest first.

        Needs the scope ``account:read``.

        Args:
            page_size: Most sessions wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_SESSIONS, {"page_size": page_size, "page_token": page_token}, "sessions", timeout)

    async def delete_session(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Ends one of the caller's own sessions.

        Needs the scope ``account:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_SESSION, {"name": name}, timeout=timeout, key=idempotency_key)

    async def revoke_all_sessions(
        self,
        *,
        keep_current: bool | None = None,
        timeout: float | None = None,
    ) -> models.RevokeAllSessionsResponse:
        """Ends all of the caller's own sessions: signs out everywhere.

        Needs the scope ``account:write``.

        Args:
            keep_current: Whether the session of the token that asks goes on.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVOKE_ALL_SESSIONS, {"keep_current": keep_current}, timeout=timeout)

    def list_user_sessions(
        self,
        user: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListSessionsResponse, models.Session]:
        """Lists the sessions of a user of the tenant, the newest first.

        Needs the scope ``users:read``.

        Args:
            user: Resource name of the user.
            page_size: Most sessions wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_USER_SESSIONS, {"user": user, "page_size": page_size, "page_token": page_token}, "sessions", timeout)

    async def delete_user_session(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Ends a session of a user of the tenant.

        Needs the scope ``users:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_USER_SESSION, {"name": name}, timeout=timeout, key=idempotency_key)

    async def revoke_user_sessions(
        self,
        user: str,
        *,
        timeout: float | None = None,
    ) -> models.RevokeAllSessionsResponse:
        """Ends all sessions of a user of the tenant.

        Needs the scope ``users:write``.

        Args:
            user: Resource name of the user.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVOKE_USER_SESSIONS, {"user": user}, timeout=timeout)

    async def create_stream_token(
        self,
        *,
        path: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.CreateStreamTokenResponse:
        """Makes a token that opens the streams of one path, as the caller, for a minute: "GET {path}?access_token={token}", as an event
        stream or a WebSocket. It may be used again until it ends, as an EventSource does that reconnects; whatever it opened ends with
        the caller's own token.

        Needs the scope ``profile:read``.

        Args:
            path: Path of the stream as it will be requested, without the query, such as "/v1/alarms:watch".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_STREAM_TOKEN, {"path": path}, timeout=timeout, key=idempotency_key)

    async def create_tenant(
        self,
        *,
        display_name: str,
        owner_email: str,
        time_zone: str | None = None,
        locale: str | None = None,
        invitation: models.CreateTenantRequestInvitation | None = None,
        quotas: models.TenantQuotas | JsonObject | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.CreateTenantResponse:
        """Makes a tenant, whose first owner is invited: by a mail, or by a link in the answer that the operator hands over.

        Needs the scope ``tenants:write``.

        Args:
            display_name: Name for people.
            time_zone: IANA time zone; "UTC" unless given.
            owner_email: Address of the first owner.
            locale: Language of the mail, such as "de"; English unless given.
            invitation: How the owner is invited; MAIL unless given.
            quotas: Quotas; those of the installation where unset.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_TENANT, {"display_name": display_name, "time_zone": time_zone, "owner_email": owner_email, "locale": locale, "invitation": invitation, "quotas": quotas}, timeout=timeout, key=idempotency_key)

    async def inspect_tenant(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Reads any tenant.

        Needs the scope ``tenants:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.INSPECT_TENANT, {"name": name}, timeout=timeout)

    def list_tenants(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListTenantsResponse, models.Tenant]:
        """Lists the tenants, the oldest first.

        Needs the scope ``tenants:read``.

        Args:
            page_size: Most tenants wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: Conditions joined by AND, on "state", as in state="SUSPENDED" (AIP-160).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_TENANTS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "tenants", timeout)

    async def amend_tenant(
        self,
        tenant: models.Tenant | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Changes the name or the time zone of a tenant.

        Needs the scope ``tenants:write``.

        Args:
            tenant: New values, and the resource name.
            update_mask: Fields to change: "display_name", "time_zone"; all that are set unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.AMEND_TENANT, {"tenant": tenant, "update_mask": update_mask}, timeout=timeout)

    async def suspend_tenant(
        self,
        name: str,
        *,
        reason: str,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Suspends a tenant: its people may sign in and read, and are told why. What writes is refused, its streams end, its alarms and
        messages wait. Every service knows within seconds. The operator's tenant, and the caller's own, cannot be suspended.

        Needs the scope ``tenants:write``.

        Args:
            name: Resource name.
            reason: Why; the tenant's people read it.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUSPEND_TENANT, {"name": name, "reason": reason}, timeout=timeout)

    async def resume_tenant(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Lets a suspended tenant work again. What came due meanwhile is treated as each alarm's catch-up says.

        Needs the scope ``tenants:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESUME_TENANT, {"name": name}, timeout=timeout)

    async def delete_tenant(
        self,
        name: str,
        *,
        at_once: bool | None = None,
        confirm: str | None = None,
        export_sha256: str | None = None,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Deletes a tenant with everything that it has in every service. For a time that the installation sets it may still sign in and
        read, so that it can take its data along, and can be undeleted; then everything is removed, and `GetTenantDeletion` reports it.
        Asked for again, it never comes later than before. The operator's tenant, and the caller's own, cannot be deleted.

        Needs the scope ``tenants:write``.

        Args:
            name: Resource name.
            at_once: Whether it is deleted at once, without a time in which it could be undeleted.
            confirm: The display name of the tenant, letter by letter: needed to delete it at once.
            export_sha256: SHA-256 of the manifest of an export that was made before, in hexadecimal digits; it stands in the report.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_TENANT, {"name": name, "at_once": at_once, "confirm": confirm, "export_sha256": export_sha256}, timeout=timeout)

    async def undelete_tenant(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Takes the deletion of a tenant back, as long as nothing was removed: it is what it was before.

        Needs the scope ``tenants:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UNDELETE_TENANT, {"name": name}, timeout=timeout)

    async def get_tenant_deletion(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.TenantDeletion:
        """Shows how far the deletion of a tenant is, and when all is gone, what it was. It outlives the tenant.

        Needs the scope ``tenants:read``.

        Args:
            name: Resource name, "tenants/{id}/deletion".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_TENANT_DELETION, {"name": name}, timeout=timeout)

    async def set_tenant_quotas(
        self,
        name: str,
        quotas: models.TenantQuotas | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.Tenant:
        """Sets the quotas of a tenant, all of them: what is unset is as the installation says.

        Needs the scope ``tenants:write``.

        Args:
            name: Resource name.
            quotas: The quotas.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SET_TENANT_QUOTAS, {"name": name, "quotas": quotas}, timeout=timeout)

    async def get_delivery(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Delivery:
        """Reads one delivery with its timeline.

        Needs the scope ``deliveries:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_DELIVERY, {"name": name}, timeout=timeout)

    def list_deliveries(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListDeliveriesResponse, models.Delivery]:
        """Lists deliveries, the newest first, without their timelines.

        Needs the scope ``deliveries:read``.

        Args:
            page_size: Most deliveries wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: firing="firings/…", alarm="alarms/…", state="DEAD", to="ann@example.com",
                channel="email", recipient="recipients/…", category="categories/…", notification="notifications/…", reason="OPTED_OUT".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_DELIVERIES, {"page_size": page_size, "page_token": page_token, "filter": filter}, "deliveries", timeout)

    async def summarize_deliveries(
        self,
        *,
        minutes: int | None = None,
        timeout: float | None = None,
    ) -> models.SummarizeDeliveriesResponse:
        """Counts what was accepted lately, by state and channel. Of very many deliveries the newest 20,000 are counted.

        Needs the scope ``deliveries:read``.

        Args:
            minutes: How many minutes back from now; 1440 unless given, at most a week.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUMMARIZE_DELIVERIES, {"minutes": minutes}, timeout=timeout)

    async def retry_delivery(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Delivery:
        """Sends a delivery again that is DEAD or whose outcome is unknown, with fresh time; one that is on its way or sent is answered as
        it is, and one that is SUPPRESSED is refused.

        Needs the scope ``deliveries:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RETRY_DELIVERY, {"name": name}, timeout=timeout)

    async def retry_deliveries(
        self,
        *,
        filter: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> models.RetryDeliveriesResponse:
        """Sends deliveries again that meet a filter: DEAD ones, or with state="OUTCOME_UNKNOWN" those. The oldest come first.

        Needs the scope ``deliveries:write``.

        Args:
            filter: As in ListDeliveries; state may be "DEAD", which it is unless given, or "OUTCOME_UNKNOWN": then a second copy may
                arrive.
            limit: At most so many; 100 unless given, at most 1000.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RETRY_DELIVERIES, {"filter": filter, "limit": limit}, timeout=timeout)

    async def report_status(
        self,
        *,
        status: str,
        delivery: str | None = None,
        notification: str | None = None,
        channel: str | None = None,
        error: str | None = None,
        timestamp: datetime | str | None = None,
        report_id: str | None = None,
        timeout: float | None = None,
    ) -> models.ReportStatusResponse:
        """Tells what became of a message after it was sent, for far ends that do not sign callbacks. States move by rank and never back;
        what was told stays in the timeline.

        Needs the scope ``deliveries:write``.

        Args:
            delivery: Resource name of the delivery.
            notification: Resource name of a notification, or its id: its deliveries, those of the channel if one is given, 1000 at most.
            channel: Name of a channel, such as "email".
            status: What became of it: "delivered"; "bounced", which takes the address out of use; "complained" and "unsubscribed", which
                suppress it; "failed" for a message that the far end gave up; "pending" for one that it has not given up.
            error: Why, in the far end's words.
            timestamp: When it happened; it stands in the timeline's words.
            report_id: Id of this report, by which one that comes again is known.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REPORT_STATUS, {"delivery": delivery, "notification": notification, "channel": channel, "status": status, "error": error, "timestamp": timestamp, "report_id": report_id}, timeout=timeout)

    def watch_deliveries(
        self,
        *,
        firing: str | None = None,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchDeliveriesResponse]:
        """Streams every change of a delivery from now on, or from a resume token on.

        Needs the scope ``deliveries:read``.

        Args:
            firing: Only deliveries of this firing; all unless given.
            resume_token: resume_token of the last change seen; the changes after it come first.
        """
        return self._stream(contract.WATCH_DELIVERIES, {"firing": firing, "resume_token": resume_token})

    async def create_rotation(
        self,
        rotation: models.Rotation | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Rotation:
        """Makes a rotation.

        Needs the scope ``recipients:write``.

        Args:
            rotation: The rotation.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_ROTATION, {"rotation": rotation}, timeout=timeout, key=idempotency_key)

    async def get_rotation(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Rotation:
        """Reads a rotation.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ROTATION, {"name": name}, timeout=timeout)

    def list_rotations(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRotationsResponse, models.Rotation]:
        """Lists rotations, by name.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ROTATIONS, {"page_size": page_size, "page_token": page_token}, "rotations", timeout)

    async def update_rotation(
        self,
        rotation: models.Rotation | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Rotation:
        """Changes fields of a rotation, from now on: who was on call before stays as it was.

        Needs the scope ``recipients:write``.

        Args:
            rotation: New values, and the name of the rotation.
            update_mask: Fields to change: "display_name", "time_zone", "layers", "owner"; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_ROTATION, {"rotation": rotation, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_rotation(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a rotation, also from the groups that it is in. Who was on call before can still be asked.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_ROTATION, {"name": name}, timeout=timeout, key=idempotency_key)

    def list_rotation_revisions(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRotationRevisionsResponse, models.Rotation]:
        """Lists what a rotation was at each of its revisions, the newest first.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name; also of a rotation that is gone.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ROTATION_REVISIONS, {"name": name, "page_size": page_size, "page_token": page_token}, "revisions", timeout)

    async def get_on_call(
        self,
        name: str,
        *,
        at: datetime | str | None = None,
        timeout: float | None = None,
    ) -> models.OnCall:
        """Says who is on call, was or will be. In the past by the revision and the overrides that were in force then.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name; for an instant in the past also of a rotation that is gone.
            at: When; now unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ON_CALL, {"name": name, "at": at}, timeout=timeout)

    def list_on_call(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        at: datetime | str | None = None,
        recipient: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListOnCallResponse, models.OnCall]:
        """Says who is on call in each rotation, or in which of them a recipient is.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most rotations to look at; 50 unless given, at most 1000. With a recipient a page may show fewer, even none,
                before the last one.
            page_token: next_page_token of the page before.
            at: When; now unless given.
            recipient: Only where this recipient is on call, "recipients/{id}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ON_CALL, {"page_size": page_size, "page_token": page_token, "at": at, "recipient": recipient}, "on_call", timeout)

    def watch_rotations(
        self,
        *,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchRotationsResponse]:
        """Streams who is on call in a rotation whenever that changes, by a hand-over or because somebody changed the rotation or its
        overrides, from now on or from a resume token on. A rotation that changed several times since the token comes once, as it now is.

        Needs the scope ``recipients:read``.

        Args:
            resume_token: resume_token of the last change seen; the changes after it come first.
        """
        return self._stream(contract.WATCH_ROTATIONS, {"resume_token": resume_token})

    async def preview_rotation(
        self,
        name: str,
        *,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        timeout: float | None = None,
    ) -> models.PreviewRotationResponse:
        """Shows the schedule of a range of time as it comes out of layers and overrides, with gaps and double cover. What is past is shown
        as it was in force then.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            from_: Where it begins; now unless given.
            to: Where it ends, at most 366 days later; four weeks later unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PREVIEW_ROTATION, {"name": name, "from_": from_, "to": to}, timeout=timeout)

    async def preview_rotation_draft(
        self,
        *,
        rotation: models.Rotation | JsonObject,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        timeout: float | None = None,
    ) -> models.PreviewRotationDraftResponse:
        """Shows the schedule that a rotation would have from now on, as it is given; stores nothing. One that exists keeps its overrides.

        Needs the scope ``recipients:read``.

        Args:
            rotation: The rotation, with the name of one that exists or without a name.
            from_: Where it begins; now unless given.
            to: Where it ends, at most 366 days later; four weeks later unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PREVIEW_ROTATION_DRAFT, {"rotation": rotation, "from_": from_, "to": to}, timeout=timeout)

    def preview_on_call(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.PreviewOnCallResponse, models.RotationSchedule]:
        """Shows the schedules of all rotations in a range of time, by name: each as PreviewRotation shows it.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000. A page with many intervals has fewer.
            page_token: next_page_token of the page before.
            from_: Where they begin; now unless given.
            to: Where they end, at most 366 days later; four weeks later unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.PREVIEW_ON_CALL, {"page_size": page_size, "page_token": page_token, "from_": from_, "to": to}, "schedules", timeout)

    async def create_rotation_override(
        self,
        parent: str,
        override: models.RotationOverride | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.RotationOverride:
        """Makes an override. It counts from now on, also if it begins earlier.

        Needs the scope ``recipients:write``.

        Args:
            parent: The rotation.
            override: The override.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_ROTATION_OVERRIDE, {"parent": parent, "override": override}, timeout=timeout, key=idempotency_key)

    def list_rotation_overrides(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        show_ended: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRotationOverridesResponse, models.RotationOverride]:
        """Lists the overrides of a rotation that have not ended, in the order of their creation; with show_ended those before as well.

        Needs the scope ``recipients:read``.

        Args:
            parent: The rotation.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            show_ended: Whether those that have ended are shown, too.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ROTATION_OVERRIDES, {"parent": parent, "page_size": page_size, "page_token": page_token, "show_ended": show_ended}, "overrides", timeout)

    async def delete_rotation_override(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Takes an override back, from now on: as long as it was in force it stays in the history.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_ROTATION_OVERRIDE, {"name": name}, timeout=timeout, key=idempotency_key)

    async def get_mesh(
        self,
        *,
        timeout: float | None = None,
    ) -> models.MeshPicture:
        """Shows every process: its health, dependencies, breakers, faults, and the calls of each method.

        Needs the scope ``mesh:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_MESH, {}, timeout=timeout)

    def watch_mesh(
        self,
        *,
        interval_seconds: int | None = None,
    ) -> AsyncStream[models.WatchMeshResponse]:
        """Shows the same again and again, and at once when a process is gone or serves again.

        Needs the scope ``mesh:read``.

        Args:
            interval_seconds: Seconds between two pictures; 1 unless given.
        """
        return self._stream(contract.WATCH_MESH, {"interval_seconds": interval_seconds})

    def watch_calls(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        caller: str | None = None,
        tenant: str | None = None,
        code: str | None = None,
    ) -> AsyncStream[models.WatchCallsResponse]:
        """Shows the calls of the services as they end, from every replica, but for those of MeshService, and the calls that the gateway
        makes to services outside of the mesh. Nothing of what they carry.

        Needs the scope ``mesh:read``.

        Args:
            service: The service that serves them: "scheduler" or "scheduler_svc", or the name of one outside of the mesh; all services
                unless given.
            method: Full path of the method, or the end of it, such as "CreateAlarm" or "AlarmService/CreateAlarm".
            caller: The service that called, by its certificate, such as "gateway".
            tenant: Id of the tenant.
            code: Name of the code that they ended with, such as "OK" or "NOT_FOUND"; "ERROR" for every one but OK.
        """
        return self._stream(contract.WATCH_CALLS, {"service": service, "method": method, "caller": caller, "tenant": tenant, "code": code})

    async def get_mesh_policy(
        self,
        *,
        method: str | None = None,
        timeout: float | None = None,
    ) -> models.MeshPolicy:
        """Shows what the policies of methods say in each process, and where each value comes from.

        Needs the scope ``mesh:read``.

        Args:
            method: Full path of the method; unless given, every method of which a value comes from a file or an order, with those values
                alone.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_MESH_POLICY, {"method": method}, timeout=timeout)

    async def set_mesh_policy(
        self,
        *,
        rule: models.PolicyRule | JsonObject | None = None,
        ttl: timedelta | str | None = None,
        dry_run: bool | None = None,
        access: models.AccessRule | JsonObject | None = None,
        rate: models.RateRule | JsonObject | None = None,
        split: models.SplitRule | JsonObject | None = None,
        mirror: models.MirrorRule | JsonObject | None = None,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Changes policies in every process, for a time. An order about the same methods and caller is replaced.

        Needs the scope ``mesh:write``.

        Args:
            rule: What changes.
            ttl: For how long; an hour unless given, a week at most.
            dry_run: Only tells what would change.
            access: Who may call what.
            rate: How often.
            split: Which versions get calls.
            mirror: Which calls are copied.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SET_MESH_POLICY, {"rule": rule, "ttl": ttl, "dry_run": dry_run, "access": access, "rate": rate, "split": split, "mirror": mirror}, timeout=timeout)

    async def reset_mesh_policy(
        self,
        *,
        method: str | None = None,
        caller: str | None = None,
        name: str | None = None,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Takes orders about policies back, in every process.

        Needs the scope ``mesh:write``.

        Args:
            method: Methods of the order, as it was given; every order when nothing here is given.
            caller: Caller of the order.
            name: Name of the rule of access, the rate, the split or the mirror that was ordered.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESET_MESH_POLICY, {"method": method, "caller": caller, "name": name}, timeout=timeout)

    async def reset_service_breakers(
        self,
        service: str,
        *,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Closes the circuit breakers that guard a service, in every process, and takes orders for them back.

        Needs the scope ``mesh:write``.

        Args:
            service: What they guard: "scheduler" or "scheduler_svc", "database", a provider.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESET_SERVICE_BREAKERS, {"service": service}, timeout=timeout)

    async def reset_breaker(
        self,
        id: str,
        *,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Closes one circuit breaker, wherever there is one of that identity, and takes an order for it back.

        Needs the scope ``mesh:write``.

        Args:
            id: Its identity, such as "mailer_svc/tocsin.api.mailer.v1.DeliveryService/Deliver" or "database".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESET_BREAKER, {"id": id}, timeout=timeout)

    async def open_breaker(
        self,
        id: str,
        *,
        duration: timedelta | str | None = None,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Keeps one circuit breaker open in every process, until it is reset, or for a time.

        Needs the scope ``mesh:write``.

        Args:
            id: Its identity.
            duration: For how long, before it is probed; until it is reset unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.OPEN_BREAKER, {"id": id, "duration": duration}, timeout=timeout)

    async def close_breaker(
        self,
        id: str,
        *,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Keeps one circuit breaker closed in every process, until it is reset.

        Needs the scope ``mesh:write``.

        Args:
            id: Its identity.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CLOSE_BREAKER, {"id": id}, timeout=timeout)

    async def inject_fault(
        self,
        *,
        service: str,
        fault: models.Fault | JsonObject,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Makes every replica of a service delay, refuse or never answer a share of its calls. Only where its settings allow faults.

        Needs the scope ``mesh:write``.

        Args:
            service: The service whose calls are hit: "scheduler" or "scheduler_svc".
            fault: The fault.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.INJECT_FAULT, {"service": service, "fault": fault}, timeout=timeout)

    async def remove_faults(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        timeout: float | None = None,
    ) -> models.OrderReport:
        """Takes the faults of a service back.

        Needs the scope ``mesh:write``.

        Args:
            service: The service; every one unless given.
            method: The fault for exactly this method; all unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REMOVE_FAULTS, {"service": service, "method": method}, timeout=timeout)

    async def get_firing(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Firing:
        """Reads one firing.

        Needs the scope ``firings:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_FIRING, {"name": name}, timeout=timeout)

    def list_firings(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListFiringsResponse, models.Firing]:
        """Lists firings, the latest due time first.

        Needs the scope ``firings:read``.

        Args:
            page_size: Most firings wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: alarm="alarms/01J…", state="DEAD", outcome="LATE", origin="EVENT",
                due_time>="2026-01-01T00:00:00Z", due_time<"…".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_FIRINGS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "firings", timeout)

    async def summarize_firings(
        self,
        *,
        minutes: int | None = None,
        alarm: str | None = None,
        timeout: float | None = None,
    ) -> models.SummarizeFiringsResponse:
        """Counts what was due lately, by outcome and by how late it fired. Of very many firings the latest 20,000 are counted.

        Needs the scope ``firings:read``.

        Args:
            minutes: How many minutes back from now; 1440 unless given, at most a week.
            alarm: Only firings of this alarm; all unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUMMARIZE_FIRINGS, {"minutes": minutes, "alarm": alarm}, timeout=timeout)

    def watch_firings(
        self,
        *,
        alarm: str | None = None,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchFiringsResponse]:
        """Streams every change of a firing from now on, or from a resume token on. A firing is sent again when it changes.

        Needs the scope ``firings:read``.

        Args:
            alarm: Only firings of this alarm; all unless given.
            resume_token: resume_token of the last change seen; the changes after it come first.
        """
        return self._stream(contract.WATCH_FIRINGS, {"alarm": alarm, "resume_token": resume_token})

    def audit_firings(
        self,
        *,
        start_time: datetime | str,
        end_time: datetime | str | None = None,
        alarm: str | None = None,
        incident: str | None = None,
    ) -> AsyncStream[models.AuditFiringsResponse]:
        """Recomputes which due times a period must contain, from the rules of alarms and from the policies and timelines of incidents, and
        compares them with the ledger: sends every difference, then a summary.

        Needs the scope ``firings:read``.

        Args:
            start_time: First due time looked at.
            end_time: Due times from here on are not looked at; now unless given, and never later than now.
            alarm: Only this alarm; all alarms and incidents unless one is given.
            incident: Only this incident, and no alarm.
        """
        return self._stream(contract.AUDIT_FIRINGS, {"start_time": start_time, "end_time": end_time, "alarm": alarm, "incident": incident})

    async def replay_firing(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Firing:
        """Lets a dead firing go once more, with fresh attempts.

        Needs the scope ``firings:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REPLAY_FIRING, {"name": name}, timeout=timeout)

    async def trigger_incident(
        self,
        incident: models.Incident | JsonObject,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Opens an incident, or counts one more trigger of the open one that has the same key. The answer means that it is committed, and
        its first step with it.

        Needs the scope ``incidents:write``.

        Args:
            incident: What it is.
            request_id: Makes the call idempotent: a second one with the same id counts no second trigger, and answers with the incident
                (AIP-155). Any text of the caller's.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.TRIGGER_INCIDENT, {"incident": incident, "request_id": request_id}, timeout=timeout)

    async def get_incident(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Incident:
        """Reads an incident.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_INCIDENT, {"name": name}, timeout=timeout)

    def list_incidents(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIncidentsResponse, models.Incident]:
        """Lists incidents, the newest first.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: state="TRIGGERED", severity="CRITICAL", escalation_policy="escalationPolicies/…",
                source="alarms/…", dedup_key="…", create_time>"…".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INCIDENTS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "incidents", timeout)

    def watch_incidents(
        self,
        *,
        incident: str | None = None,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchIncidentsResponse]:
        """Streams every event of an incident from now on, or from a resume token on.

        Needs the scope ``incidents:read``.

        Args:
            incident: Only this incident; all unless given.
            resume_token: resume_token of the last event seen; the events after it come first.
        """
        return self._stream(contract.WATCH_INCIDENTS, {"incident": incident, "resume_token": resume_token})

    def list_incident_events(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIncidentEventsResponse, models.IncidentEvent]:
        """Lists the timeline of an incident, the oldest event first.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name of the incident.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INCIDENT_EVENTS, {"name": name, "page_size": page_size, "page_token": page_token}, "events", timeout)

    def list_incident_alerts(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIncidentAlertsResponse, models.IncidentAlert]:
        """Lists the alerts of an incident that groups some, by key.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name of the incident.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INCIDENT_ALERTS, {"name": name, "page_size": page_size, "page_token": page_token}, "alerts", timeout)

    async def acknowledge_incident(
        self,
        name: str,
        *,
        note: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Says that somebody has it: later steps are not taken, and everybody who was told hears who has it.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ACKNOWLEDGE_INCIDENT, {"name": name, "note": note}, timeout=timeout)

    async def unacknowledge_incident(
        self,
        name: str,
        *,
        note: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Gives an acknowledged incident back: its steps begin again with the first one.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UNACKNOWLEDGE_INCIDENT, {"name": name, "note": note}, timeout=timeout)

    async def resolve_incident(
        self,
        name: str,
        *,
        note: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Says that it is over; everybody who was told hears it.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESOLVE_INCIDENT, {"name": name, "note": note}, timeout=timeout)

    async def snooze_incident(
        self,
        name: str,
        *,
        note: str | None = None,
        until: datetime | str | None = None,
        duration: timedelta | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Takes no step until a time; then its steps begin again with the first one, unless somebody answers before.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            until: When its steps begin again.
            duration: For how long, from now on, instead of until.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SNOOZE_INCIDENT, {"name": name, "note": note, "until": until, "duration": duration}, timeout=timeout, key=idempotency_key)

    async def reassign_incident(
        self,
        name: str,
        *,
        note: str | None = None,
        escalation_policy: str | None = None,
        targets: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Gives it to somebody else: to another policy, from its first step on, or to recipients, who are told at once.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            escalation_policy: Escalation policy that takes over, "escalationPolicies/{id}"; either this or targets.
            targets: Who takes over: "recipients/{id}", "groups/{id}" or "rotations/{id}". They are told at once, and nobody after them.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REASSIGN_INCIDENT, {"name": name, "note": note, "escalation_policy": escalation_policy, "targets": targets}, timeout=timeout, key=idempotency_key)

    async def note_incident(
        self,
        name: str,
        *,
        note: str,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Writes a note into its timeline.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: The note.
            request_id: Makes the call idempotent (AIP-155). Any text of the caller's.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.NOTE_INCIDENT, {"name": name, "note": note, "request_id": request_id}, timeout=timeout)

    async def merge_incident(
        self,
        name: str,
        *,
        into: str,
        note: str | None = None,
        timeout: float | None = None,
    ) -> models.Incident:
        """Makes it part of another incident: it takes no further step, and ends with that one.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            note: Why, for the timeline.
            into: The incident that it becomes part of.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.MERGE_INCIDENT, {"name": name, "note": note, "into": into}, timeout=timeout)

    def watch_changes(
        self,
        *,
        kinds: Sequence[models.ChangeKind] | None = None,
        resume_token: str | None = None,
    ) -> AsyncStream[models.WatchChangesResponse]:
        """Streams every change from now on, or from a resume token on, of the kinds that are asked for and that the caller may read. A
        service that is away interrupts what it tells, not the stream: a standing says so, and again when it is back.

        Needs the scope ``profile:read``.

        Args:
            kinds: Kinds wanted; all that the caller may read unless given.
            resume_token: resume_token of the last change seen; the changes after it come first. Kinds that had told of none yet begin
                now.
        """
        return self._stream(contract.WATCH_CHANGES, {"kinds": kinds, "resume_token": resume_token})

    async def show_answer_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows how the incident stands, and a button; changes nothing: programs follow the links of mails, too.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_ANSWER_PAGE, {"token": token}, timeout=timeout)

    async def answer_by_link(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Takes the answer: what the button sends. Again is no error.

        Args:
            token: What the link ends with.
            form: The form: answer=acknowledge or answer=resolve. An empty one acknowledges, as the button of a push message does.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ANSWER_BY_LINK, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    async def receive_callback(
        self,
        provider: str,
        body: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> models.ReceiveCallbackResponse:
        """Takes a callback. Its signature is checked over the body as it was sent; what was told before changes nothing.

        Args:
            provider: Provider: the id of one of a tenant, or the name of one of the installation, such as "sendgrid".
            body: Body.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RECEIVE_CALLBACK, {"provider": provider, "body": body, "content_type": content_type}, timeout=timeout)

    async def create_category(
        self,
        category: models.Category | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Category:
        """Makes a category.

        Needs the scope ``recipients:write``.

        Args:
            category: The category.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_CATEGORY, {"category": category}, timeout=timeout, key=idempotency_key)

    async def get_category(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Category:
        """Reads a category.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_CATEGORY, {"name": name}, timeout=timeout)

    def list_categories(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListCategoriesResponse, models.Category]:
        """Lists categories, by name.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_CATEGORIES, {"page_size": page_size, "page_token": page_token}, "categories", timeout)

    async def update_category(
        self,
        category: models.Category | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Category:
        """Changes fields of a category.

        Needs the scope ``recipients:write``.

        Args:
            category: New values, and the name of the category.
            update_mask: Fields to change: "display_name", "kind", "channels", "digest_window"; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_CATEGORY, {"category": category, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_category(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a category. What was accepted under it goes on.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_CATEGORY, {"name": name}, timeout=timeout, key=idempotency_key)

    def import_categories(
        self,
        data: bytes | AsyncIterable[bytes],
        content_type: str = "application/x-ndjson",
        *,
        skip_lines: int | None = None,
        validate_only: bool | None = None,
    ) -> AsyncStream[models.ImportProgress]:
        """Imports many categories. Invalid lines are reported; the rest is imported. A category that exists becomes what its line says.
        Over REST the body is NDJSON (application/x-ndjson) or CSV (text/csv), and the answer is a stream of the same messages.

        Needs the scope ``recipients:write``.

        Args:
            data: A piece of a text of lines, cut anywhere. The content type of the first piece says which: application/x-ndjson or
                text/csv.
            skip_lines: Lines to pass over: those that an earlier import has committed.
            validate_only: Check everything and make nothing.
            content_type: the media type of the bytes.
        """
        return self._stream(contract.IMPORT_CATEGORIES, {"data": data, "skip_lines": skip_lines, "validate_only": validate_only, "content_type": content_type})

    def export_categories(
        self,
    ) -> AsyncStream[models.Category]:
        """Sends every one, in the order of their names, in a form that ImportCategories takes: the round trip is identity.

        Needs the scope ``recipients:read``.
        """
        return self._stream(contract.EXPORT_CATEGORIES, {})

    async def create_feed(
        self,
        subject: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Feed:
        """Makes the feed of a rotation, or that of the shifts of a recipient in all rotations. The answer shows its URL, once. Where there
        is one already, its URL is worth nothing from then on.

        Needs the scope ``recipients:write``.

        Args:
            subject: "rotations/{id}", or "recipients/{id}" for the shifts of one person.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_FEED, {"subject": subject}, timeout=timeout, key=idempotency_key)

    async def get_feed(
        self,
        subject: str,
        *,
        timeout: float | None = None,
    ) -> models.Feed:
        """Says whether there is a feed, and since when.

        Needs the scope ``recipients:read``.

        Args:
            subject: "rotations/{id}" or "recipients/{id}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_FEED, {"subject": subject}, timeout=timeout)

    async def revoke_feed(
        self,
        subject: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Revokes a feed: its URL is worth nothing from then on. Without one it does nothing.

        Needs the scope ``recipients:write``.

        Args:
            subject: "rotations/{id}" or "recipients/{id}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REVOKE_FEED, {"subject": subject}, timeout=timeout)

    async def read_feed(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Serves a feed as text/calendar (RFC 5545): who is on call from five weeks ago to half a year ahead, or as far as 4,000 turns go.
        Over HTTP with an ETag, by which an unchanged one is answered 304.

        Args:
            token: What the URL ends with, "….ics".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.READ_FEED, {"token": token}, timeout=timeout)

    async def create_group(
        self,
        group: models.Group | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Group:
        """Makes a group without members.

        Needs the scope ``recipients:write``.

        Args:
            group: The group.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_GROUP, {"group": group}, timeout=timeout, key=idempotency_key)

    async def get_group(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Group:
        """Reads a group.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_GROUP, {"name": name}, timeout=timeout)

    def list_groups(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListGroupsResponse, models.Group]:
        """Lists groups, by name.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions on text: what is in the id or in the display name, whatever the case. A page may be short of
                matches before the last one.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_GROUPS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "groups", timeout)

    async def update_group(
        self,
        group: models.Group | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Group:
        """Changes fields of a group.

        Needs the scope ``recipients:write``.

        Args:
            group: New values, and the name of the group.
            update_mask: Fields to change: "display_name"; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_GROUP, {"group": group, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_group(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a group, also from the groups that it is in. Its members stay.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_GROUP, {"name": name}, timeout=timeout, key=idempotency_key)

    async def add_group_members(
        self,
        name: str,
        *,
        members: Sequence[str],
        timeout: float | None = None,
    ) -> models.Group:
        """Adds members, all or none; those that are in it already stay. Groups may be in groups, 8 deep at most, and never in a circle.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            members: "recipients/{id}", "groups/{id}" or "rotations/{id}"; each must exist.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ADD_GROUP_MEMBERS, {"name": name, "members": members}, timeout=timeout)

    async def remove_group_members(
        self,
        name: str,
        *,
        members: Sequence[str],
        timeout: float | None = None,
    ) -> models.Group:
        """Removes members; those that are not in it change nothing.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            members: "recipients/{id}", "groups/{id}" or "rotations/{id}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REMOVE_GROUP_MEMBERS, {"name": name, "members": members}, timeout=timeout)

    def list_group_members(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListGroupMembersResponse, models.GroupMember]:
        """Lists what is in a group itself: recipients first, then groups, then rotations, by name.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_GROUP_MEMBERS, {"name": name, "page_size": page_size, "page_token": page_token}, "members", timeout)

    def import_groups(
        self,
        data: bytes | AsyncIterable[bytes],
        content_type: str = "application/x-ndjson",
        *,
        skip_lines: int | None = None,
        validate_only: bool | None = None,
    ) -> AsyncStream[models.ImportProgress]:
        """Imports many groups. Invalid lines are reported; the rest is imported. A group that exists becomes what its line says; groups
        that lines name as members are made if they are missing, recipients must exist. Over REST the body is NDJSON
        (application/x-ndjson) or CSV (text/csv), and the answer is a stream of the same messages.

        Needs the scope ``recipients:write``.

        Args:
            data: A piece of a text of lines, cut anywhere. The content type of the first piece says which: application/x-ndjson or
                text/csv.
            skip_lines: Lines to pass over: those that an earlier import has committed.
            validate_only: Check everything and make nothing.
            content_type: the media type of the bytes.
        """
        return self._stream(contract.IMPORT_GROUPS, {"data": data, "skip_lines": skip_lines, "validate_only": validate_only, "content_type": content_type})

    def export_groups(
        self,
    ) -> AsyncStream[models.GroupLine]:
        """Sends every one, in the order of their names, in a form that ImportGroups takes: the round trip is identity.

        Needs the scope ``recipients:read``.
        """
        return self._stream(contract.EXPORT_GROUPS, {})

    def list_messages(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListMessagesResponse, models.InboxMessage]:
        """Lists messages, the newest first.

        Needs the scope ``inbox:read``.

        Args:
            page_size: Most messages wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_MESSAGES, {"page_size": page_size, "page_token": page_token}, "messages", timeout)

    async def get_message(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.InboxMessage:
        """Reads one message.

        Needs the scope ``inbox:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_MESSAGE, {"name": name}, timeout=timeout)

    async def show_message(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows one message as the person sees it: its HTML, or its text where it has none. A browser runs nothing of it and loads nothing.

        Needs the scope ``inbox:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_MESSAGE, {"name": name}, timeout=timeout)

    async def send_notification(
        self,
        notification: models.Notification | JsonObject,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Notification:
        """Takes a notification. The answer means that it is committed; its deliveries are made right after, or at its send time.

        Needs the scope ``notifications:write``.

        Args:
            notification: The notification.
            request_id: Makes the call idempotent: a second one with the same id answers with the first one's notification (AIP-155). Any
                text of the caller's.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SEND_NOTIFICATION, {"notification": notification, "request_id": request_id}, timeout=timeout)

    async def get_notification(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Notification:
        """Reads a notification, with the number of its deliveries by state and reason.

        Needs the scope ``notifications:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_NOTIFICATION, {"name": name}, timeout=timeout)

    def list_notifications(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListNotificationsResponse, models.Notification]:
        """Lists notifications, the newest first, without the numbers of their deliveries.

        Needs the scope ``notifications:read``.

        Args:
            page_size: Most notifications wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: state="PENDING", category="categories/…", firing="firings/…".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_NOTIFICATIONS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "notifications", timeout)

    async def cancel_notification(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Notification:
        """Cancels a notification that is PENDING; one that is cancelled already is answered as it is.

        Needs the scope ``notifications:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CANCEL_NOTIFICATION, {"name": name}, timeout=timeout)

    async def get_callback_secret(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.GetCallbackSecretResponse:
        """Tells the secret that status callbacks are signed with (Standard Webhooks), "whsec_…": the same for all of the tenant's.

        Needs the scope ``notifications:write``.

        Args:
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_CALLBACK_SECRET, {}, timeout=timeout, key=idempotency_key)

    async def get_preferences(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Preferences:
        """Reads the preferences of a recipient, or those of the tenant.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PREFERENCES, {"name": name}, timeout=timeout)

    async def update_preferences(
        self,
        preferences: models.Preferences | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Preferences:
        """Changes the preferences of a recipient, or those of the tenant. PUT replaces them.

        Needs the scope ``recipients:write``.

        Args:
            preferences: New values, and the name.
            update_mask: Fields to change: "choices", "quiet_hours", "cap"; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_PREFERENCES, {"preferences": preferences, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def replace_preferences(
        self,
        preferences: models.Preferences | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.Preferences:
        """Replaces the preferences of a recipient, or those of the tenant.

        Needs the scope ``recipients:write``.

        Args:
            preferences: All of them, and the name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REPLACE_PREFERENCES, {"preferences": preferences}, timeout=timeout)

    async def create_provider(
        self,
        provider: models.Provider | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Provider:
        """Adds a provider at the end of the tenant's lane, or at its position.

        Needs the scope ``providers:write``.

        Args:
            provider: The provider.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_PROVIDER, {"provider": provider}, timeout=timeout, key=idempotency_key)

    async def get_provider(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Provider:
        """Reads one provider. Its secrets are never told.

        Needs the scope ``providers:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PROVIDER, {"name": name}, timeout=timeout)

    def list_providers(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListProvidersResponse, models.Provider]:
        """Lists the lanes: the providers of each channel in the order in which they are asked, those of the installation last.

        Needs the scope ``providers:read``.

        Args:
            page_size: Most providers wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_PROVIDERS, {"page_size": page_size, "page_token": page_token}, "providers", timeout)

    async def update_provider(
        self,
        provider: models.Provider | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        timeout: float | None = None,
    ) -> models.Provider:
        """Changes a provider. A secret that is not given stays as it is.

        Needs the scope ``providers:write``.

        Args:
            provider: The provider; only the fields of the mask count. "config" replaces the whole configuration except secrets that are
                not given.
            update_mask: Fields to change: displayName, position, disabled, config; those that are given unless set.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_PROVIDER, {"provider": provider, "update_mask": update_mask}, timeout=timeout)

    async def delete_provider(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Removes a provider. What waits goes by the next one of the lane.

        Needs the scope ``providers:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_PROVIDER, {"name": name}, timeout=timeout)

    async def test_provider(
        self,
        name: str,
        *,
        to: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.TestProviderResponse:
        """Sends a message by this provider alone, at once and outside of every queue, and tells what came of it.

        Needs the scope ``providers:write``.

        Args:
            name: Resource name.
            to: Address that its channel takes.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.TEST_PROVIDER, {"name": name, "to": to}, timeout=timeout, key=idempotency_key)

    async def list_provider_kinds(
        self,
        *,
        timeout: float | None = None,
    ) -> models.ListProviderKindsResponse:
        """Lists the kinds of providers, each with the schema of its configuration.

        Needs the scope ``providers:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_PROVIDER_KINDS, {}, timeout=timeout)

    async def get_push_key(
        self,
        *,
        timeout: float | None = None,
    ) -> models.PushKey:
        """The public key of this installation, which a browser subscribes with. It is no secret, and a page needs it before anybody signs
        in.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PUSH_KEY, {}, timeout=timeout)

    async def create_recipient(
        self,
        recipient: models.Recipient | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Recipient:
        """Makes a recipient. Nothing is sent to its addresses: a PENDING one gets its code by RequestAddressVerification.

        Needs the scope ``recipients:write``.

        Args:
            recipient: The recipient. Groups that it names must exist.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_RECIPIENT, {"recipient": recipient}, timeout=timeout, key=idempotency_key)

    async def get_recipient(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Recipient:
        """Reads a recipient with its addresses and groups.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_RECIPIENT, {"name": name}, timeout=timeout)

    def list_recipients(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRecipientsResponse, models.Recipient]:
        """Lists recipients, by name.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions on display_name (with "*" at the end: what it begins with, whatever the case), address, channel
                and group.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_RECIPIENTS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "recipients", timeout)

    async def update_recipient(
        self,
        recipient: models.Recipient | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Recipient:
        """Changes fields of a recipient. Addresses and groups have methods of their own.

        Needs the scope ``recipients:write``.

        Args:
            recipient: New values, and the name of the recipient.
            update_mask: Fields to change: "display_name", "locale", "time_zone", "attributes"; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_RECIPIENT, {"recipient": recipient, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_recipient(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a recipient with its addresses, preferences and memberships. Its deliveries stay.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_RECIPIENT, {"name": name}, timeout=timeout, key=idempotency_key)

    async def add_address(
        self,
        parent: str,
        address: models.Address | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Address:
        """Adds an address to a recipient. One of its own that is RETIRED begins anew.

        Needs the scope ``recipients:write``.

        Args:
            parent: Resource name of the recipient.
            address: The address.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ADD_ADDRESS, {"parent": parent, "address": address}, timeout=timeout, key=idempotency_key)

    async def remove_address(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes an address from its recipient.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REMOVE_ADDRESS, {"name": name}, timeout=timeout, key=idempotency_key)

    async def request_address_verification(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Address:
        """Sends a code to a PENDING or RETIRED address, by its channel; the code before it is void. At most one a minute.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REQUEST_ADDRESS_VERIFICATION, {"name": name}, timeout=timeout, key=idempotency_key)

    async def recipient_verify_address(
        self,
        name: str,
        *,
        code: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Address:
        """Makes an address ACTIVE by the code that was sent to it. After five wrong ones the code is void.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            code: The code that was sent to the address; blanks do not matter.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RECIPIENT_VERIFY_ADDRESS, {"name": name, "code": code}, timeout=timeout, key=idempotency_key)

    async def get_personal_rules(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.PersonalRules:
        """Reads how a recipient wants to be told of incidents.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PERSONAL_RULES, {"name": name}, timeout=timeout)

    async def replace_personal_rules(
        self,
        rules: models.PersonalRules | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.PersonalRules:
        """Replaces how a recipient wants to be told of incidents. What is on its way already goes by the rules that were there.

        Needs the scope ``recipients:write``.

        Args:
            rules: All of them, and the name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REPLACE_PERSONAL_RULES, {"rules": rules}, timeout=timeout)

    def import_recipients(
        self,
        data: bytes | AsyncIterable[bytes],
        content_type: str = "application/x-ndjson",
        *,
        skip_lines: int | None = None,
        validate_only: bool | None = None,
    ) -> AsyncStream[models.ImportProgress]:
        """Imports many recipients. Invalid lines are reported; the rest is imported. A recipient that exists becomes what its line says.
        Over REST the body is NDJSON (application/x-ndjson) or CSV (text/csv), and the answer is a stream of the same messages.

        Needs the scope ``recipients:write``.

        Args:
            data: A piece of a text of lines, cut anywhere. The content type of the first piece says which: application/x-ndjson or
                text/csv.
            skip_lines: Lines to pass over: those that an earlier import has committed.
            validate_only: Check everything and make nothing.
            content_type: the media type of the bytes.
        """
        return self._stream(contract.IMPORT_RECIPIENTS, {"data": data, "skip_lines": skip_lines, "validate_only": validate_only, "content_type": content_type})

    def export_recipients(
        self,
        *,
        filter: str | None = None,
    ) -> AsyncStream[models.Recipient]:
        """Sends every one, in the order of their names, in a form that ImportRecipients takes: the round trip is identity.

        Needs the scope ``recipients:read``.

        Args:
            filter: AIP-160 conditions, as in ListRecipients.
        """
        return self._stream(contract.EXPORT_RECIPIENTS, {"filter": filter})

    async def send_simple_notification(
        self,
        *,
        notification_type: str,
        user_id: str,
        template_code: str,
        variables: JsonObject | None = None,
        request_id: str | None = None,
        priority: int | None = None,
        metadata: JsonObject | None = None,
        timeout: float | None = None,
    ) -> models.SimpleNotification:
        """Takes a notification for one recipient from the short form. The answer means that it is committed.

        Needs the scope ``notifications:write``.

        Args:
            notification_type: Channel by its name in lower case, such as "email" or "push".
            user_id: Who gets it: the id of a recipient, such as "ann".
            template_code: Code of the template, such as "welcome".
            variables: Values of the template's variables. What is not a text is written as JSON.
            request_id: Makes the call idempotent: a second one with the same id answers with the first one's notification. Any text of
                the caller's.
            priority: 1 is first and passes quiet hours, caps and digests; 2, or none, is everyday work; above is for mass mailings.
            metadata: Whatever the caller wants to find again: at most 16 KiB of JSON.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SEND_SIMPLE_NOTIFICATION, {"notification_type": notification_type, "user_id": user_id, "template_code": template_code, "variables": variables, "request_id": request_id, "priority": priority, "metadata": metadata}, timeout=timeout)

    async def get_simple_notification(
        self,
        *,
        notification_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.SimpleNotification:
        """Tells in one word what became of a notification, whichever form it was sent in.

        Needs the scope ``notifications:read``.

        Args:
            notification_id: Its id, as SendSimpleNotification answered; or its resource name.
            request_id: The request_id that it was sent with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SIMPLE_NOTIFICATION, {"notification_id": notification_id, "request_id": request_id}, timeout=timeout)

    async def register_recipient(
        self,
        *,
        user_id: str | None = None,
        name: str | None = None,
        email: str | None = None,
        push_token: str | None = None,
        preferences: models.SimplePreferences | JsonObject | None = None,
        locale: str | None = None,
        time_zone: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.RegisteredRecipient:
        """Makes a recipient whose addresses count as verified: who may call this answers for them.

        Needs the scope ``recipients:write``.

        Args:
            user_id: Id of the recipient, the caller's own; one is made if it is empty.
            name: Name for people.
            email: Email address.
            push_token: Registration token of Firebase Cloud Messaging, or an address of the channel "push" as it is, such as
                "onesignal:…".
            preferences: What the recipient wants to have; without it everything.
            locale: Language of messages, such as "de-CH".
            time_zone: Time zone of quiet hours, such as "Europe/Zurich".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.REGISTER_RECIPIENT, {"user_id": user_id, "name": name, "email": email, "push_token": push_token, "preferences": preferences, "locale": locale, "time_zone": time_zone}, timeout=timeout, key=idempotency_key)

    async def create_suppression(
        self,
        suppression: models.Suppression | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.Suppression:
        """Suppresses an address. One that is there for it and its category gets the new reason, detail and end.

        Needs the scope ``recipients:write``.

        Args:
            suppression: The suppression.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_SUPPRESSION, {"suppression": suppression}, timeout=timeout)

    async def get_suppression(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Suppression:
        """Reads a suppression.

        Needs the scope ``recipients:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SUPPRESSION, {"name": name}, timeout=timeout)

    def list_suppressions(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListSuppressionsResponse, models.Suppression]:
        """Lists suppressions, by name.

        Needs the scope ``recipients:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions on channel, address, category and reason.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_SUPPRESSIONS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "suppressions", timeout)

    async def delete_suppression(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Ends a suppression: the address gets messages again.

        Needs the scope ``recipients:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_SUPPRESSION, {"name": name}, timeout=timeout, key=idempotency_key)

    def import_suppressions(
        self,
        data: bytes | AsyncIterable[bytes],
        content_type: str = "application/x-ndjson",
        *,
        skip_lines: int | None = None,
        validate_only: bool | None = None,
    ) -> AsyncStream[models.ImportProgress]:
        """Imports many suppressions. Invalid lines are reported; the rest is imported. A suppression of the same address and category
        becomes what its line says. Over REST the body is NDJSON (application/x-ndjson) or CSV (text/csv), and the answer is a stream of
        the same messages.

        Needs the scope ``recipients:write``.

        Args:
            data: A piece of a text of lines, cut anywhere. The content type of the first piece says which: application/x-ndjson or
                text/csv.
            skip_lines: Lines to pass over: those that an earlier import has committed.
            validate_only: Check everything and make nothing.
            content_type: the media type of the bytes.
        """
        return self._stream(contract.IMPORT_SUPPRESSIONS, {"data": data, "skip_lines": skip_lines, "validate_only": validate_only, "content_type": content_type})

    def export_suppressions(
        self,
        *,
        filter: str | None = None,
    ) -> AsyncStream[models.Suppression]:
        """Sends every one, in the order of their names, in a form that ImportSuppressions takes: the round trip is identity.

        Needs the scope ``recipients:read``.

        Args:
            filter: AIP-160 conditions, as in ListSuppressions.
        """
        return self._stream(contract.EXPORT_SUPPRESSIONS, {"filter": filter})

    async def create_template(
        self,
        template: models.Template | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Template:
        """Makes a template, version 1, which is promoted.

        Needs the scope ``templates:write``.

        Args:
            template: The template.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_TEMPLATE, {"template": template}, timeout=timeout, key=idempotency_key)

    async def get_template(
        self,
        name: str,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> models.Template:
        """Reads the promoted version of a template, or the version asked for. A code that the tenant has not made may be one that ships
        with Tocsin.

        Needs the scope ``templates:read``.

        Args:
            name: Resource name.
            version: Version; the promoted one unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_TEMPLATE, {"name": name, "version": version}, timeout=timeout)

    def list_templates(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        show_built_in: bool | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListTemplatesResponse, models.Template]:
        """Lists the promoted versions of templates, by name.

        Needs the scope ``templates:read``.

        Args:
            page_size: Most templates wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            show_built_in: Also those that ship with Tocsin and that the tenant has not replaced.
            filter: AIP-160 conditions on text: what is in the name or in the subject, whatever the case; and on built_in. A page may be
                short of matches before the last one.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_TEMPLATES, {"page_size": page_size, "page_token": page_token, "show_built_in": show_built_in, "filter": filter}, "templates", timeout)

    def list_template_versions(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListTemplateVersionsResponse, models.Template]:
        """Lists the versions of a template, the newest first.

        Needs the scope ``templates:read``.

        Args:
            name: Resource name.
            page_size: Most versions wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_TEMPLATE_VERSIONS, {"name": name, "page_size": page_size, "page_token": page_token}, "templates", timeout)

    async def update_template(
        self,
        template: models.Template | JsonObject,
        *,
        force: bool | None = None,
        promote: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Template:
        """Adds a version to a template and promotes it, unless told otherwise. Versions never change.

        Needs the scope ``templates:write``.

        Args:
            template: The whole new version.
            force: Promotes the version although alarms do not give the variables that it takes. Otherwise it is refused, and the alarms
                are named.
            promote: False: the version is kept for later, see PromoteTemplate.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_TEMPLATE, {"template": template, "force": force, "promote": promote}, timeout=timeout, key=idempotency_key)

    async def promote_template(
        self,
        name: str,
        *,
        version: int,
        force: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Template:
        """Makes messages of another version of a template from now on.

        Needs the scope ``templates:write``.

        Args:
            name: Resource name.
            version: The version.
            force: Promotes it although alarms do not give the variables that it takes. Otherwise that is refused, and the alarms are
                named.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PROMOTE_TEMPLATE, {"name": name, "version": version, "force": force}, timeout=timeout, key=idempotency_key)

    async def delete_template(
        self,
        name: str,
        *,
        force: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a template with all its versions. Deliveries that were accepted go on.

        Needs the scope ``templates:write``.

        Args:
            name: Resource name.
            force: Removes it although alarms use it. Otherwise that is refused, and the alarms are named.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_TEMPLATE, {"name": name, "force": force}, timeout=timeout, key=idempotency_key)

    async def render_template(
        self,
        name: str,
        *,
        variables: Mapping[str, str] | None = None,
        version: int | None = None,
        channel: str | None = None,
        locale: str | None = None,
        recipient: JsonObject | None = None,
        context: JsonObject | None = None,
        timeout: float | None = None,
    ) -> models.RenderTemplateResponse:
        """Renders a template without sending anything.

        Needs the scope ``templates:read``.

        Args:
            name: Resource name.
            variables: Values of the variables; at least of those that the template requires, unless they are declared with an example.
            version: Version; the promoted one unless given.
            channel: Name of the channel; a message by the default part unless given.
            locale: Language tag of the reader; that of the recipient unless given.
            recipient: Whom the message is for, as the template sees it: {"name": "Ann", "locale": "de", "attributes": {"plan": "gold"}}.
            context: What a firing would bring: {"event": {"data": {"total": 3}}}.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RENDER_TEMPLATE, {"name": name, "variables": variables, "version": version, "channel": channel, "locale": locale, "recipient": recipient, "context": context}, timeout=timeout)

    async def preview_template(
        self,
        *,
        template: models.Template | JsonObject,
        variables: Mapping[str, str] | None = None,
        channel: str | None = None,
        locale: str | None = None,
        recipient: JsonObject | None = None,
        context: JsonObject | None = None,
        timeout: float | None = None,
    ) -> models.RenderTemplateResponse:
        """Renders a template that is not saved, and checks it as if it were.

        Needs the scope ``templates:read``.

        Args:
            template: The template; its name is that of the template that it may become.
            variables: Values of the variables; at least of those that the template requires, unless they are declared with an example.
            channel: Name of the channel; a message by the default part unless given.
            locale: Language tag of the reader; that of the recipient unless given.
            recipient: Whom the message is for, as the template sees it.
            context: What a firing would bring.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PREVIEW_TEMPLATE, {"template": template, "variables": variables, "channel": channel, "locale": locale, "recipient": recipient, "context": context}, timeout=timeout)

    async def send_test_message(
        self,
        name: str,
        *,
        to: str,
        channel: str | None = None,
        variables: Mapping[str, str] | None = None,
        version: int | None = None,
        locale: str | None = None,
        recipient: JsonObject | None = None,
        context: JsonObject | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.SendTestMessageResponse:
        """Sends a message that a template makes to one address, to see how it looks there. Its delivery is of no firing and no
        notification.

        Needs the scope ``templates:write``.

        Args:
            name: Resource name.
            to: The address, as the channel takes it.
            channel: Name of the channel; the default one unless given.
            variables: Values of the variables; at least of those that the template requires, unless they are declared with an example.
            version: Version; the promoted one unless given.
            locale: Language tag of the reader; that of the recipient unless given.
            recipient: Whom the message is for, as the template sees it.
            context: What a firing would bring.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SEND_TEST_MESSAGE, {"name": name, "to": to, "channel": channel, "variables": variables, "version": version, "locale": locale, "recipient": recipient, "context": context}, timeout=timeout, key=idempotency_key)

    async def show_unsubscribe_page(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows a page with a button, and changes nothing: programs follow the links of mails, too.

        Args:
            token: What the link ends with.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_UNSUBSCRIBE_PAGE, {"token": token}, timeout=timeout)

    async def unsubscribe(
        self,
        token: str,
        form: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Leaves at once: what the button sends, and what a mail reader sends by itself. Again is no error.

        Args:
            token: What the link ends with.
            form: The form: List-Unsubscribe=One-Click.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UNSUBSCRIBE, {"token": token, "form": form, "content_type": content_type}, timeout=timeout)

    def list_spooled_calls(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        tenant: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListSpooledCallsResponse, models.SpooledCall]:
        """Lists the calls that are set aside, the oldest first, and counts what waits.

        Needs the scope ``mesh:read``.

        Args:
            page_size: Most calls wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            tenant: Only those of this tenant.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_SPOOLED_CALLS, {"page_size": page_size, "page_token": page_token, "tenant": tenant}, "spooled_calls", timeout)

    async def get_spooled_call(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.SpooledCall:
        """Shows a call that is set aside, with its request.

        Needs the scope ``mesh:read``.

        Args:
            name: "spooledCalls/{spool}-{number}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SPOOLED_CALL, {"name": name}, timeout=timeout)

    async def retry_spooled_call(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Lets a call that is set aside wait again, before all others of its tenant.

        Needs the scope ``mesh:write``.

        Args:
            name: "spooledCalls/{spool}-{number}".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RETRY_SPOOLED_CALL, {"name": name}, timeout=timeout)

    async def drop_spooled_call(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Drops a call that is set aside.

        Needs the scope ``mesh:write``.

        Args:
            name: "spooledCalls/{spool}-{number}".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DROP_SPOOLED_CALL, {"name": name}, timeout=timeout, key=idempotency_key)

    async def set_pii_policy(
        self,
        policy: models.PiiPolicy | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.PiiPolicy:
        """Makes a policy, or replaces it. Every service knows it within seconds.

        Needs the scope ``pii:write``.

        Args:
            policy: The policy.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SET_PII_POLICY, {"policy": policy}, timeout=timeout)

    async def get_pii_policy(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.PiiPolicy:
        """Reads a policy.

        Needs the scope ``pii:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PII_POLICY, {"name": name}, timeout=timeout)

    def list_pii_policies(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListPiiPoliciesResponse, models.PiiPolicy]:
        """Lists the policies by name.

        Needs the scope ``pii:read``.

        Args:
            page_size: Most policies wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_PII_POLICIES, {"page_size": page_size, "page_token": page_token}, "policies", timeout)

    async def delete_pii_policy(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a policy.

        Needs the scope ``pii:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_PII_POLICY, {"name": name}, timeout=timeout, key=idempotency_key)

    async def scan_text(
        self,
        *,
        text: str | None = None,
        kinds: Sequence[models.PiiPolicyKind] | None = None,
        timeout: float | None = None,
    ) -> models.ScanTextResponse:
        """Tells what would be found in a text; stores nothing, and raises no alert.

        Needs the scope ``pii:read``.

        Args:
            text: The text.
            kinds: What is looked for; every kind unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SCAN_TEXT, {"text": text, "kinds": kinds}, timeout=timeout)

    async def set_record(
        self,
        key: str,
        *,
        value: str,
        timeout: float | None = None,
    ) -> models.Record:
        """Stores a value under a key; an earlier value is replaced.

        Needs the scope ``records:write``.

        Args:
            key: The key; letters, digits and ". _ - @ +".
            value: The value.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SET_RECORD, {"key": key, "value": value}, timeout=timeout)

    async def get_record(
        self,
        key: str,
        *,
        timeout: float | None = None,
    ) -> models.Record:
        """Reads one record.

        Needs the scope ``records:read``.

        Args:
            key: The key.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_RECORD, {"key": key}, timeout=timeout)

    def list_records(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListRecordsResponse, models.Record]:
        """Lists records by key.

        Needs the scope ``records:read``.

        Args:
            page_size: Most records wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_RECORDS, {"page_size": page_size, "page_token": page_token}, "records", timeout)

    async def delete_record(
        self,
        key: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a record.

        Needs the scope ``records:write``.

        Args:
            key: The key.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_RECORD, {"key": key}, timeout=timeout, key=idempotency_key)

    async def run_record(
        self,
        key: str,
        *,
        handler: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.RunRecordResponse:
        """Queues a task that transforms the value of a record, and answers at once with the id of the task. The result is read with
        GetTask. The caller's token needs the scope tasks:write.

        Needs the scope ``tasks:write``.

        Args:
            key: The key of the record.
            handler: Name of the handler; "uppercase" unless given. Its input is {"text": value}.
            request_id: Makes the call idempotent (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RUN_RECORD, {"key": key, "handler": handler, "request_id": request_id}, timeout=timeout)

    async def start_sensor_test(
        self,
        sensor_type: str,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        max_age_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.SensorTest:
        """Begins a test and answers at once.

        Needs the scope ``tasks:write``.

        Args:
            sensor_type: The metric whose latest reading is looked at, such as "temperature".
            minimum: The reading must not be below.
            maximum: The reading must not be above.
            max_age_seconds: The reading must not be older, in seconds; 0: any age is good.
            request_id: Makes the call idempotent (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.START_SENSOR_TEST, {"sensor_type": sensor_type, "minimum": minimum, "maximum": maximum, "max_age_seconds": max_age_seconds, "request_id": request_id}, timeout=timeout)

    async def get_sensor_test(
        self,
        test_id: str,
        *,
        timeout: float | None = None,
    ) -> models.SensorTest:
        """Reads a test, with what it found once it has ended.

        Needs the scope ``tasks:read``.

        Args:
            test_id: Its id.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SENSOR_TEST, {"test_id": test_id}, timeout=timeout)

    async def submit_task(
        self,
        *,
        handler: str,
        input: JsonObject | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Task:
        """Queues a task and answers at once.

        Needs the scope ``tasks:write``.

        Args:
            handler: Name of the handler.
            input: Its input; checked against the handler's schema before the task is queued. At most 256 KiB of JSON.
            request_id: Makes the call idempotent (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SUBMIT_TASK, {"handler": handler, "input": input, "request_id": request_id}, timeout=timeout)

    async def get_task(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Task:
        """Reads a task, with its result once it has one.

        Needs the scope ``tasks:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_TASK, {"name": name}, timeout=timeout)

    async def cancel_task(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Task:
        """Cancels a task: it runs no more, and its run, if there is one, is told to end, and killed if it does not. A task that has ended
        stays as it is, and so does one that is cancelled already.

        Needs the scope ``tasks:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CANCEL_TASK, {"name": name}, timeout=timeout)

    def watch_task(
        self,
        name: str,
    ) -> AsyncStream[models.WatchTaskResponse]:
        """Streams a task: as it is, whenever it changes, and whenever its handler reports progress. Ends with the task.

        Needs the scope ``tasks:read``.

        Args:
            name: Resource name.
        """
        return self._stream(contract.WATCH_TASK, {"name": name})

    def list_tasks(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListTasksResponse, models.Task]:
        """Lists tasks, the newest first.

        Needs the scope ``tasks:read``.

        Args:
            page_size: Most tasks wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_TASKS, {"page_size": page_size, "page_token": page_token}, "tasks", timeout)

    async def list_handlers(
        self,
        *,
        timeout: float | None = None,
    ) -> models.ListHandlersResponse:
        """Lists the handlers that can be named in a task.

        Needs the scope ``tasks:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.LIST_HANDLERS, {}, timeout=timeout)

    async def create_alarm(
        self,
        alarm: models.Alarm | JsonObject,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Makes an alarm. The answer means that it is committed.

        Needs the scope ``alarms:write``.

        Args:
            alarm: The alarm.
            request_id: Makes the call idempotent: a second one with the same id answers with the first one's alarm (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_ALARM, {"alarm": alarm, "request_id": request_id}, timeout=timeout)

    async def create_simple_alarm(
        self,
        *,
        code_id: str,
        email: str,
        time: str,
        is_recurring: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Makes an alarm from the short form: mails an address at a time of day in the tenant's zone.

        Needs the scope ``alarms:write``.

        Args:
            code_id: Code of the alarm; becomes its display name and its label "code_id".
            email: Address that gets the mail.
            time: Time of day in the tenant's zone, "14:30:00" or "14:30". Once and past today means tomorrow.
            is_recurring: Every day if true, otherwise once.
            request_id: Makes the call idempotent (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_SIMPLE_ALARM, {"code_id": code_id, "email": email, "time": time, "is_recurring": is_recurring, "request_id": request_id}, timeout=timeout)

    async def get_alarm(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Reads one alarm.

        Needs the scope ``alarms:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ALARM, {"name": name}, timeout=timeout)

    def list_alarms(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListAlarmsResponse, models.Alarm]:
        """Lists alarms, the newest first.

        Needs the scope ``alarms:read``.

        Args:
            page_size: Most alarms wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: state="ACTIVE", priority="NORMAL", labels.team="core", display_name="stand-up",
                key="backup-1", auto_pause_after>=3, pause_reason="moving the payments"; text="tea" finds what has it in its display name
                or key, whatever the case of letters.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ALARMS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "alarms", timeout)

    async def update_alarm(
        self,
        alarm: models.Alarm | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Changes fields of an alarm. A change that commits before a due time counts for it.

        Needs the scope ``alarms:write``.

        Args:
            alarm: New values, and the name of the alarm.
            update_mask: Fields to change: "display_name", "labels", "priority", "trigger", "action", "retry", "key", "auto_pause_after".
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_ALARM, {"alarm": alarm, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_alarm(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes an alarm. Firings that have already fired continue; its ledger is kept.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            etag: If given, the alarm is removed only when it is still this version.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_ALARM, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def purge_alarms(
        self,
        *,
        filter: str,
        force: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.PurgeAlarmsResponse:
        """Removes every alarm that meets a filter, each as DeleteAlarm does (AIP-165). Without force it removes nothing, and says how many
        it would. It works in steps, each of which is committed by itself: after a call that was cut short the same call goes on. Alarms
        that are made meanwhile stay.

        Needs the scope ``alarms:write``.

        Args:
            filter: Which ones: AIP-160 conditions, as in ListAlarms; "*" means every alarm.
            force: Remove them; otherwise they are only counted.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PURGE_ALARMS, {"filter": filter, "force": force}, timeout=timeout, key=idempotency_key)

    async def pause_alarm(
        self,
        name: str,
        *,
        reason: str | None = None,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Stops an alarm from firing. Pausing a paused alarm changes nothing, not even the reason.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            reason: Why, for people and for filters (pause_reason="..."); "REQUESTED" unless given. Words that Tocsin itself pauses by
                are not taken.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PAUSE_ALARM, {"name": name, "reason": reason}, timeout=timeout)

    async def resume_alarm(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Alarm:
        """Lets a paused alarm fire again, from its next due time on. Due times of the pause are skipped.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESUME_ALARM, {"name": name}, timeout=timeout)

    async def pause_alarms(
        self,
        *,
        filter: str,
        force: bool | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.PauseAlarmsResponse:
        """Stops every active alarm that meets a filter from firing, each as PauseAlarm does. Without force it pauses nothing, and says how
        many it would. It works in steps, each of which is committed by itself: after a call that was cut short the same call goes on.
        Alarms that are made meanwhile stay active.

        Needs the scope ``alarms:write``.

        Args:
            filter: Which ones: AIP-160 conditions, as in ListAlarms; "*" means every alarm. Those that are not active are left alone,
                and are not counted.
            force: Pause them; otherwise they are only counted.
            reason: Why, for people and for filters (pause_reason="..."); "REQUESTED" unless given. Words that Tocsin itself pauses by
                are not taken.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PAUSE_ALARMS, {"filter": filter, "force": force, "reason": reason}, timeout=timeout, key=idempotency_key)

    async def resume_alarms(
        self,
        *,
        filter: str,
        force: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.ResumeAlarmsResponse:
        """Lets every paused alarm that meets a filter fire again, each as ResumeAlarm does. Without force it resumes nothing, and says how
        many it would. It works in steps, as PauseAlarms does.

        Needs the scope ``alarms:write``.

        Args:
            filter: Which ones: AIP-160 conditions, as in ListAlarms; "*" means every alarm. Those that are not paused are left alone,
                and are not counted.
            force: Resume them; otherwise they are only counted.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RESUME_ALARMS, {"filter": filter, "force": force}, timeout=timeout, key=idempotency_key)

    async def preview_alarm(
        self,
        *,
        trigger: models.Trigger | JsonObject,
        from_: datetime | str | None = None,
        count: int | None = None,
        timeout: float | None = None,
    ) -> models.PreviewAlarmResponse:
        """Tells the next due times of a trigger, without making an alarm.

        Needs the scope ``alarms:read``.

        Args:
            trigger: The trigger.
            from_: Due times from here on; now unless given.
            count: How many; 10 unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PREVIEW_ALARM, {"trigger": trigger, "from_": from_, "count": count}, timeout=timeout)

    async def validate_alarm(
        self,
        *,
        trigger: models.Trigger | JsonObject,
        action: models.Action | JsonObject | None = None,
        timeout: float | None = None,
    ) -> models.ValidateAlarmResponse:
        """Says whether a trigger is good, and explains a bad one: where it is wrong, and why.

        Needs the scope ``alarms:read``.

        Args:
            trigger: The trigger; whatever is wrong with it is answered, not refused.
            action: What would happen then, if that is to be judged as well.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.VALIDATE_ALARM, {"trigger": trigger, "action": action}, timeout=timeout)

    async def backfill_alarm(
        self,
        name: str,
        *,
        start_time: datetime | str,
        end_time: datetime | str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> models.BackfillAlarmResponse:
        """Fires the due times of a range that the ledger does not have, such as those before the alarm was made.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            start_time: First due time.
            end_time: Due times from here on are left alone; now unless given, and never later than now.
            limit: At most this many are fired, the oldest first; 1000 unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.BACKFILL_ALARM, {"name": name, "start_time": start_time, "end_time": end_time, "limit": limit}, timeout=timeout)

    def import_alarms(
        self,
        data: bytes | AsyncIterable[bytes],
        content_type: str = "application/x-ndjson",
        *,
        skip_lines: int | None = None,
        validate_only: bool | None = None,
    ) -> AsyncStream[models.ImportAlarmsResponse]:
        """Imports many alarms. Invalid lines are reported; the rest is imported. An alarm whose key exists already is replaced by the new
        one. Over REST the body is NDJSON (application/x-ndjson) or CSV (text/csv), and the answer is a stream of the same messages.

        Needs the scope ``alarms:write``.

        Args:
            data: A piece of a text of lines, cut anywhere. The content type of the first piece says which: application/x-ndjson or
                text/csv.
            skip_lines: Lines to pass over: those that an earlier import has committed.
            validate_only: Check everything and make nothing.
            content_type: the media type of the bytes.
        """
        return self._stream(contract.IMPORT_ALARMS, {"data": data, "skip_lines": skip_lines, "validate_only": validate_only, "content_type": content_type})

    def export_alarms(
        self,
        *,
        filter: str | None = None,
    ) -> AsyncStream[models.Alarm]:
        """Sends every alarm, the oldest first, in a form that ImportAlarms takes: the round trip is identity.

        Needs the scope ``alarms:read``.

        Args:
            filter: AIP-160 conditions, as in ListAlarms.
        """
        return self._stream(contract.EXPORT_ALARMS, {"filter": filter})

    async def fire_alarm(
        self,
        name: str,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> models.Firing:
        """Fires an alarm now, ad hoc; its rule does not change.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            request_id: Makes the call idempotent (AIP-155).
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.FIRE_ALARM, {"name": name, "request_id": request_id}, timeout=timeout)

    async def create_calendar(
        self,
        calendar: models.Calendar | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Calendar:
        """Makes a calendar.

        Needs the scope ``alarms:write``.

        Args:
            calendar: The calendar.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_CALENDAR, {"calendar": calendar}, timeout=timeout, key=idempotency_key)

    async def get_calendar(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Calendar:
        """Reads a calendar.

        Needs the scope ``alarms:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_CALENDAR, {"name": name}, timeout=timeout)

    def list_calendars(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListCalendarsResponse, models.Calendar]:
        """Lists calendars, by name.

        Needs the scope ``alarms:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_CALENDARS, {"page_size": page_size, "page_token": page_token}, "calendars", timeout)

    async def update_calendar(
        self,
        calendar: models.Calendar | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Calendar:
        """Changes fields of a calendar. The alarms that use it get their next due times anew, within moments.

        Needs the scope ``alarms:write``.

        Args:
            calendar: New values, and the name of the calendar.
            update_mask: Fields to change: "display_name", "time_zone", "dates", "windows", "ics", which replaces dates and windows
                unless they are named, too; without a mask, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_CALENDAR, {"calendar": calendar, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_calendar(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a calendar that no alarm uses.

        Needs the scope ``alarms:write``.

        Args:
            name: Resource name.
            etag: If given, the calendar is removed only if this is still its etag.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_CALENDAR, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def create_escalation_policy(
        self,
        escalation_policy: models.EscalationPolicy | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.EscalationPolicy:
        """Makes a policy.

        Needs the scope ``incidents:write``.

        Args:
            escalation_policy: The policy.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_ESCALATION_POLICY, {"escalation_policy": escalation_policy}, timeout=timeout, key=idempotency_key)

    async def get_escalation_policy(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.EscalationPolicy:
        """Reads a policy.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_ESCALATION_POLICY, {"name": name}, timeout=timeout)

    def list_escalation_policies(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListEscalationPoliciesResponse, models.EscalationPolicy]:
        """Lists policies, by name.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions on text: what is in the id or in the display name, whatever the case. A page may be short of
                matches before the last one.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_ESCALATION_POLICIES, {"page_size": page_size, "page_token": page_token, "filter": filter}, "escalation_policies", timeout)

    async def update_escalation_policy(
        self,
        escalation_policy: models.EscalationPolicy | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.EscalationPolicy:
        """Changes fields of a policy. Incidents that are open keep the steps that they began with.

        Needs the scope ``incidents:write``.

        Args:
            escalation_policy: New values, and the name of the policy.
            update_mask: Fields to change; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_ESCALATION_POLICY, {"escalation_policy": escalation_policy, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_escalation_policy(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a policy. Incidents that are open keep the steps that they began with; alarms that name it are told by a warning.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            etag: The policy is removed only if this is its etag, or empty.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_ESCALATION_POLICY, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def get_forecast(
        self,
        *,
        start_time: datetime | str | None = None,
        minutes: int | None = None,
        timeout: float | None = None,
    ) -> models.Forecast:
        """Counts the planned fires of the tenant, minute by minute, for the next 24 hours.

        Needs the scope ``alarms:read``.

        Args:
            start_time: The first minute; now unless given.
            minutes: How many minutes; 1440 unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_FORECAST, {"start_time": start_time, "minutes": minutes}, timeout=timeout)

    async def create_silence(
        self,
        silence: models.Silence | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Silence:
        """Makes a silence. It holds back steps from its start on, of incidents that are open already as well.

        Needs the scope ``incidents:write``.

        Args:
            silence: The silence.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_SILENCE, {"silence": silence}, timeout=timeout, key=idempotency_key)

    async def get_silence(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Silence:
        """Reads a silence.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SILENCE, {"name": name}, timeout=timeout)

    def list_silences(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListSilencesResponse, models.Silence]:
        """Lists silences, the newest first.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_SILENCES, {"page_size": page_size, "page_token": page_token}, "silences", timeout)

    async def preview_silence(
        self,
        *,
        name: str | None = None,
        silence: models.Silence | JsonObject | None = None,
        count: int | None = None,
        timeout: float | None = None,
    ) -> models.PreviewSilenceResponse:
        """Lists the next windows of a silence, as it is stored, or as it would be.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name of a silence; either this or silence.
            silence: A silence that could be made; only its times matter.
            count: Most windows wanted; 10 unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PREVIEW_SILENCE, {"name": name, "silence": silence, "count": count}, timeout=timeout)

    async def expire_silence(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Silence:
        """Ends a silence now. Steps that it held back, of incidents that nobody has answered, are taken. Ending one that has ended changes
        nothing.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.EXPIRE_SILENCE, {"name": name}, timeout=timeout)

    async def create_incident_dependency(
        self,
        incident_dependency: models.IncidentDependency | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.IncidentDependency:
        """Makes a dependency.

        Needs the scope ``incidents:write``.

        Args:
            incident_dependency: The dependency.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_INCIDENT_DEPENDENCY, {"incident_dependency": incident_dependency}, timeout=timeout, key=idempotency_key)

    async def get_incident_dependency(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.IncidentDependency:
        """Reads a dependency.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_INCIDENT_DEPENDENCY, {"name": name}, timeout=timeout)

    def list_incident_dependencies(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIncidentDependenciesResponse, models.IncidentDependency]:
        """Lists dependencies, by name.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INCIDENT_DEPENDENCIES, {"page_size": page_size, "page_token": page_token}, "incident_dependencies", timeout)

    async def update_incident_dependency(
        self,
        incident_dependency: models.IncidentDependency | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.IncidentDependency:
        """Changes fields of a dependency. Steps that it held back are looked at again.

        Needs the scope ``incidents:write``.

        Args:
            incident_dependency: New values, and the name of the dependency.
            update_mask: Fields to change; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_INCIDENT_DEPENDENCY, {"incident_dependency": incident_dependency, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_incident_dependency(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a dependency. Steps that it held back are looked at again.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            etag: The dependency is removed only if this is its etag, or empty.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_INCIDENT_DEPENDENCY, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def create_incident_route(
        self,
        incident_route: models.IncidentRoute | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.IncidentRoute:
        """Makes a route.

        Needs the scope ``incidents:write``.

        Args:
            incident_route: The route.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_INCIDENT_ROUTE, {"incident_route": incident_route}, timeout=timeout, key=idempotency_key)

    async def get_incident_route(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.IncidentRoute:
        """Reads a route.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_INCIDENT_ROUTE, {"name": name}, timeout=timeout)

    def list_incident_routes(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIncidentRoutesResponse, models.IncidentRoute]:
        """Lists routes, in the order in which they are asked.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INCIDENT_ROUTES, {"page_size": page_size, "page_token": page_token}, "incident_routes", timeout)

    async def update_incident_route(
        self,
        incident_route: models.IncidentRoute | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.IncidentRoute:
        """Changes fields of a route. Incidents that are open go on as they began.

        Needs the scope ``incidents:write``.

        Args:
            incident_route: New values, and the name of the route.
            update_mask: Fields to change; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_INCIDENT_ROUTE, {"incident_route": incident_route, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_incident_route(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes a route. Incidents that are open go on as they began.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            etag: The route is removed only if this is its etag, or empty.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_INCIDENT_ROUTE, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def match_incident_route(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        severity: models.IncidentSeverity | None = None,
        source: str | None = None,
        dedup_key: str | None = None,
        timeout: float | None = None,
    ) -> models.MatchIncidentRouteResponse:
        """Tells which route a trigger would take, and why the routes before it do not fit.

        Needs the scope ``incidents:read``.

        Args:
            labels: Its labels.
            severity: How bad it is; ERROR unless given.
            source: Where it comes from, such as "alarms/{id}".
            dedup_key: Its key.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.MATCH_INCIDENT_ROUTE, {"labels": labels, "severity": severity, "source": source, "dedup_key": dedup_key}, timeout=timeout)

    async def create_integration(
        self,
        integration: models.Integration | JsonObject,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Integration:
        """Makes an integration. The answer shows its key, once.

        Needs the scope ``incidents:write``.

        Args:
            integration: The integration.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.CREATE_INTEGRATION, {"integration": integration}, timeout=timeout, key=idempotency_key)

    async def get_integration(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.Integration:
        """Reads an integration.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_INTEGRATION, {"name": name}, timeout=timeout)

    def list_integrations(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIntegrationsResponse, models.Integration]:
        """Lists integrations, by name.

        Needs the scope ``incidents:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions on text: what is in the id or in the display name, whatever the case. A page may be short of
                matches before the last one.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INTEGRATIONS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "integrations", timeout)

    async def update_integration(
        self,
        integration: models.Integration | JsonObject,
        *,
        update_mask: Sequence[str] | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Integration:
        """Changes fields of an integration. Its kind and its key stay.

        Needs the scope ``incidents:write``.

        Args:
            integration: New values, and the name of the integration.
            update_mask: Fields to change; without one, those that are set.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_INTEGRATION, {"integration": integration, "update_mask": update_mask}, timeout=timeout, key=idempotency_key)

    async def delete_integration(
        self,
        name: str,
        *,
        etag: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Removes an integration and its payloads. Its key is worth nothing from then on; its incidents stay.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            etag: The integration is removed only if this is its etag, or empty.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.DELETE_INTEGRATION, {"name": name, "etag": etag}, timeout=timeout, key=idempotency_key)

    async def rotate_integration_key(
        self,
        name: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> models.Integration:
        """Gives an integration another key, which the answer shows, once. The one before is worth nothing from then on.

        Needs the scope ``incidents:write``.

        Args:
            name: Resource name.
            idempotency_key: a key of your own for this request; sent again with it, it does nothing more. One is made up unless given.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ROTATE_INTEGRATION_KEY, {"name": name}, timeout=timeout, key=idempotency_key)

    async def try_integration(
        self,
        name: str,
        *,
        payload: str | None = None,
        mapping: models.PayloadMapping | JsonObject | None = None,
        content_type: str | None = None,
        timeout: float | None = None,
    ) -> models.TryIntegrationResponse:
        """Shows what a payload would do, and does nothing: the last one that came, or a given one, with the mapping that is stored or a
        given one. What the sender would be refused for is refused likewise.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name.
            payload: The body that a sender would send; the last one that came unless given.
            mapping: Mapping to try; the stored one unless given.
            content_type: Media type of the payload; "application/json" unless given, and of a CLOUDEVENTS integration
                "application/cloudevents+json".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.TRY_INTEGRATION, {"name": name, "payload": payload, "mapping": mapping, "content_type": content_type}, timeout=timeout)

    def list_integration_payloads(
        self,
        name: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListIntegrationPayloadsResponse, models.IntegrationPayload]:
        """Lists the last payloads of an integration, and what became of them, the newest first: twenty are kept.

        Needs the scope ``incidents:read``.

        Args:
            name: Resource name of the integration.
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_INTEGRATION_PAYLOADS, {"name": name, "page_size": page_size, "page_token": page_token}, "payloads", timeout)

    async def receive_payload(
        self,
        key: str,
        format: str,
        body: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> models.PayloadReceipt:
        """Takes a payload: a webhook of Prometheus Alertmanager (version 4) or of Grafana's unified alerting, any JSON, read by the mapping
        of the integration, or CloudEvents 1.0, of which one of a known source and id has no effect.

        Args:
            key: Key of the integration.
            format: What it is in; that of the integration's kind.
            body: Body; of a CloudEvent in binary mode its data.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RECEIVE_PAYLOAD, {"key": key, "format": format, "body": body, "content_type": content_type}, timeout=timeout)

    async def enqueue_pager_duty_event(
        self,
        body: bytes,
        content_type: str = "application/octet-stream",
        *,
        timeout: float | None = None,
    ) -> Content:
        """Takes an event of the PagerDuty Events API v2, and answers as that does. The key is the event's routing_key.

        Args:
            body: Body.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.ENQUEUE_PAGER_DUTY_EVENT, {"body": body, "content_type": content_type}, timeout=timeout)

    async def get_scheduler_stats(
        self,
        *,
        timeout: float | None = None,
    ) -> models.SchedulerStats:
        """Counts of the whole installation: totals, the time index, lateness, what is overdue, and who owns which shards.

        Needs the scope ``mesh:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_SCHEDULER_STATS, {}, timeout=timeout)

    def list_replans(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListReplansResponse, models.Replan]:
        """Lists the recomputations that a new version of the time-zone database brought, the newest first.

        Needs the scope ``alarms:read``.

        Args:
            page_size: Most replans wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_REPLANS, {"page_size": page_size, "page_token": page_token}, "replans", timeout)

    async def get_usage(
        self,
        *,
        timeout: float | None = None,
    ) -> models.Usage:
        """Shows what the tenant uses of its quotas.

        Needs the scope ``alarms:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_USAGE, {}, timeout=timeout)

    async def inspect_usage(
        self,
        tenant: str,
        *,
        timeout: float | None = None,
    ) -> models.Usage:
        """Shows what any tenant uses of its quotas. For the operator.

        Needs the scope ``tenants:read``.

        Args:
            tenant: Resource name of the tenant.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.INSPECT_USAGE, {"tenant": tenant}, timeout=timeout)

    async def publish_event(
        self,
        event: models.PublishedEvent | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.PublishEventResponse:
        """Publishes an event. The answer means that it is committed, with the firings that it causes.

        Needs the scope ``events:write``.

        Args:
            event: The event.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PUBLISH_EVENT, {"event": event}, timeout=timeout)

    async def stream_events(
        self,
        event: Iterable[models.PublishedEvent | JsonObject] | AsyncIterable[models.PublishedEvent | JsonObject],
        *,
        timeout: float | None = None,
    ) -> models.StreamEventsResponse:
        """Publishes events one after the other; answers when the stream has ended and all are committed.

        Needs the scope ``events:write``.

        Args:
            event: The event.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.STREAM_EVENTS, {"event": self._lines(contract.STREAM_EVENTS, event)}, timeout=timeout)

    async def record_reading(
        self,
        reading: models.Reading | JsonObject,
        *,
        timeout: float | None = None,
    ) -> models.RecordReadingResponse:
        """Records a reading of a metric.

        Needs the scope ``events:write``.

        Args:
            reading: The reading.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RECORD_READING, {"reading": reading}, timeout=timeout)

    async def get_reading(
        self,
        metric: str,
        *,
        timeout: float | None = None,
    ) -> models.Reading:
        """Reads the latest reading of a metric: that with the latest time.

        Needs the scope ``events:read``.

        Args:
            metric: The metric.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_READING, {"metric": metric}, timeout=timeout)

    async def stream_readings(
        self,
        reading: Iterable[models.Reading | JsonObject] | AsyncIterable[models.Reading | JsonObject],
        *,
        timeout: float | None = None,
    ) -> models.StreamReadingsResponse:
        """Records readings one after the other; answers when the stream has ended and all are committed.

        Needs the scope ``events:write``.

        Args:
            reading: The reading.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.STREAM_READINGS, {"reading": self._lines(contract.STREAM_READINGS, reading)}, timeout=timeout)

    async def ping(
        self,
        key: str,
        *,
        kind: models.PingKind | None = None,
        exit_status: int | None = None,
        run_id: str | None = None,
        body: bytes | None = None,
        time: datetime | str | None = None,
        timeout: float | None = None,
    ) -> models.PingResponse:
        """Says that a heartbeat is alive. A key that was made for an alarm needs no token; one that a client chose needs the tenant's. Over
        HTTP by GET, HEAD or POST; a body of any type and a query are ignored.

        Args:
            key: Key of the heartbeat.
            kind: What it says; SUCCESS unless given. Over HTTP: see ReceivePing.
            exit_status: Exit status of the job; one other than 0 is a failure.
            run_id: UUID of the run: the start and the end of one have the same.
            body: What the job has to say.
            time: When it was sent; now unless given. The deadline of the next one counts from when it came.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.PING, {"key": key, "kind": kind, "exit_status": exit_status, "run_id": run_id, "body": body, "time": time}, timeout=timeout)

    async def receive_ping(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/octet-stream",
        *,
        first: str | None = None,
        second: str | None = None,
        time: datetime | str | None = None,
        timeout: float | None = None,
    ) -> Content:
        """The same as healthchecks.io has it: /ping/{uuid} or /ping/{ping key}/{slug}, behind it /start, /fail, /log or the exit status of
        the job; ?rid= names the run, ?create=1 makes the heartbeat of a slug. The first 100,000 bytes of a body are kept. The answer is
        a word.

        Args:
            key: A key of a heartbeat, or the ping key of a tenant.
            body: The body.
            first: Behind the key of a heartbeat "start", "fail", "log" or an exit status; behind a ping key a slug.
            second: Behind a slug "start", "fail", "log" or an exit status.
            time: When it was sent; now unless given.
            content_type: the media type of the bytes.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.RECEIVE_PING, {"key": key, "body": body, "first": first, "second": second, "time": time, "content_type": content_type}, timeout=timeout)

    async def get_ping_key(
        self,
        *,
        timeout: float | None = None,
    ) -> models.PingKey:
        """Reads the key by which pings name heartbeats by their slugs; NOT_FOUND before it is made.

        Needs the scope ``alarms:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PING_KEY, {}, timeout=timeout)

    async def update_ping_key(
        self,
        ping_key: models.PingKey | JsonObject,
        *,
        rotate: bool | None = None,
        timeout: float | None = None,
    ) -> models.PingKey:
        """Makes the key, or changes what it may do.

        Needs the scope ``alarms:write``.

        Args:
            ping_key: The key.
            rotate: True to make another key in its place; the one before is forgotten.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_PING_KEY, {"ping_key": ping_key, "rotate": rotate}, timeout=timeout)

    async def get_trigger_stats(
        self,
        *,
        timeout: float | None = None,
    ) -> models.TriggerStats:
        """Counts of the tenant's events, readings, pings and what they caused.

        Needs the scope ``events:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_TRIGGER_STATS, {}, timeout=timeout)

    def list_trigger_logs(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        filter: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListTriggerLogsResponse, models.TriggerLog]:
        """Lists the tenant's events, readings and pings, the newest first.

        Needs the scope ``events:read``.

        Args:
            page_size: Most entries wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            filter: AIP-160 conditions joined by AND: kind="EVENT", topic="orders.eu.paid".
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_TRIGGER_LOGS, {"page_size": page_size, "page_token": page_token, "filter": filter}, "logs", timeout)

    def get_status(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.GetStatusResponse, models.Standing]:
        """Lists heartbeats, checks and thresholds, and how each stands.

        Needs the scope ``alarms:read``.

        Args:
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.GET_STATUS, {"page_size": page_size, "page_token": page_token}, "standings", timeout)

    def list_pings(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPages[models.ListPingsResponse, models.KeptPing]:
        """Lists the pings of a heartbeat that are kept, the newest first: the last hundred at most.

        Needs the scope ``alarms:read``.

        Args:
            parent: The alarm, "alarms/{id}".
            page_size: Most of them wanted; 50 unless given, at most 1000.
            page_token: next_page_token of the page before.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return self._pages(contract.LIST_PINGS, {"parent": parent, "page_size": page_size, "page_token": page_token}, "pings", timeout)

    async def get_ping(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> models.KeptPing:
        """Reads a ping.

        Needs the scope ``alarms:read``.

        Args:
            name: Resource name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PING, {"name": name}, timeout=timeout)

    async def get_ping_body(
        self,
        name: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Reads what a ping brought, as it came.

        Needs the scope ``alarms:read``.

        Args:
            name: Resource name of the ping.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_PING_BODY, {"name": name}, timeout=timeout)

    async def get_status_page(
        self,
        *,
        timeout: float | None = None,
    ) -> models.StatusPage:
        """Reads what the tenant shows to everybody; nothing, unless it was told to.

        Needs the scope ``alarms:read``.

        Args:
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.GET_STATUS_PAGE, {}, timeout=timeout)

    async def update_status_page(
        self,
        status_page: models.StatusPage | JsonObject,
        *,
        rotate_badge_key: bool | None = None,
        timeout: float | None = None,
    ) -> models.StatusPage:
        """Says what the tenant shows to everybody.

        Needs the scope ``alarms:write``.

        Args:
            status_page: The settings.
            rotate_badge_key: True to make another key of badges; what used the one before shows nothing any more.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.UPDATE_STATUS_PAGE, {"status_page": status_page, "rotate_badge_key": rotate_badge_key}, timeout=timeout)

    async def show_status_page(
        self,
        slug: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows a status page; with ".json" behind its name, as JSON.

        Args:
            slug: Its name.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_STATUS_PAGE, {"slug": slug}, timeout=timeout)

    async def show_badge(
        self,
        key: str,
        badge: str,
        *,
        timeout: float | None = None,
    ) -> Content:
        """Shows a badge: /badge/{key}/{alarm's id, slug or key}.svg, or of all alarms with a label: /badge/{key}/team=web.svg, or of all:
        all.svg. As .json it is an endpoint badge of shields.io.

        Args:
            key: Key of the tenant's badges.
            badge: Of what, and in which form.
            timeout: seconds for one answer; what the contract says unless given.
        """
        return await self._call(contract.SHOW_BADGE, {"key": key, "badge": badge}, timeout=timeout)
