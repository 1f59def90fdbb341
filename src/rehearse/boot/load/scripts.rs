//! Scripts that load a dump in a service's container: in its own shell, with its own client and the credentials of its
//! environment. Values from outside are arguments, so no shell interprets them.

use crate::model::dump::DumpProgram;

/// The user's own command, which gets the dump's path in `$DUMP`.
pub const OF_OWNER: &str = "DUMP=$1; export DUMP; exec sh -c \"$2\"";

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

/// Forgets the variables that neither the client nor the shell needs: the service's environment has its secrets.
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
      user | way | base | client | asked | sandbox) ;;
      *) unset "$name" ;;
    esac
  done
  value=
}
"#
    };
}

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

/// The user and password for PostgreSQL. `ask DATABASE …` connects by the way in `$way`.
macro_rules! postgres {
    () => {
        concat!(
            secret!(),
            r#"
user=${POSTGRES_USER:-${POSTGRESQL_USERNAME:-postgres}}
secret POSTGRES_PASSWORD
[ -n "$value" ] || secret POSTGRESQL_PASSWORD
if [ -n "$value" ]; then export PGPASSWORD="$value"; fi
export PGCONNECT_TIMEOUT=10
ask() {
  asked=$1; shift
  if [ "$way" = tcp ]; then psql -X -w -q -h 127.0.0.1 -U "$user" -d "$asked" "$@"
  else psql -X -w -q -U "$user" -d "$asked" "$@"
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
  if [ "$way" = tcp ]; then $client -h 127.0.0.1 -u "$user" "$@"; else $client -u "$user" "$@"; fi
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

const PROBE_POSTGRES: &str = concat!(
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
);

const PROBE_MYSQL: &str = concat!(
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
);

/// `FILE DATABASE WAY MODE`.
const LOAD_POSTGRES: &str = concat!(
    postgres!(),
    forget!(),
    r#"
way=$3
base=${2:-${POSTGRES_DB:-${POSTGRESQL_DATABASE:-$user}}}
if [ -n "$2" ]; then ask postgres -c "SELECT 1" -v name="$2" -f - >/dev/null 2>&1 <<'END'
CREATE DATABASE :"name";
END
fi
forget
case $4 in
  cluster) ask postgres -f "$1" >/dev/null ;;
  going-on) ask "$base" -f "$1" >/dev/null ;;
  archive)
    if ! command -v pg_restore >/dev/null 2>&1; then echo "there is no pg_restore" >&2; exit 127; fi
    if [ "$way" = tcp ]; then pg_restore -w -h 127.0.0.1 -U "$user" -d "$base" "$1"
    else pg_restore -w -U "$user" -d "$base" "$1"
    fi ;;
  *) ask "$base" -v ON_ERROR_STOP=1 -f "$1" >/dev/null ;;
esac
"#
);

/// `FILE DATABASE WAY MODE DATABASE_OF_THE_DUMP`. The client is in its own sandbox, if it has one: it runs no program
/// and opens no file for a dump.
const LOAD_MYSQL: &str = concat!(
    mysql!(),
    forget!(),
    r#"
way=$3
sandbox=--local-infile=0
case $($client --help 2>/dev/null) in *--sandbox*) sandbox="--sandbox $sandbox" ;; esac
base=${2:-${MARIADB_DATABASE:-${MYSQL_DATABASE:-$5}}}
forget
if [ "$4" = several ]; then
  ask $sandbox <"$1" && { ask -e 'FLUSH PRIVILEGES' >/dev/null 2>&1; exit 0; }
  exit
fi
if [ -z "$base" ]; then echo "ERROR: neither the dump nor the service names a database" >&2; exit 1; fi
ask -e "CREATE DATABASE IF NOT EXISTS \`$base\`" >/dev/null 2>&1
ask $sandbox "$base" <"$1"
"#
);

/// `WAY`: prints the existing roles.
pub const ROLES: &str = concat!(postgres!(), "way=$1\nask postgres -tAc 'SELECT rolname FROM pg_catalog.pg_roles'\n");

/// `DATABASE WAY MODE`: prints `t` for each table with a row, `f` for each without.
pub const FILLED: &str = concat!(
    postgres!(),
    r#"
way=$2
tables() {
  ask "$1" -tA <<'END'
SELECT format('SELECT EXISTS (SELECT 1 FROM %I.%I)', schemaname, tablename)
  FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \gexec
END
}
if [ "$3" = cluster ]; then
  ask postgres -tAc 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate' |
    while IFS= read -r base; do tables "$base"; done
else
  tables "${1:-${POSTGRES_DB:-${POSTGRESQL_DATABASE:-$user}}}"
fi
"#
);

/// Tries to connect, and prints the way that works: `socket` or `tcp`.
pub fn probe(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => PROBE_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => PROBE_POSTGRES,
    }
}

/// Loads the dump.
pub fn load(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::MySql => LOAD_MYSQL,
        DumpProgram::Postgres | DumpProgram::Redis => LOAD_POSTGRES,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_script_is_one() {
        let all = [OF_OWNER, WHICH, SERVER, PROBE_POSTGRES, PROBE_MYSQL, LOAD_POSTGRES, LOAD_MYSQL, ROLES, FILLED];
        for script in all {
            let output = Command::new("sh").args(["-n", "-c", script]).output().expect("sh runs");
            assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        }
    }

    fn run(script: &str, words: &[&str], env: &[(&str, &str)]) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(words).envs(env.iter().copied());
        String::from_utf8(command.output().expect("sh runs").stdout).expect("text").trim().to_owned()
    }

    #[test]
    fn the_servers_user_is_that_of_its_process_else_of_its_data() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("a folder");
        // A process has the name of the file that was started. Other users may run `sleep`, too.
        let server = dir.path().join("rehearsa-server");
        let path = std::env::var_os("PATH").expect("a PATH");
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("sleep"));
        let sleep = programs.find(|program| program.exists()).expect("sleep is there");
        std::os::unix::fs::symlink(sleep, &server).expect("linked");
        let mut sleeping = Command::new(server).arg("60").spawn().expect("sleep runs");
        let own = std::fs::metadata("/proc/self").expect("it is there");
        assert_eq!(run(SERVER, &["mysqld rehearsa-server", "/none"], &[]), format!("{}:{}", own.uid(), own.gid()));
        drop((sleeping.kill(), sleeping.wait()));
        let folder = std::fs::metadata("/").expect("it is there");
        assert_eq!(run(SERVER, &["no-such-one", "/none /"], &[]), format!("{}:{}", folder.uid(), folder.gid()));
        assert_eq!(run(SERVER, &["no-such-one", ""], &[("PGDATA", "/")]), "");
    }

    #[test]
    fn the_client_is_given_no_secret_that_it_does_not_need() {
        let script = concat!(forget!(), "way=tcp user=me; export user; forget; echo $way $user; env");
        let secrets = [("POSTGRES_PASSWORD", "fixture-secret"), ("KEY", "fixture-secret\nOTHER=fixture-secret")];
        let said = run(script, &[], &[&secrets[..], &[("PGPASSWORD", "kept"), ("LC_ALL", "C")]].concat());
        assert!(
            said.starts_with("tcp me\n") && said.contains("PGPASSWORD=kept") && said.contains("LC_ALL=C"),
            "{said}"
        );
        assert!(!said.contains("fixture-secret"), "{said}");
    }

    #[test]
    fn an_image_without_the_client_says_which_it_has() {
        let dir = tempfile::tempdir().expect("a folder");
        for (script, other) in [(PROBE_POSTGRES, "mariadb"), (PROBE_MYSQL, "psql")] {
            let name = dir.path().join(other);
            std::fs::write(&name, "").expect("written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&name, mode).expect("allowed");
            let output =
                Command::new("/bin/sh").args(["-c", script]).env("PATH", dir.path()).output().expect("sh runs");
            assert_eq!(output.status.code(), Some(127), "{output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), other);
            std::fs::remove_file(&name).expect("removed");
        }
    }
}
