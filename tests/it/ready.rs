//! When a service without a healthcheck counts as ready, and what of its log is shown. Needs a Docker engine with the
//! fixture images.

use std::process::Command;

use crate::support::{Live, rehearse, service, shown};

#[test]
fn a_port_that_is_exposed_and_not_used_is_no_failure() {
    let exposed = ["--expose", "443", "--expose", "5671", "--publish", "127.0.0.1::5672"];
    let live = service("no-healthcheck").options(&exposed).volume("/data").start();
    until_it_listens(&live, 8080);
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("listening");
    assert!(rehearsal.steps("check")[0]["note"].is_null(), "{rehearsal}");
    assert!(!rehearsal.case()["warnings"].to_string().contains("health/port-silent"), "{rehearsal}");
}

/// Waits until a service answers on a port.
fn until_it_listens(live: &Live, port: u16) {
    live.until(&["wget", "-q", "-O", "/dev/null", &format!("http://127.0.0.1:{port}/")]);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_port_of_the_live_service_that_its_copy_does_not_listen_on_is_warned_of() {
    let script = "[ -e /only-live ] && { behave listens 5671 & }; exec behave listens 8080";
    let live = service("no-healthcheck").options(&["--expose", "5671"]).script(script).file("/only-live", "").start();
    until_it_listens(&live, 8080);
    until_it_listens(&live, 5671);
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("listening");
    let warnings = rehearsal.case()["warnings"].to_string();
    assert!(warnings.contains("health/port-silent") && warnings.contains("not on 5671"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_copy_that_does_not_listen_where_the_live_service_does_is_not_ready() {
    let script = "[ -e /only-live ] && exec behave listens 8080; exec behave listens 443";
    let live = service("no-healthcheck").options(&["--expose", "443"]).script(script).file("/only-live", "").start();
    until_it_listens(&live, 8080);
    let rehearsal = rehearse(&[&live.name], &["--timeout", "4s"]);
    rehearsal.failed("health/timeout");
    assert!(rehearsal.message().contains("any of its exposed TCP ports (8080)"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the live service has to be up for two minutes"]
fn a_service_that_listens_on_nothing_live_has_to_keep_running() {
    let live = service("no-healthcheck").command(&["runs"]).volume("/data").file("/data/note", "kept").start();
    live.until(&["sh", "-c", "[ $(($(date +%s) - $(stat -c %Y /proc/1))) -gt 125 ]"]);
    let rehearsal = rehearse(&[&live.name], &["--timeout", "60s"]);
    rehearsal.is_green("running");
    let note = rehearsal.steps("check")[0]["note"].as_str().unwrap_or_default();
    assert!(note.contains("listens on none of its exposed TCP ports (8080)"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_that_listens_on_none_of_its_ports_is_not_ready() {
    let live = service("no-healthcheck").options(&["--expose", "443"]).rehearsed_as("exec sleep 300").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "4s"]);
    rehearsal.failed("health/timeout");
    assert!(rehearsal.message().contains("any of its exposed TCP ports (443, 8080)"), "{rehearsal}");
}

/// The reader looks at the live service first.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_healthcheck_that_fails_as_it_does_live_is_told_with_that() {
    let health = ["--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1"];
    let live = service("broken").volume("/mounted").file("/mounted/note", "kept").options(&health).start();
    live.until_state("/State/Health/Status", "unhealthy");
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
#[ignore = "nightly: one more case of what a test beside it shows"]
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
