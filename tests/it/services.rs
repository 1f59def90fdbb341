//! Real services come back with their data, and do not without it. Needs a Docker engine with the fixture images.

use crate::support::{Live, Rehearsal, Stack, docker, rehearse, service, shown};

/// A green rehearsal by the service's own healthcheck, which asks for data that was written while it ran.
#[track_caller]
fn comes_back_with_its_data(live: &Live) {
    live.until_healthy();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");
    says_nothing_of_missing_data(&rehearsal);
}

#[track_caller]
fn says_nothing_of_missing_data(rehearsal: &Rehearsal) {
    assert!(!rehearsal.case()["warnings"].to_string().contains("data/nothing-restored"), "{rehearsal}");
}

/// A green rehearsal that says that it says nothing of any data.
#[track_caller]
fn is_green_without_data(rehearsal: &Rehearsal, why: &str) {
    rehearsal.is_green("healthy");
    let warnings = &rehearsal.case()["warnings"];
    assert_eq!(warnings[0]["code"], "data/nothing-restored", "{rehearsal}");
    assert!(warnings[0]["message"].as_str().is_some_and(|message| message.contains(why)), "{rehearsal}");
    assert!(rehearsal.stderr.contains("! no data was restored: "), "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn postgres_comes_back_with_its_rows() {
    let query = "PGPASSWORD=fixture-postgres-secret psql -h 127.0.0.1 -U postgres -tAc 'SELECT text FROM notes' \
                 | grep -qx remembered";
    let live = service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
        .volume("/var/lib/postgresql/data")
        .healthy_when(query)
        .start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    let write = "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('remembered')";
    live.exec(&["psql", "-U", "postgres", "-c", write]);
    comes_back_with_its_data(&live);
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn mariadb_comes_back_with_its_rows() {
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root";
    let live = service("mariadb")
        .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--env", "MARIADB_DATABASE=app"])
        .volume("/var/lib/mysql")
        .healthy_when(&format!("{client} -N -e 'SELECT text FROM app.notes' | grep -qx remembered"))
        .start();
    live.until(&["sh", "-c", &format!("{client} -e 'SELECT 1'")]);
    let write = "CREATE TABLE app.notes (text TEXT); INSERT INTO app.notes VALUES (\"remembered\")";
    live.exec(&["sh", "-c", &format!("{client} -e '{write}'")]);
    comes_back_with_its_data(&live);
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn redis_comes_back_with_its_keys() {
    let live = service("redis").volume("/data").healthy_when("redis-cli get note | grep -qx remembered").start();
    live.until(&["redis-cli", "set", "note", "remembered"]);
    comes_back_with_its_data(&live);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_service_whose_mount_is_left_empty_lacks_its_data() {
    let live = service("redis").volume("/data").healthy_when("redis-cli get note | grep -qx remembered").start();
    live.until(&["redis-cli", "set", "note", "remembered"]);
    live.until_healthy();
    let rehearsal = rehearse(&[&live.name], &["--strategy", "/data=empty"]);
    rehearsal.failed("health/unhealthy");
    assert_eq!(rehearsal.bytes(), 0, "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn nginx_comes_back_with_its_pages() {
    let live = service("nginx")
        .volume("/usr/share/nginx/html")
        .healthy_when("curl -fs http://127.0.0.1/note.html | grep -qx remembered")
        .start();
    live.write("/usr/share/nginx/html/note.html", "remembered\n");
    comes_back_with_its_data(&live);
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn an_app_comes_back_with_what_is_only_in_its_write_ahead_log() {
    let ask = "python3 -c 'import urllib.request as u; assert b\"remembered\" in \
               u.urlopen(\"http://127.0.0.1:8080/notes\").read()'";
    let live = service("notes").volume("/data").healthy_when(ask).start();
    let write = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/notes', b'remembered')";
    live.until(&["python3", "-c", write]);
    comes_back_with_its_data(&live);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn without_a_healthcheck_an_open_port_is_the_proof() {
    let live = service("no-healthcheck").volume("/data").file("/data/note", "remembered").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("listening");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn without_healthcheck_and_ports_running_on_is_the_proof() {
    let live = service("no-ports").volume("/data").file("/data/note", "remembered").start();
    rehearse(&[&live.name], &[]).is_green("running");
}

/// notes runs as a user of its own, and begins a new database where it finds none.
#[test]
fn a_mount_that_is_left_empty_keeps_its_owner_and_a_file_stays_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    std::fs::write(&file, "live\n").unwrap();
    let live = service("notes").volume("/data").options(&["--volume", &format!("{}:/etc/state", shown(&file))]).start();
    live.until_healthy();
    let rehearsal = rehearse(&[&live.name], &["--strategy", "/data=empty", "--strategy", "/etc/state=empty"]);
    rehearsal.is_green("healthy");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "live\n");
}

#[test]
fn a_green_service_whose_volume_is_empty_is_told_to_say_nothing_of_its_data() {
    let live = service("broken").volume("/mounted").rehearsed_as("exec behave healthy").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    is_green_without_data(&rehearsal, &format!("volume {} at /mounted holds no file", live.first_volume()));
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_green_service_that_keeps_its_data_in_no_mount_is_told_so() {
    let live =
        service("broken").file("/state", "in the container's own layer").rehearsed_as("exec behave healthy").start();
    is_green_without_data(&rehearse(&[&live.name], &[]), "has no volume and no writable bind mount");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_read_only_bind_mount_of_a_file_stays_a_read_only_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.conf");
    std::fs::write(&file, "remembered\n").unwrap();
    let live = service("broken")
        .options(&["--volume", &format!("{}:/etc/app.conf:ro", shown(&file))])
        .healthy_when(
            "test -f /etc/app.conf && grep -qx remembered /etc/app.conf && ! echo x 2>/dev/null >>/etc/app.conf",
        )
        .command(&["runs"])
        .start();
    live.until_healthy();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "readonly", "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_writable_bind_mount_of_a_file_is_a_file_of_the_sandboxs_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    std::fs::write(&file, "live\n").unwrap();
    let live = service("broken")
        .options(&["--volume", &format!("{}:/etc/state", shown(&file))])
        .healthy_when("test -f /etc/state && grep -qx live /etc/state")
        .rehearsed_as("echo rehearsed >>/etc/state && exec behave runs")
        .start();
    live.until_healthy();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "copy", "{rehearsal}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "live\n");
}

/// What one service writes is copied for both, so the reader's mount is a read-only file within a volume.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_file_that_one_service_writes_and_another_reads_is_one_copy_for_both() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    std::fs::write(&file, "live\n").unwrap();
    let stack = Stack::new("file");
    let _writer = service("broken")
        .of(&stack, "writer")
        .options(&["--volume", &format!("{}:/etc/state", shown(&file))])
        .rehearsed_as("echo rehearsed >>/etc/state && exec behave healthy")
        .start();
    let _reader = service("broken")
        .of(&stack, "reader")
        .depends_on("writer:service_healthy:false")
        .options(&["--volume", &format!("{}:/etc/state:ro", shown(&file))])
        .rehearsed_as(
            "grep -qx rehearsed /etc/state && ! echo x 2>/dev/null >>/etc/state && exec behave healthy; exit 9",
        )
        .start();
    rehearse(&[&stack.service("reader")], &[]).is_green("healthy");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "live\n");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn an_omitted_mount_is_not_there() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "remembered")
        .options(&["--label", "rehearsa.mounts=/mounted=omit"])
        .rehearsed_as("[ -e /mounted ] && exit 9; exec behave healthy")
        .start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert!(rehearsal.steps("restore").is_empty(), "{rehearsal}");
    assert!(rehearsal.case()["changes"].to_string().contains("/mounted"), "{rehearsal}");
}

#[test]
fn what_a_service_writes_on_an_overlay_never_reaches_the_live_data() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "remembered")
        .rehearsed_as(
            "grep -q remembered /mounted/note && echo x >/mounted/note && echo x >/mounted/new && exec behave healthy",
        )
        .start();
    let rehearsal = rehearse(&[&live.name], &["--strategy", "/mounted=overlay"]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "overlay", "{rehearsal}");
    says_nothing_of_missing_data(&rehearsal);
    assert_eq!(rehearsal.bytes(), 0, "nothing is copied: {rehearsal}");
    assert_eq!(live.exec(&["sh", "-c", "ls /mounted; cat /mounted/note"]), "note\nremembered");
}

#[test]
fn a_readonly_mount_shows_the_live_data_and_takes_no_writes() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "remembered")
        .rehearsed_as(
            "grep -q remembered /mounted/note && ! echo x 2>/dev/null >/mounted/note && exec behave healthy; exit 9",
        )
        .start();
    let rehearsal = rehearse(&[&live.name], &["--strategy", "/mounted=readonly"]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "readonly", "{rehearsal}");
    assert_eq!(rehearsal.bytes(), 0, "nothing is copied: {rehearsal}");
    says_nothing_of_missing_data(&rehearsal);
}

#[test]
fn owner_mode_and_links_of_the_data_come_along() {
    let live = service("broken")
        .volume("/mounted")
        .rehearsed_as(
            "[ \"$(stat -c %u:%g:%a /mounted /mounted/secret | tr '\\n' ' ')\" = '77:88:1750 1234:4321:400 ' ] \
             && [ \"$(readlink /mounted/link)\" = secret ] && [ /mounted/secret -ef /mounted/hard ] \
             && exec behave healthy; ls -lan /mounted; exit 9",
        )
        .start();
    live.exec(&[
        "sh",
        "-c",
        "cd /mounted && echo x >secret && chown 1234:4321 secret && chmod 400 secret && ln -s secret link \
         && ln secret hard && chown 77:88 . && chmod 1750 .",
    ]);
    rehearse(&[&live.name], &[]).is_green("healthy");
}

#[test]
fn the_live_volume_is_not_what_the_sandbox_writes_to() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "remembered")
        .file("/mounted/other", "remembered too")
        .rehearsed_as("rm /mounted/note && echo x >/mounted/new && exec behave healthy; exit 9")
        .start();
    rehearse(&[&live.name], &[]).is_green("healthy");
    assert_eq!(live.exec(&["ls", "/mounted"]), "note\nother");
    assert_eq!(docker(&["volume", "inspect", "--format", "{{.Name}}", live.first_volume()]), live.first_volume());
}

#[test]
fn the_canary_asks_while_the_data_comes_and_before_anything_boots() {
    let live = service("broken").volume("/mounted").command(&["healthy"]).file("/mounted/note", "kept\n").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    let steps = rehearsal.case()["steps"].as_array().unwrap();
    let first =
        |kind: &str| steps.iter().position(|step| step["step"] == kind).unwrap_or_else(|| panic!("{rehearsal}"));
    assert!(first("canary") < first("verify"), "its step begins before the first restore has ended\n{rehearsal}");
    assert!(first("canary") < first("boot"), "{rehearsal}");
}
