"""The serving side of the mesh: the only place that builds ``grpc.aio.server``."""

from tocsin.mesh.server.binding import PortInUse
from tocsin.mesh.server.edge import EdgeServer
from tocsin.mesh.server.mesh_server import Handler, MeshServer
from tocsin.mesh.server.methods import ReaderTooSlow, write_within
from tocsin.mesh.server.parts import TenantGate

__all__ = ["EdgeServer", "Handler", "MeshServer", "PortInUse", "ReaderTooSlow", "TenantGate", "write_within"]
