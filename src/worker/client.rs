//! Starting a worker and talking to it.

mod board;
mod stream;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::empty;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio_util::bytes::Bytes;

use super::image::EXECUTABLE;
use super::protocol::{Answer, Failure, Message, Request, UnpackJob, WorkerJob};
use crate::docker::{Attached, Daemon, DockerError, Output};
use crate::model::event::Amount;
use crate::model::sandbox::{ContainerSpec, MountSpec, NetworkSpec, ObjectLabels, Stdin};
use board::{PendingReplies, read};
use stream::{Frame, Outbox};

pub use super::image::WorkerImage;

/// A worker that has said nothing of a job for so long is stuck: it reports while anything moves.
const SILENCE: Duration = Duration::from_secs(60);

/// Pieces of streams that wait to be written; each is at most [`MAX_DATA`](super::protocol::MAX_DATA) long.
const FRAMES: usize = 2;

/// What a faithful copy needs and no more. Two are not among it: `SYS_ADMIN`, without which `trusted.*` attributes cannot
/// be seen, is nearly root on the host, and an ordinary service's container does not see these attributes either;
/// `DAC_READ_SEARCH` would let a file of the host be opened by its handle, and reading needs only `DAC_OVERRIDE`.
const CAPABILITIES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"];
/// Most memory of the worker's container, in bytes.
const MEMORY: i64 = 1024 * 1024 * 1024;
/// Most threads and processes of the worker's container.
const PIDS: i64 = 256;

/// The worker did not do its job for a reason of its own.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The engine refused something.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// This executable could not be made into an image.
    #[error("making the worker image from {path}: {source}")]
    Image {
        /// The executable or shared object.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The container ended or closed its output before the job's answer.
    #[error("the worker stopped before its answer (exit code {exit_code:?}){}", stderr_note(.stderr))]
    Stopped {
        /// Its exit code, when it is known.
        exit_code: Option<i64>,
        /// The last it wrote on standard error.
        stderr: String,
    },
    /// Nothing was heard of it for this long.
    #[error("the worker has said nothing for {0:?}")]
    Silent(Duration),
    /// The stream that it was to be given broke off.
    #[error("reading what the worker was to unpack: {0}")]
    Source(#[source] std::io::Error),
    /// It said something that is not in the protocol.
    #[error("the worker said something unexpected: {0}")]
    Garbled(String),
}

fn stderr_note(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

/// Why a job has no answer.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The worker could not do the job.
    #[error("{0}")]
    Failed(Failure),
    /// The job was stopped on request.
    #[error("the job was stopped")]
    Cancelled,
    /// The worker failed, or could not be reached any more.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The answer is one to another job.
    #[error("unexpected answer {0:?}")]
    Unexpected(Box<Answer>),
}

/// A started worker; cheap to share behind an `Arc`: jobs may run at the same time.
///
/// When it is dropped, its input ends, and with it the process in the container; the container itself is its starter's to
/// remove.
#[derive(Debug)]
pub struct Worker {
    container_id: String,
    requests: mpsc::UnboundedSender<Vec<u8>>,
    /// Pieces of streams. Requests go first.
    data: mpsc::Sender<Frame>,
    board: Arc<PendingReplies>,
    next_id: AtomicU64,
    silence: Duration,
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
        CreatedWorker::create(daemon, image, name, mounts, network, marks).await?.start().await
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
        let (requests, lines) = mpsc::unbounded_channel();
        let (data, frames) = mpsc::channel(FRAMES);
        let (alive, gone) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = write(&mut input, lines, frames) => {}
                _ = gone => {}
            }
            // The worker is dropped: its input ends, and so does its process.
            let _ = input.shutdown().await;
        });
        let reading = Arc::clone(&board);
        tokio::spawn(async move {
            let end = read(output, &reading, exit_code).await;
            reading.close(end);
        });
        let next_id = AtomicU64::new(1);
        (Worker { container_id, requests, data, board, next_id, silence, _alive: alive }, greeting)
    }

    async fn greeted(&self, greeting: oneshot::Receiver<Message>) -> Result<(), WorkerError> {
        match tokio::time::timeout(self.silence, greeting).await {
            Ok(Ok(Message::Ready)) => Ok(()),
            Ok(Ok(other)) => Err(WorkerError::Garbled(format!("{other:?} as a greeting"))),
            Ok(Err(_)) => Err(self.board.end()),
            Err(_) => Err(WorkerError::Silent(self.silence)),
        }
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
        answer_of::<J>(self.converse(job.into_job(), Outbox::Done, no_stream, progress).await?)
    }

    /// Gives the worker an archive to unpack and waits for the answer; `progress` hears how far the job is. The stream is
    /// not read to its end when the answer comes before. When it breaks, or the future is dropped, the job is cancelled.
    ///
    /// What waits to be sent is bounded: the stream is read as fast as the worker takes it.
    pub async fn unpack(
        &self,
        job: UnpackJob,
        stream: impl Stream<Item = std::io::Result<Bytes>> + Send,
        progress: impl FnMut(Amount, Option<Amount>) + Send,
    ) -> Result<<UnpackJob as WorkerJob>::Answer, JobError> {
        answer_of::<UnpackJob>(self.converse(job.into_job(), Outbox::Empty, stream, progress).await?)
    }

    fn send(&self, request: &Request) {
        // The writing task ends early only when the worker's input is broken, which shows as the end of its output.
        let _ = self.requests.send(line(request));
    }
}

/// The container of a worker, created and attached to. Its process does not run yet.
pub struct CreatedWorker {
    daemon: Daemon,
    container_id: String,
    attached: Attached,
}

impl CreatedWorker {
    /// Creates the container (`name`) and attaches to it. The engine looks up the container's network when it starts the
    /// container: the network may be created meanwhile.
    pub async fn create(
        daemon: &Daemon,
        image: &WorkerImage,
        name: &str,
        mounts: Vec<MountSpec>,
        network: NetworkSpec,
        marks: &ObjectLabels,
    ) -> Result<CreatedWorker, WorkerError> {
        let container_id = daemon.create_container(name, &spec(image, mounts, network), marks).await?;
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
        // The greeting comes before the engine's answer: the engine has some bookkeeping to do once the process runs. The
        // request is not given up for that, since the engine gives a start up whose asker goes away.
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

fn line(request: &Request) -> Vec<u8> {
    let mut line = serde_json::to_vec(request).expect("a request has string keys only");
    line.push(b'\n');
    line
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

/// A job while somebody waits for it.
struct Running<'a> {
    worker: &'a Worker,
    id: u64,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.worker.board.forget(self.id);
            self.worker.send(&Request::Cancel { id: self.id });
        }
    }
}

/// Writes requests and, where there are none, pieces of streams, until the worker is dropped or its input breaks: that shows
/// as the end of its output.
async fn write(
    input: &mut (impl AsyncWrite + Unpin),
    mut lines: mpsc::UnboundedReceiver<Vec<u8>>,
    mut frames: mpsc::Receiver<Frame>,
) {
    loop {
        let written = tokio::select! {
            biased;
            line = lines.recv() => match line {
                Some(line) => write_line(input, &line).await,
                None => return,
            },
            Some(frame) = frames.recv() => write_frame(input, &mut lines, &frame).await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn write_line(input: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> std::io::Result<()> {
    input.write_all(line).await?;
    input.flush().await
}

async fn write_frame(
    input: &mut (impl AsyncWrite + Unpin),
    lines: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    frame: &Frame,
) -> std::io::Result<()> {
    // The request that this is a piece for was given before it, and perhaps after the look at the requests.
    while let Ok(line) = lines.try_recv() {
        input.write_all(&line).await?;
    }
    input.write_all(&frame.line).await?;
    input.write_all(&frame.bytes).await?;
    input.flush().await
}

/// The worker's container: it can copy faithfully and do nothing else.
fn spec(image: &WorkerImage, mounts: Vec<MountSpec>, network: NetworkSpec) -> ContainerSpec {
    ContainerSpec {
        user: "0:0".to_owned(),
        stdin: Stdin::Attached,
        mounts,
        network,
        memory: Some(MEMORY),
        pids: Some(PIDS),
        cap_add: CAPABILITIES.map(str::to_owned).into(),
        ..ContainerSpec::locked_down(&image.tag, EXECUTABLE, &["worker", "run"])
    }
}

#[cfg(test)]
mod tests;
