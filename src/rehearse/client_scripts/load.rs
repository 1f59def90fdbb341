//! Scripts that load a dump.

use crate::model::dump::DumpProgram;

/// The user's own command, which gets the dump's path in `$DUMP`.
pub const OF_OWNER: &str = "DUMP=$1; export DUMP; exec sh -c \"$2\"";

/// `forget` forgets the variables that neither the client nor the shell needs: the service's environment has its
/// secrets. `alone` runs a client that cannot start a program: the kernel refuses another process of this user, so a
/// command that the scan of the dump has not found runs nothing. The kernel does not bound root in this way.
macro_rules! forget {
    () => {
        r#"
forget() {
  for name in $(env | while IFS= read -r line; do
    case $line in ([A-Za-z_]*=*) echo "${line%%=*}" ;; esac
  done); do
    case $name in
      *[!A-Za-z0-9_]* | PATH | HOME | LANG | LC_* | TZ | PG* | LD_LIBRARY_PATH | MYSQL_PWD | MYSQL_HOST) ;;
      MYSQL_TCP_PORT | MYSQL_UNIX_PORT | SHELLOPTS | BASHOPTS | PWD) ;;
      user | way | base | client | asked | sandbox | run) ;;
      *) unset "$name" ;;
    esac
  done
  value=
}
alone() (
  ulimit -u 0 2>/dev/null || ulimit -p 0 2>/dev/null
  exec "$@"
)
"#
    };
}

/// `whole FILE END COMMAND …`: gives the command the dump, and behind it a statement that says END. Prints `ended` if
/// the command says it, and exits as the command does: a dump may end the client early, or hide the rest from it.
macro_rules! whole {
    () => {
        r#"
whole() {
  file=$1 end=$2; shift 2
  exec 3>&1
  code=$( { {
    { cat "$file" && printf "\nSELECT '%s';\n" "$end"; } | "$@" 3>&- 4>&-
    echo $? >&4
  } | while IFS= read -r line; do
    case $line in *"$end"*) echo ended >&3 ;; esac
  done; } 4>&1 )
  return "$code"
}
"#
    };
}

/// `FILE DATABASE WAY MODE DATABASE_OF_THE_DUMP END`.
pub(super) const LOAD_POSTGRES: &str = concat!(
    postgres!(),
    forget!(),
    whole!(),
    r#"
way=$3
base=${2:-${POSTGRES_DB:-${POSTGRESQL_DATABASE:-$user}}}
if [ -n "$2" ]; then ask postgres -c "SELECT 1" -v name="$2" -f - >/dev/null 2>&1 <<'END'
CREATE DATABASE :"name";
END
fi
forget
run=alone
case $4 in
  cluster) whole "$1" "$6" ask postgres -f - ;;
  going-on) whole "$1" "$6" ask "$base" -f - ;;
  archive)
    if ! command -v pg_restore >/dev/null 2>&1; then echo "there is no pg_restore" >&2; exit 127; fi
    if [ "$way" = tcp ]; then pg_restore -w -h 127.0.0.1 -U "$user" -d "$base" "$1"
    else pg_restore -w -U "$user" -d "$base" "$1"
    fi ;;
  *) whole "$1" "$6" ask "$base" -v ON_ERROR_STOP=1 -f - ;;
esac
"#
);

/// `FILE DATABASE WAY MODE DATABASE_OF_THE_DUMP END`. The client is in its own sandbox, if it has one: it runs no
/// program and opens no file for a dump.
pub(super) const LOAD_MYSQL: &str = concat!(
    mysql!(),
    forget!(),
    whole!(),
    r#"
way=$3
sandbox=--local-infile=0
case $($client --help 2>/dev/null) in *--sandbox*) sandbox="--sandbox $sandbox" ;; esac
base=${2:-${MARIADB_DATABASE:-${MYSQL_DATABASE:-$5}}}
forget
run=alone
if [ "$4" = several ]; then
  whole "$1" "$6" ask $sandbox && { ask -e 'FLUSH PRIVILEGES' >/dev/null 2>&1; exit 0; }
  exit
fi
if [ -z "$base" ]; then echo "ERROR: neither the dump nor the service names a database" >&2; exit 1; fi
ask -e "CREATE DATABASE IF NOT EXISTS \`$base\`" >/dev/null 2>&1
whole "$1" "$6" ask $sandbox "$base"
"#
);

/// `WAY`: prints the existing roles.
pub const ROLES: &str = concat!(postgres!(), "way=$1\nask postgres -tAc 'SELECT rolname FROM pg_catalog.pg_roles'\n");

/// `DATABASE WAY MODE`: prints lines of database, schema, table and answer, with tabs between them: for each database
/// one with nothing else; for each table one with `?`, and one with `t` if it has a row and `f` if not; `end` at last.
pub(super) const FILLED_POSTGRES: &str = concat!(
    postgres!(),
    r#"
way=$2
tab=$(printf '\t')
tables() {
  ask "$1" -tA -F "$tab" <<'END'
SELECT current_database(), '', '', '';
SELECT format('SELECT current_database(), %L, %L, %L', schemaname, tablename, '?'),
    format('SELECT current_database(), %L, %L, EXISTS (SELECT 1 FROM %I.%I)', schemaname, tablename, schemaname,
    tablename)
  FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \gexec
END
}
if [ "$3" = cluster ]; then
  ask postgres -tAc 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate' |
    while IFS= read -r base; do tables "$base"; done
else
  tables "${1:-${POSTGRES_DB:-${POSTGRESQL_DATABASE:-$user}}}"
fi && echo end
"#
);

/// The same for MariaDB and MySQL, without a schema.
pub(super) const FILLED_MYSQL: &str = concat!(
    mysql!(),
    r#"
way=$2
ask -N --raw 2>/dev/null <<'SQL' || exit 3
SELECT schema_name, '', '', '' FROM information_schema.schemata;
SQL
questions=$(ask -N --raw 2>/dev/null <<'SQL'
SELECT CONCAT('SELECT ', QUOTE(table_schema), ', '''', ', QUOTE(table_name), ', ''?'';'),
    CONCAT('SELECT ', QUOTE(table_schema), ', '''', ', QUOTE(table_name), ', EXISTS (SELECT 1 FROM `',
    REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`);')
  FROM information_schema.tables
  WHERE table_type NOT LIKE '%VIEW' AND table_type <> 'SEQUENCE'
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SQL
) || exit 3
printf '%s\n' "$questions" | ask -N --raw --force 2>/dev/null
echo end
"#
);

/// Asks for the tables and whether they have rows.
pub fn filled(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => FILLED_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => FILLED_POSTGRES,
    }
}

/// Loads the dump.
pub fn load(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => LOAD_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => LOAD_POSTGRES,
    }
}
