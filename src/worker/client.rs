//! Starting a worker and talking to it.

mod board;
mod channel;

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::empty;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio_util::bytes::Bytes;

use super::image::EXECUTABLE;
use super::protocol::{Message, UnpackJob, WorkerJob};
use crate::docker::{Attached, Daemon, DockerError, Output};
use crate::model::event::Amount;
use crate::model::sandbox::{ContainerSpec, MountSpec, NetworkSpec, ObjectLabels, Stdin};
use board::{PendingReplies, read};
use channel::{JobChannel, Outbox, write};

pub use super::error::{JobError, WorkerError};
pub use super::image::WorkerImage;

/// A worker that has sent nothing for a job for this long is stuck: it reports while anything moves.
const SILENCE: Duration = Duration::from_secs(60);

/// What a faithful copy needs, and no more. Two capabilities are left out on purpose. `SYS_ADMIN` is nearly root on
/// the host; without it `trusted.*` attributes cannot be seen, which an ordinary service's container does not see
/// either. `DAC_READ_SEARCH` would let a file of the host be opened by its handle; `DAC_OVERRIDE` is enough to read.
const CAPABILITIES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"];
/// Most memory of the worker's container, in bytes, beside the long windows of the archives that it unpacks.
const MEMORY: u64 = 1024 * 1024 * 1024;
/// Most threads and processes of the worker's container.
const PIDS: i64 = 256;

/// A started worker. Jobs may run at the same time, so it can be shared behind an `Arc`.
///
/// When it is dropped, its input ends, and with it the process in the container. The container is removed by whoever
/// started it.
#[derive(Debug)]
pub struct Worker {
    container_id: String,
    channel: JobChannel,
    /// Dropped with the worker, which ends a write that nobody takes.
    _alive: oneshot::Sender<()>,
}

impl Worker {
    /// Creates the container (`name`), attaches, starts it and waits for its greeting.
    pub async fn start(
        daemon: &Daemon,
        image: &WorkerImage,
        name: &str,
        mounts: Vec<MountSpec>,
        network: NetworkSpec,
        marks: &ObjectLabels,
    ) -> Result<Worker, WorkerError> {
        CreatedWorker::create(daemon, name, &worker_spec(image, mounts, network), marks).await?.start().await
    }

    /// A worker over streams; reading begins at once.
    fn over(
        container_id: String,
        mut input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl Stream<Item = crate::docker::Result<Output>> + Send + Unpin + 'static,
        exit_code: impl Future<Output = Option<i64>> + Send + 'static,
        silence: Duration,
    ) -> (Worker, oneshot::Receiver<Message>) {
        let board = Arc::new(PendingReplies::default());
        let (_, greeting) = board.wait_for(0).expect("nothing was read yet");
        let (channel, lines, frames) = JobChannel::new(Arc::clone(&board), silence);
        let (alive, gone) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = write(&mut input, lines, frames) => {}
                _ = gone => {}
            }
            // The worker is dropped: its input ends, and so does its process.
            let _ = input.shutdown().await;
        });
        tokio::spawn(async move {
            let end = read(output, &board, exit_code).await;
            board.close(end);
        });
        (Worker { container_id, channel, _alive: alive }, greeting)
    }

    async fn greeted(&self, greeting: oneshot::Receiver<Message>) -> Result<(), WorkerError> {
        self.channel.greeted(greeting).await
    }

    /// The container's id.
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// Gives the worker a job and waits for the answer. If the future is dropped, the job is cancelled.
    pub async fn run<J: WorkerJob>(&self, job: J) -> Result<J::Answer, JobError> {
        self.run_with_progress(job, |_, _| {}).await
    }

    /// As [`run`](Self::run); `progress` hears how far the job is.
    pub async fn run_with_progress<J: WorkerJob>(
        &self,
        job: J,
        progress: impl FnMut(Amount, Option<Amount>) + Send,
    ) -> Result<J::Answer, JobError> {
        let no_stream = empty::<std::io::Result<Bytes>>();
        answer_of::<J>(self.channel.converse(job.into_job(), Outbox::Done, no_stream, progress).await?)
    }

    /// Gives the worker an archive to unpack and waits for the answer; `progress` hears how far the job is. The
    /// stream is not read to its end when the answer comes earlier. When the stream breaks, or the future is dropped,
    /// the job is cancelled.
    ///
    /// The memory for what waits to be sent is bounded: the stream is read as fast as the worker takes it.
    pub async fn unpack(
        &self,
        job: UnpackJob,
        stream: impl Stream<Item = std::io::Result<Bytes>> + Send,
        progress: impl FnMut(Amount, Option<Amount>) + Send,
    ) -> Result<<UnpackJob as WorkerJob>::Answer, JobError> {
        answer_of::<UnpackJob>(self.channel.converse(job.into_job(), Outbox::Empty, stream, progress).await?)
    }
}

/// The container of a worker, created and attached to. Its process does not run yet.
pub struct CreatedWorker {
    daemon: Daemon,
    container_id: String,
    attached: Attached,
}

impl CreatedWorker {
    /// Creates the container (`name`) and attaches to it. The engine looks up the container's network when it starts
    /// the container: the network may be created meanwhile.
    pub async fn create(
        daemon: &Daemon,
        name: &str,
        spec: &ContainerSpec,
        marks: &ObjectLabels,
    ) -> Result<CreatedWorker, WorkerError> {
        let container_id = daemon.create_container(name, spec, marks).await?;
        let attached = daemon.attach(&container_id).await?;
        Ok(CreatedWorker { daemon: daemon.clone(), container_id, attached })
    }

    /// Starts the container and waits for the worker's greeting.
    pub async fn start(self) -> Result<Worker, WorkerError> {
        let CreatedWorker { daemon, container_id, attached: Attached { input, output } } = self;
        let (asked, id_asked) = (daemon.clone(), container_id.clone());
        let exit_code = async move {
            asked.state(&id_asked).await.ok().filter(|state| !state.running).map(|state| state.exit_code)
        };
        let container = container_id.clone();
        let (worker, greeting) = Worker::over(container_id, input, output, exit_code, SILENCE);
        // The greeting comes before the engine's answer: the engine has some bookkeeping to do once the process runs.
        // The request is not given up for that, since the engine stops a start whose client goes away.
        let mut start = tokio::spawn(async move { daemon.start_container(&container).await });
        let started = |joined: Result<Result<(), DockerError>, JoinError>| -> Result<(), WorkerError> {
            Ok(joined.map_err(|broken| WorkerError::Garbled(broken.to_string()))??)
        };
        {
            let greeted = worker.greeted(greeting);
            tokio::pin!(greeted);
            tokio::select! {
                biased; // a refused start is the better word than an output that ended
                answer = &mut start => {
                    started(answer)?;
                    greeted.await?;
                }
                result = &mut greeted => {
                    if let Err(error) = result {
                        // Why there was no greeting is in the start's own answer, if it has one.
                        started(start.await)?;
                        return Err(error);
                    }
                }
            }
        }
        Ok(worker)
    }
}

/// The answer to a job of this type.
fn answer_of<J: WorkerJob>(message: Message) -> Result<J::Answer, JobError> {
    match message {
        Message::Done(answer) => J::from_answer(answer).map_err(|other| JobError::Unexpected(Box::new(other))),
        Message::Failed(failure) => Err(JobError::Failed(failure)),
        Message::Cancelled => Err(JobError::Cancelled),
        Message::Ready | Message::Progress { .. } => {
            Err(WorkerError::Garbled(format!("{message:?} as the end of a job")).into())
        }
    }
}

/// The worker's container: it can copy faithfully and do nothing else.
pub fn worker_spec(image: &WorkerImage, mounts: Vec<MountSpec>, network: NetworkSpec) -> ContainerSpec {
    ContainerSpec {
        user: "0:0".to_owned(),
        stdin: Stdin::Attached,
        mounts,
        network,
        memory: memory_with(0),
        pids: Some(PIDS),
        cap_add: CAPABILITIES.map(str::to_owned).into(),
        ..ContainerSpec::locked_down(&image.tag, EXECUTABLE, &["worker", "run"])
    }
}

/// Most memory of a worker that unpacks archives whose long windows take so many bytes.
pub fn memory_with(windows: u64) -> Option<i64> {
    i64::try_from(MEMORY.saturating_add(windows)).ok()
}

/// A container of the worker's image that does nothing until it is removed.
pub fn keeper(image: &WorkerImage, network: NetworkSpec) -> ContainerSpec {
    ContainerSpec { network, pids: Some(16), ..ContainerSpec::locked_down(&image.tag, EXECUTABLE, &["worker", "keep"]) }
}

#[cfg(test)]
mod tests;
