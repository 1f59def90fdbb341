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
    Slapd,
    Mosquitto,
    /// Repositories behind git's daemon.
    Git,
    Prometheus,
    Beanstalkd,
    Radicale,
}

/// Every one.
pub const KINDS: [Kind; 12] = [
    Kind::Postgres,
    Kind::MariaDb,
    Kind::Redis,
    Kind::Nginx,
    Kind::Notes,
    Kind::Small,
    Kind::Slapd,
    Kind::Mosquitto,
    Kind::Git,
    Kind::Prometheus,
    Kind::Beanstalkd,
    Kind::Radicale,
];

const MARIADB: &str = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root";

const SLAPD_SEED: &str = r#"
{
  printf 'dn: dc=home\nobjectClass: dcObject\nobjectClass: organization\no: home\ndc: home\n\n'
  for i in $(seq 100); do
    printf 'dn: uid=u%s,dc=home\nobjectClass: inetOrgPerson\nuid: u%s\ncn: person %s\nsn: kept\n\n' $i $i $i
  done
} | ldapadd -x -H ldap:/// -D cn=admin,dc=home -w fixture-slapd-secret >/dev/null
"#;
const SLAPD_GO_ON: &str = r#"
printf 'dn: uid=u9,dc=home\nchangetype: modify\nreplace: sn\nsn: changed since\n' |
  ldapmodify -x -H ldap:/// -D cn=admin,dc=home -w fixture-slapd-secret >/dev/null
"#;
/// Most of it in a pack, and the newest commit beside it.
const GIT_SEED: &str = r#"
export HOME=/tmp GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
git init -q --bare -b main notes.git
git clone -q notes.git /tmp/work 2>/dev/null
cd /tmp/work
for i in 1 2 3 4; do seq $((i * 500)) >page$i; git add .; git commit -q -m "page $i"; done
git push -q origin HEAD:main
git -C /srv/git/notes.git gc -q
echo kept >note; git add .; git commit -q -m note; git push -q origin HEAD:main
"#;
const GIT_GO_ON: &str = r#"
export HOME=/tmp GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
cd /tmp/work; echo changed since >note; git commit -q -a -m since; git push -q origin HEAD:main
"#;

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
            Kind::Slapd => "slapd",
            Kind::Mosquitto => "mosquitto",
            Kind::Git => "git",
            Kind::Prometheus => "prometheus",
            Kind::Beanstalkd => "beanstalkd",
            Kind::Radicale => "radicale",
        }
    }

    /// The folder of its data.
    pub fn target(self) -> &'static str {
        match self {
            Kind::Postgres => "/var/lib/postgresql/data",
            Kind::MariaDb => "/var/lib/mysql",
            Kind::Redis | Kind::Notes | Kind::Beanstalkd | Kind::Radicale => "/data",
            Kind::Nginx => "/usr/share/nginx/html",
            Kind::Small => "/mounted",
            Kind::Slapd => "/var/lib/ldap",
            Kind::Mosquitto => "/mosquitto/data",
            Kind::Git => "/srv/git",
            Kind::Prometheus => "/prometheus",
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
            Kind::Slapd => wanted.healthy_within(15, "ldapsearch -x -H ldap:/// -b '' -s base >/dev/null"),
            Kind::Mosquitto => wanted.healthy_within(15, "mosquitto_pub -t probe -m probe"),
            Kind::Git => wanted.healthy_within(15, "bash -c ': </dev/tcp/127.0.0.1/9418'"),
            Kind::Prometheus => wanted.healthy_within(20, "bash -c ': </dev/tcp/127.0.0.1/9090'"),
            Kind::Beanstalkd => wanted.healthy_within(15, "ask stats"),
            Kind::Radicale => wanted.healthy_within(20, "ask GET /.web/"),
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
            Kind::Slapd => "slapd -d none -u openldap -g openldap -f /etc/ldap/slapd.conf -h ldap:///",
            Kind::Mosquitto => "mosquitto -c /mosquitto/mosquitto.conf",
            Kind::Git => "git daemon --export-all --base-path=/srv/git --reuseaddr /srv/git",
            Kind::Prometheus => {
                "prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus"
            }
            Kind::Beanstalkd => "beanstalkd -b /data -f 0 -s 65536",
            Kind::Radicale => "radicale",
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
            Kind::Slapd | Kind::Mosquitto | Kind::Git | Kind::Prometheus | Kind::Beanstalkd | Kind::Radicale => {
                let (seed, _) = self.scripts();
                live.exec(&["sh", "-ec", seed]);
            }
        }
    }

    /// Makes dumps with its own programs, in `dumps` below this folder; none for services without a server.
    pub fn dump(self, live: &Live, folder: &Path) {
        const MARIADB_DUMP: &str = "MYSQL_PWD=fixture-mariadb-secret mariadb-dump -h 127.0.0.1 -u root app";
        let dumps: &[(&str, &str)] = match self {
            Kind::Postgres => &[("pg_dump -U postgres", "x.sql"), ("pg_dump -U postgres -Fc", "x.dump")],
            Kind::MariaDb => &[(MARIADB_DUMP, "x.sql")],
            _ => &[],
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
            Kind::Slapd => live.until(&["ldapsearch", "-x", "-H", "ldap:///", "-b", "", "-s", "base"]),
            Kind::Mosquitto => live.until(&["mosquitto_pub", "-t", "probe", "-m", "probe"]),
            Kind::Git => live.until(&["bash", "-c", ": </dev/tcp/127.0.0.1/9418"]),
            Kind::Prometheus => live.until(&["bash", "-c", ": </dev/tcp/127.0.0.1/9090"]),
            Kind::Beanstalkd => live.until(&["ask", "stats"]),
            Kind::Radicale => live.until(&["ask", "GET", "/.web/"]),
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
            Kind::Slapd | Kind::Mosquitto | Kind::Git | Kind::Prometheus | Kind::Beanstalkd | Kind::Radicale => {
                let (_, go_on) = self.scripts();
                live.exec(&["sh", "-ec", go_on]);
            }
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
            Kind::Slapd => {
                r#"{ name = "one", exec = "ldapsearch -x -LLL -H ldap:/// -b dc=home uid=u9 sn", stdout = "kept" }"#
            }
            Kind::Mosquitto => {
                r#"{ name = "a message", exec = "mosquitto_sub -t house/8 -C 1 -W 5", stdout = "^kept$" }"#
            }
            Kind::Git => {
                r#"{ name = "the note", exec = "git --git-dir=/srv/git/notes.git show HEAD:note", stdout = "^kept$" }"#
            }
            Kind::Prometheus => concat!(
                r#"{ name = "the series", port = 9090, "#,
                r#"http = "/api/v1/query?query=count_over_time(kept%5B1d%5D)&time=1700035200", contains = '"200"' }"#
            ),
            Kind::Beanstalkd => r#"{ name = "a job", exec = "ask peek-ready", stdout = "kept" }"#,
            Kind::Radicale => r#"{ name = "an event", http = "/home/cal/e6.ics", port = 5232, contains = "kept" }"#,
        }
    }

    /// Shell scripts in its container: the first fills it, the second changes its data after the backup.
    fn scripts(self) -> (&'static str, &'static str) {
        match self {
            Kind::Slapd => (SLAPD_SEED, SLAPD_GO_ON),
            Kind::Mosquitto => (
                "for i in 1 2 3 4 5 6 7 8; do mosquitto_pub -r -t house/$i -m kept; done; \
                 until grep -q house/8 /mosquitto/data/mosquitto.db; do :; done",
                "mosquitto_pub -r -t house/8 -m 'changed since'",
            ),
            Kind::Git => (GIT_SEED, GIT_GO_ON),
            Kind::Prometheus => (
                // Two blocks.
                "for i in $(seq 200); do echo \"kept $i $((1699999200 + i * 60))\"; done >/tmp/x; \
                 echo '# EOF' >>/tmp/x; \
                 promtool tsdb create-blocks-from openmetrics /tmp/x /prometheus",
                "printf 'since 1 1699999260\\n# EOF\\n' >/tmp/x; \
                 promtool tsdb create-blocks-from openmetrics /tmp/x /prometheus",
            ),
            Kind::Beanstalkd => {
                ("for i in 1 2 3 4 5 6 7 8; do ask 'put 1 0 60 4' kept; done", "ask 'put 0 0 60 13' 'changed since'")
            }
            Kind::Radicale => (
                "ask MKCOL /home/; ask MKCALENDAR /home/cal/; for i in 1 2 3 4 5 6; do ask PUT /home/cal/e$i.ics \
                 \"$(printf 'BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:x\\r\\nBEGIN:VEVENT\\r\\nUID:e%s\\r\\n' $i; \
                 printf 'DTSTAMP:20260101T000000Z\\r\\nDTSTART:20260101T000000Z\\r\\nSUMMARY:kept\\r\\n'; \
                 printf 'END:VEVENT\\r\\nEND:VCALENDAR\\r\\n')\"; done",
                "sed 's/SUMMARY:kept/SUMMARY:changed since/' /data/collection-root/home/cal/e6.ics >/tmp/x; \
                 ask PUT /home/cal/e6.ics \"$(cat /tmp/x)\"",
            ),
            _ => ("", ""),
        }
    }
}

fn add_notes(live: &Live, count: u32) {
    let add = format!(
        "import urllib.request as u\nfor _ in range({count}): u.urlopen('http://127.0.0.1:8080/notes', b'kept')"
    );
    live.until(&["python3", "-S", "-c", &add]);
}
