"""Many resources at once, from text that comes in pieces: NDJSON or tables of comma-separated values.

`lines.TextLines` reads the lines, `table.Table` the columns, and `session.ImportSession` commits batches while the next one is read. What a
line means is said by whoever has the resource.
"""
