"""The calling side of the mesh: the only place that builds gRPC channels."""

from tocsin.mesh.client.calls import Reply, StreamCall
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.client.mesh import Mesh

__all__ = ["Mesh", "MeshChannel", "Reply", "StreamCall"]
