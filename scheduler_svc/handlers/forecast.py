"""ForecastService."""

from typing import Any

import grpc

from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service.forecast import Forecasts
from tocsin.api.scheduler.v1 import forecast_service_pb2, forecast_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class ForecastHandlers(forecast_service_pb2_grpc.ForecastServiceServicer):
    """Tells the load that the alarms of a tenant will bring."""

    def __init__(self, *, forecasts: Forecasts) -> None:
        self._forecasts = forecasts

    async def GetForecast(self, request: forecast_service_pb2.GetForecastRequest, context: Context) -> forecast_service_pb2.Forecast:
        """Counts the planned fires, minute by minute."""
        start = micros_of(request.start_time, field="startTime") if request.HasField("start_time") else None
        found = await self._forecasts.forecast(caller(), start=start, minutes=request.minutes)
        message = forecast_service_pb2.Forecast(total=found.total)
        set_instant(message.compute_time, found.computed)
        for at, fires in found.minutes:
            set_instant(message.minutes.add(fires=fires).start_time, at)
        if found.busiest is not None:
            at, message.busiest.fires = found.busiest
            set_instant(message.busiest.start_time, at)
        return message
