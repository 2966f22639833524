"""Handlers of other packages, in processes of their own.

Foreign code may end the process that it runs in, never end, or not even load. So this process imports none of it: each package lives in
child processes, which are killed when they have to be, and what runs in them is told by frames of JSON.
"""

from processor_svc.hosting.package import HostedHandler, Package, PackageState
from processor_svc.hosting.packages import HostOptions, Packages, plugins

__all__ = ["HostOptions", "HostedHandler", "Package", "PackageState", "Packages", "plugins"]
