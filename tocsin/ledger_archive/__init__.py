"""The archive of the ledger: firings in Parquet files, beyond the time for which the database keeps them (docs/archive.md).

It knows files alone: scheduler_svc writes them, and `tocsin archive` reads them.
"""
