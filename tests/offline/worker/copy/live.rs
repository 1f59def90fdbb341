//! Copies of a source that changes at a chosen moment, by a hook that the copy calls: no timing is involved.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;

use super::{Pair, copy};
use rehearsa::worker::job::JobControl;
use rehearsa::worker::jobs::copy::CopyObserver;
use rehearsa::worker::protocol::Copied;

/// Does something once, when the copy is at a place.
struct Meddler<F> {
    when: &'static str,
    what: Mutex<Option<F>>,
}

impl<F: FnOnce() + Send> CopyObserver for Meddler<F> {
    fn opened(&self, path: &[u8]) {
        self.at(&format!("opened {}", String::from_utf8_lossy(path)));
    }

    fn listed(&self, path: &[u8]) {
        self.at(&format!("listed {}", String::from_utf8_lossy(path)));
    }
}

impl<F: FnOnce()> Meddler<F> {
    fn at(&self, place: &str) {
        if place == self.when
            && let Some(what) = self.what.lock().unwrap().take()
        {
            what();
        }
    }
}

/// Copies while `what` happens at `when`; it must have happened.
fn meddled(pair: &Pair, when: &'static str, what: impl FnOnce(&Path) + Send) -> Copied {
    let from = pair.from();
    let meddler = Meddler { when, what: Mutex::new(Some(|| what(&from))) };
    let to = pair.to();
    let copied =
        copy(pair.from().to_str().unwrap(), to.to_str().unwrap(), 0, 0, &JobControl::default(), &meddler).unwrap();
    assert!(meddler.what.into_inner().unwrap().is_none(), "the copy never came to {when}");
    copied
}

fn pair_with(names: &[&str]) -> Pair {
    let pair = Pair::new();
    for name in names {
        let path = pair.from().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("content of {name}")).unwrap();
    }
    pair
}

fn append(path: &Path) {
    std::fs::File::options().append(true).open(path).unwrap().write_all(b"!").unwrap();
}

#[test]
fn a_file_that_grows_is_torn_and_cut() {
    let pair = pair_with(&["sub/a", "b"]);
    let copied = meddled(&pair, "opened sub/a", |from| append(&from.join("sub/a")));
    assert_eq!((copied.torn.first, copied.torn.count), (vec!["sub/a".to_owned()], 1));
    assert_eq!(std::fs::read(pair.to().join("sub/a")).unwrap(), b"content of sub/a");
}

#[test]
fn a_file_that_shrinks_is_torn() {
    let pair = pair_with(&["a", "b"]);
    let copied = meddled(&pair, "opened a", |from| std::fs::write(from.join("a"), "less").unwrap());
    assert_eq!(copied.torn.first, ["a"]);
    assert_eq!(std::fs::read(pair.to().join("a")).unwrap(), b"less");
}

#[test]
fn a_file_overwritten_in_place_is_torn_although_its_size_stays() {
    let pair = pair_with(&["a"]);
    let before = filetime(&pair.from().join("a"));
    let copied = meddled(&pair, "opened a", |from| {
        // The kernel stamps changes by its clock's tick: write until the stamp differs.
        while filetime(&from.join("a")) == before {
            std::fs::write(from.join("a"), "CONTENT OF a").unwrap();
        }
    });
    assert_eq!(copied.torn.first, ["a"]);
}

fn filetime(path: &Path) -> std::time::SystemTime {
    std::fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn a_file_that_vanishes_is_torn_and_the_rest_is_copied() {
    let pair = pair_with(&["a", "b", "c/d"]);
    let copied = meddled(&pair, "listed b", |from| std::fs::remove_file(from.join("b")).unwrap());
    assert_eq!((copied.torn.first, copied.amount.files), (vec!["b".to_owned()], 2));
    assert!(!pair.to().join("b").exists());
    assert!(pair.to().join("c/d").exists());
}

#[test]
fn a_folder_that_vanishes_is_torn() {
    let pair = pair_with(&["a", "gone/x", "gone/y", "stays/z"]);
    let copied = meddled(&pair, "listed a", |from| std::fs::remove_dir_all(from.join("gone")).unwrap());
    assert_eq!(copied.torn.first, ["gone"]);
    assert!(pair.to().join("stays/z").exists());
}

#[test]
fn a_folder_swapped_for_a_symlink_leads_nowhere() {
    let pair = pair_with(&["a", "victim/x"]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let to = outside.path().to_owned();
    let copied = meddled(&pair, "listed a", move |from| {
        std::fs::remove_dir_all(from.join("victim")).unwrap();
        symlink(to, from.join("victim")).unwrap();
    });
    assert_eq!(copied.torn.first, ["victim"]);
    assert!(!pair.to().join("victim").exists());
}

#[test]
fn a_file_swapped_for_a_symlink_or_fifo_is_torn() {
    let pair = pair_with(&["a", "b"]);
    let copied = meddled(&pair, "listed a", |from| {
        std::fs::remove_file(from.join("a")).unwrap();
        symlink("/etc/passwd", from.join("a")).unwrap();
    });
    assert_eq!(copied.torn.first, ["a"]);

    let pair = pair_with(&["a", "b"]);
    let copied = meddled(&pair, "listed a", |from| {
        std::fs::remove_file(from.join("a")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.join("a"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
    });
    assert_eq!(copied.torn.first, ["a"], "and opening it does not wait for a writer");
}

#[test]
fn a_file_replaced_whole_is_the_new_one_and_not_torn() {
    let pair = pair_with(&["a"]);
    let copied = meddled(&pair, "listed a", |from| {
        std::fs::write(from.join("a.tmp"), "the new content").unwrap();
        std::fs::rename(from.join("a.tmp"), from.join("a")).unwrap();
    });
    assert_eq!(copied.torn.count, 0, "{:?}", copied.torn);
    assert_eq!(std::fs::read(pair.to().join("a")).unwrap(), b"the new content");
}

#[test]
fn another_name_for_a_file_is_no_change_of_it() {
    let pair = pair_with(&["a"]);
    let outside = pair.folder.path().join("outside");
    let copied = meddled(&pair, "opened a", |from| std::fs::hard_link(from.join("a"), &outside).unwrap());
    assert_eq!(copied.torn.count, 0);
}

#[test]
fn only_the_first_torn_files_are_named() {
    let pair = Pair::new();
    for index in 0..50 {
        std::fs::write(pair.from().join(format!("{index:02}")), "x").unwrap();
    }
    // Whichever comes first takes all others away.
    struct Reaper(std::path::PathBuf);
    impl CopyObserver for Reaper {
        fn listed(&self, _path: &[u8]) {
            for entry in std::fs::read_dir(&self.0).unwrap().flatten() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
    let (from, to) = (pair.from(), pair.to());
    let copied =
        copy(from.to_str().unwrap(), to.to_str().unwrap(), 0, 0, &JobControl::default(), &Reaper(pair.from())).unwrap();
    assert_eq!((copied.torn.first.len(), copied.torn.count), (20, 50));
}
