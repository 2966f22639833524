"""Looks whether something works: one probe for each target of a check."""

from processor_svc.probes.lookups import DnsProbe, SensorProbe, ServiceProbe
from processor_svc.probes.network import GrpcProbe, SmtpProbe, TcpProbe
from processor_svc.probes.spec import CheckFailed, CheckForbidden, CheckSpec, Probe
from processor_svc.probes.web import HttpProbe

__all__ = [
    "CheckFailed",
    "CheckForbidden",
    "CheckSpec",
    "DnsProbe",
    "GrpcProbe",
    "HttpProbe",
    "Probe",
    "SensorProbe",
    "ServiceProbe",
    "SmtpProbe",
    "TcpProbe",
]
