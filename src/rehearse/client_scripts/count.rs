//! Scripts that count the rows of every table.

use crate::model::dump::DumpProgram;

/// `BYTES`: prints lines of database, table and rows, with tabs between them: for each database one with neither table
/// nor rows, and for each table one without rows and then one with them. The rows of a database of more than so many
/// bytes are not counted. A database that cannot be asked has `?` for its rows. A table that consists of others
/// (partitions, chunks) counts as one, since the others come and go; tables of extensions are left out. Exits with 3 if
/// the server lets nobody in or does not tell its databases.
pub(super) const COUNT_POSTGRES: &str = concat!(
    "probe() {\n",
    probe_postgres!(),
    "}\nway=$(probe) || exit 3\n",
    postgres!(),
    r#"
tab=$(printf '\t')
bases=$(ask postgres -tAc 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn') || exit 3
printf '%s\n' "$bases" | while IFS= read -r base; do
  printf '%s\t\t\n' "$base"
  ask "$base" -qtA -F "$tab" -v most="$1" 2>/dev/null <<'SQL' || printf '%s\t\t?\n' "$base"
SET max_parallel_workers_per_gather = 0;
SELECT format('SELECT %L, %L, NULL', current_database(), c.oid::regclass::text),
    format('SELECT %L, %L, %s', current_database(), c.oid::regclass::text,
    CASE WHEN pg_database_size(current_database()) <= :most THEN format('(SELECT count(*) FROM %s)', c.oid::regclass)
      ELSE 'NULL' END)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  ORDER BY 1 LIMIT 1001
\gexec
SQL
done
exit 0
"#
);

/// The same for MariaDB and MySQL.
pub(super) const COUNT_MYSQL: &str = concat!(
    "probe() {\n",
    probe_mysql!(),
    "}\nway=$(probe) || exit 3\n",
    mysql!(),
    r#"
size=$(ask -N --raw 2>/dev/null <<'SQL'
SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables
  WHERE table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SQL
)
whole=0
if [ "${size:-x}" -le "$1" ] 2>/dev/null; then whole=1; fi
ask -N --raw 2>/dev/null <<'SQL' || exit 3
SELECT schema_name, '', '' FROM information_schema.schemata
  WHERE schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SQL
questions=$({
  echo "SET @whole = $whole;"
  cat <<'SQL'
SELECT CONCAT('SELECT ', QUOTE(table_schema), ', ', QUOTE(table_name), ', NULL;'),
    CONCAT('SELECT ', QUOTE(table_schema), ', ', QUOTE(table_name), ', ',
    IF(@whole, CONCAT('COUNT(*) FROM `', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`'),
      'NULL'), ';')
  FROM information_schema.tables
  WHERE table_type NOT LIKE '%VIEW' AND table_type <> 'SEQUENCE'
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
  ORDER BY table_schema, table_name LIMIT 1001;
SQL
} | ask -N --raw 2>/dev/null) || exit 3
printf '%s\n' "$questions" | ask -N --raw --force 2>/dev/null
exit 0
"#
);

/// Counts the rows of every table.
pub fn count(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => COUNT_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => COUNT_POSTGRES,
    }
}
