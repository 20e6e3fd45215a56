#!/usr/bin/env bash
# A role and a database for each line of the password file (host:port:database:role:password). PostgreSQL's image runs
# this once, when its volume is empty.
set -euo pipefail
while IFS=: read -r _ _ database role password; do
    psql --set=ON_ERROR_STOP=1 --quiet --no-psqlrc --username "$POSTGRES_USER" --dbname postgres \
        --set=role="$role" --set=database="$database" --set=password="$password" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
done <"${STEREO_SECRETS:-/run/secrets}/pgpass"
# Locks of a scheduler that was killed are held as long as anybody keeps its connection open.
psql --set=ON_ERROR_STOP=1 --quiet --no-psqlrc --username "$POSTGRES_USER" --dbname postgres \
    --command="ALTER DATABASE airflow SET idle_in_transaction_session_timeout = '120s'"
