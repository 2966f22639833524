"""Measurements. `make bench` runs all of them and rewrites the table in docs/benchmarks.md."""
