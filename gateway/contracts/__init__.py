"""Contracts of other teams that the gateway serves beside Tocsin's own: their files, their policies, the way to their services."""
