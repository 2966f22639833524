"""Makes the certificates of a mesh: `python certificates.py FOLDER`. Run again, it renews what nears its end and leaves the rest.

FOLDER/authority holds the authority with its private key. FOLDER/<service> holds what that service may see: ca.pem, <service>.pem and
<service>-key.pem, under the names that it looks for in <state_dir>/pki. TOCSIN_TRUST_DOMAIN names the trust domain.
"""

import shutil
import sys
from pathlib import Path

from tocsin.clock import Clock, SystemClock
from tocsin.config import ConfigError, ServiceSettings, load
from tocsin.mesh.authority import CA_FILE, ensure_pki

SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def lay_out(folder: Path, *, trust_domain: str, clock: Clock) -> None:
    """Brings ``folder`` up to date.

    Raises:
        OSError: it cannot be read or written.
    """
    authority = folder / "authority"
    ensure_pki(folder=authority, services=SERVICES, trust_domain=trust_domain, clock=clock)
    for service in SERVICES:
        own = folder / service
        own.mkdir(mode=0o700, exist_ok=True)
        for name in (CA_FILE, f"{service}-key.pem", f"{service}.pem"):
            _copy(authority / name, own / name)


def _copy(source: Path, target: Path) -> None:
    """Copies whole and with the mode, and only what differs: a new file makes services read it again."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    partial = target.with_name(f".{target.name}.new")
    shutil.copy(source, partial)
    partial.replace(target)


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if len(arguments) != 1:
        print("usage: certificates.py FOLDER", file=sys.stderr)
        return 2
    try:
        lay_out(Path(arguments[0]), trust_domain=load(ServiceSettings).trust_domain, clock=SystemClock())
    except (ConfigError, OSError, ValueError) as error:
        print(f"certificates: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
