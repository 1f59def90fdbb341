//! The room `worker` against a real engine: the executable of this build, shipped into the engine and run next to
//! data. Each test has a session of its own, sees only its own objects and leaves nothing. Needs root, and an engine
//! on this machine: odd files are made and compared where the volumes lie.

mod archives;
mod copies;
mod life;
mod network;

use std::path::Path;

use rehearsa::model::sandbox::{MountSource, MountSpec, NetworkSpec, VolumeSpec};
use rehearsa::worker::client::{JobError, Worker, WorkerImage};
use rehearsa::worker::protocol::{Failure, WorkerJob};

use crate::support::bench::Bench;
use crate::support::compare;

/// The image of the executable under test.
async fn image(bench: &Bench) -> WorkerImage {
    let executable = Path::new(env!("CARGO_BIN_EXE_rehearsa"));
    WorkerImage::ensure_of(&bench.daemon, executable, now()).await.expect("the worker image")
}

/// Unix seconds.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

async fn worker(bench: &Bench, what: &str, mounts: Vec<MountSpec>, network: NetworkSpec) -> Worker {
    let image = image(bench).await;
    Worker::start(&bench.daemon, &image, &bench.name(what), mounts, network, &bench.marks).await.expect("a worker")
}

/// Runs a job to its answer.
async fn run<J: WorkerJob>(worker: &Worker, job: J) -> J::Answer {
    worker.run(job).await.expect("an answer")
}

/// Runs a job that the worker cannot do, and gives why.
async fn failure<J: WorkerJob>(worker: &Worker, job: J) -> Failure {
    match worker.run(job).await {
        Err(JobError::Failed(failure)) => failure,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the job was done"),
    }
}

/// A new volume: its name and where it lies.
async fn volume(bench: &Bench, what: &str) -> (String, std::path::PathBuf) {
    let volume =
        bench.daemon.create_volume(&bench.name(what), &VolumeSpec::Plain, &bench.marks).await.expect("a volume");
    let path = std::path::PathBuf::from(volume.mountpoint);
    assert!(path.is_dir(), "the engine is on this machine and the test may look at its data");
    (volume.name, path)
}

fn at(target: &str, volume: &str, read_only: bool) -> MountSpec {
    crate::support::bench::mount(target, MountSource::Volume(volume.to_owned()), read_only)
}
