"""The calling side of the mesh: the only place that builds gRPC channels."""

from tocsin.mesh.client.calls import CallResult, StreamCall
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.client.foreign import ForeignService, Presence, TlsFiles
from tocsin.mesh.client.mesh import Mesh

__all__ = ["CallResult", "ForeignService", "Mesh", "MeshChannel", "Presence", "StreamCall", "TlsFiles"]
