#!/bin/sh
# On an empty data folder, once: the registry's database and the user that the nodes are. The tables are the nodes' to make.
set -eu
password=$(cat "${DB_PASSWORD_FILE:?}")

# The password comes by the environment and is quoted by psql: it stands in no process list and no script.
REGISTRY_PASSWORD=$password psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
  --dbname postgres --set limit="${DB_CONNECTION_LIMIT:-120}" <<'SQL'
\getenv password REGISTRY_PASSWORD
CREATE ROLE ollama_user LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
  CONNECTION LIMIT :limit PASSWORD :'password';
CREATE DATABASE ollamamax OWNER ollama_user ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE ollamamax FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
SQL
