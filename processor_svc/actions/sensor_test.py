"""The built-in handler `sensor_test`: whether the latest reading of a sensor is as it should be."""

from collections.abc import Mapping
from typing import Any

from processor_svc.probes import CheckFailed, CheckSpec, SensorProbe
from processor_svc.registry import Handler, TaskContext, handler_of, task


def sensor_test_handler(probe: SensorProbe) -> Handler:
    """The handler, which reads by ``probe``."""

    @task("sensor_test", timeout_seconds=10)
    async def sensor_test(
        context: TaskContext, sensor: str, minimum: float | None = None, maximum: float | None = None, max_age_seconds: float = 0.0
    ) -> Mapping[str, Any]:
        """Looks at the latest reading of a metric; that it is not as it should be is a result, too: ``passed`` is false then."""
        spec = CheckSpec(target="sensor", subject=sensor, minimum=minimum, maximum=maximum, max_age_seconds=max_age_seconds or None)
        try:
            return {"passed": True, **await probe.look(context.tenant, spec)}
        except CheckFailed as error:
            return {"passed": False, "reason": str(error), **error.facts}

    return handler_of(sensor_test)
