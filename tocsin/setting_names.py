"""How settings are called. `tocsin.config`, which reads them, takes half a second to import: who only names one needs this alone."""

from typing import Final

PREFIX: Final = "TOCSIN_"
"""Begins the name of every variable that is a setting."""
