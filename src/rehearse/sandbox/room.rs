//! The room on the engine's disk that stacks have reserved for data that is still to be restored. A stack whose data
//! has no room beside that waits until others have gone.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;

use crate::model::lock::lock;
use crate::model::units;

/// What the stacks of a run have reserved.
#[derive(Debug, Default)]
pub(in crate::rehearse) struct DiskRoom {
    /// Bytes that are still to be restored, by the names of the sandboxes that exist.
    claims: Mutex<BTreeMap<String, u64>>,
    /// One sandbox at a time looks and reserves.
    turn: tokio::sync::Mutex<()>,
    changed: tokio::sync::Notify,
}

/// What a sandbox needs.
pub(in crate::rehearse) struct RoomRequest<'a> {
    /// The name of the sandbox.
    pub sandbox: &'a str,
    /// Bytes that will be restored.
    pub bytes: u64,
    /// Bytes that have to stay free for others.
    pub keep_free: u64,
}

impl DiskRoom {
    /// Reserves room for a sandbox; `free` says how much is free. Waits as long as there is too little and another
    /// sandbox exists, whose end may give some. If none does, the restore itself finds out whether there is room.
    pub async fn reserve<E, F: Future<Output = Result<u64, E>>>(
        &self,
        request: RoomRequest<'_>,
        free: impl Fn() -> F,
    ) -> Result<(), E> {
        let RoomRequest { sandbox, bytes, keep_free } = request;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let _turn = self.turn.lock().await;
                let free = free().await?;
                let mut claims = lock(&self.claims);
                let reserved: u64 = claims.values().sum();
                if claims.is_empty() || free >= reserved.saturating_add(bytes).saturating_add(keep_free) {
                    claims.insert(sandbox.to_owned(), bytes);
                    return Ok(());
                }
                tracing::info!(
                    "{sandbox} waits for the end of another stack: it needs {}, and of {} that are free on the \
                     engine's disk {} are reserved",
                    units::bytes(bytes),
                    units::bytes(free),
                    units::bytes(reserved)
                );
            }
            changed.await;
        }
    }

    /// Notes that so much of what a sandbox has reserved lies on the disk now.
    pub fn restored(&self, sandbox: &str, bytes: u64) {
        if let Some(claim) = lock(&self.claims).get_mut(sandbox) {
            *claim = claim.saturating_sub(bytes);
        }
        self.changed.notify_waiters();
    }

    /// Ends the reservation of a sandbox that is gone.
    pub fn release(&self, sandbox: &str) {
        lock(&self.claims).remove(sandbox);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Disk {
        room: DiskRoom,
        free: AtomicU64,
    }

    impl Disk {
        fn of(free: u64) -> Arc<Disk> {
            Arc::new(Disk { room: DiskRoom::default(), free: AtomicU64::new(free) })
        }

        async fn reserve(&self, sandbox: &str, bytes: u64) {
            let free = || async { Ok::<u64, Infallible>(self.free.load(Ordering::SeqCst)) };
            let request = RoomRequest { sandbox, bytes, keep_free: 10 };
            self.room.reserve(request, free).await.expect("it cannot fail");
        }

        /// Whether a reservation waits, once nothing else can go on.
        async fn waits(self: &Arc<Disk>, sandbox: &'static str, bytes: u64) -> Option<tokio::task::JoinHandle<()>> {
            let disk = Arc::clone(self);
            let task = tokio::spawn(async move { disk.reserve(sandbox, bytes).await });
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            (!task.is_finished()).then_some(task)
        }
    }

    #[tokio::test]
    async fn stacks_start_as_long_as_all_of_their_data_has_room() {
        let disk = Disk::of(100);
        disk.reserve("a", 40).await;
        disk.reserve("b", 40).await;
        let third = disk.waits("c", 40).await.expect("80 of 100 are reserved, and 10 stay free");
        // What was restored is not free any more, and not reserved either.
        disk.free.store(60, Ordering::SeqCst);
        disk.room.restored("a", 40);
        tokio::task::yield_now().await;
        assert!(!third.is_finished(), "40 of 60 are reserved");
        disk.free.store(100, Ordering::SeqCst);
        disk.room.release("a");
        third.await.expect("there is room");
    }

    #[tokio::test]
    async fn a_stack_that_is_too_large_waits_for_the_others_and_is_then_tried() {
        let disk = Disk::of(100);
        disk.reserve("a", 10).await;
        let large = disk.waits("large", 500).await.expect("another one may give room");
        disk.room.release("a");
        large.await.expect("it is alone: the restore tells whether there is room");
        disk.room.release("large");
        disk.reserve("b", 500).await;
    }
}
