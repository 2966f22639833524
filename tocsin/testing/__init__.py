"""Helpers for tests of services that stand on the runtime."""
