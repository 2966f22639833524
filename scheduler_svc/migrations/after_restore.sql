-- Run once by `tocsin restore` on the restored tables, of the newest revision, on SQLite and PostgreSQL alike.
--
-- Numbers of changes that were given after the backup are not given again: who watches goes on with a token from then, and misses nothing.
UPDATE counters SET value = value + 1099511627776 WHERE name = 'change';
-- Nobody owns a shard any more; a replica from before, should one still live, has an epoch that is fenced off.
UPDATE shards SET owner = '', lease_until = 0, epoch = epoch + 1048576;
DELETE FROM replicas;
