"""Backups of a whole installation in one archive: made while it runs, checked, and restored all or nothing.

Read `manifest` (what an archive says of itself), `archive` (the file), `installation` (what there is to back up), `sqlite` and
`postgres` (databases as of one instant), `making` and `restoring` (the two ways), `swap` (how files take their places). Nothing here
knows a service: what one wants to be done with its tables after a restore stands in ``<package>/migrations/after_restore.sql``.
"""
