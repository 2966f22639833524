"""`tocsin import` of what people have elsewhere, where the gateway shows a certificate that nobody but its state folder knows."""

import http.server
import json
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import tocsin
from tocsin.clock import SystemClock
from tocsin.mesh.authority import make_ca
from tocsin.stack.stack_file import StackStatus, locked, write_stack_file

BEATS = {"tea": {"task": "shop.tea", "schedule": 300.0}}


@dataclass(slots=True)
class Door:
    """A gateway that takes uploads by TLS, and the alarms that it was sent."""

    folder: Path
    keys: list[str] = field(default_factory=list[str])


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """It runs on a state folder, whose file names its certificate."""
    found = Door(tmp_path)

    class Imports(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            lines = b"".join(iter(self._chunk, b"")).splitlines()
            found.keys += [json.loads(line)["key"] for line in lines]
            data = json.dumps({"lines": len(lines), "created": len(lines), "done": True}).encode() + b"\n"
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _chunk(self) -> bytes:
            data = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return data

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    certificate, key = tmp_path / "door.pem", tmp_path / "door-key.pem"
    authority = make_ca(trust_domain="tocsin.local", clock=SystemClock())
    pair = authority.issue(service="gateway", trust_domain="tocsin.local", clock=SystemClock())
    certificate.write_bytes(pair[0])
    key.write_bytes(pair[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Imports)
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(certificate, key)
    server.socket = shows.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    (tmp_path / "dev-api-key").write_text("tk_dev\n")
    picture = StackStatus(
        supervisor=os.getpid(),
        http=f"https://127.0.0.1:{server.server_port}",
        grpc="127.0.0.1:8001",
        api_key_file=str(tmp_path / "dev-api-key"),
        services={},
        certificate=str(certificate),
    )
    with locked(tmp_path):
        write_stack_file(tmp_path / "stack.json", picture)
        yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_alarms_go_to_the_gateway_whose_certificate_the_state_folder_names(door: Door, tmp_path: Path) -> None:
    """The upload trusts what the other calls trust, not the system's authorities alone."""
    schedule = tmp_path / "beat.json"
    schedule.write_text(json.dumps(BEATS))
    done = tocsin("import", "celery", str(schedule), "--state", str(door.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(door.keys) == 1
