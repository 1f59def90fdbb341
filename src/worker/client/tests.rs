//! The client against workers that the test plays, and against the real serving loop over a pipe.

mod stream;

use std::io::{BufReader, Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, once, pending};
use tokio::io::{AsyncBufReadExt, DuplexStream};
use tokio::sync::mpsc as channel;

use super::{JobError, SILENCE, Worker, WorkerError};
use crate::docker::{Output, Result};
use crate::model::event::Amount;
use crate::worker::protocol::{
    Answer, CanaryJob, CopyJob, Failure, InspectJob, InspectWants, ListenJob, MAX_DATA, ManifestWant, Message, Reply,
    Request, Route, ScanJob, UnpackJob, WorkerJob,
};

fn listen() -> ListenJob {
    ListenJob { ports: vec![1], others_ms: None }
}

fn canary() -> CanaryJob {
    CanaryJob { addresses: Vec::new(), name: "x".into(), patience_ms: 1 }
}

fn start(id: u64, job: impl WorkerJob) -> Request {
    Request::Start { id, job: job.into_job() }
}

fn done<J: WorkerJob>(answer: J::Answer) -> Message {
    Message::Done(J::into_answer(answer))
}

/// The worker's end of the line.
struct Player {
    requests: tokio::io::Lines<tokio::io::BufReader<DuplexStream>>,
    output: Option<channel::UnboundedSender<Result<Output>>>,
}

impl Player {
    fn says(&self, bytes: &[u8]) {
        self.output.as_ref().unwrap().send(Ok(Output::Stdout(bytes.to_vec()))).unwrap();
    }

    fn complains(&self, text: &str) {
        self.output.as_ref().unwrap().send(Ok(Output::Stderr(text.into()))).unwrap();
    }

    fn answers(&self, id: u64, message: Message) {
        self.says(&line(id, message));
    }

    async fn hears(&mut self) -> Request {
        serde_json::from_str(&self.requests.next_line().await.unwrap().expect("the input is open")).unwrap()
    }
}

fn line(id: u64, message: Message) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Reply { id, message }).unwrap();
    line.push(b'\n');
    line
}

async fn pair(silence: Duration) -> (Worker, Player) {
    let (input, theirs) = tokio::io::duplex(65536);
    let (sender, mut receiver) = channel::unbounded_channel();
    let output = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let (worker, greeting) = Worker::over("id".into(), input, output, async { Some(137) }, silence);
    let requests = tokio::io::BufReader::new(theirs).lines();
    let player = Player { requests, output: Some(sender) };
    player.answers(0, Message::Ready);
    worker.greeted(greeting).await.unwrap();
    (worker, player)
}

fn amount(files: u64) -> Amount {
    Amount { files, bytes: files * 10 }
}

#[tokio::test]
async fn jobs_run_at_the_same_time_and_get_their_own_answers() {
    let (worker, mut player) = pair(SILENCE).await;
    let play = async {
        let (first, second) = (player.hears().await, player.hears().await);
        assert_eq!((first, second), (start(1, listen()), start(2, canary())));
        player.answers(2, Message::Progress { amount: amount(7), total: Some(amount(9)) });
        player.answers(1, done::<ListenJob>(vec![1]));
        // In pieces, as a network delivers it.
        let line = line(2, done::<CanaryJob>(vec!["x".into()]));
        for piece in line.chunks(5) {
            player.says(piece);
            tokio::task::yield_now().await;
        }
    };
    let mut heard = Vec::new();
    let canary = worker.run_with_progress(canary(), |amount, total| heard.push((amount, total)));
    let (listening, answered, ()) = tokio::join!(worker.run(listen()), canary, play);
    listening.unwrap();
    assert_eq!(answered.unwrap(), ["x"]);
    assert!(heard.len() <= 1, "only the latest progress matters: {heard:?}");
}

#[tokio::test]
async fn progress_is_heard() {
    let (worker, mut player) = pair(SILENCE).await;
    let (heard, mut hears) = channel::unbounded_channel();
    let run = worker.run_with_progress(listen(), move |amount, total| heard.send((amount, total)).unwrap());
    let play = async {
        player.hears().await;
        for files in 1..4 {
            player.answers(1, Message::Progress { amount: amount(files), total: None });
            assert_eq!(hears.recv().await, Some((amount(files), None)));
        }
        player.answers(1, Message::Cancelled);
    };
    let result = tokio::join!(run, play).0;
    assert!(matches!(result, Err(JobError::Cancelled)), "{result:?}");
}

#[tokio::test]
async fn an_answer_to_another_job_and_a_failure_are_told_apart() {
    let (worker, mut player) = pair(SILENCE).await;
    let play = async {
        player.hears().await;
        player.answers(1, done::<CanaryJob>(vec!["x".into()]));
        player.hears().await;
        player.answers(2, Message::Failed(Failure::BadRequest { error: "no room".into() }));
        player.hears().await;
        player.answers(3, Message::Ready);
    };
    let jobs = async { (worker.run(listen()).await, worker.run(listen()).await, worker.run(listen()).await) };
    let ((other, failed, odd), ()) = tokio::join!(jobs, play);
    let other = other.unwrap_err();
    assert!(matches!(&other, JobError::Unexpected(answer) if matches!(**answer, Answer::Canary(_))), "{other:?}");
    assert_eq!(other.to_string(), r#"unexpected answer Canary(["x"])"#);
    assert_eq!(failed.unwrap_err().to_string(), "the worker refused the job: no room");
    assert!(matches!(odd, Err(JobError::Worker(WorkerError::Garbled(_)))), "{odd:?}");
}

#[tokio::test]
async fn a_dropped_job_is_cancelled() {
    let (worker, mut player) = pair(SILENCE).await;
    {
        let run = worker.run(listen());
        tokio::select! {
            biased;
            _ = run => panic!("nobody answered"),
            request = player.hears() => assert_eq!(request, start(1, listen())),
        }
    }
    assert_eq!(player.hears().await, Request::Cancel { id: 1 });
    // Its late answer is nobody's.
    player.answers(1, Message::Cancelled);
    let (answer, request) = tokio::join!(worker.run(listen()), async {
        let request = player.hears().await;
        player.answers(2, done::<ListenJob>(vec![1]));
        request
    });
    answer.unwrap();
    assert_eq!(request, start(2, listen()));
}

#[tokio::test]
async fn the_end_of_the_output_is_told_with_exit_code_and_last_words() {
    let (worker, mut player) = pair(SILENCE).await;
    let play = async {
        player.hears().await;
        player.complains(&"x".repeat(10_000));
        player.complains("\npanicked: out of cheese\n");
        player.output = None;
    };
    let (result, ()) = tokio::join!(worker.run(listen()), play);
    let Err(JobError::Worker(WorkerError::Stopped { exit_code: Some(137), stderr })) = result else {
        panic!("{result:?}")
    };
    assert!(stderr.len() <= 4096 && stderr.ends_with("panicked: out of cheese"));
    let later = worker.run(listen()).await;
    assert!(matches!(later, Err(JobError::Worker(WorkerError::Stopped { .. }))), "{later:?}");
}

#[tokio::test]
async fn what_is_not_of_the_protocol_is_garbled() {
    let (worker, mut player) = pair(SILENCE).await;
    let play = async {
        player.hears().await;
        player.says(b"Hello from your shell\n");
    };
    let (result, ()) = tokio::join!(worker.run(listen()), play);
    let Err(JobError::Worker(WorkerError::Garbled(text))) = result else { panic!("{result:?}") };
    assert_eq!(text, "Hello from your shell");
}

#[tokio::test]
async fn an_endless_line_is_garbled() {
    let (worker, player) = pair(SILENCE).await;
    for _ in 0..100 {
        player.says(&[b'x'; 100_000]);
    }
    let result = worker.run(listen()).await;
    assert!(matches!(result, Err(JobError::Worker(WorkerError::Garbled(_)))), "{result:?}");
}

#[tokio::test]
async fn silence_ends_the_wait() {
    let silence = Duration::from_millis(30);
    let (worker, mut player) = pair(silence).await;
    let result = worker.run(listen()).await;
    assert!(matches!(result, Err(JobError::Worker(WorkerError::Silent(of))) if of == silence), "{result:?}");
    player.hears().await;
    assert_eq!(player.hears().await, Request::Cancel { id: 1 });
}

#[tokio::test]
async fn a_worker_that_never_greets_is_an_error() {
    let (input, _theirs) = tokio::io::duplex(64);
    let output: BoxStream<'static, Result<Output>> = pending().boxed();
    let (worker, greeting) = Worker::over("id".into(), input, output, async { None }, Duration::from_millis(20));
    assert!(matches!(worker.greeted(greeting).await, Err(WorkerError::Silent(_))));

    let (input, _theirs) = tokio::io::duplex(64);
    let output = once(async { Ok(Output::Stderr(b"exec format error".to_vec())) }).boxed();
    let (worker, greeting) = Worker::over("id".into(), input, output, async { Some(1) }, SILENCE);
    let error = worker.greeted(greeting).await.unwrap_err().to_string();
    assert_eq!(error, "the worker stopped before its answer (exit code Some(1)): exec format error");
}

#[tokio::test]
async fn dropping_the_worker_ends_its_input() {
    let (worker, mut player) = pair(SILENCE).await;
    drop(worker);
    assert_eq!(player.requests.next_line().await.unwrap(), None);
}

/// Standard input and output of a worker, as pipes to the real serving loop.
struct Pipe(mpsc::Receiver<Vec<u8>>, Vec<u8>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.recv().unwrap_or_default();
        }
        let length = self.1.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.1[..length]);
        self.1.drain(..length);
        Ok(length)
    }
}

struct Replies(mpsc::Sender<Vec<u8>>);

impl Write for Replies {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A serving loop, and who talks to it.
struct Served {
    input: mpsc::Sender<Vec<u8>>,
    output: mpsc::Receiver<Vec<u8>>,
    serving: std::thread::JoinHandle<std::process::ExitCode>,
}

impl Served {
    fn new() -> Served {
        let (input, requests) = mpsc::channel();
        let (replies, output) = mpsc::channel();
        let serving = std::thread::spawn(move || {
            crate::worker::serve::serve(BufReader::new(Pipe(requests, Vec::new())), Replies(replies))
        });
        let served = Served { input, output, serving };
        assert_eq!(served.hear(), Reply { id: 0, message: Message::Ready });
        served
    }

    fn hear(&self) -> Reply {
        serde_json::from_slice(&self.output.recv().unwrap()).unwrap()
    }

    /// The next reply that is no progress.
    fn hear_end(&self) -> Reply {
        loop {
            match self.hear() {
                Reply { message: Message::Progress { .. }, .. } => {}
                end => return end,
            }
        }
    }

    fn start(&self, id: u64, job: impl WorkerJob) {
        self.say(&start(id, job));
    }

    fn say(&self, request: &Request) {
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        self.input.send(line).unwrap();
    }

    fn give(&self, id: u64, piece: &[u8]) {
        self.say(&Request::Data { id, length: u32::try_from(piece.len()).unwrap() });
        if !piece.is_empty() {
            self.input.send(piece.to_vec()).unwrap();
        }
    }
}

#[test]
fn the_serving_loop_does_jobs_refuses_nonsense_and_ends_with_its_input() {
    let served = Served::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    served.start(4, ScanJob { path: folder.path().to_str().unwrap().into(), max_entries: 0 });
    let Reply { id: 4, message: Message::Done(Answer::Scan(scan)) } = served.hear() else { panic!("not a scan") };
    assert_eq!((scan.amount.files, scan.complete), (1, true));

    served.input.send(b"{}\n".to_vec()).unwrap();
    assert!(matches!(served.hear(), Reply { id: 0, message: Message::Failed(_) }));

    // A job that goes on until it is stopped; it says that it lives.
    served.start(5, listen());
    let progress = served.hear();
    assert!(matches!(progress, Reply { id: 5, message: Message::Progress { .. } }), "{progress:?}");
    served.start(5, listen());
    assert!(matches!(served.hear_end(), Reply { id: 5, message: Message::Failed(_) }));
    served.say(&Request::Cancel { id: 5 });
    assert_eq!(served.hear_end(), Reply { id: 5, message: Message::Cancelled });
    // It ends although a job runs.
    served.start(6, listen());
    drop(served.input);
    served.serving.join().unwrap();
}

fn unpack_to(to: &str) -> UnpackJob {
    let routes = vec![Route { prefix: Vec::new(), to: to.to_owned(), contents: false }];
    UnpackJob { routes, max_bytes: 0, max_entries: 0, keep_free: 0, max_window: 0 }
}

/// Pieces of a stream that no job takes, or that its job does not take any more, are thrown away.
#[test]
fn pieces_for_nobody_do_not_hold_the_serving_loop_up() {
    let served = Served::new();
    served.start(1, unpack_to("/is/not/there"));
    // More than its stream holds, before and after it has failed.
    for _ in 0..50 {
        served.give(1, &[b'\n'; 1000]);
    }
    assert!(matches!(served.hear(), Reply { id: 1, message: Message::Failed(_) }));
    served.give(1, &[b'\n'; 1000]);
    served.give(77, &[b'\n'; 1000]);
    served.give(1, &[]);
    served.start(2, ScanJob { path: "/is/not/there".into(), max_entries: 0 });
    assert!(matches!(served.hear(), Reply { id: 2, message: Message::Failed(_) }));
    // What is longer than a piece may be cannot be told from requests any more.
    served.say(&Request::Data { id: 2, length: MAX_DATA + 1 });
    assert!(matches!(served.hear(), Reply { id: 0, message: Message::Failed(Failure::BadRequest { .. }) }));
    served.serving.join().unwrap();
}

#[test]
fn a_job_that_waits_for_its_stream_lives_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new();
    served.start(1, unpack_to(folder.path().to_str().unwrap()));
    let mut header = tar::Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_size(1000);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    served.give(1, header.as_bytes());
    // The piece is answered by a sign of life, and what is missing is waited for.
    assert!(matches!(served.hear(), Reply { id: 1, message: Message::Progress { .. } }));
    served.say(&Request::Cancel { id: 1 });
    assert_eq!(served.hear_end(), Reply { id: 1, message: Message::Cancelled });
}

/// Compares a volume with what should be in it.
fn compared(volume: String) -> InspectJob {
    let manifest = Some(ManifestWant { volume: volume.clone(), contents: false });
    InspectJob { path: volume, max_entries: 0, wants: InspectWants { manifest, ..InspectWants::default() } }
}

/// What a worker filled it can be asked about once; of anything else it knows nothing.
#[test]
fn a_volume_is_held_against_what_the_worker_brought_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["from", "copied", "unpacked"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::fs::write(path("from/file"), "x").unwrap();
    let served = Served::new();
    served.start(1, CopyJob { from: path("from"), to: path("copied"), max_bytes: 0, keep_free: 0, contents: false });
    assert!(matches!(served.hear_end(), Reply { id: 1, message: Message::Done(Answer::Copy(_)) }));
    served.start(2, unpack_to(&path("unpacked")));
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("", path("from")).unwrap();
    served.give(2, &archive.into_inner().unwrap());
    served.give(2, &[]);
    assert!(matches!(served.hear_end(), Reply { id: 2, message: Message::Done(Answer::Unpack(_)) }));
    std::fs::remove_file(path("unpacked/file")).unwrap();
    // The archive says nothing of its root.
    for (id, to, expected) in [(3, "copied", (2, 0)), (4, "unpacked", (1, 1))] {
        served.start(id, compared(path(to)));
        let Reply { message: Message::Done(Answer::Inspect(inspected)), .. } = served.hear_end() else {
            panic!("no inspection")
        };
        let inventory = inspected.inventory.unwrap();
        assert_eq!((inventory.entries, inventory.content.count), expected, "{inventory:?}");
    }
    served.start(5, compared(path("copied")));
    assert!(matches!(served.hear_end(), Reply { message: Message::Failed(Failure::BadRequest { .. }), .. }));
}
