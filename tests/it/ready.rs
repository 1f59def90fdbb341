//! When a service without a healthcheck counts as ready, and what of its log is shown. Needs a Docker engine with the
//! fixture images.

use std::process::Command;

use crate::support::{rehearse, service, shown};

#[test]
fn a_port_that_is_exposed_and_not_used_is_no_failure() {
    let live = service("no-healthcheck").options(&["--expose", "443", "--expose", "5671"]).volume("/data").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("listening");
    let note = rehearsal.steps("check")[0]["note"].as_str().unwrap_or_default();
    assert_eq!(note, "nothing listens on 443, 5671", "{rehearsal}");
    assert!(!rehearsal.case()["warnings"].to_string().contains("health/port-silent"), "{rehearsal}");
}

#[test]
fn a_published_port_that_nothing_listens_on_is_warned_of() {
    let live = service("no-healthcheck").options(&["--publish", "127.0.0.1::5671"]).volume("/data").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("listening");
    let warnings = rehearsal.case()["warnings"].to_string();
    assert!(warnings.contains("health/port-silent") && warnings.contains("not on 5671"), "{rehearsal}");
}

#[test]
fn a_service_that_listens_on_none_of_its_ports_is_not_ready() {
    let live = service("no-healthcheck").options(&["--expose", "443"]).rehearsed_as("exec sleep 300").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "4s"]);
    rehearsal.failed("health/timeout");
    assert!(rehearsal.message().contains("any of its exposed TCP ports (443, 8080)"), "{rehearsal}");
}

/// The reader looks at the live service first.
#[test]
fn a_healthcheck_that_fails_as_it_does_live_is_told_with_that() {
    let health = ["--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1"];
    let live = service("broken").volume("/mounted").file("/mounted/note", "kept").options(&health).start();
    live.until_state(".State.Health.Status", "unhealthy");
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.failed("health/unhealthy");
    assert!(rehearsal.message().contains("the live container"), "{rehearsal}");
}

/// The service listens on a port that its image does not expose.
#[test]
fn a_check_of_the_owner_replaces_the_guess() {
    let live = service("no-healthcheck")
        .options(&["--label", "rehearsa.check.web=http 9090/"])
        .rehearsed_as("exec behave listens 9090")
        .start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("listening");
}

#[test]
fn a_volume_in_memory_is_not_wanted_from_a_backup() {
    let live = service("broken").volume("/mounted").file("/mounted/note", "kept");
    let volume = crate::support::unique("memory");
    crate::support::docker(&["volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", &volume]);
    let live = live
        .options(&["--volume", &format!("{volume}:/cache")])
        .rehearsed_as("touch /cache/x && [ -s /mounted/note ] && exec behave healthy; exit 4")
        .start();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("note"), "kept").expect("written");
    let tar = shown(&folder.path().with_extension("tar"));
    let made = Command::new("tar").arg("-C").arg(folder.path()).args(["-cf", &tar, "."]).status().expect("tar starts");
    assert!(made.success());
    let rehearsal = rehearse(&[&live.name], &["--from", &format!("tar:{tar}")]);
    std::fs::remove_file(&tar).expect("removed");
    drop(live);
    crate::support::run_docker(&["volume", "rm", "--force", &volume]);
    rehearsal.is_green("healthy");
}

/// The probes of a healthcheck stand in the log of many services.
#[test]
fn a_log_full_of_probes_is_shown_shortened() {
    let script = "echo 'opening /mounted/app.db'; i=0; while [ $i -lt 70 ]; do i=$((i + 1)); \
                  echo \"127.0.0.1 - GET /health 200 $i\"; done; exit 6";
    let live = service("broken").rehearsed_as(script).start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/exited");
    let expected =
        serde_json::json!(["opening /mounted/app.db", "127.0.0.1 - GET /health 200 1", "(… 69 more like this)"]);
    assert_eq!(rehearsal.diagnosis()["log_tail"], expected, "{rehearsal}");
}
