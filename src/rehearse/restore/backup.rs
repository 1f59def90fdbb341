//! Restoring from a source that is poured out: one pass fills all the places of a stack.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::bytes::Bytes;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::source::ContentTally;
use crate::model::units;
use crate::plan::mapping::loosest;
use crate::source::{Backup, SourceError};
use crate::worker::client::{JobError, Worker};
use crate::worker::protocol::{Failure, PrepareEmptyJob, RootKind, Route, UnpackJob, Unpacked};

use super::{KEEP_FREE, Restored, failure_diagnosis, mount_diagnosis};
use crate::rehearse::sandbox::worker::PreparedVolume;
use crate::rehearse::shared_task::{Diagnosed, SharedFuture};
use crate::rehearse::stack::StackRehearsal;
use crate::rehearse::steps::OpenStep;

/// What came to each place, by its index in the plan.
pub(in crate::rehearse) type Streamed = BTreeMap<usize, Diagnosed<Restored>>;

/// Pieces that wait between the thread that reads and the connection to the engine: with a piece of 256 KiB, 2 MiB.
const WAITING: usize = 8;

/// A place that a source fills.
struct UnpackTarget<'a> {
    index: usize,
    plan: &'a RestorePlan,
    prepared: PreparedVolume,
    path: &'a [u8],
    holds: &'a ContentTally,
    max_entries: u64,
    step: OpenStep,
}

impl StackRehearsal {
    /// A place that the source of this index fills; the first who asks has all of them filled.
    pub(in crate::rehearse) async fn out_of_stream(
        self: &Arc<Self>,
        index: usize,
        source: usize,
    ) -> Diagnosed<Restored> {
        let stack = Arc::clone(self);
        let streamed: SharedFuture<Arc<Streamed>> =
            self.streamed[source].get(|| async move { stack.stream(source).await.map(Arc::new) });
        match streamed.await?.get(&index) {
            Some(restored) => restored.clone(),
            None => Err(Diagnosis::new(Code::RestoreFailed, "nothing was restored to this place")),
        }
    }

    async fn stream(self: &Arc<Self>, source: usize) -> Diagnosed<Streamed> {
        let sandbox = self.sandbox().await?;
        let supplier = &self.common.sources[source];
        let Some(backup) = supplier.backup.clone() else {
            return Err(Diagnosis::new(Code::SourceUnreachable, format!("{} was not opened", supplier.place)));
        };
        let Some(worker) = sandbox.worker.lock().await.clone() else {
            return Err(Diagnosis::new(Code::WorkerFailed, "the worker was gone before its last restore"));
        };
        let mut streamed = Streamed::new();
        let mut places = Vec::new();
        for (index, plan) in self.plan.restores.iter().enumerate() {
            let DataSource::Archive { source: of, path, holds, max_entries, root_of_live } = &plan.supply else {
                continue;
            };
            if *of != source {
                continue;
            }
            let prepared = match sandbox.places[index].clone() {
                Ok(prepared) => prepared,
                Err(diagnosis) => {
                    streamed.insert(index, Err(diagnosis));
                    continue;
                }
            };
            let step = self.restore_step(plan);
            // Known beforehand: nothing is written for a place that would not be let be filled.
            if plan.max_copy > 0 && holds.amount.bytes > plan.max_copy {
                let failure = Failure::TooLarge { bytes: holds.amount.bytes, max_bytes: plan.max_copy };
                streamed.insert(index, Err(step.broke(failure_diagnosis(&failure, &plan.mount))));
                continue;
            }
            if let (true, Some(live)) = (*root_of_live, prepared.live.clone()) {
                self.root_as_live(plan, live, &prepared, &worker).await;
            }
            places.push(UnpackTarget { index, plan, prepared, path, holds, max_entries: *max_entries, step });
        }
        if !places.is_empty() {
            self.fill(&backup, &worker, places, &mut streamed).await;
        }
        Ok(streamed)
    }

    /// Gives the new volume the owner and mode that the live one has. Where that cannot be had it stays root's: its service may
    /// well see to that by itself, and if not, it will say so.
    async fn root_as_live(&self, plan: &RestorePlan, from: String, prepared: &PreparedVolume, worker: &Worker) {
        if let Err(error) = worker.run(PrepareEmptyJob { from, to: prepared.to.clone() }).await {
            tracing::debug!(%error, mount = plan.mount.title(), "the live mount's root");
        }
    }

    async fn fill(
        &self,
        backup: &Arc<Backup>,
        worker: &Worker,
        places: Vec<UnpackTarget<'_>>,
        streamed: &mut Streamed,
    ) {
        // Each place's own bounds were held against what the backup was seen to hold; these are for one that has changed since.
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
        };
        let (stream, mut end) = read_in_background(backup, places.iter().map(|place| place.path.to_vec()).collect());
        let answer = worker.unpack(job, stream, |amount, total| {
            // The worker counts what all get; one line that moves is enough.
            if let Some(place) = places.first() {
                place.step.progress(amount, total);
            }
        });
        let answer = answer.await;
        // When the source broke, that is why the worker got no whole archive. It has ended by now, or nobody listens to it.
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
                for (place, unpacked) in places.into_iter().zip(all) {
                    self.note_unpacked(place, &unpacked, backup, streamed);
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
                    streamed.insert(place.index, Err(place.step.broke(diagnosis)));
                }
            }
        }
    }

    /// Tells what came to a place.
    fn note_unpacked(&self, place: UnpackTarget<'_>, unpacked: &Unpacked, backup: &Backup, streamed: &mut Streamed) {
        let difference = difference(&place, unpacked, backup);
        let UnpackTarget { index, plan, prepared, step, .. } = place;
        self.warn_of_lost(plan, &unpacked.lost_metadata, unpacked.lost_metadata_count);
        if let Some(diagnosis) = difference {
            streamed.insert(index, Err(step.broke(diagnosis)));
            return;
        }
        self.note_restored_files(plan, unpacked.amount.files);
        step.done_with(Some(unpacked.amount), None);
        let restored = match unpacked.root {
            Some(RootKind::File) => Restored::HostPath(format!("{}/file", prepared.volume.mountpoint)),
            _ => Restored::Volume(prepared.volume.name),
        };
        streamed.insert(index, Ok(restored));
    }
}

/// What came to a place is held against what the backup was seen to hold.
fn difference(place: &UnpackTarget<'_>, unpacked: &Unpacked, backup: &Backup) -> Option<Diagnosis> {
    let UnpackTarget { plan, holds, .. } = place;
    // Folders are not compared: an archive may leave them out, and they are made for what is in them.
    (unpacked.amount != holds.amount).then(|| {
        let message = format!(
            "{}: {} was seen to hold {}, and {} came back; did it change meanwhile?",
            plan.mount.title(),
            backup.place,
            units::amount(holds.amount),
            units::amount(unpacked.amount)
        );
        Diagnosis::new(Code::RestoreIncomplete, message)
    })
}

/// Why nothing was unpacked.
enum Refusal {
    Of(Diagnosis),
    By(JobError),
}

/// Pours a backup out on a thread of its own: it may wait for a disk or a program, and is let go when nobody listens. How it
/// ended is told after the last piece was taken.
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
        // The one who asks looks for this after the stream has ended: it must be there by then.
        let _ = ended.send(result);
        if let Some(error) = broke {
            let _ = pieces.blocking_send(Err(error));
        }
    });
    (stream::unfold(taken, async |mut taken| Some((taken.recv().await?, taken))), end)
}

/// Where a source writes to.
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
