-- Run once by `tocsin restore` on the restored tables, of the newest revision, on SQLite and PostgreSQL alike.
--
-- Services keep a copy of the policies, and ask for another version: one that was given after the backup must not come again with other contents.
UPDATE pii_version SET version = version + 4294967296;
