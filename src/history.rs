//! The history of services: the profiles of their green runs, one file each, in a folder of the user's.
//!
//! A file is written whole or not at all, under a name that no other run has, so two runs at once do not disturb each
//! other. The newest [`KEPT`] of a service stay. A file that is damaged, of a later version or of somebody else is
//! named, left where it is, and not compared with. Whoever may write profiles decides what a backup may lack, so
//! nothing is read from a folder where others may write, and no link in it is followed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::local_file::{self, Accept};
use crate::model::profile::{EarlierProfile, EarlierRun, Profile};
use crate::model::service::ServiceName;

/// The version of the files.
const VERSION: u32 = 1;
/// Profiles of a service that are kept.
pub const KEPT: usize = 30;
/// The largest file, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Most characters of a name that a folder gets.
const LONGEST: usize = 100;
/// What the name of a file begins with that is being written.
const UNFINISHED: &str = ".rehearsa-";

/// The profile of a green run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptProfile {
    /// The version of the file: 1.
    pub profile_version: u32,
    /// The service: `stack::service`.
    pub service: String,
    /// The end of the rehearsal.
    pub at: Timestamp,
    /// The session of the run.
    pub session: String,
    /// The kind of the source: `tar`, …
    pub source: String,
    /// The name of the snapshot.
    pub snapshot: Option<String>,
    /// The time of the snapshot.
    pub snapshot_time: Option<Timestamp>,
    /// Id of the service's image.
    pub image: String,
    /// What the service held.
    pub profile: Profile,
}

impl KeptProfile {
    /// The version of a new file.
    pub const VERSION: u32 = VERSION;

    /// The run of the profile.
    pub fn run(&self) -> EarlierRun {
        EarlierRun { at: self.at, snapshot: self.snapshot.clone(), snapshot_time: self.snapshot_time }
    }

    /// What a later run is compared with.
    pub fn into_earlier(self) -> EarlierProfile {
        EarlierProfile { run: self.run(), image: self.image, profile: self.profile }
    }
}

/// What was read of a history.
#[derive(Debug)]
pub struct ReadHistory<T> {
    pub found: T,
    /// Files and folders that could not be used, each with the reason, for people.
    pub unusable: Vec<String>,
}

/// A folder of histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileHistory {
    folder: PathBuf,
    /// The users whose files and folders are trusted.
    owners: Vec<u32>,
}

impl ProfileHistory {
    /// The histories in `folder`, which need not be there yet. `owners`: users, beside root and the one who runs this,
    /// whose files and folders are trusted.
    pub fn in_folder(folder: &Path, owners: &[u32]) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self { folder: folder.to_owned(), owners: [&[0, own], owners].concat() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the services that have a profile.
    pub fn services(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        self.read_all(&mut |kept| {
            names.extend(kept.ok().map(|kept| kept.service));
        });
        names.into_iter().collect()
    }

    /// Makes the folder, for the user alone, and checks that it can be written to, and not by others.
    ///
    /// # Errors
    ///
    /// When it cannot, or belongs to somebody else.
    pub fn prepare(&self) -> io::Result<()> {
        local_file::refuse_links_of_others(&self.folder, true)?;
        make_private(&self.folder)?;
        self.check()?;
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder).map(drop)
    }

    /// Fails if somebody else may have written into the folder. A link to it is the user's own.
    ///
    /// # Errors
    ///
    /// See above; also when it is not there.
    pub fn check(&self) -> io::Result<()> {
        local_file::refuse_links_of_others(&self.folder, true)?;
        self.check_owner(&fs::metadata(&self.folder)?)
    }

    /// The profile that a rehearsal of a snapshot of this time is compared with. `None`: its time is not known.
    pub fn last_before(&self, service: &ServiceName, snapshot: Option<Timestamp>) -> ReadHistory<Option<KeptProfile>> {
        let (mut last, mut unusable) = (None::<KeptProfile>, Vec::new());
        for folder in self.folders_of(service) {
            match self.check_below(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return ReadHistory { found: None, unusable },
                Err(error) => {
                    unusable.push(format!("{}: {error}", folder.display()));
                    return ReadHistory { found: None, unusable };
                }
                Ok(()) => {}
            }
        }
        let mut read = |kept: Result<KeptProfile, String>| match kept {
            Ok(kept) if kept.service != service.to_string() => {
                unusable.push(format!("a profile of {} lies in the folder of {service}", kept.service));
            }
            Ok(kept) => {
                let is_later = last.as_ref().is_none_or(|last| kept.run().order() > last.run().order());
                if kept.run().is_before(snapshot) && is_later {
                    last = Some(kept);
                }
            }
            Err(why) => unusable.push(why),
        };
        self.read_folder(&self.folder_of(service), &mut read);
        ReadHistory { found: last, unusable }
    }

    /// The profiles of all services, the newest first, of which the service's name passes.
    pub fn all(&self, is_wanted: impl Fn(&str) -> bool) -> ReadHistory<Vec<KeptProfile>> {
        let (mut found, mut unusable) = (Vec::new(), Vec::new());
        let mut read = |kept: Result<KeptProfile, String>| match kept {
            Ok(kept) if is_wanted(&kept.service) => found.push(kept),
            Ok(_) => {}
            Err(why) => unusable.push(why),
        };
        self.read_all(&mut read);
        found.sort_by_key(|kept| std::cmp::Reverse(kept.at));
        ReadHistory { found, unusable }
    }

    /// Keeps a profile, and removes the oldest of the service beyond the newest [`KEPT`].
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep(&self, service: &ServiceName, kept: &KeptProfile) -> io::Result<()> {
        let folder = self.folder_of(service);
        for part in self.folders_of(service) {
            make_private(&part)?;
            self.check_below(&part)?;
        }
        let name = format!("{}-{}.json", kept.at.strftime("%Y%m%dT%H%M%S%3fZ"), safe(&kept.session));
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&folder)?;
        serde_json::to_writer(&mut file, kept)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(folder.join(name)).map_err(|error| error.error)?;
        let mut files = profile_files(&folder);
        files.sort_unstable();
        files.reverse();
        for old in files.iter().skip(KEPT) {
            match fs::remove_file(folder.join(old)) {
                // Another run removes the oldest, too.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The folder of a service. Names of services are labels of containers, and may be any text.
    fn folder_of(&self, service: &ServiceName) -> PathBuf {
        match &service.stack {
            Some(stack) => self.folder.join(safe(stack)).join(safe(&service.service)),
            None => self.folder.join(safe(&service.service)),
        }
    }

    /// The folders between the history's and the files of a service, the outer one first.
    fn folders_of(&self, service: &ServiceName) -> Vec<PathBuf> {
        let stack = service.stack.as_ref().map(|stack| self.folder.join(safe(stack)));
        stack.into_iter().chain([self.folder_of(service)]).collect()
    }

    /// Fails for a folder of the history that is a link, or where somebody else may write.
    fn check_below(&self, folder: &Path) -> io::Result<()> {
        let found = fs::symlink_metadata(folder)?;
        if found.is_symlink() {
            return Err(io::Error::other("it is a symbolic link, which is not followed"));
        }
        self.check_owner(&found)
    }

    fn check_owner(&self, found: &Metadata) -> io::Result<()> {
        const OTHERS: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        if !self.owners.contains(&found.uid()) {
            return Err(io::Error::other(format!("it belongs to somebody else (user {})", found.uid())));
        }
        if found.mode() & OTHERS != 0 && !(found.is_dir() && found.mode() & STICKY != 0) {
            return Err(io::Error::other("everybody may write to it (chmod o-w allows it to you alone)"));
        }
        Ok(())
    }

    /// Reads the newest profiles of each service. Folders of others are passed over.
    fn read_all(&self, read: &mut impl FnMut(Result<KeptProfile, String>)) {
        let own = |folder: &Path| -> Vec<PathBuf> {
            folders(folder).into_iter().filter(|below| self.check_below(below).is_ok()).collect()
        };
        for folder in own(&self.folder) {
            self.read_folder(&folder, read);
            own(&folder).iter().for_each(|below| self.read_folder(below, read));
        }
    }

    /// Reads the newest profiles of a folder, one after the other.
    fn read_folder(&self, folder: &Path, read: &mut impl FnMut(Result<KeptProfile, String>)) {
        let mut names = profile_files(folder);
        names.sort_unstable();
        for name in names.iter().rev().take(KEPT) {
            let path = folder.join(name);
            match self.read_file(&path) {
                // Another run has removed the oldest.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => read(Err(format!("{}: {error}", path.display()))),
                Ok(kept) => read(Ok(kept)),
            }
        }
    }

    fn read_file(&self, path: &Path) -> io::Result<KeptProfile> {
        if fs::symlink_metadata(path)?.is_symlink() {
            return Err(io::Error::other("it is a symbolic link, which is not followed"));
        }
        let mut file = local_file::open_as(path, Accept::Regular)?;
        self.check_owner(&file.metadata()?)?;
        let bytes = local_file::read(&mut file, LARGEST)?;
        // A later version may have other fields.
        let damaged = |error: serde_json::Error| io::Error::other(format!("it is damaged: {error}"));
        let Versioned { profile_version } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if profile_version != VERSION {
            let words = format!("it has the version {profile_version}, and this rehearsa knows {VERSION}");
            return Err(io::Error::other(words));
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }
}

/// What every version of a file has.
#[derive(Deserialize)]
struct Versioned {
    profile_version: u32,
}

/// A folder that only the user can read, with the folders above it.
fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A name that is safe as one part of a path: with a hash of the whole name if something was changed.
fn safe(name: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_fine) && !name.starts_with('.') {
        return name.to_owned();
    }
    let changed: String = name.chars().take(LONGEST).map(|c| if is_fine(c) { c } else { '_' }).collect();
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{}-{}", changed.trim_start_matches('.'), &hash[..8])
}

/// The folders in a folder, no links.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The names of the profiles in a folder, by their form: `20261129T043000123Z-1a2b3c4d.json`. Names sort by time.
fn profile_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_profile(name)).collect()
}

fn is_profile(name: &str) -> bool {
    let Some((time, rest)) = name.split_once('-') else { return false };
    let is_time = time.len() == 19 && time.ends_with('Z') && time.as_bytes()[8] == b'T';
    is_time && time.chars().filter(char::is_ascii_digit).count() == 17 && rest.ends_with(".json") && rest.len() > 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(service: &ServiceName, at: &str, session: &str) -> KeptProfile {
        KeptProfile {
            profile_version: VERSION,
            service: service.to_string(),
            at: at.parse().expect("a time"),
            session: session.to_owned(),
            source: "tar".to_owned(),
            snapshot: Some("nightly.tar".to_owned()),
            snapshot_time: None,
            image: "sha256:1".to_owned(),
            profile: Profile { keys: Some(3), ..Profile::default() },
        }
    }

    fn folder() -> (tempfile::TempDir, ProfileHistory) {
        let dir = tempfile::tempdir().expect("a folder");
        let history = ProfileHistory::in_folder(&dir.path().join("deep/history"), &[]);
        (dir, history)
    }

    /// The sessions of all profiles of a service, the newest first, and what could not be used.
    fn sessions(history: &ProfileHistory, service: &ServiceName) -> (Vec<String>, Vec<String>) {
        let ReadHistory { found, unusable } = history.all(|name| name == service.to_string());
        (found.into_iter().map(|kept| kept.session).collect(), unusable)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_kept_is_read_again_and_only_the_user_can_read_it() {
        let (_dir, history) = folder();
        let service = ServiceName::of_stack("shop", "db");
        assert_eq!(history.last_before(&service, None).found, None);
        history.prepare().expect("made");
        let (one, two) = (kept(&service, "2026-11-28T04:30:00Z", "a"), kept(&service, "2026-11-29T04:30:00Z", "b"));
        history.keep(&service, &two).expect("kept");
        history.keep(&service, &one).expect("kept");
        let ReadHistory { found, unusable } = history.all(|_| true);
        assert_eq!((found, unusable.len()), (vec![two.clone(), one], 0), "the newest first");
        assert_eq!(history.last_before(&service, None).found, Some(two));
        let folder = history.folder_of(&service);
        assert!(folder.ends_with("deep/history/shop/db") && mode(&folder) == 0o700);
        let files: Vec<PathBuf> = fs::read_dir(&folder).expect("listed").flatten().map(|file| file.path()).collect();
        assert_eq!(files.len(), 2, "nothing else is left there");
        assert!(files.iter().all(|file| mode(file) == 0o600));
    }

    #[test]
    fn only_the_newest_stay_and_files_of_others_are_never_removed() {
        let (_dir, history) = folder();
        let service = ServiceName::lone("app");
        let folder = history.folder_of(&service);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("00000000-notes.json"), "mine").expect("written");
        for minute in 0..KEPT + 3 {
            let at = format!("2026-11-29T04:{minute:02}:00Z");
            history.keep(&service, &kept(&service, &at, "a")).expect("kept");
        }
        let read = history.all(|_| true).found;
        assert_eq!(read.len(), KEPT);
        assert_eq!(read.last().expect("some").at.to_string(), "2026-11-29T04:03:00Z");
        assert!(folder.join("00000000-notes.json").exists());
    }

    #[test]
    fn two_runs_at_once_keep_both_profiles() {
        let (_dir, history) = folder();
        let service = ServiceName::lone("app");
        std::thread::scope(|scope| {
            for session in ["one", "two", "three", "four"] {
                let (history, service) = (&history, &service);
                scope.spawn(move || {
                    history.keep(service, &kept(service, "2026-11-29T04:30:00Z", session)).expect("kept")
                });
            }
        });
        let (sessions, unusable) = sessions(&history, &service);
        assert_eq!((sessions.len(), unusable.len()), (4, 0));
        let left = fs::read_dir(history.folder_of(&service)).expect("listed").count();
        assert_eq!(left, 4, "nothing else is left there");
    }

    #[test]
    fn what_is_damaged_of_a_later_version_or_of_others_is_named_and_left_out() {
        let (_dir, history) = folder();
        let service = ServiceName::lone("app");
        let good = kept(&service, "2026-11-28T04:30:00Z", "good");
        history.keep(&service, &good).expect("kept");
        let folder = history.folder_of(&service);
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
        let whole = serde_json::to_string(&good).expect("serializes");
        write("20261129T043000000Z-cut.json", &whole[..whole.len() / 2]);
        write("20261129T043100000Z-later.json", "{\"profile_version\":9,\"form\":\"another\"}");
        write("20261129T043200000Z-other.json", &whole.replace("\"service\":\"app\"", "\"service\":\"db\""));
        write("20261129T043300000Z-given.json", &whole);
        let given = folder.join("20261129T043300000Z-given.json");
        std::os::unix::fs::chown(&given, Some(12_345), None).expect("this test needs root: it gives a file away");
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).expect("linked");
        link(Path::new("/dev/zero"), "20261129T043400000Z-device.json");
        link(&folder.join("20261129T043200000Z-other.json"), "20261129T043500000Z-linked.json");
        write("20261129T043600000Z-open.json", &whole);
        let open = folder.join("20261129T043600000Z-open.json");
        fs::set_permissions(open, Permissions::from_mode(0o666)).expect("set");
        let ReadHistory { found, unusable } = history.last_before(&service, None);
        assert_eq!(found, Some(good));
        assert_eq!(unusable.len(), 7, "{unusable:?}");
        for words in [
            "-cut.json: it is damaged",
            "version 9",
            "of db lies in",
            "somebody else (user 12345)",
            "-device.json: it is a symbolic link",
            "-linked.json: it is a symbolic link",
            "-open.json: everybody may write",
        ] {
            assert!(unusable.iter().any(|told| told.contains(words)), "{words}: {unusable:?}");
        }
        let trusting = ProfileHistory::in_folder(&history.folder, &[12_345]);
        assert_eq!(trusting.last_before(&service, None).unusable.len(), 6, "of the user behind sudo");
    }

    #[test]
    fn a_folder_where_others_may_write_or_a_link_is_not_used() {
        use std::os::unix::fs::{chown, symlink};
        let (dir, history) = folder();
        let service = ServiceName::of_stack("shop", "db");
        let one = kept(&service, "2026-11-28T04:30:00Z", "a");
        history.keep(&service, &one).expect("kept");
        let refused = || {
            let words = |error: io::Error| error.to_string();
            let unusable = history.last_before(&service, None).unusable;
            (history.prepare().map_err(words), history.keep(&service, &one).map_err(words), unusable)
        };
        assert_eq!(refused(), (Ok(()), Ok(()), Vec::new()));
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
        set(&history.folder, 0o777);
        assert!(refused().0.expect_err("open").contains("everybody may write"));
        set(&history.folder, 0o1777);
        assert_eq!(refused().0, Ok(()), "as /tmp");
        chown(&history.folder, Some(12_345), None).expect("this test needs root: it gives a folder away");
        assert!(refused().0.expect_err("given away").contains("somebody else (user 12345)"));
        chown(&history.folder, Some(0), None).expect("taken back");
        let stack = history.folder.join("shop");
        chown(&stack, Some(12_345), None).expect("given away");
        let (prepared, written, unusable) = refused();
        assert!(prepared.is_ok() && written.expect_err("given away").contains("user 12345"));
        assert!(unusable.len() == 1 && unusable[0].contains("user 12345"), "{unusable:?}");
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&stack, &elsewhere).expect("moved");
        chown(&elsewhere, Some(0), None).expect("taken back");
        symlink(&elsewhere, &stack).expect("linked");
        let (_, written, unusable) = refused();
        assert!(written.expect_err("linked").contains("symbolic link"));
        assert!(unusable.len() == 1 && unusable[0].contains("symbolic link"), "{unusable:?}");
    }

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        for name in ["..", "../../etc", "/etc", "a/b", "", ".hidden", "Ä"] {
            let part = safe(name);
            assert!(!part.contains('/') && !part.starts_with('.') && !part.is_empty(), "{name}: {part}");
        }
        assert_eq!((safe("media_1.x-y"), safe("a/b") == safe("a_b")), ("media_1.x-y".to_owned(), false));
    }
}
