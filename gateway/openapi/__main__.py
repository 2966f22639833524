"""Prints the OpenAPI document of the contract: `python -m gateway.openapi`."""

import sys

from gateway.openapi.document import build_document
from gateway.transcoding.contract import Contract
from gateway.transcoding.routes import build_routes
from tocsin.mesh.policy import PACKAGE, contract
from tocsin.protojson.codec import dump_json


def main() -> None:
    """Writes the document to the standard output."""
    own = Contract(descriptor_set=contract().SerializeToString(), package=PACKAGE)
    sys.stdout.buffer.write(dump_json(build_document(contract=own, routes=build_routes(own))))


if __name__ == "__main__":
    main()
