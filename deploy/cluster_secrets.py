"""Makes the secrets of a development cluster, once: files below deploy/k8s/overlays/dev/secrets, which its kustomization reads.

python3 deploy/cluster_secrets.py
"""

import base64
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "k8s/overlays/dev/secrets"
_BYTES: Final = 32
# PKCS #8 of an Ed25519 key (RFC 8410, 7): this, and 32 random bytes.
_ED25519: Final = bytes.fromhex("302e020100300506032b657004220420")


def made() -> Mapping[str, str]:
    """The content of every file, by its name."""
    database, redis, key = (secrets.token_hex(_BYTES) for _ in range(3))
    url = f"database-url=postgresql://tocsin:{database}@postgres:5432/tocsin\n"
    sealing = f"secret-key={key}\n"
    pem = base64.b64encode(_ED25519 + secrets.token_bytes(_BYTES)).decode()
    return {
        "auth.env": url + sealing,
        "scheduler.env": url,
        "processor.env": url,
        "mailer.env": url + sealing,
        "redis.env": f"url=redis://:{redis}@redis:6379/0\npassword={redis}\n",
        "postgres.env": f"password={database}\n",
        "signing.pem": f"-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n",
    }


def main(folder: Path = FOLDER) -> None:
    """Writes them, readable by their owner alone.

    Raises:
        SystemExit: they are there already, and stay as they are.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        sys.exit(f"{folder} is there already, and stays as it is")
    for name, text in made().items():
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
