//! Turns at computing: guests that run for longer than a tick share half of the processors, one tick
//! each, so that everybody else's calls find the other half free.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All turns there are.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// For this machine.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

/// The turn of one instance, while it has one.
#[derive(Clone, Default)]
pub(crate) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Turn {
    /// Waits for the next one. Whoever has waited longest is first, and so is what else the thread has to do.
    pub(crate) fn wait(&self, turns: &Turns) -> impl Future<Output = ()> + Send + 'static {
        let (held, turns) = (Arc::clone(&self.0), Arc::clone(&turns.0));
        async move {
            tokio::task::yield_now().await;
            let turn = turns.acquire_owned().await.expect("the semaphore is never closed");
            *held.lock() = Some(turn);
        }
    }

    /// Gives it up, if there is one.
    pub(crate) fn end(&self) {
        self.0.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_gives_up_its_turn_lets_the_next_one_go_on() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let (first, second) = (Turn::default(), Turn::default());
        first.wait(&turns).await;
        let mut waiting = std::pin::pin!(second.wait(&turns));
        for _ in 0..3 {
            let waited = tokio::time::timeout(std::time::Duration::from_millis(1), &mut waiting).await;
            assert!(waited.is_err());
        }
        first.end();
        waiting.await;
        assert!(second.0.lock().is_some());
    }
}
