//! What a dead run left, and what somebody has made of it meanwhile. Needs a Docker engine on this machine and the
//! fixture images (`ci/fixtures`).

use std::fs;
use std::sync::mpsc::channel;

use crate::support::backup::data_of;
use crate::support::objects::Objects;
use crate::support::proxy::{Proxy, Then};
use crate::support::{docker, rehearsa, text, unique};

/// More entries than an engine is asked to remove at once.
const MANY: usize = 10_050;

/// A volume of a dead session with very many files; its name.
fn left_volume(live: &mut Objects, session: &str, role: &str) -> String {
    let name = format!("rehearsa-{session}-web-{role}");
    let labels = [("session", session), ("stack", "web"), ("host", "nas"), ("pid", "4711.1"), ("expires", "1")];
    let labels = labels.iter().flat_map(|(key, value)| ["--label".to_owned(), format!("io.rehearsa.{key}={value}")]);
    let args = ["volume".to_owned(), "create".to_owned()].into_iter().chain(labels).chain([name.clone()]);
    docker(&args.collect::<Vec<_>>());
    live.made_volume(&name);
    let folder = format!("{}/d", data_of(&name));
    fs::create_dir(&folder).expect("it is on this machine");
    (0..MANY).for_each(|number| fs::write(format!("{folder}/{number}"), "").expect("written"));
    name
}

/// Somebody runs a service on the restored data of a sandbox that was kept. The engine refuses to remove such a volume,
/// and a volume that is emptied first is lost all the same.
#[test]
fn a_volume_that_somebody_elses_container_mounts_is_neither_emptied_nor_removed() {
    let mut live = Objects::new();
    // A session's id has letters and digits only.
    let (user, session) = (unique("user"), unique("s").replace('-', ""));
    let used = left_volume(&mut live, &session, "v0");
    let free = left_volume(&mut live, &session, "v1");
    live.run(&user, &["--volume", &format!("{used}:/mine"), "rehearsa-fixture/broken", "healthy"]);
    let (send, seen) = channel();
    let proxy = Proxy::start(move |line| {
        if line.starts_with("DELETE ") && line.contains("/volumes/") {
            let name =
                line.split("/volumes/").nth(1).and_then(|rest| rest.split([' ', '?']).next()).unwrap_or_default();
            let entries = fs::read_dir(data_of(name)).map_or(0, Iterator::count);
            // The test may have ended.
            let _ = send.send((name.to_owned(), entries));
        }
        Then::Forward
    });
    let clean = || rehearsa(&["--host", &proxy.host(), "clean", "--session", &session]).output().expect("it runs");

    let cleaned = clean();
    let words = text(&cleaned.stdout);
    assert_eq!(cleaned.status.code(), Some(102), "{words}{}", text(&cleaned.stderr));
    assert!(words.contains(&format!("container {user} mounts it and is not Rehearsa's")), "{words}");
    assert!(words.contains(&format!("Removed volume {free}")), "{words}");
    assert_eq!(fs::read_dir(format!("{}/d", data_of(&used))).expect("it is there").count(), MANY);
    let removals: Vec<_> = seen.try_iter().collect();
    assert_eq!(removals, [(free, 0)], "the free one alone is removed, and was emptied before");

    docker(&["rm", "--force", "--volumes", &user]);
    let cleaned = clean();
    assert_eq!(cleaned.status.code(), Some(0), "{}{}", text(&cleaned.stdout), text(&cleaned.stderr));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [(used, 0)]);
}
