"""Handlers of other packages, in child processes.

Foreign code may end the process that it runs in, never return, or fail to load. So this process imports none of it: each package runs in
child processes, which can be killed, and which are controlled by frames of JSON.
"""

from processor_svc.hosting.package import HostedHandler, Package, PackageState
from processor_svc.hosting.packages import HostOptions, Packages, plugins

__all__ = ["HostOptions", "HostedHandler", "Package", "PackageState", "Packages", "plugins"]
