"""The shared runtime of Tocsin: what every service stands on. It knows no service."""
