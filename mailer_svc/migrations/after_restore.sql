-- Run once by `tocsin restore` on the restored tables, of the newest revision, on SQLite and PostgreSQL alike.
--
-- Numbers of changes that were given after the backup are not given again: who watches goes on with a token from then, and misses nothing.
UPDATE changes SET value = value + 1099511627776;
