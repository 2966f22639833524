"""From the store to its due time: the loader reads, the timeline orders, the loop fires; outages and replans stand beside them."""

from scheduler_svc.engine.loader import LoadBounds, Loader
from scheduler_svc.engine.loop import Engine, EngineOptions, plan_due
from scheduler_svc.engine.outages import Finisher, Outages
from scheduler_svc.engine.replanner import Replanner
from scheduler_svc.engine.timeline import TimeIndex, Timeline

__all__ = ["Engine", "EngineOptions", "Finisher", "LoadBounds", "Loader", "Outages", "Replanner", "TimeIndex", "Timeline", "plan_due"]
