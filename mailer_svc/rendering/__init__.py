"""Renders templates: what is cheap here and now, everything else in processes that can be killed."""

from mailer_svc.rendering.pool import RenderLimits, RenderPool
from mailer_svc.rendering.renderer import TemplateRenderer

__all__ = ["RenderLimits", "RenderPool", "TemplateRenderer"]
