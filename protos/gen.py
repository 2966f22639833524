"""Compiles the contract: `python protos/gen.py` writes `tocsin/api`, `python protos/gen.py --check` fails if it is stale.

Works offline. google/api/*.proto come with the googleapis-common-protos wheel. protovalidate's wheel carries buf/validate as a
descriptor only, so that one enters protoc as a descriptor set and the runtime as `tocsin.api.validate`.
"""

import filecmp
import importlib.resources
import re
import shutil
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "protos"
TARGET = ROOT / "tocsin" / "api"
POLICY = Path("tocsin/api/mesh/v1/policy.proto")
"""What other contracts import: it is handed on with the generated code."""
HAND_WRITTEN = {"__init__.py", "validate.py", "py.typed"}
OLDEST_GRPC = "1.84.0"
"""Of what is generated. The compiler asks for a grpcio as new as itself, but what that of 1.82 writes differs in nothing else."""
ASKED_GRPC = re.compile(r"^GRPC_GENERATED_VERSION = '[0-9.]+'$", re.MULTILINE)
VALIDATE_IMPORT = re.compile(r"^from buf\.validate import validate_pb2 as (\w+)$", re.MULTILINE)


def validate_descriptors() -> bytes:
    """The descriptor set of buf/validate/validate.proto with the files that it imports."""
    files = descriptor_pb2.FileDescriptorSet()
    validate = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.append(validate)
    return files.SerializeToString()


def run_protoc(target: Path, workspace: Path) -> None:
    """Compiles every file of the contract into ``target``."""
    descriptors = workspace / "validate.binpb"
    descriptors.write_bytes(validate_descriptors())
    site_packages = str(importlib.resources.files("google.api").joinpath("../.."))
    well_known = str(importlib.resources.files("grpc_tools") / "_proto")
    sources = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.proto"))
    arguments = [
        "protoc",
        *(f"--plugin={Path(sys.executable).with_name(plugin)}" for plugin in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
        f"--proto_path={SOURCE}",
        f"--proto_path={site_packages}",
        f"--proto_path={well_known}",
        f"--descriptor_set_in={descriptors}",
        f"--python_out={workspace}",
        f"--mypy_out=quiet:{workspace}",
        f"--grpc_python_out={workspace}",
        f"--mypy_grpc_out=quiet:{workspace}",
        f"--descriptor_set_out={target / 'descriptors.binpb'}",
        "--include_imports",
        "--include_source_info",
        *sources,
    ]
    if protoc.main(arguments) != 0:  # pyright: ignore[reportUnknownMemberType] - grpcio-tools has no types
        raise SystemExit("the contract does not compile")


def generate(target: Path) -> None:
    """Writes the generated packages into the folder ``target``."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        run_protoc(target, workspace)
        for path in sorted((workspace / "tocsin" / "api").rglob("*")):
            if path.is_dir():
                continue
            out = target / path.relative_to(workspace / "tocsin" / "api")
            out.parent.mkdir(parents=True, exist_ok=True)
            text = VALIDATE_IMPORT.sub(r"from tocsin.api import validate as \1", path.read_text())
            out.write_text(ASKED_GRPC.sub(f"GRPC_GENERATED_VERSION = {OLDEST_GRPC!r}", text))
    shutil.copyfile(SOURCE / POLICY, target / POLICY.relative_to("tocsin/api"))
    for package in {path.parent for path in target.rglob("*_pb2.py")}:
        for folder in (package, package.parent):
            if folder != target:
                (folder / "__init__.py").write_text("")


def generated_files(folder: Path) -> set[Path]:
    """The generated files below ``folder``, relative to it."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return {path for path in files if not (len(path.parts) == 1 and path.name in HAND_WRITTEN)}


def stale_files() -> list[Path]:
    """The files of `tocsin/api` that differ from what the contract generates, or that are missing or left over."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        expected, actual = generated_files(fresh), generated_files(TARGET)
        differing = {path for path in expected & actual if not filecmp.cmp(fresh / path, TARGET / path, shallow=False)}
        return sorted((expected ^ actual) | differing)


def main() -> int:
    """Generates, or with ``--check`` compares; returns the exit status."""
    if sys.argv[1:] == ["--check"]:
        stale = stale_files()
        for path in stale:
            print(f"stale: tocsin/api/{path} (run `make gen`)")
        return 1 if stale else 0
    for path in generated_files(TARGET):
        (TARGET / path).unlink()
    generate(TARGET)
    for folder in [path for path in TARGET.iterdir() if path.is_dir() and not any(path.rglob("*.py"))]:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
