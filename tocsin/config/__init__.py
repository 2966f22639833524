"""Settings: one strict, documented type per service, read from the environment.

A shared setting ``state_dir`` is ``TOCSIN_STATE_DIR``; for the scheduler alone it is ``TOCSIN_SCHEDULER_STATE_DIR``, which wins. A
service's own settings exist with its prefix only. A secret may be a file instead: ``TOCSIN_REDIS_URL_FILE`` names one that holds the
value of ``TOCSIN_REDIS_URL``, as Docker and Kubernetes mount secrets. An empty value counts as not set. A list is written with commas.
Everything that is wrong is reported at once.
"""

from tocsin.config.environment import SERVICES, load
from tocsin.config.features import DatabaseFeature
from tocsin.config.settings import (
    EgressSettings,
    MeshSettings,
    RedisSettings,
    ServiceSettings,
    Settings,
    StoreSettings,
    TelemetrySettings,
)
from tocsin.config.table import Row, describe
from tocsin.errors import ConfigError
from tocsin.setting_names import PREFIX

__all__ = [
    "PREFIX",
    "SERVICES",
    "ConfigError",
    "DatabaseFeature",
    "EgressSettings",
    "MeshSettings",
    "RedisSettings",
    "Row",
    "ServiceSettings",
    "Settings",
    "StoreSettings",
    "TelemetrySettings",
    "describe",
    "load",
]
