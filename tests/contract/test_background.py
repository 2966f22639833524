"""What lives longer than a call stands on `tocsin.background`, and nowhere else."""

import ast
from pathlib import Path

from tests.contract.test_architecture import PACKAGES, ROOT, sources

BEGINNINGS = {"create_task", "ensure_future", "TaskGroup", "run_coroutine_threadsafe"}
OTHERS = {
    "gateway/call_taps.py": "reads the calls of many processes, for the length of its stream",
    "gateway/changes.py": "reads the watches that one stream is put together from, for its length",
    "gateway/http/exchange.py": "looks for a client that goes away, for the length of its request",
    "gateway/http/server.py": "waits for the server to listen, within its start",
    "gateway/http/streams.py": "reads ahead, for the length of its stream",
    "gateway/local_rpcs.py": "reads ahead, for the length of its stream",
    "gateway/spool/forwarder.py": "lanes of one round; the supervised work that begins them reaps them, and raises what they raise",
    "gateway/spool/spool.py": "shields what must end, and awaits it",
    "mailer_svc/handlers/deliver.py": "reads and accepts, for the length of its stream",
    "mailer_svc/rendering/pool.py": "renders, for the length of the call that waits for it",
    "mailer_svc/rendering/renderer.py": "renders, for the length of the calls that wait for it",
    "mailer_svc/service/accepting.py": "renders side by side, for the length of its call",
    "processor_svc/hosting/child.py": "runs in a process of handlers, which is watched from outside",
    "processor_svc/hosting/process.py": "listens for the length of a process; its end ends the process, which is replaced",
    "tocsin/bulk/session.py": "reads ahead, for the length of its stream",
    "scheduler_svc/handlers/dispatch.py": "reads, for the length of its stream",
    "scheduler_svc/handlers/triggers.py": "reads ahead, for the length of its stream",
    "tocsin/background.py": "the one place",
    "tocsin/wake.py": "waits for the event or the time, whichever is first, for the length of one wait",
    "tocsin/cli/upload.py": "sends, for the length of its request",
    "tocsin/database/batch.py": "a flush hands each error to whoever waits for it, and the next item begins the next one",
    "tocsin/database/writer.py": "shields what must end, and awaits it",
    "tocsin/database/engine.py": "shields what must end, and awaits it",
    "tocsin/lifecycle.py": "what the process itself waits for",
    "tocsin/mesh/library.py": "what a process of somebody else's waits for",
    "tocsin/loadtest/run.py": "probes, for the length of the run",
    "tocsin/loadtest/running.py": "calls side by side, for the length of a stage",
    "tocsin/mesh/client/carrier.py": "reads and writes one stream, for its length",
    "tocsin/mesh/client/channel.py": "closes a connection that nobody uses any more",
    "tocsin/mesh/client/hedge.py": "attempts, for the length of their call",
    "tocsin/mesh/client/replicas.py": "waits for connections, for the length of its call",
    "tocsin/mesh/client/unary_call.py": "a call that nobody awaits yet, for its length",
    "tocsin/mesh/server/acceptor.py": "gRPC's own tasks",
    "tocsin/mesh/server/carriers.py": "calls that ride, for the length of each, and what reads and writes their stream",
    "tocsin/mesh/server/edge.py": "stops, and awaits it",
    "tocsin/mesh/server/mesh_server.py": "stops, and awaits it",
    "tocsin/redis.py": "the halves of one exchange, and the polls of one subscription; both end with what awaits them",
    "tocsin/stack/child.py": "waits side by side, for the length of one life",
    "tocsin/stack/commands.py": "waits side by side, for the length of the command",
}


def begins(path: Path) -> bool:
    """Whether the file begins tasks by itself."""
    text = path.read_text("utf-8")
    return any(name in text for name in BEGINNINGS) and any(
        isinstance(node, ast.Attribute | ast.Name) and (node.attr if isinstance(node, ast.Attribute) else node.id) in BEGINNINGS
        for node in ast.walk(ast.parse(text))
    )


def test_nothing_begins_a_task_elsewhere() -> None:
    """A file that begins tasks stands on the list with its reason, and no other stands there."""
    found = {str(path.relative_to(ROOT)) for path in sources(*PACKAGES) if begins(path)}
    assert {path for path in found if not path.startswith("tocsin/testing/")} == set(OTHERS)
