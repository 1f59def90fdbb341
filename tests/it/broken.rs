//! Services that do not come back fail with the right reason, and leave nothing. Needs a Docker engine with the
//! fixture images. Each live service is healthy; only its clone breaks.

use crate::support::{Stack, docker, rehearse, service, shown, unique};

#[test]
fn a_service_that_exits_fails_with_its_exit_code_and_the_end_of_its_log() {
    let live = service("broken").rehearsed_as("exec behave exits-with 37").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/exited");
    assert!(rehearsal.message().contains("exited with code 37"), "{rehearsal}");
    assert_eq!(rehearsal.diagnosis()["log_tail"], serde_json::json!(["giving up with code 37"]), "{rehearsal}");
    for shown in ["boot/exited", "giving up with code 37"] {
        assert!(rehearsal.stdout.contains(shown) || rehearsal.stderr.contains(shown), "{shown}: {rehearsal}");
    }
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_that_ends_well_has_not_come_back_either() {
    let live = service("broken").rehearsed_as("exec behave exits").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/exited");
    assert!(rehearsal.message().contains("exited with code 0"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_that_dies_at_every_restart_is_a_crash_loop() {
    let live = service("broken").options(&["--restart", "always"]).rehearsed_as("exec behave exits-with 38").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/crash-loop");
    assert!(rehearsal.message().contains("exit code 38"), "{rehearsal}");
}

#[test]
fn a_service_that_outgrows_its_memory_limit_is_oom_killed() {
    let live = service("broken").options(&["--memory", "48m"]).rehearsed_as("exec behave oom").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/oom-killed");
    assert!(rehearsal.message().contains("48 MiB"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_healthcheck_that_fails_its_retries_is_unhealthy() {
    let live = service("broken").rehearsed_as("exec behave never-healthy").start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("health/unhealthy");
    assert!(rehearsal.message().contains("not healthy: no /run/healthy"), "{rehearsal}");
    assert_eq!(rehearsal.diagnosis()["log_tail"], serde_json::json!(["running, but not well"]), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_healthcheck_that_is_not_through_in_time_is_a_timeout() {
    let live =
        service("broken").options(&["--health-retries", "600"]).rehearsed_as("exec behave never-healthy").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "2s"]);
    rehearsal.failed("health/timeout");
    assert!(rehearsal.message().contains("within 2s"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_port_that_nobody_listens_on_is_a_timeout_that_names_it() {
    let live = service("no-healthcheck").rehearsed_as("exec behave runs").start();
    let rehearsal = rehearse(&[&live.name], &["--timeout", "2s"]);
    rehearsal.failed("health/timeout");
    assert!(rehearsal.message().contains("8080"), "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_that_turns_unhealthy_while_it_settles_fails() {
    let live = service("broken").rehearsed_as("exec behave healthy-then-unhealthy 2").start();
    rehearse(&[&live.name], &["--settle", "20s"]).failed("health/unhealthy");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_that_exits_while_it_settles_fails() {
    let live = service("broken").rehearsed_as("exec behave healthy-then-exits 2 5").start();
    let rehearsal = rehearse(&[&live.name], &["--settle", "20s"]);
    rehearsal.failed("boot/exited");
    assert!(rehearsal.message().contains("exited with code 5"), "{rehearsal}");
}

#[test]
fn a_known_log_line_gives_the_cause() {
    let line = "FATAL:  database files are incompatible with server";
    let live = service("broken").rehearsed_as(&format!("exec behave prints starting '{line}' bye")).start();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("boot/exited");
    let cause = &rehearsal.diagnosis()["cause"];
    assert_eq!(cause["line"], line, "{rehearsal}");
    assert!(cause["meaning"].as_str().is_some_and(|meaning| meaning.contains("PostgreSQL")), "{rehearsal}");
}

#[test]
fn a_service_that_ignores_sigterm_is_green_and_removed() {
    let live = service("broken").command(&["ignores-sigterm"]).start();
    rehearse(&[&live.name], &[]).is_green("healthy");
}

#[test]
fn a_mount_beyond_max_copy_is_an_error_that_names_it_and_the_ways_out() {
    let live = service("broken").volume("/big").command(&["healthy"]).start();
    live.exec(&["dd", "if=/dev/zero", "of=/big/file", "bs=1M", "count=3"]);
    let rehearsal = rehearse(&[&live.name], &["--max-copy", "1MiB"]);
    rehearsal.errored("restore/too-large");
    assert!(rehearsal.message().contains(live.first_volume()), "{rehearsal}");
    let remedy = rehearsal.diagnosis()["remedy"].as_str().unwrap();
    for way in ["--max-copy", "/big=readonly", "/big=overlay", "/big=empty", "/big=omit"] {
        assert!(remedy.contains(way), "{way}: {rehearsal}");
    }
    assert_eq!(rehearsal.bytes(), 0, "{rehearsal}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_bind_mount_whose_source_is_gone_is_a_missing_file() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("config");
    std::fs::create_dir(&source).unwrap();
    let live =
        service("broken").options(&["--volume", &format!("{}:/config", shown(&source))]).command(&["healthy"]).start();
    std::fs::remove_dir(&source).unwrap();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.failed("config/missing-file");
    assert!(rehearsal.message().contains(&shown(&source)), "{rehearsal}");
    assert!(!source.exists(), "rehearsing must not make it");
}

/// The engine keeps the image of a running container, but not that of one that has ended.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_dependency_whose_image_is_gone_is_named_with_it() {
    let stack = Stack::new("image");
    // Nobody listens at this port.
    let tag = format!("127.0.0.1:1/{}:1", unique("gone"));
    let seed = service("broken").command(&["healthy"]).start();
    docker(&["commit", "--change", &format!("LABEL seed={tag}"), &seed.name, &tag]);
    let migrate = service("broken").image(&tag).of(&stack, "migrate").command(&["exits"]).start();
    migrate.until_state("/State/Status", "exited");
    let _app = service("broken")
        .of(&stack, "app")
        .depends_on("migrate:service_completed_successfully:false")
        .command(&["healthy"])
        .start();
    docker(&["rmi", "--force", &tag]);
    let rehearsal = rehearse(&[&stack.service("app")], &[]);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains(&tag), "{rehearsal}");
    let others = rehearsal.case()["diagnoses"].to_string();
    assert!(others.contains("order/dependency-errored") && others.contains("::migrate"), "{rehearsal}");
}
