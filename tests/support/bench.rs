//! A test bench: an engine, a session, short containers, and the removal of everything at the end.

use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{FutureExt, StreamExt};
use rehearsa::docker::{
    Attached, ConnectInputs, ContainerEvent, ContainerEventKind, Daemon, Device, EventStream, NetworkInfo, Output,
    Target,
};
use rehearsa::model::sandbox::{ContainerSpec, MountSource, MountSpec, NetworkSpec, ObjectLabels, Stdin};

use super::PATIENCE;

/// The image of all containers here.
pub const IMAGE: &str = "rehearsa-fixture/tiny:latest";

/// One test's place.
pub struct Bench {
    pub daemon: Daemon,
    pub marks: ObjectLabels,
}

/// The engine that the environment names.
pub fn target() -> Target {
    let inputs = ConnectInputs { docker_host: std::env::var("DOCKER_HOST").ok(), ..ConnectInputs::default() };
    Target::resolve(&inputs).expect("DOCKER_HOST says where the engine is")
}

/// Runs a test in a session of its own and removes everything of it, however the test ends.
pub async fn with_session(test: impl AsyncFnOnce(&Bench)) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let daemon = Daemon::connect(&target(), None).await.expect("an engine answers");
    assert!(
        daemon.image_id(IMAGE).await.expect("the engine knows its images").is_some(),
        "{IMAGE} is missing: build the fixture images first"
    );
    let marks = ObjectLabels {
        session: format!("room{}x{number}", std::process::id()),
        stack: "room".into(),
        host: "test".into(),
        process: format!("{}.0", std::process::id()),
        expires: 4_000_000_000,
    };
    let bench = Bench { daemon, marks };
    let outcome = AssertUnwindSafe(tokio::time::timeout(PATIENCE, test(&bench))).catch_unwind().await;
    bench.clear().await;
    match outcome {
        Ok(in_time) => in_time.expect("the test ends in time"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Bench {
    async fn clear(&self) {
        let objects = self.daemon.objects(Some(&self.marks.session)).await.expect("objects are listed");
        for container in &objects.containers {
            self.daemon.remove_container(&container.id).await.expect("a container is removed");
        }
        for network in &objects.networks {
            self.daemon.remove_network(&network.id).await.expect("a network is removed");
        }
        for volume in &objects.volumes {
            self.daemon.remove_volume(&volume.id).await.expect("a volume is removed");
        }
        let left = self.daemon.objects_left(Some(&self.marks.session)).await.expect("objects are listed");
        assert_eq!(left, Default::default(), "something is left");
    }

    /// A name of this session.
    pub fn name(&self, what: &str) -> String {
        format!("rehearsa-{}-{what}", self.marks.session)
    }

    /// A network like a sandbox's on a kernel without dummy devices: over a bridge that a container keeps up.
    pub async fn network(&self, what: &str) -> NetworkInfo {
        let wire = format!("{what}-wire");
        let below = self.daemon.create_network(&self.name(&wire), &Device::Wire, &self.marks).await.expect("a wire");
        let over = Device::Over(below.clone());
        let network = self.daemon.create_network(&self.name(what), &over, &self.marks).await.expect("a network");
        let on = NetworkSpec::Sandbox { network: below.name, aliases: Vec::new() };
        self.started(&wire, &ContainerSpec { network: on, ..script("sleep 3600") }).await;
        network
    }

    pub async fn create(&self, what: &str, spec: &ContainerSpec) -> String {
        self.daemon.create_container(&self.name(what), spec, &self.marks).await.expect("a container is created")
    }

    pub async fn started(&self, what: &str, spec: &ContainerSpec) -> String {
        let id = self.create(what, spec).await;
        self.daemon.start_container(&id).await.expect("it starts");
        id
    }

    /// Runs a container to its end with this input; its exit code, output and error output.
    pub async fn run(&self, what: &str, spec: ContainerSpec, input: &[u8]) -> (i64, String, String) {
        let spec = ContainerSpec { stdin: Stdin::Attached, ..spec };
        let mut events = self.daemon.events(&self.marks.session).await.expect("events");
        let id = self.create(what, &spec).await;
        let mut attached = self.daemon.attach(&id).await.expect("attached");
        self.daemon.start_container(&id).await.expect("it starts");
        let (out, err) = talk(&mut attached, input).await;
        (died(&mut events, &id).await, out, err)
    }
}

/// Writes the input, ends it, reads to the end.
pub async fn talk(attached: &mut Attached, input: &[u8]) -> (String, String) {
    use tokio::io::AsyncWriteExt;
    let mut writer = std::mem::replace(&mut attached.input, Box::pin(tokio::io::sink()));
    let output = &mut attached.output;
    let write = async move {
        writer.write_all(input).await.expect("the input is taken");
        drop(writer);
    };
    let read = async move {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(piece) = output.next().await {
            match piece.expect("output") {
                Output::Stdout(bytes) => out.extend(bytes),
                Output::Stderr(bytes) => err.extend(bytes),
            }
        }
        (String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
    };
    futures_util::join!(write, read).1
}

/// The next event of this container that `wanted` takes.
pub async fn wait_for<T>(events: &mut EventStream, id: &str, wanted: impl Fn(&ContainerEventKind) -> Option<T>) -> T {
    loop {
        let ContainerEvent { id: whose, what } = events.next().await.expect("events go on").expect("an event");
        if whose == id
            && let Some(found) = wanted(&what)
        {
            return found;
        }
    }
}

/// The exit code, once it has ended.
pub async fn died(events: &mut EventStream, id: &str) -> i64 {
    wait_for(events, id, |what| match what {
        ContainerEventKind::Died(code) => Some(*code),
        _ => None,
    })
    .await
}

/// A container without network that runs this script.
pub fn script(script: &str) -> ContainerSpec {
    ContainerSpec {
        stop_timeout: None,
        memory: Some(64 << 20),
        cpu_shares: None,
        read_only_root: false,
        ..ContainerSpec::locked_down(IMAGE, "sh", &["-c", script])
    }
}

pub fn mount(target: &str, source: MountSource, read_only: bool) -> MountSpec {
    MountSpec { target: target.into(), source, read_only }
}

/// What another client sees: one part of `docker inspect`, as JSON.
pub fn seen(id: &str, part: &str) -> serde_json::Value {
    let format = format!("{{{{json {part}}}}}");
    let output = Command::new("docker").args(["inspect", "--format", &format, id]).output().expect("docker runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("json")
}
