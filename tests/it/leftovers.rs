//! What a dead run left, and what somebody has made of it meanwhile. Needs a Docker engine on this machine and the
//! fixture images (`ci/fixtures`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;

use rehearsa::cli::identity;

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

/// Keeps the sandbox of a run that is over. Returns the id of its session.
fn kept(live: &mut Objects) -> String {
    let name = unique("kept");
    let volume = format!("{name}-data");
    live.volume(&volume);
    live.run(&name, &["--volume", &format!("{volume}:/data"), "rehearsa-fixture/broken", "never-healthy"]);
    let session = Run::start(&name, &["--keep"]).end().session();
    live.session(&session);
    session
}

/// The end of a job must not remove what somebody looks at in another terminal.
#[test]
fn a_clean_at_the_end_of_a_job_spares_what_was_kept_on_request() {
    let mut live = Objects::new();
    let session = kept(&mut live);
    let before = objects_of_session(&session);
    assert!(before.iter().any(|object| object.starts_with("container ")), "{before:?}");
    let cleaned = rehearsa(&["clean", "--spare-kept"]).output().expect("it runs");
    let words = text(&cleaned.stdout);
    assert_eq!(cleaned.status.code(), Some(0), "{words}{}", text(&cleaned.stderr));
    assert!(words.contains(&format!("of session {session} of ")), "{words}");
    assert!(words.contains("it was kept on request"), "{words}");
    assert_eq!(objects_of_session(&session), before);
}

/// As the worker of another run does that sweeps the same volume.
#[test]
fn a_volume_that_another_sweep_has_in_use_is_removed_when_it_is_free() {
    let mut live = Objects::new();
    let session = kept(&mut live);
    let kept = objects_of_session(&session);
    let volume = kept.iter().find_map(|object| object.strip_prefix("volume ")).expect("a volume");
    let other = identity::session("other-");
    let holder = format!("rehearsa-{}-web-sweeper", other.id);
    let labels = [
        ("session", other.id.clone()),
        ("stack", "web".to_owned()),
        ("host", other.host.clone()),
        ("pid", other.process.clone()),
        ("expires", other.expires.to_string()),
    ];
    let labels = labels.map(|(key, value)| format!("--label=io.rehearsa.{key}={value}"));
    let mount = format!("--volume={volume}:/left");
    let mut args: Vec<&str> = labels.iter().map(String::as_str).collect();
    args.extend([mount.as_str(), "rehearsa-fixture/broken", "healthy"]);
    live.run(&holder, &args);

    let mut clean = rehearsa(&["clean", "-vv", "--session", &session]);
    let mut clean = clean.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let stderr = BufReader::new(clean.stderr.take().expect("it is piped"));
    let (send, line_seen) = channel();
    let reader = std::thread::spawn(move || {
        stderr.lines().map_while(Result::ok).for_each(|line| {
            // The test may have ended.
            let _ = send.send(line);
        });
    });
    let waits = format!("volume {volume} is in use; trying again");
    assert!(line_seen.iter().any(|line| line.contains(&waits)), "it did not try again");
    docker(&["rm", "--force", "--volumes", &holder]);
    let cleaned = clean.wait_with_output().expect("it ends");
    reader.join().expect("no panic");
    let words = text(&cleaned.stdout);
    assert_eq!(cleaned.status.code(), Some(0), "{words}");
    assert!(words.contains(&format!("Removed volume {volume}")), "{words}");
    assert_eq!(objects_of_session(&session), Vec::<String>::new());
}
