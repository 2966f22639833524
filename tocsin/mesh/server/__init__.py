"""The serving side of the mesh: the only place that builds ``grpc.aio.server``."""

from tocsin.mesh.server.binding import PortInUse
from tocsin.mesh.server.edge import EdgeServer
from tocsin.mesh.server.mesh_server import Handler, MeshServer
from tocsin.mesh.server.parts import TenantGate
from tocsin.mesh.server.stream_writer import ReaderTooSlow, write_all

__all__ = ["EdgeServer", "Handler", "MeshServer", "PortInUse", "ReaderTooSlow", "TenantGate", "write_all"]
