//! Scripts that read from every table.

use crate::model::dump::DumpProgram;

/// `BYTES DEEP`: reads a row of each table of each database, and looks for the files of tables, indexes and large
/// values. A database of at most so many bytes is read whole; if `DEEP` is not empty, its indexes are checked where the
/// server has `amcheck`. Prints a warning on standard error for each table that cannot be read (`unreadable: …`), and
/// for what only the whole reading found (`damaged: …`). Exits with 3 if the server lets nobody in.
pub(super) const READ_POSTGRES: &str = concat!(
    "probe() {\n",
    probe_postgres!(),
    "}\nway=$(probe) || exit 3\n",
    postgres!(),
    r#"
ask postgres -tAc 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn' |
while IFS= read -r base; do
  ask "$base" -v most="$1" -v deep="$2" >/dev/null <<'SQL'
SET client_min_messages = warning;
SET rehearsa.most = :'most';
SET rehearsa.deep = :'deep';
SET max_parallel_workers_per_gather = 0;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT c.oid::regclass::text AS name, pg_relation_filepath(c.oid) AS file FROM pg_catalog.pg_class c
      WHERE c.relkind IN ('r', 'i', 't', 'm', 'S') AND c.relpersistence = 'p'
        AND pg_relation_filepath(c.oid) IS NOT NULL
  LOOP
    BEGIN
      IF (pg_stat_file(one.file, true)).size IS NULL THEN
        RAISE WARNING 'unreadable: % of database %: its file % is missing', one.name, current_database(), one.file;
      END IF;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
  FOR one IN SELECT c.oid::regclass::text AS name FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm')
  LOOP
    BEGIN
      EXECUTE 'SELECT 1 FROM ' || one.name || ' LIMIT 1';
    EXCEPTION
      WHEN undefined_file THEN NULL;
      WHEN io_error OR data_corrupted OR index_corrupted THEN
        RAISE WARNING 'unreadable: % of database %: %', one.name, current_database(), SQLERRM;
        CONTINUE;
      WHEN OTHERS THEN CONTINUE;
    END;
    CONTINUE WHEN pg_database_size(current_database()) > current_setting('rehearsa.most')::bigint;
    BEGIN
      EXECUTE 'SELECT count(*) FROM ' || one.name;
    EXCEPTION
      WHEN io_error OR data_corrupted OR index_corrupted THEN
        RAISE WARNING 'damaged: % of database %: %', one.name, current_database(), SQLERRM;
      WHEN OTHERS THEN NULL;
    END;
  END LOOP;
  IF current_setting('rehearsa.deep') = '' THEN RETURN; END IF;
  BEGIN
    CREATE EXTENSION IF NOT EXISTS amcheck;
  EXCEPTION WHEN OTHERS THEN RETURN;
  END;
  FOR one IN SELECT c.oid::regclass::text AS name FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_am a ON a.oid = c.relam JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
      WHERE c.relkind = 'i' AND c.relpersistence = 'p' AND a.amname = 'btree' AND i.indisvalid AND i.indisready
  LOOP
    BEGIN
      PERFORM bt_index_check(one.name::regclass);
    EXCEPTION
      WHEN io_error OR data_corrupted OR index_corrupted THEN
        RAISE WARNING 'damaged: % of database %: %', one.name, current_database(), SQLERRM;
      WHEN OTHERS THEN NULL;
    END;
  END LOOP;
END
$$;
SQL
done
"#
);

/// `BYTES`: reads a row of each table of each database; an error of the client on standard error for each that cannot
/// be read. If the tables have at most so many bytes, each is checked, and `DAMAGED …` tells which are damaged. Exits
/// with 3 if the server lets nobody in.
pub(super) const READ_MYSQL: &str = concat!(
    "probe() {\n",
    probe_mysql!(),
    "}\nway=$(probe) || exit 3\n",
    mysql!(),
    r#"
tables=$(ask -N --raw <<'SQL'
SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`')
  FROM information_schema.tables
  WHERE table_type NOT LIKE '%VIEW' AND table_type <> 'SEQUENCE'
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SQL
)
echo "$tables" | sed '/./s/.*/SELECT 1 FROM & LIMIT 1;/' | ask -N --force 2>&1 >/dev/null |
while IFS= read -r line; do
  case $line in "ERROR "*" at line "*)
    nth=${line#* at line }
    echo "$line ($(echo "$tables" | sed -n "${nth%%:*}p"))" >&2 ;;
  esac
done
size=$(ask -N --raw 2>/dev/null <<'SQL'
SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables
  WHERE table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SQL
)
# A check tells each finding in a row: table, word, kind, text. What an upgrade would mend is no damage.
if [ -n "$tables" ] && [ "${size:-x}" -le "$1" ] 2>/dev/null; then
  echo "$tables" | sed '/./s/.*/CHECK TABLE &;/' | ask -N --raw --force 2>/dev/null |
  while IFS="$(printf '\t')" read -r table _ kind words; do
    case $kind:$words in
      *[Uu]pgrade* | *rebuild* | *"storage engine"*) ;;
      [Ee]rror:* | *:[Cc]orrupt*) echo "DAMAGED $table: $words" >&2 ;;
    esac
  done
fi
if [ "$user" = root ]; then
  # InnoDB knows tables of a database whose folder is not there. Names with other signs are written as @XXXX.
  missing() { while IFS= read -r base; do echo "ERROR 1049 (42000): its folder is missing (database $base)" >&2; done; }
  ask -N --raw 2>/dev/null <<'SQL' | missing
SELECT DISTINCT SUBSTRING_INDEX(name, '/', 1) FROM information_schema.innodb_sys_tables
  WHERE name LIKE '%/%' AND SUBSTRING_INDEX(name, '/', 1) NOT LIKE '%@%'
    AND SUBSTRING_INDEX(name, '/', 1) NOT IN (SELECT schema_name FROM information_schema.schemata);
SQL
fi
"#
);

/// Reads from every table.
pub fn read(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => READ_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => READ_POSTGRES,
    }
}
