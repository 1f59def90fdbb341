//! The live services of the pages, and the folder in which their commands run.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::run;
use crate::support::objects::Objects;
use crate::support::{PATIENCE, docker, shown, text};

/// The command of the pages that makes a backup.
pub const BACK_UP: &str = concat!(
    r#"docker run --rm -v jellyfin_config:/backup/jellyfin_config:ro -v "$PWD":/out busybox "#,
    "tar -czf /out/nightly.tar.gz -C / backup"
);

/// Shared by all trials, and made by the first one that needs it.
pub struct Stage {
    suffix: String,
    /// What is in every folder: the backup, and the reports of a run.
    dir: tempfile::TempDir,
}

static STAGE: OnceLock<Stage> = OnceLock::new();
/// The objects to remove at the end; a static value is never dropped.
static OBJECTS: Mutex<Option<Objects>> = Mutex::new(None);

/// The stage, with its services running.
pub fn stage() -> &'static Stage {
    STAGE.get_or_init(Stage::set)
}

/// Removes all that was started.
pub fn dismiss() {
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(stage) = STAGE.get() {
        // A static value is never dropped, so the folder is removed here; an error does not matter.
        let _ = std::fs::remove_dir_all(stage.dir.path());
    }
}

impl Stage {
    fn set() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        wait_for_the_names(dir.path());
        let stage = Self { suffix: format!("-{}", std::process::id()), dir };
        let volume = format!("jellyfin_config{}", stage.suffix);
        {
            let mut held = OBJECTS.lock().unwrap_or_else(PoisonError::into_inner);
            let objects = held.get_or_insert_default();
            objects.volume(&volume);
            let mount = format!("{volume}:/data");
            // It reads its data when it starts, as the real one does.
            let script = ["-c", "cat /data/* >/dev/null; exec behave listens 80"];
            let options = ["--volume", &mount, "--entrypoint", "sh", "rehearsa-fixture/tiny"];
            stage.start(objects, "jellyfin", &[&options[..], &script].concat());
            stage.start(objects, "subtitles", &["rehearsa-fixture/broken", "never-healthy"]);
            // Healthy live, and not in a sandbox.
            docker(&["exec", &stage.container("subtitles"), "touch", "/run/healthy"]);
        }
        let notes = "for n in $(seq 400); do head -c 4096 /dev/zero >/data/$n; done";
        docker(&["exec", &stage.container("jellyfin"), "sh", "-c", notes]);
        stage.back_up();
        let reports = ["test", "--exact", "media::jellyfin", "--report-dir", "reports"].map(str::to_owned);
        let output = run(&reports, stage.dir.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        stage
    }

    /// The suffix that object names have here and do not have on the pages.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// A folder with the backup that the pages restore from, and with the reports that they read.
    pub fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let from = format!("{}/.", shown(self.dir.path()));
        let copied = Command::new("cp").args(["-a", &from]).arg(folder.path()).status();
        assert!(copied.expect("cp starts").success());
        folder
    }

    /// Runs the pages' own command, with this run's volume and an image that is present.
    fn back_up(&self) {
        let volume = format!("jellyfin_config{}:", self.suffix);
        let part = format!("/backup/jellyfin_config{}:", self.suffix);
        let command = BACK_UP
            .replacen("jellyfin_config:", &volume, 1)
            .replacen("/backup/jellyfin_config:", &part, 1)
            .replacen("busybox tar", "--entrypoint tar rehearsa-fixture/tiny", 1);
        let status = Command::new("sh").args(["-c", &command]).current_dir(self.dir.path()).status();
        assert!(status.expect("the shell starts").success(), "{command}");
    }

    fn container(&self, service: &str) -> String {
        format!("readme-{service}{}", self.suffix)
    }

    fn start(&self, objects: &mut Objects, service: &str, rest: &[&str]) {
        let label = format!("com.docker.compose.service={service}");
        let labels = ["--label", "com.docker.compose.project=media", "--label", &label];
        objects.run(&self.container(service), &[&["--network", "none"], &labels[..], rest].concat());
    }
}

/// Waits until no other service on the engine has one of these names. Another run of these trials uses the same
/// names, and a developer's own services must not be rehearsed with them.
fn wait_for_the_names(dir: &Path) {
    let started = Instant::now();
    let list = ["test", "--list", "--format", "terse", "media", "jellyfin", "subtitles"].map(str::to_owned);
    loop {
        let taken = text(&run(&list, dir).stdout);
        if taken.is_empty() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "the trials need the names of services that run already:\n{taken}");
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}
