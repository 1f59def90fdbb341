//! What a dead run left, and what somebody has made of it meanwhile. Needs a Docker engine on this machine and the
//! fixture images (`ci/fixtures`).

use std::fs;
use std::sync::mpsc::channel;

use crate::support::backup::data_of;
use crate::support::objects::{Objects, objects_of_session};
use crate::support::proxy::{Proxy, Then};
use crate::support::run::Run;
use crate::support::{docker, rehearsa, text, unique};

/// More entries than an engine is asked to remove at once.
const MANY: usize = 10_050;

/// Gives a volume very many files.
fn fill(volume: &str) {
    let folder = format!("{}/d", data_of(volume));
    fs::create_dir(&folder).expect("it is on this machine");
    (0..MANY).for_each(|number| fs::write(format!("{folder}/{number}"), "").expect("written"));
}

/// Somebody runs a service on the restored data of a sandbox that was kept. The engine refuses to remove such a volume,
/// and a volume that is emptied first is lost all the same.
#[test]
fn a_volume_that_somebody_elses_container_mounts_is_neither_emptied_nor_removed() {
    let mut live = Objects::new();
    let (user, name) = (unique("user"), unique("kept"));
    let volumes = ["data", "media"].map(|of| format!("{name}-{of}"));
    volumes.iter().for_each(|volume| live.volume(volume));
    let mounts = [format!("{}:/data", volumes[0]), format!("{}:/media", volumes[1])];
    let args = ["--volume", &mounts[0], "--volume", &mounts[1], "rehearsa-fixture/broken", "never-healthy"];
    live.run(&name, &args);
    let ended = Run::start(&name, &["--keep"]).end();
    let session = ended.session();
    live.session(&session);
    let kept = objects_of_session(&session);
    let kept: Vec<&str> = kept.iter().filter_map(|object| object.strip_prefix("volume ")).collect();
    let [used, free] = kept[..] else { panic!("a volume for each mount: {kept:?} {}", ended.stderr) };
    fill(used);
    fill(free);
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
    assert_eq!(fs::read_dir(format!("{}/d", data_of(used))).expect("it is there").count(), MANY);
    let removals: Vec<_> = seen.try_iter().collect();
    assert_eq!(removals, [(free.to_owned(), 0)], "the free one alone is removed, and was emptied before");

    docker(&["rm", "--force", "--volumes", &user]);
    let cleaned = clean();
    assert_eq!(cleaned.status.code(), Some(0), "{}{}", text(&cleaned.stdout), text(&cleaned.stderr));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [(used.to_owned(), 0)]);
}
