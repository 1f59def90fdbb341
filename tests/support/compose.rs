//! Stacks that Docker Compose made, backed up and removed: what is left are their files and an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{docker, run_docker, shown, text, unique};

/// A copy of the stack `fixtures/stacks/shop` with a name of its own.
pub struct Shop {
    /// The folder that holds the stack's folder, and the archives.
    dir: tempfile::TempDir,
    /// Name of the project.
    pub name: String,
}

impl Shop {
    /// The files of the stack, in a folder of the project's name. Nothing is started.
    pub fn files() -> Shop {
        let shop = Shop { dir: tempfile::tempdir().expect("a temporary folder"), name: unique("shop") };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stacks/shop");
        fs::create_dir(shop.folder()).expect("made");
        for file in ["compose.yaml", ".env", "token.txt", "cache.conf"] {
            fs::copy(from.join(file), shop.folder().join(file)).expect("copied");
        }
        let env = format!("{}PROXY_NETWORK={}-proxy\n", shop.read(".env"), shop.name);
        fs::write(shop.folder().join(".env"), env).expect("written");
        shop
    }

    /// The stack, started and with an order in its database.
    pub fn running() -> Shop {
        let shop = Shop::files();
        fs::create_dir(shop.folder().join("data")).expect("made");
        std::os::unix::fs::chown(shop.folder().join("data"), Some(1500), Some(1500)).expect("given away");
        docker(&["network", "create", &format!("{}-proxy", shop.name)]);
        shop.compose(&["up", "--detach", "--wait", "db", "cache"]);
        shop.compose(&["up", "--detach"]);
        shop.compose(&["up", "--detach", "--wait", "app"]);
        let sql = "insert into orders values (7)";
        shop.compose(&["exec", "-T", "db", "psql", "-q", "-U", "shop", "-d", "shop", "-c", sql]);
        shop
    }

    /// Starts one service that needs no other.
    pub fn compose_one(&self, service: &str) {
        docker(&["network", "create", &format!("{}-proxy", self.name)]);
        self.compose(&["up", "--detach", "--wait", "--no-deps", service]);
    }

    /// Backs the running stack up and removes everything of it but its files without the data, as a checkout has them.
    /// Returns the archive.
    pub fn dead(self) -> (Shop, PathBuf) {
        self.compose(&["stop"]);
        let archive = self.back_up("backup.tar", &["db", "cache"]);
        self.remove();
        fs::remove_dir_all(self.folder().join("data")).expect("removed");
        (self, archive)
    }

    /// Packs volumes as an engine keeps them, and the stack's folder as it lies on the host.
    pub fn back_up(&self, name: &str, volumes: &[&str]) -> PathBuf {
        let mut args = vec!["run".to_owned(), "--rm".to_owned(), "--entrypoint".to_owned(), "tar".to_owned()];
        let mut mount = |from: String, to: String| args.extend(["--volume".to_owned(), format!("{from}:{to}")]);
        for volume in volumes {
            let volume = format!("{}_{volume}", self.name);
            mount(volume.clone(), format!("/b/var/lib/docker/volumes/{volume}/_data:ro"));
        }
        mount(shown(&self.folder()), format!("/b/opt/stacks/{}:ro", self.name));
        mount(shown(self.dir.path()), "/out".to_owned());
        let image = "rehearsa-fixture/busybox";
        args.extend([image, "-cf", &format!("/out/{name}"), "-C", "/b", "."].map(str::to_owned));
        docker(&args);
        self.dir.path().join(name)
    }

    /// The stack's folder.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// A path in the folder around the stack's.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The file of the stack.
    pub fn file(&self) -> String {
        shown(&self.folder().join("compose.yaml"))
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder().join(file)).expect("it is there")
    }

    /// Runs Compose on the stack; it has to succeed.
    #[track_caller]
    pub fn compose(&self, args: &[&str]) {
        let output = self.run_compose(args);
        assert!(output.status.success(), "compose {}: {}", args.join(" "), text(&output.stderr));
    }

    fn run_compose(&self, args: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.name]).args(args).current_dir(self.folder());
        command.output().expect("the docker client starts")
    }

    fn remove(&self) {
        self.run_compose(&["down", "--volumes", "--timeout", "5"]);
        run_docker(&["network", "rm", &format!("{}-proxy", self.name)]);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.remove();
    }
}
