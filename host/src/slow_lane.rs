//! The slow lane: a request one of whose policies computes for longer than a tick goes on on a few threads
//! of its own, so that nobody else's requests stand behind it. It is the whole future around the guest that
//! moves there. Nothing else changes: what it starts, it starts on the runtime that it comes from.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::thread;

use async_executor::Executor;
use tokio::runtime::Handle;

/// What runs on the threads of the slow lane. One for the process, as its processors are.
static EXECUTOR: Executor<'static> = Executor::new();
/// Whether there are such threads; they are started when one is first needed.
static THREADS: OnceLock<bool> = OnceLock::new();
const THREAD: &str = "slow-lane";

thread_local! {
    static POLLING: Cell<Polling> = const { Cell::new(Polling::Fixed) };
}

/// What the thread polls at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polling {
    /// What has to stay where it is, or is in the slow lane already.
    Fixed,
    /// What can move to the slow lane.
    Movable,
    /// What has asked to.
    Asked,
}

/// Waits for a future in which policies are asked: here, and in the slow lane from the moment on that one
/// of them computes for long. When this is dropped, that future is, wherever it is.
pub(crate) async fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let mut future = Box::pin(future);
    match std::future::poll_fn(|context| poll_movable(future.as_mut(), context)).await {
        Left::Done(output) => output,
        Left::Asked if *THREADS.get_or_init(start_threads) => {
            EXECUTOR.spawn(OnRuntime { runtime: Handle::current(), future: Some(future) }).await
        }
        Left::Asked => future.await,
    }
}

/// What a guest waits for that is still at work after a tick: for the slow lane if what it belongs to can
/// move there, and then, at each tick, for its next turn.
pub(crate) async fn give_way() {
    std::future::poll_fn(|context| {
        if POLLING.get() != Polling::Movable {
            return Poll::Ready(());
        }
        POLLING.set(Polling::Asked);
        // What stands between here and there may poll only what was woken.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    tokio::task::yield_now().await;
}

/// Why a future is not polled here any more.
enum Left<T> {
    Done(T),
    Asked,
}

fn poll_movable<T>(future: Pin<&mut impl Future<Output = T>>, context: &mut Context<'_>) -> Poll<Left<T>> {
    let _scope = Scope::enter(Polling::Movable);
    match future.poll(context) {
        Poll::Ready(output) => Poll::Ready(Left::Done(output)),
        Poll::Pending if POLLING.get() == Polling::Asked => Poll::Ready(Left::Asked),
        Poll::Pending => Poll::Pending,
    }
}

/// Says what the thread polls, until it is dropped: also if that panics.
struct Scope {
    outer: Polling,
}

impl Scope {
    fn enter(inner: Polling) -> Self {
        Self { outer: POLLING.replace(inner) }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        POLLING.set(self.outer);
    }
}

/// A future that finds the runtime it comes from on whatever thread it is polled and dropped.
struct OnRuntime<F> {
    runtime: Handle,
    /// There until it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for OnRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { runtime, future } = &mut *self;
        let _entered = runtime.enter();
        future.as_mut().expect("it is polled before it is dropped").as_mut().poll(context)
    }
}

impl<F> Drop for OnRuntime<F> {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.future = None;
    }
}

/// Half of the processors, so that the other half is there for everybody else. Says whether there are any.
fn start_threads() -> bool {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut are_there = false;
    for _ in 0..(processors / 2).max(1) {
        let work = || futures_lite::future::block_on(EXECUTOR.run(std::future::pending::<()>()));
        match thread::Builder::new().name(THREAD.to_owned()).spawn(work) {
            Ok(_runs_for_ever) => are_there = true,
            Err(error) => tracing::error!(%error, "policies that compute for long hold others up: no thread for them"),
        }
    }
    are_there
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_slow() -> bool {
        thread::current().name() == Some(THREAD)
    }

    #[tokio::test]
    async fn what_computes_for_long_goes_on_in_the_slow_lane_and_finds_its_runtime_there() {
        let waiting = wait(async {
            assert!(!is_slow());
            give_way().await;
            assert!(is_slow());
            tokio::time::sleep(Duration::from_millis(1)).await;
            give_way().await;
            let is_elsewhere = tokio::spawn(async { !is_slow() }).await.unwrap();
            (is_slow(), is_elsewhere)
        });
        assert_eq!(waiting.await, (true, true));
        assert!(!is_slow());
    }

    #[tokio::test]
    async fn what_asks_from_among_others_moves_with_all_of_them() {
        let guests = (0..3).map(|_| async {
            give_way().await;
            is_slow()
        });
        assert_eq!(wait(futures_util::future::join_all(guests)).await, [true; 3]);
    }

    #[tokio::test]
    async fn what_cannot_move_gives_way_where_it_is() {
        give_way().await;
        assert!(!is_slow());
        // Whatever was polled before it.
        assert!(wait(async { true }).await);
        give_way().await;
        assert!(!is_slow());
    }

    /// Tells that it is dropped, from a task of the runtime.
    struct Telling(Option<tokio::sync::oneshot::Sender<()>>);

    impl Drop for Telling {
        fn drop(&mut self) {
            let dropped = self.0.take().unwrap();
            tokio::spawn(async { dropped.send(()).unwrap() });
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_dropped_and_finds_its_runtime_then_too() {
        let (started, begun) = tokio::sync::oneshot::channel();
        let (telling, dropped) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(wait(async move {
            let _telling = Telling(Some(telling));
            give_way().await;
            started.send(is_slow()).unwrap();
            loop {
                give_way().await;
            }
        }));
        assert!(begun.await.unwrap());
        waiting.abort();
        dropped.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_comes_back_to_who_waits() {
        for moves in [false, true] {
            let waiting = tokio::spawn(wait(async move {
                if moves {
                    give_way().await;
                }
                panic!("it breaks down");
            }));
            assert!(waiting.await.unwrap_err().is_panic());
        }
        assert_eq!(POLLING.get(), Polling::Fixed);
    }
}
