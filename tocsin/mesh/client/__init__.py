"""The calling side of the mesh: the only place that builds gRPC channels."""

from tocsin.mesh.client.calls import Reply, StreamCall
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.client.mesh import Mesh
from tocsin.mesh.client.options import Ejection

__all__ = ["Ejection", "Mesh", "MeshChannel", "Reply", "StreamCall"]
