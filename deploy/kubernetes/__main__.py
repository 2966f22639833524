"""`python -m deploy.kubernetes write` writes the manifests; `check` fails where they are not what this package says."""

import sys
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.kubernetes import extras, network, workloads
from deploy.kubernetes.parts import SERVICES
from deploy.kubernetes.rendering import Manifest, plain, template
from deploy.kubernetes.values import document

FOLDER: Final = Path(__file__).resolve().parent.parent
HEADER: Final = "# Written by `python -m deploy.kubernetes write`: change deploy/kubernetes/ instead.\n"
_CHART: Final = Path("helm/tocsin")


def files() -> dict[Path, str]:
    """Every file that is written, by its path below deploy/."""
    base = [*(workloads.manifest(each) for each in SERVICES), workloads.migrations(), network.policies(), network.certificates()]
    alerts = (FOLDER / "prometheus/alerts.yaml").read_text("utf-8")
    components = {
        "autoscaling": extras.autoscaling(),
        "keda": extras.queues(),
        "monitoring": extras.monitoring(alerts),
        "backup": extras.backups(),
        "archive": extras.archive(),
    }
    found = {Path(f"k8s/base/{each.name}.yaml"): plain(each, HEADER) for each in base}
    found[Path("k8s/base/kustomization.yaml")] = HEADER + _kustomization(base)
    for name, manifest in components.items():
        found[Path(f"k8s/components/{name}/{manifest.name}.yaml")] = plain(manifest, HEADER)
    every: list[Manifest] = [*base, *components.values()]
    found |= {_CHART / f"templates/{each.name}.yaml": template(each, HEADER) for each in every}
    found[_CHART / "values.yaml"] = document(every, HEADER)
    return found


def _kustomization(base: list[Manifest]) -> str:
    settings: list[dict[str, Any]] = [
        {"name": f"tocsin-settings-{name}", "literals": []} for name in ("shared", *(each.short for each in SERVICES))
    ]
    return yaml.safe_dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{each.name}.yaml" for each in base],
            "configMapGenerator": settings,
        },
        sort_keys=False,
    )


def stale(folder: Path = FOLDER) -> list[str]:
    """What lies in ``folder`` otherwise than it would be written."""
    return [str(path) for path, text in files().items() if not (folder / path).exists() or (folder / path).read_text("utf-8") != text]


def main(command: str) -> int:
    """Runs ``command``; returns the exit code."""
    if command == "write":
        for path, text in files().items():
            (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / path).write_text(text, "utf-8")
        return 0
    found = stale()
    for path in found:
        print(f"deploy/{path}: is not what deploy/kubernetes says (run `make gen`)", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
