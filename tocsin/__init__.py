"""The shared runtime of Tocsin: what every service stands on. It knows no service."""

__version__ = "0.1.0"
