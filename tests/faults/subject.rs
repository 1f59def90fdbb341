//! The live services, one of each kind: the first trial that needs a service starts and fills it, and backs it up
//! undamaged.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::kind::{KINDS, Kind};
use crate::support::backup::{data_of, folder, sh, stopped};
use crate::support::{Live, Wanted};

/// A live service and its undamaged data.
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Its container's name.
    pub name: String,
    /// Its volume's name.
    pub volume: String,
    /// Its data as it was at rest (`rest`) and while it ran (`hot`), each a folder with one of the volume's name.
    data: tempfile::TempDir,
}

static SUBJECTS: [OnceLock<Subject>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];
/// The objects to remove at the end; a static value is never dropped.
static LIVES: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// The service of this kind.
pub fn subject(kind: Kind) -> &'static Subject {
    SUBJECTS[kind as usize].get_or_init(|| Subject::start(kind))
}

/// Removes all that was started.
pub fn dismiss() {
    LIVES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    for subject in SUBJECTS.iter().filter_map(OnceLock::get) {
        // A static value is never dropped, so the folder is removed here; an error does not matter.
        let _ = std::fs::remove_dir_all(subject.data.path());
    }
}

impl Subject {
    fn start(kind: Kind) -> Self {
        let live = kind.wanted().volume(kind.target()).start();
        kind.seed(&live);
        let data = folder();
        let volume = live.first_volume().to_owned();
        let at = data_of(&volume);
        kind.dump(&live, data.path());
        sh(data.path(), "mkdir -p dumps hot rest; cp -a \"$1\" \"hot/$2\"", &[&at, &volume]);
        stopped(&live, data.path(), "cp -a \"$1\" \"rest/$2\"", &[&at, &volume]);
        kind.go_on(&live);
        // Nobody asks it anything from here on; its healthcheck would go on costing a process every second or two.
        live.pause();
        let subject = Self { kind, name: live.name.clone(), volume, data };
        LIVES.lock().unwrap_or_else(PoisonError::into_inner).push(live);
        subject
    }

    /// A copy of its dumps as `dumps` in this folder.
    pub fn copy_dumps_to(&self, folder: &Path) {
        sh(folder, "cp -a \"$1\" dumps", &[&crate::support::shown(&self.data.path().join("dumps"))]);
    }

    /// Its dump as borgmatic puts one beside other files, below `data` in this folder. Returns the dump's path.
    pub fn lay_dump_in(&self, folder: &Path) -> String {
        self.copy_dumps_to(folder);
        let (hook, database) = match self.kind {
            Kind::MariaDb => ("mariadb_databases", "app"),
            _ => ("postgresql_databases", "postgres"),
        };
        let dump = format!("data/borgmatic/{hook}/{}/{database}", self.name);
        let script = "mkdir -p \"$(dirname \"$1\")\" data/files; mv dumps/x.sql \"$1\"; echo kept >data/files/note";
        sh(folder, script, &[&dump]);
        dump
    }

    /// The folder of its undamaged data.
    pub fn undamaged(&self) -> String {
        crate::support::shown(&self.data.path().join("rest"))
    }

    /// A copy of its data as `data` in this folder.
    pub fn copy_to(&self, folder: &Path, hot: bool) {
        let moment = if hot { "hot" } else { "rest" };
        sh(folder, "cp -a --reflink=auto \"$1\" data", &[&crate::support::shown(&self.data.path().join(moment))]);
    }

    /// Another container on its volume. The live one only sleeps; its rehearsal runs this script.
    pub fn instead(&self, script: &str) -> Wanted {
        let script = format!("[ -e /only-live ] && exec sleep 100000; {script}");
        let volume = format!("{}:{}", self.volume, self.kind.target());
        self.kind.wanted().options(&["--volume", &volume]).script(&script).file("/only-live", "")
    }
}
