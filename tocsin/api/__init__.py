"""The contract as Python: generated from `protos/` by `make gen`, never edited."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)  # as in `tocsin`
