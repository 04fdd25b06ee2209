#!/bin/sh
# Creates and updates the two databases of the Temporal server. Safe to repeat: what exists is left as it is and
# `update-schema` applies only the versions that are missing.
set -eu
: "${POSTGRES_SEEDS:?}" "${POSTGRES_USER:?}" "${SQL_PASSWORD:?}"
export SQL_PASSWORD
schema=/etc/temporal/schema/postgresql/v12

setup() { # database, folder of its versions
  set -- "$1" "$2" --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "${DB_PORT:-5432}" -u "$POSTGRES_USER" --db "$1"
  database=$1 versions=$2
  shift 2
  temporal-sql-tool "$@" create || echo "$database exists"
  temporal-sql-tool "$@" setup-schema -v 0.0 || echo "$database has a schema"
  temporal-sql-tool "$@" update-schema -d "$schema/$versions/versioned"
}

setup temporal temporal
setup temporal_visibility visibility
