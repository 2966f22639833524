"""A mailer that is killed: nothing is lost, nothing is sent twice."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.mailer.support import DeliverStream, Rig, message
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.testing.process import ServerProcess, accepts, free_port
from tocsin.testing.smtp import SmtpFault, SmtpSink, Stage
from tocsin.testing.waiting import eventually

MAILS = 200


class MailerProcess(ServerProcess):
    """``python -m mailer_svc`` on a state folder of the test's."""

    def __init__(self, *, state: Path, sink: SmtpSink) -> None:
        super().__init__(prefix="mailer", start_seconds=60)
        self._state = state
        self._sink = sink
        self._metrics_port = free_port()

    def command(self) -> list[str]:
        """Settings travel by the environment."""
        settings = {
            "STATE_DIR": self._state,
            "MAILER_PORT": self.port,
            "MAILER_METRICS_PORT": self._metrics_port,
            "MAILER_SMTP_HOST": "127.0.0.1",
            "MAILER_SMTP_PORT": self._sink.port,
            "MAILER_SMTP_TLS": "none",
            "MAILER_SMTP_CONNECTIONS": 8,
            "MAILER_RETRY_INITIAL_SECONDS": 0.05,
            "MAILER_DRAIN_SECONDS": 0.5,
        }
        root = Path(__file__).parents[3]
        path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        return [
            "env",
            f"PYTHONPATH={path}",
            *(f"TOCSIN_{name}={value}" for name, value in settings.items()),
            sys.executable,
            "-m",
            "mailer_svc",
        ]

    def answers(self) -> bool:
        """Whether it takes work."""
        return accepts(self._metrics_port, b"GET /readyz HTTP/1.1\r\nHost: mailer\r\n\r\n", b"HTTP/1.1 200")


@pytest.mark.chaos
async def test_a_killed_mailer_loses_nothing_and_sends_nothing_twice(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """SIGKILL amid sending: what was accepted arrives once; what had no answer is OUTCOME_UNKNOWN, one a connection at most."""
    rig = Rig(folder=tmp_path)
    keys = tmp_path / "jwks" / "mailer_svc.json"  # what a mailer remembers of auth_svc, which does not run here
    keys.parent.mkdir()
    keys.write_text(json.dumps(rig.mint.jwks()))
    process = MailerProcess(state=tmp_path, sink=smtp_sink)
    process.start()
    rig.connect(f"127.0.0.1:{process.port}")
    smtp_sink.script(Stage.END, SmtpFault.HANG, times=4)  # four mails are taken, but their answers never come
    stream = DeliverStream(rig)
    for first in range(0, MAILS, 50):
        await stream.send(*(message(key) for key in range(first, first + 50)))
    acks = await stream.acks(MAILS)
    await eventually(lambda: smtp_sink.taken >= MAILS // 4)
    process.kill()
    process.start()
    states: Counter[delivery_service_pb2.Delivery.State.ValueType] = Counter()

    async def finished() -> bool:
        states.clear()
        with rig.user():
            page = await rig.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest(page_size=1000))
        states.update(delivery.state for delivery in page.deliveries)
        return set(states) <= {delivery_service_pb2.Delivery.SENT, delivery_service_pb2.Delivery.OUTCOME_UNKNOWN}

    await eventually(finished, seconds=60)
    arrived = Counter(received.message["Message-ID"] for received in smtp_sink.messages)
    assert len({ack.delivery for ack in acks}) == MAILS
    assert sum(states.values()) == MAILS
    assert max(arrived.values()) == 1
    assert 4 <= states[delivery_service_pb2.Delivery.OUTCOME_UNKNOWN] <= 8
    assert len(arrived) >= MAILS - states[delivery_service_pb2.Delivery.OUTCOME_UNKNOWN]
    await rig.stop()
    process.close()
