//! Images that the engine does not have are pulled, from a real registry on loopback, before anything is restored. A
//! pull that fails is an error with the registry's words and never a verdict on the backup.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::json;

use crate::support::objects::objects_of_session;
use crate::support::run::Run;
use crate::support::{
    Live, Rehearsal, docker, inspect, rehearsa, rehearse, rehearse_by, run_docker, service, shown, unique, wait_for_log,
};

/// The password of the fixture registry. In base64 it has characters that the alphabet for URLs writes otherwise.
const PASSWORD: &str = "fixture-?~>?~>-secret";

/// A registry on loopback, removed when dropped.
struct Registry {
    _container: Live,
    /// `127.0.0.1:PORT`.
    host: String,
    /// A folder with a `config.json` that has the right login.
    logins: tempfile::TempDir,
}

impl Registry {
    fn open() -> Self {
        Self::start(&[])
    }

    fn locked() -> Self {
        let auth = ["AUTH=htpasswd", "AUTH_HTPASSWD_REALM=fixture"].map(|set| format!("REGISTRY_{set}"));
        let file = "REGISTRY_AUTH_HTPASSWD_PATH=/etc/docker/registry/passwords";
        Self::start(&["--env", &auth[0], "--env", &auth[1], "--env", file])
    }

    fn start(options: &[&str]) -> Self {
        let container = service("registry").options(&["--publish", "127.0.0.1::5000"]).options(options).start();
        wait_for_log(&container.name, "listening on");
        let host = docker(&["port", &container.name, "5000/tcp"]).lines().next().unwrap().to_owned();
        let registry = Self { _container: container, host, logins: tempfile::tempdir().unwrap() };
        write_login(registry.logins.path(), &registry.host, PASSWORD);
        registry
    }

    /// A new image that only the registry and the engine have.
    fn push(&self, reference: &str) -> Image {
        let seed = service("broken").command(&["healthy"]).start();
        let label = format!("LABEL seed={}", unique("seed"));
        let id = docker(&["commit", "--change", &label, &seed.name, reference]);
        let image = Image { reference: reference.to_owned(), id };
        docker(&["--config", &shown(self.logins.path()), "push", reference]);
        image
    }

    fn name(&self) -> String {
        format!("{}/{}:1", self.host, unique("image"))
    }

    /// A live service of an image of this registry, which the engine has lost. The service goes first.
    fn service_of_lost_image(&self) -> (Image, Live) {
        let image = self.push(&self.name());
        let live = service_of(&image.reference);
        lose(&live, &image.reference);
        (image, live)
    }
}

/// An image of a test; removed when dropped.
struct Image {
    reference: String,
    id: String,
}

impl Drop for Image {
    fn drop(&mut self) {
        run_docker(&["rmi", "--force", &self.reference]);
        run_docker(&["rmi", "--force", &self.id]);
    }
}

fn service_of(reference: &str) -> Live {
    service("broken").image(reference).volume("/data").file("/data/note", "x").command(&["healthy"]).start()
}

/// Removes the image of a live service. A container goes on with an image that was removed by force while it stood
/// still.
fn lose(live: &Live, reference: &str) {
    docker(&["stop", "--time", "0", &live.name]);
    docker(&["rmi", "--force", reference]);
    docker(&["start", &live.name]);
}

fn write_login(folder: &Path, host: &str, password: &str) {
    let login = json!({"auths": {host: {"username": "rehearsa", "password": password}}});
    std::fs::write(folder.join("config.json"), login.to_string()).unwrap();
}

/// Rehearses with the logins of this folder.
fn with_logins(folder: &Path, live: &Live) -> Rehearsal {
    let mut command = rehearsa(&[]);
    command.env("DOCKER_CONFIG", folder);
    let rehearsal = rehearse_by(command, &[&live.name], &[]);
    shows_no_password(&rehearsal);
    rehearsal
}

#[track_caller]
fn shows_no_password(rehearsal: &Rehearsal) {
    let shown = rehearsal.to_string();
    for secret in [PASSWORD, "wrong-secret", "fixture-keychain-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// What is said of a rehearsal on another image than the live one.
fn drifts(rehearsal: &Rehearsal) -> Vec<&str> {
    let warnings = rehearsal.case()["warnings"].as_array().unwrap().iter();
    warnings.filter(|of| of["code"] == "config/image-drift").map(|of| of["message"].as_str().unwrap()).collect()
}

/// Positions of the steps of these kinds.
fn order(rehearsal: &Rehearsal, kinds: &[&str]) -> Vec<usize> {
    let steps = rehearsal.case()["steps"].as_array().unwrap();
    kinds.iter().map(|kind| steps.iter().position(|step| step["step"] == *kind).expect(kind)).collect()
}

#[test]
fn an_image_that_is_gone_is_pulled_before_anything_is_restored() {
    let registry = Registry::open();
    let (image, live) = registry.service_of_lost_image();
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.steps("pull")[0]["subject"], image.reference.as_str(), "{rehearsal}");
    assert!(order(&rehearsal, &["pull", "restore", "boot"]).is_sorted(), "{rehearsal}");
    assert!(rehearsal.stderr.contains(&format!("Pulled image {}", image.reference)), "{rehearsal}");
    assert_eq!(drifts(&rehearsal), Vec::<&str>::new(), "it is the same image: {rehearsal}");
    // Now the engine has it.
    assert_eq!(rehearse(&[&live.name], &[]).steps("pull"), Vec::<&serde_json::Value>::new());
}

#[test]
fn a_registry_with_a_password_gives_the_image_for_the_login_of_the_file_and_of_a_helper() {
    let registry = Registry::locked();
    let (image, live) = registry.service_of_lost_image();
    with_logins(registry.logins.path(), &live).is_green("healthy");

    lose(&live, &image.reference);
    let helped = tempfile::tempdir().unwrap();
    std::fs::write(helped.path().join("config.json"), json!({"credsStore": "rehearsa"}).to_string()).unwrap();
    let helpers = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/credentials");
    let mut command = rehearsa(&[]);
    command.env("DOCKER_CONFIG", helped.path());
    command.env("PATH", format!("{helpers}:{}", std::env::var("PATH").unwrap()));
    let rehearsal = rehearse_by(command, &[&live.name], &[]);
    rehearsal.is_green("healthy");
    shows_no_password(&rehearsal);
}

#[test]
fn a_registry_that_refuses_the_login_is_an_error_that_says_which_login_was_sent() {
    let registry = Registry::locked();
    let (image, live) = registry.service_of_lost_image();
    let wrong = tempfile::tempdir().unwrap();
    write_login(wrong.path(), &registry.host, "wrong-secret");
    let rehearsal = with_logins(wrong.path(), &live);
    rehearsal.errored("config/image-unavailable");
    for part in [&image.reference, "unauthorized", "with the login for", &shown(wrong.path())] {
        assert!(rehearsal.message().contains(part), "{part}: {rehearsal}");
    }
    assert!(rehearsal.stdout.contains("docker login") || rehearsal.stderr.contains("docker login"), "{rehearsal}");
    assert_eq!(rehearsal.steps("restore"), Vec::<&serde_json::Value>::new(), "{rehearsal}");

    let none = tempfile::tempdir().unwrap();
    let rehearsal = with_logins(none.path(), &live);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains("without a login: there is no"), "{rehearsal}");

    std::fs::write(none.path().join("config.json"), r#"{"credsStore": "not-there"}"#).unwrap();
    let rehearsal = with_logins(none.path(), &live);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains("docker-credential-not-there"), "{rehearsal}");
}

#[test]
fn a_tag_that_the_registry_does_not_have_is_an_error_with_its_words() {
    let registry = Registry::open();
    let reference = registry.name();
    let seed = service("broken").command(&["healthy"]).start();
    docker(&["commit", "--change", &format!("LABEL seed={reference}"), &seed.name, &reference]);
    let live = service_of(&reference);
    lose(&live, &reference);
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains(&reference), "{rehearsal}");
    assert!(rehearsal.message().contains("manifest unknown"), "{rehearsal}");
    assert!(rehearsal.diagnosis()["remedy"].as_str().is_some_and(|what| what.contains("docker save")), "{rehearsal}");
}

#[test]
fn an_image_that_must_not_be_pulled_is_not() {
    let registry = Registry::open();
    let (image, live) = registry.service_of_lost_image();
    let rehearsal = rehearse(&[&live.name], &["--pull", "never"]);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains("--pull never"), "{rehearsal}");
    assert_eq!(rehearsal.steps("pull"), Vec::<&serde_json::Value>::new(), "{rehearsal}");
    assert!(!run_docker(&["image", "inspect", &image.reference]).status.success());
}

/// If the tag moved on the engine, the next `docker compose up` would recreate the live service.
#[test]
fn always_takes_the_image_of_today_and_leaves_the_tag_where_it_is() {
    let registry = Registry::open();
    let reference = registry.name();
    let old = registry.push(&reference);
    let live = service_of(&reference);
    let new = registry.push(&reference);
    docker(&["rmi", "--force", &new.id]);
    docker(&["tag", &old.id, &reference]);

    let rehearsal = rehearse(&[&live.name], &["--pull", "always"]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.steps("pull").len(), 1, "{rehearsal}");
    let found = drifts(&rehearsal);
    let [drift] = found.as_slice() else { panic!("one warning: {rehearsal}") };
    assert!(drift.contains(&new.id[7..19]) && drift.contains(&old.id[7..19]), "{rehearsal}");
    assert_eq!(inspect("image", &reference)["Id"], old.id.as_str(), "the tag still names the live image");

    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.is_green("healthy");
    assert_eq!(drifts(&rehearsal), Vec::<&str>::new(), "{rehearsal}");
}

/// A stack of one service of this image, in a folder of its own, with the archive of its volume.
fn stack_of(reference: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "name: {}\nservices:\n  app:\n    image: {reference}\n    command: [healthy]\n    volumes: ['data:/data']\n\
         volumes: {{data: {{}}}}\n",
        unique("locked")
    );
    std::fs::write(dir.path().join("compose.yaml"), text).unwrap();
    std::fs::create_dir_all(dir.path().join("b/saved/part")).unwrap();
    std::fs::write(dir.path().join("b/saved/part/note"), "x").unwrap();
    let tar = std::process::Command::new("tar").args(["-cf", "b.tar", "-C", "b", "."]).current_dir(dir.path()).status();
    assert!(tar.unwrap().success());
    dir
}

#[test]
fn a_stack_is_locked_and_an_image_that_the_registry_has_changed_since_is_told() {
    let registry = Registry::open();
    let reference = registry.name();
    let old = registry.push(&reference);
    let stack = stack_of(&reference);
    let (file, from) =
        (shown(&stack.path().join("compose.yaml")), format!("tar:{}", shown(&stack.path().join("b.tar"))));
    let lock = stack.path().join("rehearsa.lock");
    let write = |args: &[&str]| {
        let output = rehearsa(&[&["lock", "-f", &file], args].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (said, std::fs::read_to_string(&lock).unwrap())
    };
    let map = ["--from", &from, "--map", "/data=saved/part"];
    let (said, first) = write(&map);
    assert!(said.contains("rehearsa.lock: 1 image and 1 mount"), "{said}");
    let digests = inspect("image", &reference)["RepoDigests"].clone();
    let digest = digests[0].as_str().unwrap().split_once('@').unwrap().1.to_owned();
    for part in [&reference, &digest, &old.id, "\"/data\" = \"saved/part\""] {
        assert!(first.contains(part), "{part}: {first}");
    }
    // Without a backup the mounts stay, and nothing else changes either.
    let (said, again) = write(&[]);
    assert!(again == first && said.contains("is as it was"), "{said}\n{again}");

    let settings = ["-f", &file, "--from", &from];
    let rehearsal = rehearse(&[], &settings);
    rehearsal.is_green("healthy");
    assert_eq!(drifts(&rehearsal), Vec::<&str>::new(), "{rehearsal}");

    // Somebody pushes another image under the same tag, and the engine has lost the old one.
    let new = registry.push(&reference);
    docker(&["rmi", "--force", &old.id]);
    docker(&["rmi", "--force", &new.id]);
    let rehearsal = rehearse(&[], &settings);
    rehearsal.is_green("healthy");
    let told = drifts(&rehearsal);
    let [told] = told.as_slice() else { panic!("one warning: {rehearsal}") };
    assert!(told.contains("compose.yaml:4:5: the image of app is not the one that was locked"), "{told}");
    assert!(told.contains(&format!("and rehearsa.lock has {digest}")), "{told}");

    let rehearsal = rehearse(&[], &[&settings[..], &["--strict"]].concat());
    rehearsal.failed("config/strict");
    assert!(rehearsal.message().contains("config/image-drift"), "{rehearsal}");
    assert_eq!(rehearsal.steps("restore"), Vec::<&serde_json::Value>::new(), "{rehearsal}");

    let (said, last) = write(&[]);
    assert!(said.contains(&format!("app: {reference} ({digest}) before")), "{said}");
    assert!(last != first && !last.contains(&digest), "{last}");
    docker(&["rmi", "--force", &reference]);
}

#[test]
fn a_stack_of_which_an_image_cannot_be_had_is_not_locked() {
    let stack = stack_of("rehearsa-fixture/gone:1");
    let file = shown(&stack.path().join("compose.yaml"));
    let output = rehearsa(&["lock", "-f", &file, "--pull", "never"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(102), "{said}");
    assert!(said.contains("config/image-unavailable") && said.contains("No lock was written"), "{said}");
    assert!(!stack.path().join("rehearsa.lock").exists());
}

#[test]
fn an_image_that_the_files_build_is_built_when_that_is_asked_for() {
    let stack = stack_of("none");
    let (file, from) = (stack.path().join("compose.yaml"), format!("tar:{}", shown(&stack.path().join("b.tar"))));
    let text = std::fs::read_to_string(&file).unwrap().replace("image: none", "build: .");
    std::fs::write(&file, &text).unwrap();
    let name = text.lines().next().unwrap().trim_start_matches("name: ").to_owned();
    let dockerfile = |text: &str| std::fs::write(stack.path().join("Dockerfile"), text).unwrap();
    let file = shown(&file);
    let args = ["-f", &file, "--from", &from, "--map", "/data=saved/part"];
    dockerfile("FROM rehearsa-fixture/broken\nRUN echo fixture-build-words; exit 7\n");
    let built = [&args[..], &["--build"]].concat();

    let rehearsal = rehearse(&[], &args);
    rehearsal.errored("config/image-unavailable");
    let remedy = rehearsal.diagnosis()["remedy"].as_str().unwrap_or_default().to_owned();
    assert!(remedy.contains("--build") && remedy.contains("docker compose build"), "{rehearsal}");

    let rehearsal = rehearse(&[], &built);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains("fixture-build-words"), "{rehearsal}");
    assert_eq!(rehearsal.steps("restore"), Vec::<&serde_json::Value>::new(), "{rehearsal}");

    dockerfile("FROM rehearsa-fixture/broken\nLABEL rehearsa-fixture=built\n");
    let rehearsal = rehearse(&[], &built);
    let _image = Image {
        reference: format!("{name}-app"),
        id: inspect("image", &format!("{name}-app"))["Id"].as_str().unwrap().to_owned(),
    };
    rehearsal.is_green("healthy");
    assert!(rehearsal.stderr.contains(&format!("Building image {name}-app of app")), "{rehearsal}");
}

/// Takes connections and never answers.
struct SilentRegistry {
    host: String,
    _taken: Arc<Mutex<Vec<TcpStream>>>,
}

impl SilentRegistry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let taken = Arc::<Mutex<Vec<TcpStream>>>::default();
        let keep = Arc::clone(&taken);
        std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                keep.lock().unwrap().push(connection);
            }
        });
        Self { host, _taken: taken }
    }

    fn service_of_lost_image(&self) -> Live {
        let reference = format!("{}/{}:1", self.host, unique("image"));
        let seed = service("broken").command(&["healthy"]).start();
        docker(&["commit", "--change", &format!("LABEL seed={reference}"), &seed.name, &reference]);
        let live = service_of(&reference);
        lose(&live, &reference);
        live
    }
}

#[test]
fn a_registry_that_never_answers_is_given_up() {
    let live = SilentRegistry::start().service_of_lost_image();
    let rehearsal = rehearse(&[&live.name], &["--pull-timeout", "1s"]);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains("no sign of life for 1s"), "{rehearsal}");
}

#[test]
fn a_signal_ends_a_pull() {
    let live = SilentRegistry::start().service_of_lost_image();
    let mut run = Run::start(&live.name, &[]);
    run.wait_for_step("pull");
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!(ended.code(), Some(130), "{}", ended.stderr);
    assert_eq!(ended.case()["diagnosis"]["code"], "run/cancelled", "{:#}", ended.case());
    assert_eq!(objects_of_session(&ended.session()), Vec::<String>::new(), "{}", ended.stderr);
}
