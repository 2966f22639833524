"""The archive: what services would remove for its age moves into Parquet files instead (docs/archive.md).

Firings of scheduler_svc and deliveries of mailer_svc go by one mechanism: `Archiver` moves, `SqlArchive` takes out of the database exactly
what is in a file, `ParquetArchive` keeps the files. A kind (`tocsin.archive.columns`) says what its rows are. `tocsin archive` knows files
alone.
"""
