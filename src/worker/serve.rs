//! The worker's side of the protocol: reads requests until its input ends, does the jobs on threads, writes replies.
//!
//! The end of the input is the end of the process, whatever runs: the engine closes it when the client goes away, even
//! when it was killed, so no worker outlives its client.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::expected::{Expected, FilledVolumes};
use super::feed::{StreamReader, StreamSender, feed};
use super::fs::scan::{ScanBounds, scan};
use super::job::{JobControl, JobStop};
use super::jobs::canary::canary;
use super::jobs::copy::copy;
use super::jobs::identify::{identify, recognise};
use super::jobs::inspect::find_bytes::find_bytes;
use super::jobs::inspect::sqlite;
use super::jobs::inspect::survivors::find_survivors;
use super::jobs::inspect::tree::inspect;
use super::jobs::inspect::witness::testify;
use super::jobs::listen::{listen, listening_now};
use super::jobs::look::look;
use super::jobs::survey::survey;
use super::jobs::{clear, empty, http, overlay, unpack, watch_space};
use super::protocol::{
    Answer, CanaryJob, ClearJob, CompareJob, CopyJob, CountLiveJob, Failure, FindBytesJob, HttpJob, IdentifyJob,
    InspectJob, Job, ListenJob, ListeningJob, LookJob, MAX_DATA, Message, PrepareEmptyJob, PrepareOverlayJob, QueryJob,
    RecogniseJob, Reply, Request, ScanJob, SpaceJob, SurveyJob, UnpackJob, WatchSpaceJob, WeighJob, WitnessJob,
    WorkerJob,
};
use crate::model::lock::lock;

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_millis(250);
/// Longest request, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// Most jobs at a time.
const MAX_JOBS: usize = 64;

/// A running job.
struct Running {
    control: Arc<JobControl>,
    /// Where its stream goes; `None` when it takes none, or when its stream has ended.
    filler: Option<StreamSender>,
}

/// Running jobs by number.
type Jobs = Arc<Mutex<BTreeMap<u64, Running>>>;

/// Where replies go, one whole line at a time.
struct Output<W>(Mutex<W>);

impl<W: Write> Output<W> {
    fn say(&self, id: u64, message: Message) {
        let mut line = serde_json::to_vec(&Reply { id, message }).expect("a reply has string keys only");
        line.push(b'\n');
        let mut output = lock(&self.0);
        // Nobody reads any more: then the input ends as well, and with it the process.
        let _ = output.write_all(&line).and_then(|()| output.flush());
    }
}

/// Serves jobs until `input` ends. The caller must then end the process: jobs may still run.
pub fn serve(mut input: impl BufRead, output: impl Write + Send + 'static) -> ExitCode {
    let output = Arc::new(Output(Mutex::new(output)));
    let jobs = Jobs::default();
    let filled = Arc::new(FilledVolumes::default());
    output.say(0, Message::Ready);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return ExitCode::SUCCESS,
            Err(_) => return ExitCode::FAILURE,
            Ok(_) => {}
        }
        match serde_json::from_slice::<Request>(&line) {
            Ok(Request::Cancel { id }) => {
                if let Some(job) = lock(&jobs).get_mut(&id) {
                    job.control.cancel();
                    // The job may be waiting for its stream.
                    job.filler = None;
                }
            }
            Ok(Request::Data { id, length }) if length <= MAX_DATA => {
                if pass_on(&mut input, length, id, &jobs).is_err() {
                    return ExitCode::FAILURE;
                }
            }
            // The bytes that follow are no request.
            Ok(Request::Data { length, .. }) => {
                output.say(0, refused(format!("a piece of {length} bytes")));
                return ExitCode::FAILURE;
            }
            Ok(Request::Start { id, job }) => accept(id, job, &jobs, &filled, &output),
            Err(error) => output.say(0, refused(error.to_string())),
        }
    }
}

fn refused(error: String) -> Message {
    Message::Failed(Failure::BadRequest { error })
}

/// Reads a piece of a stream and gives it to its job. Waits for a job that has not read the pieces before; a job that
/// has ended, or is about to end, is not waited for.
fn pass_on(input: &mut impl BufRead, length: u32, id: u64, jobs: &Jobs) -> std::io::Result<()> {
    let filler = {
        let mut jobs = lock(jobs);
        let filler = jobs.get_mut(&id).map(|job| &mut job.filler);
        filler.and_then(|filler| if length == 0 { filler.take() } else { filler.clone() })
    };
    let mut piece = input.take(length.into());
    let Some(filler) = filler else {
        std::io::copy(&mut piece, &mut std::io::sink())?;
        return Ok(());
    };
    let mut bytes = Vec::with_capacity(length as usize);
    if piece.read_to_end(&mut bytes)? < length as usize {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    // Refused by a job that has stopped reading.
    let _ = filler.send(bytes);
    Ok(())
}

fn accept<W: Write + Send + 'static>(
    id: u64,
    job: Job,
    jobs: &Jobs,
    filled: &Arc<FilledVolumes>,
    output: &Arc<Output<W>>,
) {
    let control = Arc::new(JobControl::default());
    let (filler, stream) = match &job {
        Job::Unpack(_) => Some(feed(&control)).unzip(),
        _ => (None, None),
    };
    {
        let mut jobs = lock(jobs);
        if id == 0 || jobs.contains_key(&id) || jobs.len() >= MAX_JOBS {
            output.say(id, refused(format!("no place for a job {id}")));
            return;
        }
        jobs.insert(id, Running { control: Arc::clone(&control), filler });
    }
    let (jobs, filled, out) = (Arc::clone(jobs), Arc::clone(filled), Arc::clone(output));
    let spawned = std::thread::Builder::new().name(format!("job-{id}")).spawn(move || {
        let end = supervise(id, job, stream, &control, &filled, &out);
        // Its number is free before the client can know that it ended.
        lock(&jobs).remove(&id);
        out.say(id, end);
    });
    if let Err(error) = spawned {
        output.say(id, refused(format!("no thread: {error}")));
    }
}

/// Does a job on a thread of its own and reports on it.
fn supervise<W: Write>(
    id: u64,
    job: Job,
    stream: Option<StreamReader>,
    control: &Arc<JobControl>,
    filled: &Arc<FilledVolumes>,
    output: &Output<W>,
) -> Message {
    let (done, end) = channel();
    let (work, filled) = (Arc::clone(control), Arc::clone(filled));
    // Everything that the job does from here on is reported.
    let mut pulse = control.pulse();
    let spawned = std::thread::Builder::new().spawn(move || {
        // The receiver waits for this or for the end of the thread.
        let _ = done.send(perform(job, stream, &work, &filled));
    });
    if let Err(error) = spawned {
        return refused(format!("no thread: {error}"));
    }
    loop {
        match end.recv_timeout(REPORT) {
            Ok(Ok(answer)) => return Message::Done(answer),
            Ok(Err(JobStop::Failed(failure))) => return Message::Failed(failure),
            Ok(Err(JobStop::Cancelled | JobStop::Enough)) => return Message::Cancelled,
            // The thread panicked; standard error says where.
            Err(RecvTimeoutError::Disconnected) => return refused("the job broke off".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                let now = control.pulse();
                if now != pulse {
                    pulse = now;
                    output.say(id, Message::Progress { amount: control.amount(), total: control.total() });
                }
            }
        }
    }
}

fn perform(
    job: Job,
    stream: Option<StreamReader>,
    control: &Arc<JobControl>,
    filled: &FilledVolumes,
) -> Result<Answer, JobStop> {
    let bad_request = |error: String| JobStop::Failed(Failure::BadRequest { error });
    Ok(match job {
        Job::Scan(ScanJob { path, max_entries }) => {
            let bounds = ScanBounds { entries: max_entries, bytes: 0 };
            ScanJob::into_answer(scan(&path, bounds, control, true)?)
        }
        Job::Survey(job) => SurveyJob::into_answer(survey(&job.path, &job.wants, control)?),
        Job::Look(job) => LookJob::into_answer(look(&job, control)?),
        Job::Identify(job) => IdentifyJob::into_answer(identify(&job)),
        Job::Recognise(job) => RecogniseJob::into_answer(recognise(&job)),
        Job::FindBytes(job) => FindBytesJob::into_answer(find_bytes(&job)?),
        Job::Copy(job) => {
            let (copied, source) = copy(&job, control, &())?;
            filled.note(job.to, Expected::Copied(source));
            CopyJob::into_answer(copied)
        }
        Job::PrepareEmpty(job) => PrepareEmptyJob::into_answer(empty::prepare(&job.from, &job.to)?),
        Job::PrepareOverlay(job) => PrepareOverlayJob::into_answer(overlay::prepare(&job.from, &job.to)?),
        Job::Inspect(job) => InspectJob::into_answer(inspect(&job, filled, control)?),
        Job::Witness(job) => WitnessJob::into_answer(testify(&job, control)?),
        Job::CountLive(job) => CountLiveJob::into_answer(sqlite::count_live(&job, control)?),
        Job::Compare(job) => CompareJob::into_answer(find_survivors(&job, control)?),
        Job::Query(job) => QueryJob::into_answer(sqlite::query(&job, control)?),
        Job::Canary(CanaryJob { addresses, name, patience_ms }) => {
            let patience = Duration::from_millis(patience_ms);
            CanaryJob::into_answer(canary(&addresses, &name, patience, control)?)
        }
        Job::Listen(job) => ListenJob::into_answer(listen(&job, control)?),
        Job::Listening(job) => ListeningJob::into_answer(listening_now(&job)?),
        Job::Http(job) => HttpJob::into_answer(http::ask(&job)),
        Job::Space(job) => SpaceJob::into_answer(watch_space::look(&job.paths)?),
        Job::WatchSpace(job) => WatchSpaceJob::into_answer(watch_space::watch(&job, control)?),
        Job::Weigh(job) => WeighJob::into_answer(clear::weigh(&job.paths, job.least, control)?),
        Job::Clear(job) => ClearJob::into_answer(clear::clear(&job.paths, control)?),
        Job::Unpack(UnpackJob { routes, max_bytes, max_entries, keep_free, max_window }) => {
            let Some(stream) = stream else { return Err(bad_request("there is no stream".to_owned())) };
            let bounds = unpack::UnpackBounds { max_bytes, max_entries, keep_free, max_window };
            let mut places = Vec::new();
            for (route, (unpacked, manifest)) in
                routes.iter().zip(unpack::unpack_and_note(&routes, bounds, stream, control)?)
            {
                filled.note(route.to.clone(), Expected::Unpacked(manifest));
                places.push(unpacked);
            }
            UnpackJob::into_answer(places)
        }
    })
}
