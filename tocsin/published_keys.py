"""Where the keys come from that verify tokens of auth_svc."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format

from tocsin.api.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from tocsin.mesh.jwks import JwksSource


def mesh_source(channel: grpc.aio.Channel) -> JwksSource:
    """Fetches the keys from auth_svc through ``channel``."""
    stub = auth_service_pb2_grpc.AuthServiceStub(channel)

    async def fetch() -> Mapping[str, Any]:
        return json_format.MessageToDict(await stub.GetJwks(auth_service_pb2.GetJwksRequest()), preserving_proto_field_name=True)

    return fetch
