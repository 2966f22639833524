"""UserService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import ADMIN, OPERATOR, OWNER, VIEWER, User
from auth_svc.handlers.convert import caller, timestamp, timestamp_or_none
from auth_svc.service import Users
from tocsin.api.auth.v1 import user_service_pb2, user_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.masks import fields_to_change
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]
_Kind = user_service_pb2.User.Role
# What clients know that know no names of roles.
_KINDS = {OWNER.name: _Kind.OWNER, ADMIN.name: _Kind.ADMIN, OPERATOR.name: _Kind.MEMBER, VIEWER.name: _Kind.VIEWER}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_CHANGEABLE = ("display_name", "role_name", "role", "locale")


class UserHandlers(user_service_pb2_grpc.UserServiceServicer):
    """UserService."""

    def __init__(self, *, users: Users) -> None:
        self._people = users

    async def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: _Context) -> user_service_pb2.User:
        """Adds a user."""
        user = await self._people.add_user(
            caller(),
            email=request.email,
            username=request.username,
            password=request.password,
            display_name=request.display_name,
            role=_role_name(request, field="roleName") or OPERATOR.name,
        )
        return user_message(user)

    async def GetUser(self, request: user_service_pb2.GetUserRequest, context: _Context) -> user_service_pb2.User:
        """Reads a user."""
        return user_message(await self._people.user(caller(), request.name.removeprefix("users/")))

    async def ListUsers(self, request: user_service_pb2.ListUsersRequest, context: _Context) -> user_service_pb2.ListUsersResponse:
        """Lists users."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[User], None]:
            return await self._people.users(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"users of {who.tenant}", (str,))
        users, token = await list_page(request, listing, read=read, show=user_message, place=lambda user: (user.id,))
        return user_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    async def UpdateUser(self, request: user_service_pb2.UpdateUserRequest, context: _Context) -> user_service_pb2.User:
        """Changes a user."""
        given, fields = request.user, fields_to_change(request.update_mask, request.user, _CHANGEABLE)
        role = _role_name(given, field="user.roleName") if {"role", "role_name"} & set(fields) else None
        if role == "":
            raise InvalidInput.at("user.roleName", "must not be empty")
        changed = await self._people.change_user(
            caller(),
            given.name.removeprefix("users/"),
            display_name=given.display_name if "display_name" in fields else None,
            role=role,
            locale=given.locale if "locale" in fields else None,
        )
        return user_message(changed)

    async def DeactivateUser(self, request: user_service_pb2.DeactivateUserRequest, context: _Context) -> user_service_pb2.User:
        """Deactivates a user."""
        return user_message(await self._people.deactivate_user(caller(), request.name.removeprefix("users/")))

    async def ReactivateUser(self, request: user_service_pb2.ReactivateUserRequest, context: _Context) -> user_service_pb2.User:
        """Activates a user again."""
        return user_message(await self._people.reactivate_user(caller(), request.name.removeprefix("users/")))

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a user."""
        await self._people.remove_user(caller(), request.name.removeprefix("users/"))
        return empty_pb2.Empty()


def _role_name(given: "user_service_pb2.User | user_service_pb2.CreateUserRequest", *, field: str) -> str:
    """The role that is meant, by its name or as earlier versions say it; empty for none.

    Raises:
        InvalidInput: both are there and differ, or it is none.
    """
    if given.role == _Kind.ROLE_UNSPECIFIED or (given.role == _Kind.CUSTOM and given.role_name):
        return given.role_name
    name = _NAMES.get(given.role, "")
    if not name:
        raise InvalidInput.at(field, "is required with the role CUSTOM")
    if given.role_name not in ("", name):
        raise InvalidInput.at(field, f"says something else than role, which is {name}")
    return name


def user_message(user: User) -> user_service_pb2.User:
    """A user as the API shows it."""
    return user_service_pb2.User(
        name=user.name,
        email=user.email,
        username=user.username,
        display_name=user.display_name,
        role=_KINDS.get(user.role.name, _Kind.CUSTOM),
        role_name=user.role.name,
        create_time=timestamp(user.created),
        verify_time=timestamp_or_none(user.verified),
        deactivate_time=timestamp_or_none(user.deactivated),
        locale=user.locale,
    )
