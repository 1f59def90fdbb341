//! The services of the table: how each is started and filled, and the check of its data.

use std::path::Path;

use crate::support::backup::sh;
use crate::support::{Live, Wanted, service};

/// A service of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Postgres,
    MariaDb,
    Redis,
    Nginx,
    /// The application that keeps notes in SQLite.
    Notes,
    /// A small one that only has files.
    Small,
}

/// Every one.
pub const KINDS: [Kind; 6] = [Kind::Postgres, Kind::MariaDb, Kind::Redis, Kind::Nginx, Kind::Notes, Kind::Small];

const MARIADB: &str = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root";

impl Kind {
    /// The fixture image's name.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mariadb",
            Kind::Redis => "redis",
            Kind::Nginx => "nginx",
            Kind::Notes => "notes",
            Kind::Small => "broken",
        }
    }

    /// The folder of its data.
    pub fn target(self) -> &'static str {
        match self {
            Kind::Postgres => "/var/lib/postgresql/data",
            Kind::MariaDb => "/var/lib/mysql",
            Kind::Redis | Kind::Notes => "/data",
            Kind::Nginx => "/usr/share/nginx/html",
            Kind::Small => "/mounted",
        }
    }

    /// The service without its volume; healthy as soon as it answers, whatever its data.
    pub fn wanted(self) -> Wanted {
        let wanted = service(self.word());
        match self {
            Kind::Postgres => wanted
                .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
                .healthy_within(30, "pg_isready -q -h 127.0.0.1"),
            Kind::MariaDb => wanted
                .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--env", "MARIADB_DATABASE=app"])
                .healthy_within(30, "mariadb-admin ping --silent -h 127.0.0.1"),
            Kind::Redis => wanted.healthy_within(15, "[ \"$(redis-cli ping)\" = PONG ]"),
            Kind::Nginx => wanted.healthy_within(10, "curl -fs -o /dev/null http://127.0.0.1/"),
            Kind::Notes => wanted.healthy_within(15, "python3 -S /opt/notes/notes.py probe"),
            Kind::Small => wanted.command(&["healthy"]),
        }
    }

    /// The shell command that runs the service's own entrypoint and command.
    pub fn itself(self) -> &'static str {
        match self {
            Kind::Postgres => "docker-entrypoint.sh postgres",
            Kind::MariaDb => "docker-entrypoint.sh mariadbd",
            Kind::Redis => "docker-entrypoint.sh redis-server --appendonly yes --dir /data --protected-mode no",
            Kind::Nginx => "nginx -g 'daemon off;'",
            Kind::Notes => "python3 -S -u /opt/notes/notes.py",
            Kind::Small => "behave healthy",
        }
    }

    /// Fills it with the data that its backup holds.
    pub fn seed(self, live: &Live) {
        self.ready(live);
        match self {
            Kind::Postgres => {
                let tables = "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept'); \
                              CREATE TABLE numbers AS SELECT generate_series(1, 9999) AS n";
                live.exec(&["psql", "-U", "postgres", "-c", tables]);
                // The server notes the length of a table's file.
                live.exec(&["psql", "-U", "postgres", "-c", "VACUUM numbers"]);
            }
            Kind::MariaDb => {
                let tables = "CREATE TABLE app.notes (text TEXT); INSERT INTO app.notes VALUES (\"kept\")";
                live.exec(&["sh", "-c", &format!("{MARIADB} -e '{tables}'")]);
            }
            Kind::Redis => {
                live.exec(&["redis-cli", "set", "note", "kept"]);
                live.exec(&["redis-cli", "save"]);
                // Also in the base of the append-only log, and not only in its newest part.
                live.exec(&["redis-cli", "bgrewriteaof"]);
                live.until(&["sh", "-c", "redis-cli info persistence | grep -q aof_rewrite_in_progress:0"]);
            }
            Kind::Nginx => {
                live.write("/usr/share/nginx/html/index.html", "<h1>A page of its own</h1>\n");
                live.write("/usr/share/nginx/html/note.html", "kept\n");
            }
            Kind::Notes => add_notes(live, 60),
            Kind::Small => {
                live.write("/mounted/note", "kept\n");
                live.write("/mounted/library", &"what was collected over the years\n".repeat(400));
                live.write("/mounted/settings", "{\"theme\": \"dark\", \"since\": 2019}");
            }
        }
    }

    /// Makes dumps with its own programs, in `dumps` below this folder; none for services without a server.
    pub fn dump(self, live: &Live, folder: &Path) {
        const MARIADB_DUMP: &str = "MYSQL_PWD=fixture-mariadb-secret mariadb-dump -h 127.0.0.1 -u root app";
        let dumps: &[(&str, &str)] = match self {
            Kind::Postgres => &[("pg_dump -U postgres", "x.sql"), ("pg_dump -U postgres -Fc", "x.dump")],
            Kind::MariaDb => &[(MARIADB_DUMP, "x.sql")],
            Kind::Redis | Kind::Nginx | Kind::Notes | Kind::Small => &[],
        };
        for (command, file) in dumps {
            let script = "mkdir -p dumps; docker exec \"$1\" sh -c \"$2\" >\"dumps/$3\"";
            sh(folder, script, &[&live.name, command, file]);
        }
    }

    /// Waits until it answers.
    pub fn ready(self, live: &Live) {
        match self {
            Kind::Postgres => live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]),
            Kind::MariaDb => live.until(&["sh", "-c", &format!("{MARIADB} -e 'SELECT 1'")]),
            Kind::Redis => live.until(&["sh", "-c", "[ \"$(redis-cli ping)\" = PONG ]"]),
            Kind::Notes => live.until(&["python3", "-S", "/opt/notes/notes.py", "probe"]),
            Kind::Nginx | Kind::Small => {}
        }
    }

    /// Changes the live data after the backup, so that no test is green by the live data.
    pub fn go_on(self, live: &Live) {
        self.ready(live);
        match self {
            Kind::Postgres => {
                drop(live.exec(&["psql", "-U", "postgres", "-c", "INSERT INTO notes VALUES ('changed since')"]));
            }
            Kind::MariaDb => {
                let since = format!("{MARIADB} -e 'INSERT INTO app.notes VALUES (\"changed since\")'");
                live.exec(&["sh", "-c", &since]);
            }
            Kind::Redis => drop(live.exec(&["redis-cli", "set", "note", "changed since"])),
            Kind::Nginx => live.write("/usr/share/nginx/html/note.html", "changed since\n"),
            Kind::Notes => add_notes(live, 1),
            Kind::Small => live.write("/mounted/note", "changed since\n"),
        }
    }

    /// A check that passes only with the backup's data, as an item of a plan file's `checks`.
    pub fn check(self) -> &'static str {
        match self {
            Kind::Postgres | Kind::MariaDb => {
                r#"{ name = "the note", sql = "SELECT count(*), max(text) FROM notes", value = "1|kept" }"#
            }
            Kind::Redis => r#"{ name = "the note", exec = "redis-cli get note", stdout = "^kept$" }"#,
            Kind::Nginx => r#"{ name = "the note", http = "/note.html", port = 80, contains = "kept" }"#,
            Kind::Notes => concat!(
                r#"{ name = "the note", http = "/notes", port = 8080, json = { "/59/text" = "kept" }, "#,
                r#"matches = '"id": 60,[^{}]*\}\]\s*$' }"#
            ),
            Kind::Small => r#"{ name = "the note", exec = "cat /mounted/note", stdout = "^kept$" }"#,
        }
    }
}

fn add_notes(live: &Live, count: u32) {
    let add = format!(
        "import urllib.request as u\nfor _ in range({count}): u.urlopen('http://127.0.0.1:8080/notes', b'kept')"
    );
    live.until(&["python3", "-S", "-c", &add]);
}
