"""Serves every annotated file of googleapis: python -m tests.corpus [FOLDER of .proto files].

Without a folder, the npm package `google-proto-files`, Google's own copy of them, is fetched into var/corpus. Each file goes through what a
file of an operator goes through: checks, policies, templates, binders, renderers, router, document. A refusal that is not expected ends the
run with status 1.
"""

import collections
import importlib.resources
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from gateway.contracts.files import ContractRefused, checked
from gateway.contracts.layers import served
from gateway.contracts.policies import ContractRules, parse_policies
from gateway.openapi.document import build_document
from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.routes import Route, build_router, routes_of
from gateway.transcoding.template import TemplateError

PACKAGE: Final = "google-proto-files@5.0.3"
FOLDER: Final = Path("var/corpus")
EVERYTHING: Final = parse_policies(b"methods: {'*': {public: true}}").methods
# Two methods of each have one HTTP method and one template: whoever sends that request means one of them, and nobody can say which.
AMBIGUOUS: Final = frozenset(f"google/cloud/bigquery/storage/{version}/storage.proto" for version in ("v1", "v1beta1", "v1beta2"))


def fetch() -> Path:
    """The folder of the package, fetched if it is not there."""
    root = FOLDER / "package"
    if not root.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE, "--pack-destination", str(FOLDER)], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(FOLDER.glob("google-proto-files-*.tgz"))) as archive:
            archive.extractall(FOLDER, filter="data")
    return root


def compiled(root: Path, names: list[str]) -> bytes:
    """The descriptor set of some files, with imports.

    Raises:
        SystemExit: the compiler refuses them.
    """
    with tempfile.NamedTemporaryFile(suffix=".binpb") as out:
        include = importlib.resources.files("grpc_tools") / "_proto"
        options = [f"--proto_path={root}", f"--proto_path={include}", f"--descriptor_set_out={out.name}", "--include_imports"]
        if protoc.main(["protoc", *options, *names]) != 0:
            raise SystemExit(f"protoc refuses the files below {root}")
        return Path(out.name).read_bytes()


def main() -> int:
    """Prints what is served and what is refused; 1 if something is refused that should not be."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else fetch()
    names = sorted(
        str(path.relative_to(root)) for path in root.rglob("*.proto") if "(google.api.http)" in path.read_text("utf-8", "replace")
    )
    raw = compiled(root, names)
    began = time.process_time()
    try:
        contract = _contract(checked(raw))
    except ContractRefused as error:
        print(f"the set is refused: {error}")
        return 1
    routes, refused = _routes(contract.rpcs())
    for name, found in sorted(routes.items()):
        try:
            build_router(found)
        except TemplateError as error:
            refused[name] = str(error)
        build_document(contract=contract, routes=found)
    print(f"{len(names)} annotated files with {len(contract.policies)} methods, {len(raw) / 1e6:.1f} MB compiled")
    print(f"{sum(map(len, routes.values()))} routes, {len(routes)} documents, in {time.process_time() - began:.0f} s of CPU")
    print(f"{len(refused)} files refused")
    for name, reason in sorted(refused.items()):
        print(f"  {name}: {reason}{' (expected)' if name in AMBIGUOUS else ''}")
    return int(bool(set(refused) - AMBIGUOUS))


def _contract(files: descriptor_pb2.FileDescriptorSet) -> Contract:
    problems: list[str] = []
    found = served(files, ContractRules(services=["*"]), EVERYTHING, problems)
    if problems:
        raise SystemExit("\n".join(problems))
    return Contract(
        descriptor_set=files.SerializeToString(),
        name="googleapis",
        policies={path: each.policy for path, each in found.items()},
        transcoding={path: each.transcoding for path, each in found.items()},
    )


def _routes(rpcs: list[Rpc]) -> tuple[dict[str, list[Route]], dict[str, str]]:
    """The routes by file, and why a file has one that is refused."""
    routes: dict[str, list[Route]] = collections.defaultdict(list)
    refused: dict[str, str] = {}
    for rpc in rpcs:
        name = rpc.descriptor.containing_service.file.name
        try:
            routes[name].extend(routes_of(rpc))
        except TemplateError as error:
            refused[name] = str(error)
    return routes, refused


if __name__ == "__main__":
    raise SystemExit(main())
