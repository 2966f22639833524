"""The contract as Python: generated from `protos/` by `make gen`, never edited."""
