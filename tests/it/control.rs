//! The negative control: a green service is booted once more without its data. Needs root, a Docker engine on this
//! machine and the fixture images.

use crate::support::{rehearse, service};

/// The healthcheck reads the data and fails without it.
#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_check_that_asks_for_the_data_notices() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "kept")
        .healthy_when("[ -s /mounted/note ]")
        .command(&["runs"])
        .start();
    let rehearsal = rehearse(&[&live.name], &["--control", "--timeout", "10s"]);
    rehearsal.is_green("healthy");
    assert!(!rehearsal.case()["warnings"].to_string().contains("not-data-sensitive"), "{rehearsal}");
    let control = rehearsal.steps("control");
    let note = control[0]["note"].as_str();
    assert!(note.is_some_and(|note| note.starts_with("the missing data is noticed")), "{rehearsal}");
    assert_eq!(live.exec(&["cat", "/mounted/note"]), "kept");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_check_that_passes_without_the_data_is_named() {
    let live = service("broken")
        .volume("/mounted")
        .file("/mounted/note", "kept")
        .healthy_when("true")
        .command(&["runs"])
        .options(&["--label", "rehearsa.check.any=exec true"])
        .start();
    let without = rehearse(&[&live.name], &[]);
    without.is_green("data-proven");
    assert!(without.steps("control").is_empty(), "{without}");
    let rehearsal = rehearse(&[&live.name], &["--control"]);
    // The check does not read the data.
    rehearsal.is_green("healthy");
    let warning = &rehearsal.case()["warnings"][0];
    assert_eq!(warning["code"], "check/not-data-sensitive", "{rehearsal}");
    let message = warning["message"].as_str().unwrap_or_default();
    assert!(message.contains("its healthcheck") && message.contains("the check any"), "{rehearsal}");
}
