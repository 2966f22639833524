-- Run once by `tocsin restore` on the restored tables, of the newest revision, on SQLite and PostgreSQL alike.
--
-- Services keep a copy of the book, and ask for another version: one that was given after the backup must not come again with other contents.
UPDATE tenant_book SET version = version + 4294967296;
