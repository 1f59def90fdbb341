//! Real services, each from another kind of backup.

use crate::support::backup::{folder, sh, stopped, tar};
use crate::support::{Live, Rehearsal, Stack, docker, rehearse, service, shown};

/// Green by the healthcheck that only the backup's data can pass.
#[track_caller]
fn comes_back(live: &Live, from: &str) -> Rehearsal {
    let rehearsal = rehearse(&[&live.name], &["--from", from]);
    rehearsal.is_green("healthy");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");
    rehearsal
}

/// `docker run --rm -v VOLUME:/data -v $PWD:/backup IMAGE tar czf /backup/x.tar.gz /data`
#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn an_app_with_sqlite_from_the_one_liner_that_everybody_uses() {
    let ask = "import urllib.request as u, json; \
               notes = json.load(u.urlopen('http://127.0.0.1:8080/notes')); assert len(notes) == 1, notes";
    let write = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/notes', b'remembered')";
    let live = service("notes").volume("/data").healthy_when(&format!("python3 -c \"{ask}\"")).start();
    live.until(&["python3", "-c", write]);
    let dir = folder();
    let (volume, out) = (format!("{}:/data", live.first_volume()), format!("{}:/backup", shown(dir.path())));
    docker(&["stop", "--time", "60", &live.name]);
    docker(&[
        "run",
        "--rm",
        "--user",
        "0",
        "--entrypoint",
        "tar",
        "-v",
        &volume,
        "-v",
        &out,
        "rehearsa-fixture/notes",
        "czf",
        "/backup/x.tar.gz",
        "/data",
    ]);
    docker(&["start", &live.name]);
    live.until(&["python3", "-c", write]);
    comes_back(&live, &tar(dir.path().join("x.tar.gz")));
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn postgres_from_gnu_tar_of_its_volume() {
    let query = "[ \"$(PGPASSWORD=fixture-postgres-secret psql -h 127.0.0.1 -U postgres \
        -tAc 'SELECT count(*) FROM notes')\" = 1 ]";
    let live = service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret"])
        .volume("/var/lib/postgresql/data")
        .healthy_when(query)
        .start();
    let ready = ["pg_isready", "-q", "-h", "127.0.0.1"];
    live.until(&ready);
    let write = "CREATE TABLE IF NOT EXISTS notes (text text); INSERT INTO notes VALUES ('remembered')";
    live.exec(&["psql", "-U", "postgres", "-c", write]);
    let dir = folder();
    stopped(&live, dir.path(), "tar -C \"$1\" -czf x.tgz .", &[&crate::support::backup::data_of(live.first_volume())]);
    live.until(&ready);
    live.exec(&["psql", "-U", "postgres", "-c", write]);
    comes_back(&live, &tar(dir.path().join("x.tgz")));
}

/// docker-volume-backup: absolute names, hard links as files of their own.
#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn mariadb_from_the_layout_of_docker_volume_backup() {
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root";
    let live = service("mariadb")
        .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--env", "MARIADB_DATABASE=app"])
        .volume("/var/lib/mysql")
        .healthy_when(&format!("[ \"$({client} -N -e 'SELECT count(*) FROM app.notes')\" = 1 ]"))
        .start();
    let ready = ["sh", "-c", &format!("{client} -e 'SELECT 1'")];
    live.until(&ready);
    let write = "CREATE TABLE IF NOT EXISTS app.notes (text TEXT); INSERT INTO app.notes VALUES (\"remembered\")";
    let write = ["sh", "-c", &format!("{client} -e '{write}'")];
    live.exec(&write);
    let dir = folder();
    docker(&["stop", "--time", "60", &live.name]);
    volume_backup(&[live.first_volume()], dir.path());
    docker(&["start", &live.name]);
    live.until(&ready);
    live.exec(&write);
    comes_back(&live, &tar(dir.path().join("backup.tar.gz")));
}

/// All the volumes below `/backup`, as docker-volume-backup has them mounted, and its archive of them.
fn volume_backup(volumes: &[&str], folder: &std::path::Path) {
    let mut args = vec!["run".to_owned(), "--rm".to_owned(), "--user=0".to_owned(), "--entrypoint=tar".to_owned()];
    args.extend(volumes.iter().map(|volume| format!("--volume={volume}:/backup/{volume}:ro")));
    args.push(format!("--volume={}:/archive", shown(folder)));
    args.push("rehearsa-fixture/notes".to_owned());
    args.extend(["-P", "--hard-dereference", "-czf", "/archive/backup.tar.gz", "/backup"].map(str::to_owned));
    docker(&args);
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn redis_from_a_copied_folder() {
    let live = service("redis").volume("/data").healthy_when("[ \"$(redis-cli get note)\" = remembered ]").start();
    live.until(&["redis-cli", "set", "note", "remembered"]);
    let dir = folder();
    stopped(&live, dir.path(), "cp -a \"$1\" copy", &[&crate::support::backup::data_of(live.first_volume())]);
    live.until(&["redis-cli", "set", "note", "changed since"]);
    let rehearsal = comes_back(&live, &format!("dir:{}", shown(&dir.path().join("copy"))));
    assert_eq!(rehearsal.case()["source"], "dir", "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn nginx_from_a_folder_that_rsync_made() {
    let live = service("nginx")
        .volume("/usr/share/nginx/html")
        .healthy_when("curl -fs http://127.0.0.1/note.html | grep -qx remembered")
        .start();
    live.write("/usr/share/nginx/html/note.html", "remembered\n");
    let (dir, data) = (folder(), crate::support::backup::data_of(live.first_volume()));
    sh(dir.path(), "rsync -a \"$1/\" html/", &[&data]);
    live.write("/usr/share/nginx/html/note.html", "changed since\n");
    comes_back(&live, &format!("dir:{}", shown(dir.path())));
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_stack_comes_back_from_one_archive_of_all_its_volumes() {
    let stack = Stack::new("pass");
    let live = |name: &str| {
        service("broken")
            .of(&stack, name)
            .volume("/mounted")
            .file("/mounted/note", name)
            .healthy_when(&format!("[ \"$(cat /mounted/note)\" = {name} ]"))
            .command(&["runs"])
            .start()
    };
    let (app, db) = (live("app"), live("db"));
    let dir = folder();
    volume_backup(&[app.first_volume(), db.first_volume()], dir.path());
    app.write("/mounted/note", "changed since");
    db.write("/mounted/note", "changed since");
    let names = [stack.service("app"), stack.service("db")];
    // From standard input there is one pass only over what comes.
    let mut command = crate::support::rehearsa(&[]);
    command.stdin(std::fs::File::open(dir.path().join("backup.tar.gz")).expect("it was made"));
    let rehearsal = crate::support::rehearse_by(command, &[&names[0], &names[1]], &["--from", "tar:-"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert_eq!(rehearsal.cases().len(), 2, "{rehearsal}");
    assert!(rehearsal.cases().iter().all(|case| case["restored"]["files"] == 1), "{rehearsal}");
    rehearsal.nothing_is_left();
}
