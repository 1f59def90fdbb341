//! Work that is done once, whichever and however many callers ask for it.

use std::future::Future;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::lock::lock;

/// A value, or the diagnosis of why there is none.
pub type Diagnosed<T> = Result<T, Diagnosis>;

/// Work that was started; awaiting it again gives the same result.
pub type SharedFuture<T> = Shared<BoxFuture<'static, Diagnosed<T>>>;

/// Work that the first caller starts and whose result all callers get. It runs as a task of its own: a caller that goes
/// away neither stops nor repeats it.
pub struct SharedTask<T: Clone> {
    shared: Mutex<Option<SharedFuture<T>>>,
}

impl<T: Clone> Default for SharedTask<T> {
    fn default() -> Self {
        Self { shared: Mutex::new(None) }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedTask<T> {
    /// The result; starts `work` if nobody has asked before.
    pub fn get<F>(&self, work: impl FnOnce() -> F) -> SharedFuture<T>
    where
        F: Future<Output = Diagnosed<T>> + Send + 'static,
    {
        let mut shared = lock(&self.shared);
        shared
            .get_or_insert_with(|| {
                let task = tokio::spawn(work());
                async move {
                    match task.await {
                        Ok(result) => result,
                        Err(broken) => Err(Diagnosis::new(Code::RunPanicked, broken.to_string())),
                    }
                }
                .boxed()
                .shared()
            })
            .clone()
    }

    /// Whether the work was started.
    pub fn is_begun(&self) -> bool {
        lock(&self.shared).is_some()
    }

    /// The result, if the work is done.
    pub fn finished(&self) -> Option<Diagnosed<T>> {
        let begun = lock(&self.shared).clone();
        begun?.now_or_never()
    }
}
