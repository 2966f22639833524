"""`tocsin bench`: a load test of an installation of its own, from outside: over REST, and by what its services tell Prometheus."""

from tocsin.loadtest.picture import lateness_picture
from tocsin.loadtest.report import Lateness, Phase, Report, ServiceUse
from tocsin.loadtest.run import LoadTest

__all__ = ["Lateness", "LoadTest", "Phase", "Report", "ServiceUse", "lateness_picture"]
