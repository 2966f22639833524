"""UserService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import Role, User
from auth_svc.handlers.convert import caller, timestamp
from auth_svc.service import Users
from tocsin.api.auth.v1 import user_service_pb2, user_service_pb2_grpc
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]
_ROLES = {Role.ADMIN: user_service_pb2.User.ADMIN, Role.MEMBER: user_service_pb2.User.MEMBER}
_ROLES_BY_NUMBER = {number: role for role, number in _ROLES.items()}


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
            role=_ROLES_BY_NUMBER.get(request.role, Role.MEMBER),
        )
        return _user(user)

    async def GetUser(self, request: user_service_pb2.GetUserRequest, context: _Context) -> user_service_pb2.User:
        """Reads a user."""
        return _user(await self._people.user(caller(), request.name.removeprefix("users/")))

    async def ListUsers(self, request: user_service_pb2.ListUsersRequest, context: _Context) -> user_service_pb2.ListUsersResponse:
        """Lists users."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[User], None]:
            return await self._people.users(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"users of {who.tenant}", (str,))
        users, token = await list_page(request, listing, read=read, show=_user, place=lambda user: (user.id,))
        return user_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a user."""
        await self._people.remove_user(caller(), request.name.removeprefix("users/"))
        return empty_pb2.Empty()


def _user(user: User) -> user_service_pb2.User:
    return user_service_pb2.User(
        name=user.name,
        email=user.email,
        username=user.username,
        display_name=user.display_name,
        role=_ROLES[user.role],
        create_time=timestamp(user.created),
        verify_time=None if user.verified is None else timestamp(user.verified),
    )
