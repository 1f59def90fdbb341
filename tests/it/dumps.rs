//! Services that are filled from database dumps: the real programs make the dumps, and the image's own client loads
//! them. Damaged dumps are in the fault table. Needs root, a Docker engine on this machine and the fixture images.

#[allow(dead_code, reason = "each test program uses a part")]
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::backup::{folder, sh};
use crate::support::{Live, Rehearsal, Stack, Wanted, docker, rehearse, service, shown, side_by_side};

/// What a program in the service prints, packed by `pack`, as a file.
#[track_caller]
fn dumped(live: &Live, command: &str, pack: &str, file: &Path) {
    let output = Command::new("sh")
        .args(["-c", &format!("docker exec \"$1\" sh -c \"$2\" | {pack} >\"$3\""), "sh", &live.name, command])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(file.metadata().expect("it was written").len() > 0, "{command}");
}

fn from(name: &str, file: &Path, args: &[&str]) -> Rehearsal {
    let from = format!("dump:{}", shown(file));
    rehearse(&[name], &[&["--from", from.as_str()], args].concat())
}

#[track_caller]
fn is_loaded(rehearsal: &Rehearsal, proof: &str) {
    rehearsal.is_green(proof);
    assert_eq!(rehearsal.case()["source"], "dump", "{rehearsal}");
    assert_eq!(rehearsal.steps("load").len(), 1, "{rehearsal}");
    assert!(!rehearsal.case()["warnings"].to_string().contains("nothing-restored"), "{rehearsal}");
}

const PG_WRITE: &str =
    "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('remembered'); CREATE TABLE none (a int)";

/// The healthcheck reads the data, so the service is not healthy on an empty volume.
fn postgres() -> Wanted {
    let query = "SELECT text FROM notes";
    service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret", "--env", "POSTGRES_DB=app"])
        .options(&["--label", "rehearsa.check.note=sql SELECT text FROM notes", "--health-start-period", "60s"])
        .volume("/var/lib/postgresql/data")
        .healthy_when(&format!("[ \"$(psql -U postgres -d app -tAc '{query}')\" = remembered ]"))
}

#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn postgres_from_every_kind_of_dump() {
    let live = postgres().start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    live.exec(&["psql", "-qU", "postgres", "-d", "app", "-c", PG_WRITE]);
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    dumped(&live, "pg_dump -U postgres app", "zstd -q", &at("app.sql.zst"));
    dumped(&live, "pg_dump -U postgres -Fc app", "cat", &at("app.dump"));
    dumped(&live, "pg_dump -U postgres --clean app", "cat", &at("clean.sql"));
    dumped(&live, "pg_dump -U postgres -Ft app", "cat", &at("app.tar"));
    live.exec(&["pg_dump", "-U", "postgres", "-Fd", "-f", "/tmp/folder", "app"]);
    docker(&["cp", &format!("{}:/tmp/folder", live.name), &shown(&at("folder"))]);
    // The server's user may not read it as it lies here.
    sh(dir.path(), "chmod -R go= folder; tar -czf folder.tgz folder; tar -czf two.tgz app.sql.zst app.dump", &[]);
    live.exec(&["psql", "-qU", "postgres", "-d", "app", "-c", "CREATE ROLE keeper; ALTER TABLE notes OWNER TO keeper"]);
    dumped(&live, "pg_dumpall -U postgres", "gzip", &at("all.sql.gz"));
    live.exec(&["psql", "-qU", "postgres", "-d", "app", "-c", "UPDATE notes SET text = 'changed since'"]);
    side_by_side(
        &["app.sql.zst", "clean.sql", "app.dump", "app.tar", "folder", "folder.tgz", "two.tgz#app.dump", "all.sql.gz"],
        |name| {
            let rehearsal = from(&live.name, &at(name), &[]);
            is_loaded(&rehearsal, "data-proven");
            assert_eq!(rehearsal.steps("load")[0]["note"], "rows in 1 of 2 tables", "{name}: {rehearsal}");
        },
    );
    // What was loaded is the data, and without it the check notices.
    let control = from(&live.name, &at("app.dump"), &["--control", "--timeout", "40s"]);
    is_loaded(&control, "data-proven");
    let note = control.steps("control")[0]["note"].as_str().unwrap_or_default().to_owned();
    assert!(note.starts_with("the missing data is noticed"), "{control}");
    assert_eq!(live.exec(&["psql", "-U", "postgres", "-d", "app", "-tAc", "SELECT text FROM notes"]), "changed since");
}

/// Programs in the place of the image's own clients: each notes by whom and with which variables it loads a dump.
const NOTES: &str = "mkdir bin; for name in psql pg_restore mariadb; do \
    at=/usr/lib/postgresql/15/bin; [ $name != mariadb ] || at=/usr/bin; \
    printf '#!/bin/sh\\ncase \"$*\" in *--version*) ;; *-f?-*|*rehearsa-load*|*--sandbox*) \
    while read key id _; do [ $key != Uid: ] || echo $id; done </proc/self/status >/tmp/loaded-by; \
    export -p >/tmp/loaded-with; echo \"$*\" >/tmp/loaded-how ;; esac\\nexec %s/%s \"$@\"\\n' \"$at\" $name \
    >bin/$name; \
    done; chmod +x bin/*";

/// The scan of a dump does not find every command for the client: here a function turns the meaning of a backslash in
/// the strings that follow. The kernel refuses the program that the command would start.
#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn a_client_command_that_nobody_found_starts_no_program() {
    let dir = folder();
    let live = service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
        .options(&["--label", "rehearsa.check.none=exec test ! -e /tmp/ran"])
        .volume("/var/lib/postgresql/data")
        .healthy_when("pg_isready -q -h 127.0.0.1")
        .start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    live.exec(&["psql", "-qU", "postgres", "-c", PG_WRITE]);
    let dump = dir.path().join("pg.sql");
    dumped(&live, "pg_dump -U postgres postgres", "cat", &dump);
    // Newer clients run no command between these two lines; an older one does not know them.
    let text = std::fs::read_to_string(&dump).expect("read");
    let lines = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push_str(
        "\nSELECT set_config('standard_conforming_strings', 'off', false);\nSELECT 'a\\'' ;\n\\! touch /tmp/ran\n\
         --';\n",
    );
    std::fs::write(&dump, text).expect("written");
    // The client takes the refusal for a program that has ended.
    rehearse(&[&live.name], &["--from", &format!("dump:{}", shown(&dump))]).is_green("data-proven");
}

/// The image starts as root, and the dump is nevertheless loaded by the server's own user, who sees no secret beside
/// the one that opens the database.
#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn a_dump_is_loaded_by_the_servers_user_without_its_secrets() {
    let dir = folder();
    sh(dir.path(), NOTES, &[]);
    let programs = format!("{}:/programs:ro", shown(&dir.path().join("bin")));
    let path = "PATH=/programs:/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let started = |wanted: Wanted| {
        wanted.options(&["--volume", &programs, "--env", path, "--env", "OTHER_TOKEN=fixture-token-secret"]).start()
    };
    let pg = started(
        service("postgres")
            .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
            .volume("/var/lib/postgresql/data")
            .healthy_when("pg_isready -q -h 127.0.0.1"),
    );
    pg.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    pg.exec(&["psql", "-qU", "postgres", "-c", PG_WRITE]);
    dumped(&pg, "pg_dump -U postgres postgres", "cat", &dir.path().join("pg.sql"));
    dumped(&pg, "pg_dump -U postgres -Fc postgres", "cat", &dir.path().join("pg.dump"));
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -u root";
    let my = started(
        service("mariadb")
            .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--env", "MARIADB_DATABASE=app"])
            .options(&["--health-start-period", "60s"])
            .volume("/var/lib/mysql")
            .healthy_when("mariadb-admin ping --silent -h 127.0.0.1"),
    );
    my.until(&["sh", "-c", &format!("{client} -h 127.0.0.1 -e 'SELECT 1'")]);
    let write = "CREATE TABLE app.notes (text TEXT); INSERT INTO app.notes VALUES (\"remembered\")";
    my.exec(&["sh", "-c", &format!("{client} -e '{write}'")]);
    let program = "MYSQL_PWD=fixture-mariadb-secret mariadb-dump -u root";
    dumped(&my, &format!("{program} app"), "cat", &dir.path().join("my.sql"));
    for (live, dump, load) in [
        (&pg, "pg.sql", ""),
        (&pg, "pg.dump", ""),
        (&my, "my.sql", ""),
        (&pg, "pg.sql", "load = { command = \"psql -qU postgres -v ON_ERROR_STOP=1 -f $DUMP\" }\n"),
    ] {
        // The owner's own command has the service's environment.
        let secrets = if load.is_empty() { "OTHER_TOKEN|_PASSWORD=" } else { "no-such-variable" };
        let how = match dump {
            "my.sql" => "--sandbox --local-infile=0",
            // The usual client reads the dump from its input.
            "pg.sql" if load.is_empty() => "-f -",
            _ => "rehearsa-load",
        };
        let checks = format!(
            "{{ exec = \"cat /tmp/loaded-by\", stdout = \"^999$\" }}, \
             {{ exec = [\"sh\", \"-c\", \"! grep -E '{secrets}' /tmp/loaded-with && \
             grep -e '{how}' /tmp/loaded-how\"], \
             exit = 0 }}"
        );
        let plan = dir.path().join(format!("{dump}{}.toml", load.len()));
        let text = format!("[services.{}]\nsource = \"dump:{dump}\"\n{load}checks = [{checks}]\n", live.name);
        std::fs::write(&plan, text).expect("written");
        is_loaded(&rehearse(&[&live.name], &["--plan", &shown(&plan)]), "data-proven");
    }
}

#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn mariadb_from_one_database_and_from_all() {
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -u root";
    let live = service("mariadb")
        .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--env", "MARIADB_DATABASE=app"])
        .options(&["--health-start-period", "60s"])
        .volume("/var/lib/mysql")
        .healthy_when(&format!("[ \"$({client} -N -e 'SELECT text FROM app.notes')\" = remembered ]"))
        .start();
    live.until(&["sh", "-c", &format!("{client} -h 127.0.0.1 -e 'SELECT 1'")]);
    let write = "CREATE TABLE app.notes (text TEXT); INSERT INTO app.notes VALUES (\"remembered\")";
    live.exec(&["sh", "-c", &format!("{client} -e '{write}'")]);
    let dir = folder();
    let (one, all) = (dir.path().join("app.sql"), dir.path().join("all.sql.gz"));
    let program = "MYSQL_PWD=fixture-mariadb-secret mariadb-dump -u root";
    dumped(&live, &format!("{program} app"), "cat", &one);
    dumped(&live, &format!("{program} --all-databases"), "gzip", &all);
    live.exec(&["sh", "-c", &format!("{client} -e 'UPDATE app.notes SET text = \"changed since\"'")]);
    is_loaded(&from(&live.name, &one, &[]), "healthy");
    is_loaded(&from(&live.name, &all, &[]), "healthy");
}

#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn redis_from_its_dump_which_it_ignores_beside_an_append_only_log() {
    let healthy = "[ \"$(redis-cli get note)\" = remembered ]";
    let redis = |append: &str| {
        service("redis").volume("/data").healthy_when(healthy).command(&[
            "redis-server",
            "--dir",
            "/data",
            "--protected-mode",
            "no",
            "--appendonly",
            append,
        ])
    };
    let live = redis("no").start();
    live.until(&["redis-cli", "set", "note", "remembered"]);
    live.exec(&["redis-cli", "save"]);
    let dir = folder();
    let file = dir.path().join("app.rdb");
    docker(&["cp", &format!("{}:/data/dump.rdb", live.name), &shown(&file)]);
    live.until(&["redis-cli", "set", "note", "changed since"]);
    let good = from(&live.name, &file, &[]);
    good.is_green("healthy");
    assert_eq!(good.case()["restored"]["files"], 1, "{good}");

    let with_log = redis("yes").healthy_when("redis-cli ping").start();
    from(&with_log.name, &file, &[]).failed("data/reinitialised");
}

/// A service that only waits for the other's start must still find its data.
#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn dependents_are_booted_after_the_dump_was_loaded() {
    let stack = Stack::new("dump");
    let db = postgres().of(&stack, "db").start();
    db.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    db.exec(&["psql", "-qU", "postgres", "-d", "app", "-c", PG_WRITE]);
    let dir = folder();
    let file = dir.path().join("app.sql");
    dumped(&db, "pg_dump -U postgres app", "cat", &file);
    let ask = "PGPASSWORD=fixture-postgres-secret psql -h db -U postgres -d app -tAc 'SELECT text FROM notes' \
        | grep -qx remembered";
    let _app = service("postgres")
        .of(&stack, "app")
        .depends_on("db:service_started:false")
        .options(&["--health-cmd", "true", "--health-interval", "1s", "--tmpfs", "/var/lib/postgresql/data"])
        .script(&format!("{ask} || exit 9; exec sleep 1000000"))
        .start();
    let plan = dir.path().join("rehearsa.toml");
    let service = stack.service("db");
    std::fs::write(&plan, format!("[services.\"{service}\"]\nsource = \"dump:app.sql\"\n")).expect("written");
    let rehearsal = rehearse(&[&stack.service("app")], &["--plan", &shown(&plan)]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.steps("load").len(), 1, "{rehearsal}");
}

/// The owner's own command, into a database that the service does not make by itself.
#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn a_dump_is_loaded_as_its_owner_says() {
    let live = service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
        .volume("/var/lib/postgresql/data")
        .healthy_when("pg_isready -q -h 127.0.0.1")
        .start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    live.exec(&["psql", "-qU", "postgres", "-c", PG_WRITE]);
    let dir = folder();
    dumped(&live, "pg_dump -U postgres postgres", "cat", &dir.path().join("app.sql"));
    let plan = dir.path().join("rehearsa.toml");
    let with = |load: &str, database: &str| {
        let check = format!(
            "checks = [{{ sql = \"SELECT text FROM notes\", database = \"{database}\", value = \"remembered\" }}]"
        );
        let text = format!("[services.{}]\nsource = \"dump:app.sql\"\nload = {load}\n{check}\n", live.name);
        std::fs::write(&plan, text).expect("written");
        rehearse(&[&live.name], &["--plan", &shown(&plan)])
    };
    is_loaded(&with("{ database = \"other name\" }", "other name"), "data-proven");
    let command = "{ command = \"createdb -U postgres own && psql -qU postgres -d own -v ON_ERROR_STOP=1 -f $DUMP\" }";
    is_loaded(&with(command, "own"), "data-proven");
    let failed = with("{ command = \"cat $DUMP >/dev/null; echo no luck >&2; exit 3\" }", "own");
    failed.failed("restore/incomplete");
    assert!(failed.message().contains("no luck (exit code 3)"), "{failed}");
}

/// A backup as many are: the files of one mount, and a dump of the database beside them.
#[test]
#[ignore = "nightly: databases take long to start; the fault table loads a dump at every push"]
fn a_dump_among_the_files_of_a_backup_is_loaded_and_the_other_mounts_get_their_files() {
    let live = postgres().volume("/extra").start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    live.exec(&["psql", "-qU", "postgres", "-d", "app", "-c", PG_WRITE]);
    let dir = folder();
    let extra = format!("{}-v1", live.name);
    sh(dir.path(), "mkdir -p \"data/$1\" data/dumps; echo kept >\"data/$1/note\"", &[&extra]);
    dumped(&live, "pg_dump -U postgres app", "gzip -1", &dir.path().join("data/dumps/app.sql.gz"));
    let as_folder =
        "docker exec \"$1\" sh -c 'pg_dump -U postgres -Fd -f /tmp/d app && tar -C /tmp -c d' | tar -C data/dumps -x";
    sh(dir.path(), as_folder, &[&live.name]);
    sh(dir.path(), "tar -C data -cf x.tar . && gzip -k1 x.tar", &[]);
    let plan = dir.path().join("rehearsa.toml");
    let with = |source: &str, dump: &str| {
        let check = "{ name = \"note\", exec = \"cat /extra/note\", stdout = \"^kept$\" }";
        let text = format!(
            "[services.{}]\nsource = \"{source}\"\nload = {{ from = \"{dump}\" }}\nchecks = [{check}]\n",
            live.name
        );
        std::fs::write(&plan, text).expect("written");
        rehearse(&[&live.name], &["--plan", &shown(&plan)])
    };
    for (source, dump) in
        [("dir:data", "dumps/app.sql.gz"), ("tar:x.tar.gz", "dumps/d"), ("tar:x.tar", "/dumps/app.sql.gz")]
    {
        let rehearsal = with(source, dump);
        rehearsal.is_green("data-proven");
        assert_eq!(rehearsal.steps("load").len(), 1, "{rehearsal}");
        assert!(!rehearsal.case()["warnings"].to_string().contains("\"restore/"), "{rehearsal}");
        rehearsal.nothing_is_left();
    }
    let missing = with("tar:x.tar", "dump/app.sql.gz");
    missing.failed("restore/mount-missing");
    assert!(missing.diagnosis()["remedy"].to_string().contains("`dumps/app.sql.gz`"), "{missing}");
}
