//! Turns at computing: guests that run for longer than a tick share half of the processors, one tick
//! each. Where several want that, they rest between turns, so that everybody else's calls do not stand
//! behind them: the threads that serve are the same.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long nobody computes before a turn that others wait for, too.
const REST: Duration = Duration::from_millis(4);

/// All turns there are.
#[derive(Clone)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    /// Guests that wait for one.
    waiting: Arc<AtomicUsize>,
}

impl Turns {
    /// For this machine.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::of((processors / 2).max(1))
    }

    fn of(turns: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(turns)), waiting: Arc::default() }
    }

    async fn take(&self) -> OwnedSemaphorePermit {
        let waiting = Waiting::new(&self.waiting);
        let turn = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        drop(waiting);
        turn
    }

    fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts a guest that waits, also when its call is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of one instance, while it has one.
#[derive(Clone, Default)]
pub(crate) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Turn {
    /// Waits for the next one. Whoever has waited longest is first, and so is what else the thread has to do.
    pub(crate) fn wait(&self, turns: &Turns) -> impl Future<Output = ()> + Send + 'static {
        let (held, turns) = (Arc::clone(&self.0), turns.clone());
        async move {
            tokio::task::yield_now().await;
            let turn = turns.take().await;
            if turns.are_wanted() {
                // With the turn taken: they all rest.
                tokio::time::sleep(REST).await;
            }
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
        let turns = Turns::of(1);
        let (first, second) = (Turn::default(), Turn::default());
        first.wait(&turns).await;
        let mut waiting = std::pin::pin!(second.wait(&turns));
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_millis(1), &mut waiting).await;
            assert!(waited.is_err());
        }
        first.end();
        waiting.await;
        assert!(second.0.lock().is_some());
    }
}
