//! Scripts that find the server, its user and the way to it; and the macros that begin the other scripts.

use crate::model::dump::DumpProgram;

/// Prints the client that the image has.
pub const WHICH: &str = "\
if command -v psql >/dev/null 2>&1; then echo psql
elif command -v mariadb >/dev/null 2>&1 || command -v mysql >/dev/null 2>&1; then echo mysql
fi";

/// `NAMES FOLDERS`: prints the user and group (`UID:GID`) of the process that has one of these names, else of the owner
/// of the first of these folders that is there.
pub const SERVER: &str = r#"
for one in /proc/[0-9]*; do
  name= uid= gid=
  { read -r name <"$one/comm"; } 2>/dev/null || continue
  for wanted in $1; do
    if [ "$name" = "$wanted" ]; then
      while read -r key _ effective _; do
        case $key in Uid:) uid=$effective ;; Gid:) gid=$effective ;; esac
      done <"$one/status" && echo "$uid:$gid" && exit 0
    fi
  done
done
for folder in "${PGDATA-}" $2; do
  if [ -n "$2" ] && [ -d "$folder" ]; then
    set -- $(ls -nd "$folder")
    if [ -n "$3" ] && [ -n "$4" ]; then echo "$3:$4"; exit 0; fi
  fi
done
"#;

/// The value of a variable, or of the file that `NAME_FILE` names.
macro_rules! secret {
    () => {
        r#"
secret() {
  eval "value=\${$1-} file=\${$1_FILE-}"
  if [ -z "$value" ] && [ -r "$file" ]; then value=$(cat "$file"); fi
}
"#
    };
}

/// The user and password for PostgreSQL. `ask DATABASE …` connects by the way in `$way`; `$run` runs the client.
macro_rules! postgres {
    () => {
        concat!(
            secret!(),
            r#"
run=
user=${POSTGRES_USER:-${POSTGRESQL_USERNAME:-postgres}}
secret POSTGRES_PASSWORD
[ -n "$value" ] || secret POSTGRESQL_PASSWORD
if [ -n "$value" ]; then export PGPASSWORD="$value"; fi
export PGCONNECT_TIMEOUT=10
ask() {
  asked=$1; shift
  if [ "$way" = tcp ]; then $run psql -X -w -q -h 127.0.0.1 -U "$user" -d "$asked" "$@"
  else $run psql -X -w -q -U "$user" -d "$asked" "$@"
  fi
}
"#
        )
    };
}

/// The same for MariaDB and MySQL.
macro_rules! mysql {
    () => {
        concat!(
            secret!(),
            r#"
run=
client=
for one in mariadb mysql; do if [ -z "$client" ] && command -v $one >/dev/null 2>&1; then client=$one; fi; done
user=root
for name in MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; do [ -n "${value-}" ] || secret $name; done
if [ -z "$value" ] && [ -n "${MARIADB_USER:-${MYSQL_USER:-}}" ]; then
  user=${MARIADB_USER:-$MYSQL_USER}
  for name in MARIADB_PASSWORD MYSQL_PASSWORD; do [ -n "$value" ] || secret $name; done
fi
if [ -n "$value" ]; then export MYSQL_PWD="$value"; fi
ask() {
  if [ "$way" = tcp ]; then $run $client -h 127.0.0.1 -u "$user" "$@"; else $run $client -u "$user" "$@"; fi
}
"#
        )
    };
}

/// Prints the clients of other programs, for an image without the wanted one, and exits with 127.
macro_rules! without {
    ($($client:literal)*) => {
        concat!(
            "for one in", $(" ", $client,)* "; do\n",
            "  if command -v $one >/dev/null 2>&1; then echo $one; fi\n",
            "done; exit 127\n"
        )
    };
}

/// Finds the way to connect, and prints `socket` or `tcp`.
macro_rules! probe_postgres {
    () => {
        concat!(
            postgres!(),
            "if ! command -v psql >/dev/null 2>&1; then ",
            without!("mariadb" "mysql" "redis-server"),
            r#"fi
way=tcp
if ! said=$(ask postgres -tAc 'SELECT 1' 2>&1); then
  case $said in
    *"starting up"* | *"shutting down"* | *"recovery mode"*) echo "$said" >&2; exit 1 ;;
    *FATAL* | *fe_sendauth*) way= ;;
    *) echo "$said" >&2; exit 1 ;;
  esac
fi
over_tcp=$way way=socket
if ask postgres -tAc 'SELECT 1' >/dev/null 2>&1; then echo socket; exit 0; fi
if [ -n "$over_tcp" ]; then echo tcp; exit 0; fi
echo "$said" >&2
exit 1
"#
        )
    };
}

/// The same for MariaDB and MySQL.
macro_rules! probe_mysql {
    () => {
        concat!(
            mysql!(),
            r#"if [ -z "$client" ]; then "#,
            without!("psql" "redis-server"),
            r#"fi
way=tcp
if ! said=$(ask -N -e 'SELECT 1' 2>&1); then
  case $said in
    *"ERROR 1045"* | *"ERROR 1130"* | *"ERROR 1698"*) way= ;;
    *) echo "$said" >&2; exit 1 ;;
  esac
fi
over_tcp=$way way=socket
if ask -N -e 'SELECT 1' >/dev/null 2>&1; then echo socket; exit 0; fi
if [ -n "$over_tcp" ]; then echo tcp; exit 0; fi
echo "$said" >&2
exit 1
"#
        )
    };
}

pub(super) const PROBE_POSTGRES: &str = probe_postgres!();
pub(super) const PROBE_MYSQL: &str = probe_mysql!();

/// Tries to connect, and prints the way that works: `socket` or `tcp`.
pub fn probe(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => PROBE_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => PROBE_POSTGRES,
    }
}
