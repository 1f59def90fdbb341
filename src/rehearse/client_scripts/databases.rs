//! Scripts that ask which databases a server has, and which one the environment of its container names.

use crate::model::dump::DumpProgram;

/// Prints `wanted NAME`, a line `found NAME` for each database, and a line `short WORDS` for each table or index whose
/// file is shorter than the server has noted. Exits with 3 if the server lets nobody in.
///
/// The server notes the length of a file whenever it cleans or counts a table, and also when it cuts the file off. From
/// version 18 on, a dump brings these notes along from another server, so they tell nothing. Neither do they where an
/// extension keeps the rows in a form of its own, and the notes of the table as it was.
pub(super) const DATABASES_POSTGRES: &str = concat!(
    "probe() {\n",
    probe_postgres!(),
    "}\nway=$(probe) || exit 3\n",
    postgres!(),
    r#"
wanted=
for name in POSTGRES_DB POSTGRESQL_DATABASE POSTGRES_USER; do
  [ -n "$wanted" ] || { secret $name; wanted=$value; }
done
printf 'wanted %s\n' "$wanted"
bases=$(ask postgres -tAc 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn') || exit 3
printf '%s\n' "$bases" | while IFS= read -r base; do
  printf 'found %s\n' "$base"
  ask "$base" -tA 2>/dev/null <<'SQL'
SELECT 'short ' || c.oid::regclass::text || ' of database ' || current_database() || ': its file has '
    || pg_relation_size(c.oid) / current_setting('block_size')::int || ' pages, and should have ' || c.relpages
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
  WHERE c.relkind IN ('r', 'i', 't', 'm') AND c.relpersistence = 'p' AND COALESCE(a.amname, 'heap') IN ('heap', 'btree')
    AND current_setting('server_version_num')::int < 180000
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname IN ('timescaledb', 'citus', 'citus_columnar'))
    AND c.relpages > pg_relation_size(c.oid) / current_setting('block_size')::int;
SQL
done
exit 0
"#
);

/// Prints `wanted NAME`, and a line `found NAME` for each database. Exits with 3 if the server lets nobody in, or not
/// as the one who sees all databases.
pub(super) const DATABASES_MYSQL: &str = concat!(
    "probe() {\n",
    probe_mysql!(),
    "}\nway=$(probe) || exit 3\n",
    mysql!(),
    r#"
[ "$user" = root ] || exit 3
wanted=
for name in MARIADB_DATABASE MYSQL_DATABASE; do
  [ -n "$wanted" ] || { secret $name; wanted=$value; }
done
printf 'wanted %s\n' "$wanted"
bases=$(ask -N --raw -e 'SHOW DATABASES') || exit 3
printf '%s\n' "$bases" | sed 's/^/found /'
"#
);

/// Tells which databases there are.
pub fn databases(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => DATABASES_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => DATABASES_POSTGRES,
    }
}
