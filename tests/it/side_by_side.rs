//! Services of one stack that are booted once more at the same time, each in a sandbox of its own: further attempts,
//! and controls. Needs a Docker engine with the fixture images.

use crate::support::{Live, Stack, rehearse, service};

/// Services of a new stack, each of which runs this script in the sandbox and has a note as its data.
fn stack(hint: &str, script: &str) -> (Stack, Vec<Live>) {
    let stack = Stack::new(hint);
    let one = |name: &str| {
        let live = service("broken").of(&stack, name).volume("/mounted").file("/mounted/note", "kept");
        live.rehearsed_as(script).start()
    };
    let services = ["one", "two", "three"].map(one).into();
    (stack, services)
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn further_attempts_of_a_stack_do_not_meet() {
    // Each attempt is long enough to meet the others'.
    let (stack, _services) = stack("attempts", "sleep 2; exec behave exits-with 7");
    let names = ["one", "two", "three"].map(|name| stack.service(name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rehearsal = rehearse(&names, &["--retries", "2", "--retry-failures", "--test-threads", "3"]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    assert_eq!(rehearsal.cases().len(), 3, "{rehearsal}");
    for case in rehearsal.cases() {
        assert_eq!(case["diagnosis"]["code"], "boot/exited", "{rehearsal}");
        assert_eq!(case["verdict"], "failed", "{rehearsal}");
        assert_eq!(case["attempts"].as_array().map(Vec::len), Some(2), "{rehearsal}");
        for earlier in case["attempts"].as_array().into_iter().flatten() {
            assert_eq!(earlier["diagnosis"]["code"], "boot/exited", "{rehearsal}");
        }
    }
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn controls_of_a_stack_do_not_meet() {
    let script = "[ -s /mounted/note ] || { sleep 2; exec behave exits-with 8; }; exec behave healthy";
    let (stack, _services) = stack("controls", script);
    let names = ["one", "two", "three"].map(|name| stack.service(name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rehearsal = rehearse(&names, &["--control", "--test-threads", "3"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    for case in rehearsal.cases() {
        let steps = case["steps"].as_array().expect("a case has steps");
        let control = steps.iter().find(|step| step["step"] == "control").expect("it had a control");
        let note = control["note"].as_str().unwrap_or_default();
        assert!(note.contains("the missing data is noticed: the service exited"), "{rehearsal}");
    }
    rehearsal.nothing_is_left();
}
