//! Containers that no stack joins: they find each other by name on a network of the user's, or by a link. And what a
//! service depends on when a backup is named for the service alone. Needs a Docker engine with the fixture images.

use std::path::Path;
use std::process::Command;

use crate::support::{Live, Stack, Wanted, rehearsa, rehearse, run_docker, service, shown, text};

/// A lone container in a network. In the sandbox the search for a name that is not there takes some seconds.
fn lone(network: &Stack) -> Wanted {
    service("broken").options(&["--network", &network.name, "--health-retries", "60"])
}

/// Exits with the words of a program that finds no address for its database, or is healthy once it has reached that.
fn needs(database: &str) -> String {
    format!(
        "wget -q -O /dev/null http://{database}:8080/ || {{ echo \"could not translate host name \\\"{database}\\\" to \
         address: Name or service not known\" >&2; exit 9; }}; exec behave healthy"
    )
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_neighbour_that_is_missing_is_the_cause_and_no_finding_about_the_data() {
    let network = Stack::new("lonely");
    let db = lone(&network).command(&["listens"]).start();
    let app = lone(&network).volume("/mounted").file("/mounted/note", "kept").rehearsed_as(&needs(&db.name)).start();
    let rehearsal = rehearse(&[&app.name], &[]);
    rehearsal.errored("order/neighbour-missing");
    assert!(rehearsal.message().contains(&db.name), "{rehearsal}");
    assert!(rehearsal.diagnosis()["cause"]["line"].to_string().contains("could not translate"), "{rehearsal}");
    let remedy = rehearsal.diagnosis()["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains(&format!("--with {}", db.name)), "{rehearsal}");

    let rehearsal = rehearse(&[&app.name], &["--with", &db.name]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.cases().len(), 1, "the neighbour is no case: {rehearsal}");
}

/// As Python and Go say it.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_neighbour_whose_name_the_log_does_not_tell_is_no_finding_about_the_data_either() {
    let network = Stack::new("nameless");
    let db = lone(&network).command(&["listens"]).start();
    let says = "echo 'socket.gaierror: [Errno -3] Temporary failure in name resolution' >&2; exit 1";
    let app = lone(&network).volume("/mounted").file("/mounted/note", "kept").rehearsed_as(says).start();
    let rehearsal = rehearse(&[&app.name], &[]);
    rehearsal.errored("order/neighbour-missing");
    let remedy = rehearsal.diagnosis()["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains(&format!("--with {}", db.name)), "{rehearsal}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_label_joins_lone_containers() {
    let network = Stack::new("labelled");
    let db = lone(&network).command(&["listens"]).start();
    let label = format!("rehearsa.depends_on={}:service_healthy", db.name);
    let app = lone(&network).options(&["--label", &label]).rehearsed_as(&needs(&db.name)).start();
    let rehearsal = rehearse(&[&app.name], &[]);
    rehearsal.is_green("healthy");
    // Both at a time: each is a case in a sandbox of its own.
    let rehearsal = rehearse(&[&app.name, &db.name], &[]);
    assert_eq!((rehearsal.code, rehearsal.cases().len()), (Some(0), 2), "{rehearsal}");
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_link_is_kept_to_a_neighbour_that_is_brought_along() {
    let db = service("broken").command(&["listens"]).start();
    let link = format!("{}:database", db.name);
    let app = service("broken")
        .options(&["--link", &link, "--health-retries", "60"])
        .rehearsed_as(&needs("database"))
        .start();
    rehearse(&[&app.name], &[]).errored("order/neighbour-missing");
    rehearse(&[&app.name], &["--with", &db.name]).is_green("healthy");
}

#[test]
fn a_service_of_another_stack_is_brought_along_under_its_names() {
    let (front, back) = (Stack::new("front"), Stack::new("back"));
    // Both stacks have a `db`; in the front's sandbox the name means the front's own.
    let _own = service("broken").of(&front, "db").command(&["listens", "9090"]).start();
    let foreign = service("broken").of(&back, "db").command(&["listens"]).start();
    run_docker(&["network", "connect", "--alias", "shared-db", &front.name, &foreign.name]);
    let script = "wget -q -O /dev/null http://shared-db:8080/ && wget -q -O /dev/null http://db:9090/ || exit 9; \
                  exec behave healthy";
    let app = service("broken").of(&front, "app").depends_on("db:service_started:false").rehearsed_as(script).start();
    let rehearsal = rehearse(&[&front.service("app")], &["--with", &back.service("db")]);
    rehearsal.is_green("healthy");
    drop(app);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_failure_of_another_cause_names_the_neighbours_that_were_left_out() {
    let network = Stack::new("silent");
    let db = lone(&network).command(&["healthy"]).start();
    let app = lone(&network).rehearsed_as("exec behave exits-with 7").start();
    let rehearsal = rehearse(&[&app.name], &[]);
    rehearsal.failed("boot/exited");
    assert!(rehearsal.message().contains("neighbours that are not in the sandbox"), "{rehearsal}");
    assert!(rehearsal.message().contains(&db.name), "{rehearsal}");
}

#[test]
fn a_neighbour_that_nobody_has_is_wrong_usage() {
    let live = service("broken").command(&["healthy"]).start();
    for (args, words) in [
        (["--with", "nobody-is-called-that"], "a running service of this host"),
        (["--from", "nobody-is-called-that=live"], "a service that runs on this host"),
    ] {
        let output = rehearsa(&["test", "--exact", &live.name]).args(args).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

/// What the log names is what the sandbox does not have.
#[test]
fn a_difference_that_the_log_names_is_told() {
    let script = "echo 'fatal: cannot reach host.docker.internal' >&2; exit 4";
    let live =
        service("broken").options(&["--add-host", "host.docker.internal:host-gateway"]).rehearsed_as(script).start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.errored("sandbox/withheld");
    assert!(rehearsal.message().contains("the host is not reachable"), "{rehearsal}");
}

fn archive(folder: &Path, of: &str) -> String {
    let data = folder.join(of);
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("note"), of).expect("written");
    let tar = folder.join(format!("{of}.tar"));
    let made = Command::new("tar").arg("-C").arg(&data).arg("-cf").arg(&tar).arg(".").status().expect("tar starts");
    assert!(made.success());
    format!("tar:{}", shown(&tar))
}

/// An application and its database, both with a note in a volume. Each is healthy in the sandbox if its note says this.
fn application(stack: &Stack, app_note: &str, db_note: &str) -> (Live, Live) {
    let one = |name: &str, note: &str| {
        let script = format!("[ \"$(cat /mounted/note)\" = {note} ] && exec behave healthy; exit 5");
        service("broken").of(stack, name).volume("/mounted").file("/mounted/note", "live").rehearsed_as(&script)
    };
    let db = one("db", db_note).start();
    (one("app", app_note).depends_on("db:service_healthy:false").start(), db)
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn the_archive_of_a_service_is_not_asked_for_what_the_service_depends_on() {
    let stack = Stack::new("alone");
    let folder = tempfile::tempdir().expect("a folder");
    let from = archive(folder.path(), "backup");
    let _live = application(&stack, "backup", "live");
    let rehearsal = rehearse(&[&stack.service("app")], &["--from", &from]);
    rehearsal.is_green("healthy");
    let warnings = rehearsal.case()["warnings"].as_array().expect("a list");
    let told = warnings.iter().find(|warning| warning["code"] == "restore/dependency-live").expect("it is told");
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.contains(&stack.service("db")) && message.contains("copy of its live data"), "{rehearsal}");
    // Selected itself, the database needs its part of the backup.
    let both = rehearse(&[&stack.service("app"), &stack.service("db")], &["--from", &from]);
    assert_eq!(both.code, Some(101), "{both}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_dependency_that_does_not_come_up_on_live_data_says_nothing_about_the_backup() {
    let stack = Stack::new("live-bad");
    let folder = tempfile::tempdir().expect("a folder");
    let from = archive(folder.path(), "backup");
    let _live = application(&stack, "backup", "other");
    let rehearsal = rehearse(&[&stack.service("app")], &["--from", &from]);
    rehearsal.errored("order/dependency-errored");
    assert!(rehearsal.message().contains("on a copy of its live data"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_dependency_comes_from_the_backup_that_has_it_and_from_one_of_its_own() {
    let stack = Stack::new("own");
    let folder = tempfile::tempdir().expect("a folder");
    let (app, db) = application(&stack, "backup", "other");
    let (from, other) = (archive(folder.path(), "backup"), archive(folder.path(), "other"));
    let of_db = format!("{}={other}", stack.service("db"));
    let rehearsal = rehearse(&[&stack.service("app")], &["--from", &from, "--from", &of_db]);
    rehearsal.is_green("healthy");
    assert!(!rehearsal.case()["warnings"].to_string().contains("dependency-live"), "{rehearsal}");
    // A backup of both volumes, by their names.
    let all = folder.path().join("all");
    for (live, note) in [(&app, "backup"), (&db, "other")] {
        std::fs::create_dir_all(all.join(live.first_volume())).expect("made");
        std::fs::write(all.join(live.first_volume()).join("note"), note).expect("written");
    }
    let rehearsal = rehearse(&[&stack.service("app")], &["--from", &format!("dir:{}", shown(&all))]);
    rehearsal.is_green("healthy");
    assert!(!rehearsal.case()["warnings"].to_string().contains("dependency-live"), "{rehearsal}");
}
