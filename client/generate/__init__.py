"""Generates the models and methods of `tocsin_client` from the contract: `python -m client.generate`."""
