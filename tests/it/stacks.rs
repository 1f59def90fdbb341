//! The services of a stack share one sandbox, in the order and under the conditions of their depends_on.
//! Needs a Docker engine with the fixture images.

use crate::support::{Live, Rehearsal, Stack, rehearse, service};
use serde_json::Value;

/// What was done to whom, in order: `boot stack::db`.
fn order(rehearsal: &Rehearsal) -> Vec<String> {
    let steps = rehearsal.case()["steps"].as_array().expect("a case has steps");
    let told = steps.iter().filter(|step| step["step"] != "restore");
    told.filter_map(|step| Some(format!("{} {}", step["step"].as_str()?, step["subject"].as_str()?))).collect()
}

fn names(rehearsal: &Rehearsal) -> Vec<&str> {
    rehearsal.cases().iter().filter_map(|case| case["name"].as_str()).collect()
}

#[test]
fn selecting_one_service_boots_what_it_depends_on_and_reports_only_the_one() {
    let stack = Stack::new("healthy");
    // It listens only after a while: what does not wait for its health finds nobody there.
    let _db = service("broken").of(&stack, "db").script("sleep 2; exec behave listens").start();
    let _other = service("broken").of(&stack, "other").command(&["healthy"]).start();
    let _app = service("broken")
        .of(&stack, "app")
        .depends_on("db:service_healthy:false")
        .rehearsed_as("wget -q -O /dev/null http://db:8080/ || exit 9; exec behave healthy")
        .start();
    let app = stack.service("app");
    let rehearsal = rehearse(&[&app], &[]);
    rehearsal.is_green("healthy");
    assert_eq!(names(&rehearsal), [&app]);
    let db = stack.service("db");
    let expected = [format!("boot {db}"), format!("check {db}"), format!("boot {app}"), format!("check {app}")];
    assert_eq!(order(&rehearsal)[..4], expected, "{rehearsal}");
    assert!(!order(&rehearsal).iter().any(|step| step.ends_with("::other")), "{rehearsal}");
}

#[test]
fn a_service_whose_dependency_fails_is_not_started_and_says_which() {
    let stack = Stack::new("failing");
    let _db = service("broken").of(&stack, "db").rehearsed_as("exec behave exits-with 7").start();
    let _app = service("broken").of(&stack, "app").depends_on("db:service_healthy:false").command(&["healthy"]).start();
    let rehearsal = rehearse(&[&stack.service("app")], &[]);
    rehearsal.failed("order/dependency-failed");
    let message = rehearsal.message();
    assert!(message.contains(&stack.service("db")) && message.contains("boot/exited"), "{rehearsal}");
    assert!(message.contains("exited with code 7"), "{rehearsal}");
    assert_eq!(rehearsal.diagnosis()["log_tail"], serde_json::json!(["giving up with code 7"]), "{rehearsal}");
    assert!(!order(&rehearsal).contains(&format!("boot {}", stack.service("app"))), "{rehearsal}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn both_the_failed_dependency_and_what_needs_it_are_reported_when_both_are_selected() {
    let stack = Stack::new("both");
    let _db = service("broken").of(&stack, "db").rehearsed_as("exec behave exits-with 7").start();
    let _app = service("broken").of(&stack, "app").depends_on("db:service_healthy:false").command(&["healthy"]).start();
    let rehearsal = rehearse(&[&stack.service("app"), &stack.service("db")], &[]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    let codes: Vec<(&Value, &Value)> =
        rehearsal.cases().iter().map(|case| (&case["service"], &case["diagnosis"]["code"])).collect();
    let code = |service: &str| codes.iter().find(|(name, _)| *name == service).map(|(_, code)| (*code).clone());
    assert_eq!(code("db"), Some("boot/exited".into()), "{rehearsal}");
    assert_eq!(code("app"), Some("order/dependency-failed".into()), "{rehearsal}");
    rehearsal.nothing_is_left();
}

#[test]
fn a_one_shot_service_runs_to_its_end_before_what_waits_for_it() {
    let stack = Stack::new("oneshot");
    // Every run adds a line, so that the second one is the sandbox's.
    let migrate =
        service("broken").of(&stack, "migrate").volume("/data").script("sleep 1; echo ran >>/data/runs").start();
    migrate.until_state("/State/Status", "exited");
    let app = service("broken")
        .of(&stack, "app")
        .depends_on("migrate:service_completed_successfully:false")
        .options(&["--volume", &format!("{}:/data", migrate.first_volume())])
        .rehearsed_as("[ \"$(wc -l </data/runs)\" = 2 ] && exec behave healthy; cat /data/runs; exit 9")
        .start();
    rehearse(&[&stack.service("app")], &[]).is_green("healthy");
    assert_eq!(app.exec(&["cat", "/data/runs"]), "ran");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_one_shot_service_that_fails_fails_what_waits_for_it() {
    let stack = Stack::new("oneshot-fails");
    let migrate = service("broken")
        .of(&stack, "migrate")
        .volume("/data")
        .script("[ -e /data/done ] && exit 6; touch /data/done")
        .start();
    migrate.until_state("/State/Status", "exited");
    let _app = service("broken")
        .of(&stack, "app")
        .depends_on("migrate:service_completed_successfully:false")
        .command(&["healthy"])
        .start();
    let rehearsal = rehearse(&[&stack.service("app")], &[]);
    rehearsal.failed("order/dependency-failed");
    assert!(rehearsal.message().contains("exited with code 6"), "{rehearsal}");
}

#[test]
fn a_dependency_that_is_nowhere_is_an_error_that_names_it() {
    let stack = Stack::new("nowhere");
    let _app = service("broken").of(&stack, "app").depends_on("db:service_healthy:false").command(&["healthy"]).start();
    let rehearsal = rehearse(&[&stack.service("app")], &[]);
    rehearsal.errored("order/dependency-errored");
    assert!(rehearsal.message().contains("depends on db"), "{rehearsal}");
}

/// Each asks the other, and says of itself what only the sandbox's own says: it is no live service that answers.
#[test]
fn services_find_each_other_by_name_and_only_in_their_sandbox() {
    let stack = Stack::new("peers");
    let peer = |own: &str, other: &str| {
        let script = format!(
            "echo rehearsed >/www/who; behave listens & \
             until [ \"$(wget -q -O - http://{other}:8080/who)\" = rehearsed ]; do sleep 0.1; done; \
             touch /run/healthy; wait"
        );
        service("broken").of(&stack, own).rehearsed_as(&script).start()
    };
    let (_a, _b) = (peer("left", "right"), peer("right", "left"));
    let (left, right) = (stack.service("left"), stack.service("right"));
    let rehearsal = rehearse(&[&left, &right], &["--timeout", "30s", "--test-threads", "2"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert_eq!(names(&rehearsal), [&left, &right]);
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn six_services_on_two_threads_all_come_back_and_leave_nothing() {
    let lives: Vec<Live> = (0..6)
        .map(|i| {
            let keeps = format!("grep -qx note-{i} /data/note");
            let wanted = service("broken").volume("/data").file("/data/note", &format!("note-{i}\n"));
            wanted.healthy_when(&keeps).command(&["runs"]).start()
        })
        .collect();
    let names: Vec<&str> = lives.iter().map(|live| live.name.as_str()).collect();
    let rehearsal = rehearse(&names, &["--test-threads", "2"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert_eq!(rehearsal.report["counts"]["passed"], 6, "{rehearsal}");
    assert_eq!(rehearsal.report["counts"]["total"], 6, "{rehearsal}");
    for case in rehearsal.cases() {
        assert_eq!(case["proof"], "healthy", "{rehearsal}");
        assert!(case["restored"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{rehearsal}");
    }
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn of_several_services_only_the_broken_one_is_red() {
    let well = service("broken").command(&["healthy"]).start();
    let broken = service("broken").rehearsed_as("exec behave exits-with 3").start();
    let rehearsal = rehearse(&[&well.name, &broken.name], &[]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    for case in rehearsal.cases() {
        let expected = if case["name"] == well.name { "passed" } else { "failed" };
        assert_eq!(case["verdict"], expected, "{rehearsal}");
    }
    assert_eq!(rehearsal.report["counts"]["total"], 2, "{rehearsal}");
    rehearsal.nothing_is_left();
}
