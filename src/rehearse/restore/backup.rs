//! Restoring from an archive: one pass over its stream fills all places of a stack.

use std::io::{self, Write};
use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::bytes::Bytes;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Amount;
use crate::model::plan::{BackupPart, DataSource, RestorePlan};
use crate::model::pluralize::pluralize;
use crate::model::source::{ContentTally, MatchRule};
use crate::model::units;
use crate::plan::loosest;
use crate::source::{Backup, SourceError};
use crate::worker::client::{JobError, Worker};
use crate::worker::protocol::{Failure, PrepareEmptyJob, RootKind, Route, UnpackJob, Unpacked};

use super::failure::{failure_diagnosis, mount_diagnosis};
use super::place::{begin_step, warn_of_lost};
use crate::rehearse::sandbox::worker::Sandbox;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::{KEEP_FREE, StackContext};
use crate::rehearse::state::{BroughtData, PreparedPlace};
use crate::rehearse::steps::OpenStep;

/// The result of one pass over an archive, for all places that are restored from it.
#[derive(Default)]
pub(in crate::rehearse) struct StreamedPlaces(Vec<(usize, Diagnosed<BroughtData>)>);

impl StreamedPlaces {
    /// The result for the place of this index in the plan.
    pub fn of(&self, place: usize) -> Diagnosed<BroughtData> {
        match self.0.iter().find(|(index, _)| *index == place) {
            Some((_, brought)) => brought.clone(),
            None => Err(Diagnosis::new(Code::RestoreFailed, "nothing in the archive was for this mount")),
        }
    }

    fn push(&mut self, place: usize, brought: Diagnosed<BroughtData>) {
        self.0.push((place, brought));
    }
}

/// Bound on the pieces that wait between the reading thread and the engine's connection: 2 MiB in pieces of 256 KiB.
const WAITING: usize = 8;

/// A place that is filled from an archive.
struct UnpackTarget<'a> {
    index: usize,
    plan: &'a RestorePlan,
    prepared: PreparedPlace,
    path: &'a [u8],
    holds: &'a ContentTally,
    max_entries: u64,
    max_window: u64,
    step: OpenStep,
}

/// Fills all places of a stack that are restored from this source, in one pass.
pub(in crate::rehearse) async fn stream(
    cx: &StackContext,
    sandbox: &Sandbox,
    source: usize,
) -> Diagnosed<StreamedPlaces> {
    let opened = &cx.run.sources[source];
    let Some(backup) = opened.backup.clone() else {
        return Err(Diagnosis::new(Code::SourceUnreachable, format!("{} was not opened", opened.place)));
    };
    let worker = sandbox.worker("its last restore").await?;
    let mut streamed = StreamedPlaces::default();
    let mut places = Vec::new();
    for (index, plan) in cx.plan.restores.iter().enumerate() {
        let DataSource::Archive { source: of, path, holds, max_entries, max_window, root_of_live } = &plan.supply
        else {
            continue;
        };
        if *of != source {
            continue;
        }
        let prepared = match sandbox.places[index].clone() {
            Ok(prepared) => prepared,
            Err(diagnosis) => {
                streamed.push(index, Err(diagnosis));
                continue;
            }
        };
        let step = begin_step(cx, plan);
        // Too large according to the survey: nothing is written.
        if plan.max_copy > 0 && holds.amount.bytes > plan.max_copy {
            let failure = Failure::TooLarge { bytes: holds.amount.bytes, max_bytes: plan.max_copy };
            streamed.push(index, Err(step.broke(failure_diagnosis(&failure, &plan.mount))));
            continue;
        }
        if let (true, Some(live)) = (*root_of_live, prepared.live.clone()) {
            root_as_live(plan, live, &prepared, &worker).await;
        }
        let (max_entries, max_window) = (*max_entries, *max_window);
        places.push(UnpackTarget { index, plan, prepared, path, holds, max_entries, max_window, step });
    }
    if !places.is_empty() {
        fill(cx, &backup, &worker, places, &mut streamed).await;
    }
    Ok(streamed)
}

/// Gives the new volume the owner and mode of the live one. If the live one cannot be read, the volume stays root's:
/// many services change that themselves, and others report it in their log.
async fn root_as_live(plan: &RestorePlan, from: String, prepared: &PreparedPlace, worker: &Worker) {
    if let Err(error) = worker.run(PrepareEmptyJob { from, to: prepared.to.clone() }).await {
        tracing::debug!(%error, mount = plan.mount.title(), "the live mount's root");
    }
}

async fn fill(
    cx: &StackContext,
    backup: &Arc<Backup>,
    worker: &Worker,
    places: Vec<UnpackTarget<'_>>,
    streamed: &mut StreamedPlaces,
) {
    // Each place's own bounds were checked against the survey; these bounds catch an archive that has changed since.
    let job = UnpackJob {
        routes: places
            .iter()
            .map(|place| Route {
                prefix: place.path.to_vec(),
                to: place.prepared.to.clone(),
                contents: place.plan.verify_content,
            })
            .collect(),
        max_bytes: loosest(places.iter().map(|place| place.plan.max_copy)),
        max_entries: loosest(places.iter().map(|place| place.max_entries)),
        keep_free: KEEP_FREE,
        max_window: loosest(places.iter().map(|place| place.max_window)),
    };
    let (stream, mut end) = read_in_background(backup, places.iter().map(|place| place.path.to_vec()).collect());
    let answer = worker.unpack(job, stream, |amount, total| {
        // The worker counts all places together: the progress shows on the first step.
        if let Some(place) = places.first() {
            place.step.progress(amount, total);
        }
    });
    let answer = answer.await;
    // If reading the source failed, that error explains why the worker got half an archive. The reading thread has
    // ended by now, or its receiver is gone.
    let broken = match end.try_recv() {
        Ok(Err(error)) if !matches!(error, SourceError::Unheard(_)) => Some(error.diagnosis(&backup.place)),
        _ => None,
    };
    let unpacked = match (broken, answer) {
        (Some(diagnosis), _) => Err(Refusal::Of(diagnosis)),
        (None, Ok(unpacked)) => Ok(unpacked),
        (None, Err(error)) => Err(Refusal::By(error)),
    };
    match unpacked {
        Ok(all) => {
            // They are about the source, so the first of its places tells them.
            let mut of_source = backup.notes();
            for (place, unpacked) in places.into_iter().zip(all) {
                let told = std::mem::take(&mut of_source);
                let (index, brought) = (place.index, conclude(cx, place, &unpacked, backup, told));
                streamed.push(index, brought);
            }
        }
        Err(refusal) => {
            for place in places {
                let diagnosis = match &refusal {
                    Refusal::Of(diagnosis) => diagnosis.clone(),
                    Refusal::By(error) => {
                        mount_diagnosis(error, &place.plan.mount, &format!("restoring from {}", backup.place))
                    }
                };
                streamed.push(place.index, Err(place.step.broke(diagnosis)));
            }
        }
    }
}

/// Ends the step of a place with its result.
fn conclude(
    cx: &StackContext,
    place: UnpackTarget<'_>,
    unpacked: &Unpacked,
    backup: &Backup,
    of_source: Vec<String>,
) -> Diagnosed<BroughtData> {
    let difference = difference(&place, unpacked, backup);
    let UnpackTarget { plan, prepared, step, .. } = place;
    warn_of_lost(cx, plan, &unpacked.lost_metadata);
    if let Some(diagnosis) = difference {
        return Err(step.broke(diagnosis));
    }
    let sidecars = plan.part.as_ref().map_or(0, |part| part.sidecars);
    let ignored = || {
        let files = pluralize(sidecars, "file");
        format!("{files} of macOS (._NAME, .DS_Store, __MACOSX) beside this part ignored")
    };
    let by_its_end = |part: &&BackupPart| part.rule == MatchRule::Suffix;
    let taken = plan.part.as_ref().filter(by_its_end).map(|part| {
        let path = String::from_utf8_lossy(&part.path);
        format!("{path} was taken by the end of its path")
    });
    let mut notes: Vec<String> = (sidecars > 0).then(ignored).into_iter().collect();
    notes.extend(taken);
    if unpacked.replaced.files > 0 {
        let files = pluralize(unpacked.replaced.files, "file");
        notes.push(format!("{files} replaced by a later entry of the same name"));
    }
    notes.extend(backup.place.kind.row().stream_lacks.map(str::to_owned));
    notes.extend(of_source);
    step.done_with(Some(unpacked.amount), (!notes.is_empty()).then(|| notes.join("; ")));
    let data = match unpacked.root {
        Some(RootKind::File) => prepared.as_file(),
        _ => prepared.as_folder(),
    };
    Ok(BroughtData::of(data, unpacked.amount.files))
}

/// Compares the restored amount of a place with the survey of the archive.
fn difference(place: &UnpackTarget<'_>, unpacked: &Unpacked, backup: &Backup) -> Option<Diagnosis> {
    let UnpackTarget { plan, holds, .. } = place;
    // Folders are not compared: an archive may leave them out, and they are made for what is in them.
    let came = Amount {
        files: unpacked.amount.files + unpacked.replaced.files,
        bytes: unpacked.amount.bytes + unpacked.replaced.bytes,
    };
    (came != holds.amount).then(|| {
        let message = format!(
            "{}: {} held {} when it was first read, and {} were restored; did the backup change meanwhile?",
            plan.mount.title(),
            backup.place,
            units::amount(holds.amount),
            units::amount(came)
        );
        Diagnosis::new(Code::RestoreIncomplete, message)
    })
}

/// Why nothing was unpacked.
enum Refusal {
    Of(Diagnosis),
    By(JobError),
}

/// Reads a backup on a thread of its own, which may wait for a disk or a program and ends when nobody receives. The
/// second value yields the result of the reading after the end of the stream.
fn read_in_background(
    backup: &Arc<Backup>,
    wanted: Vec<Vec<u8>>,
) -> (impl stream::Stream<Item = io::Result<Bytes>> + Send, oneshot::Receiver<Result<(), SourceError>>) {
    let (pieces, taken) = mpsc::channel::<io::Result<Bytes>>(WAITING);
    let (ended, end) = oneshot::channel();
    let backup = Arc::clone(backup);
    std::thread::spawn(move || {
        let result = backup.stream(&wanted, &mut Pieces(&pieces));
        let broke = match &result {
            Ok(()) | Err(SourceError::Unheard(_)) => None,
            Err(error) => Some(io::Error::other(error.to_string())),
        };
        // Sent before the stream ends, because the receiver looks for the result after the end.
        let _ = ended.send(result);
        if let Some(error) = broke {
            let _ = pieces.blocking_send(Err(error));
        }
    });
    (stream::unfold(taken, async |mut taken| Some((taken.recv().await?, taken))), end)
}

/// The writer that a source gets.
struct Pieces<'a>(&'a mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map(|()| piece.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
