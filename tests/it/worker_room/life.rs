//! The worker's image and its life and death.

use std::process::Command;

use rehearsa::docker::ContainerEventKind;
use rehearsa::model::sandbox::{NetworkSpec, ObjectLabels};
use rehearsa::worker::client::{JobError, Worker, WorkerError, WorkerImage};
use rehearsa::worker::protocol::{ListenJob, ScanJob};

use super::{image, now, run, worker};
use crate::support::bench::{Bench, died, seen, wait_for, with_session};

/// A job that goes on for ever: nothing listens there.
fn endless() -> ListenJob {
    ListenJob { ports: vec![1], others_ms: None }
}

#[tokio::test]
async fn the_image_is_imported_once() {
    with_session(async |bench| {
        let (first, second) = tokio::join!(image(bench), image(bench));
        assert_eq!(first.tag, second.tag);
        let id = bench.daemon.image_id(&first.tag).await.expect("images").expect("it is there");
        assert_eq!(image(bench).await.tag, first.tag);
        assert_eq!(bench.daemon.image_id(&first.tag).await.expect("images").expect("it is there"), id);
        let images = bench.daemon.images_labelled(rehearsa::docker::labels::WORKER).await.expect("images");
        let hash = first.tag.rsplit_once(':').expect("a tag").1;
        let ours = images.iter().find(|image| image.tags.contains(&first.tag)).expect("it has a label");
        assert!(ours.labels[rehearsa::docker::labels::WORKER].starts_with(hash));
    })
    .await;
}

/// The test's own executable is not the worker, and another one still is made into an image: it just cannot serve.
#[tokio::test]
async fn an_executable_that_is_no_worker_is_an_error_and_not_a_wait() {
    with_session(async |bench| {
        let executable = std::path::Path::new("/proc/self/exe");
        let image = WorkerImage::ensure_of(&bench.daemon, executable, now()).await.expect("image");
        let started =
            Worker::start(&bench.daemon, &image, &bench.name("w"), vec![], NetworkSpec::None, &bench.marks).await;
        let id = bench.daemon.image_id(&image.tag).await.expect("images").expect("it is there");
        let containers = bench.daemon.objects(Some(&bench.marks.session)).await.expect("objects").containers;
        for container in containers {
            bench.daemon.remove_container(&container.id).await.expect("removed");
        }
        bench.daemon.remove_image(&id).await.expect("removed");
        assert!(matches!(started, Err(WorkerError::Stopped { .. } | WorkerError::Garbled(_))), "{started:?}");
    })
    .await;
}

#[tokio::test]
async fn a_worker_has_few_rights() {
    with_session(async |bench| {
        let worker = worker(bench, "w", vec![], NetworkSpec::None).await;
        let seen = |part: &str| seen(worker.container_id(), part);
        assert_eq!(seen(".HostConfig.ReadonlyRootfs"), true);
        assert_eq!(seen(".HostConfig.CapDrop"), serde_json::json!(["ALL", "NET_ADMIN", "NET_RAW"]));
        let added = seen(".HostConfig.CapAdd").to_string();
        for dangerous in ["SYS_ADMIN", "DAC_READ_SEARCH", "NET_ADMIN", "SYS_PTRACE"] {
            assert!(!added.contains(dangerous), "{added}");
        }
        assert_eq!(seen(".HostConfig.NetworkMode"), "none");
        assert_eq!(seen(".HostConfig.Privileged"), false);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_its_input_is_the_end_of_the_container() {
    with_session(async |bench| {
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let worker = worker(bench, "w", vec![], NetworkSpec::None).await;
        let id = worker.container_id().to_owned();
        // A job is running: it does not hold the end up.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(400), run(&worker, endless())).await;
        drop(worker);
        assert_eq!(died(&mut events, &id).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_job_is_stopped_and_the_worker_goes_on() {
    with_session(async |bench| {
        let worker = worker(bench, "w", vec![], NetworkSpec::None).await;
        // More than a worker takes at a time: their places become free.
        for _ in 0..80 {
            tokio::select! {
                biased;
                answer = run(&worker, endless()) => panic!("{answer:?}"),
                () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
            }
        }
        run(&worker, ScanJob { path: "/".into(), max_entries: 1 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_killed_is_told_as_stopped() {
    with_session(async |bench| {
        let worker = worker(bench, "w", vec![], NetworkSpec::None).await;
        let id = worker.container_id().to_owned();
        let kill = async {
            let output = Command::new("docker").args(["kill", &id]).output().expect("docker runs");
            assert!(output.status.success());
        };
        let (answer, ()) = tokio::join!(worker.run(endless()), kill);
        let Err(JobError::Worker(error)) = answer else { panic!("{answer:?}") };
        assert!(matches!(error, WorkerError::Stopped { exit_code: Some(137), .. }), "{error:?}");
    })
    .await;
}

/// Set in the process that [`a_killed_client_leaves_no_worker_running`] starts and kills: whose session it is in.
const SESSION: &str = "REHEARSA_TEST_SESSION";

#[tokio::test]
async fn a_killed_client_leaves_no_worker_running() {
    if let Ok(session) = std::env::var(SESSION) {
        return be_killed(session).await;
    }
    with_session(async |bench| {
        image(bench).await;
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "worker_room::life::a_killed_client_leaves_no_worker_running"])
            .env(SESSION, &bench.marks.session)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the test runs itself");
        let id = loop {
            let objects = bench.daemon.objects(Some(&bench.marks.session)).await.expect("objects");
            if let Some(container) = objects.containers.first() {
                break container.id.clone();
            }
            assert!(child.try_wait().expect("a child").is_none(), "the child ended early");
            tokio::task::yield_now().await;
        };
        wait_for(&mut events, &id, |what| matches!(what, ContainerEventKind::Started).then_some(())).await;
        child.kill().expect("SIGKILL");
        child.wait().expect("it is dead");
        died(&mut events, &id).await;
    })
    .await;
}

async fn be_killed(session: String) {
    let daemon = rehearsa::docker::Daemon::connect(&crate::support::bench::target(), None).await.expect("an engine");
    let process = format!("{}.0", std::process::id());
    let marks = ObjectLabels { session, stack: "room".into(), host: "test".into(), process, expires: 4_000_000_000 };
    let bench = Bench { daemon, marks };
    let worker = worker(&bench, "orphan", vec![], NetworkSpec::None).await;
    let _ = run(&worker, endless()).await;
}
