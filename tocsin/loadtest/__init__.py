"""`tocsin bench`: a load test of an installation of its own, from outside: over REST, and by what its services tell Prometheus."""

from tocsin.loadtest.chart import lateness_chart
from tocsin.loadtest.report import Lateness, LoadPhase, LoadReport, ServiceUse
from tocsin.loadtest.run import LoadTest

__all__ = ["Lateness", "LoadPhase", "LoadReport", "LoadTest", "ServiceUse", "lateness_chart"]
