"""The shared runtime of Tocsin: what every service stands on. It knows no service."""

from pkgutil import extend_path

# Two distributions put modules into this package (docs/adr/0051): where each is installed into a folder of its own, both are found.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
