#!/bin/sh
# A role and a schema for each service, so that none reads or changes what is another's. PostgreSQL's image runs this when its volume is new;
# for one that is not, run it once by hand: docker compose exec postgres /docker-entrypoint-initdb.d/roles.sh
set -eu

make() { # service, password
  psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set "role=tocsin_$1" --set "schema=$1_svc" --set "password=$2" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE SCHEMA IF NOT EXISTS :"schema";
ALTER SCHEMA :"schema" OWNER TO :"role";
SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, :'role') FROM pg_class
  WHERE relnamespace = :'schema'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \gexec
SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, :'role') FROM pg_class
  WHERE relnamespace = :'schema'::regnamespace AND relkind = 'r' AND relispartition \gexec
SELECT format('ALTER SEQUENCE %s OWNER TO %I', sequence.oid::regclass, :'role') FROM pg_class AS sequence
  WHERE relnamespace = :'schema'::regnamespace AND relkind = 'S'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = sequence.oid AND deptype IN ('a', 'i')) \gexec
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, :'role') FROM pg_proc WHERE pronamespace = :'schema'::regnamespace \gexec
SQL
}

make auth "$AUTH_DATABASE_PASSWORD"
make scheduler "$SCHEDULER_DATABASE_PASSWORD"
make processor "$PROCESSOR_DATABASE_PASSWORD"
make mailer "$MAILER_DATABASE_PASSWORD"
