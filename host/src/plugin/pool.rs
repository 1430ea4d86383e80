//! Calls into plugins: one instance, one call at a time, always with a deadline.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::InstancePre;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::pipeline::{CallError, Stage};
use crate::plugin::engine::{Ticker, Ticking};
use crate::plugin::limits::Stop;
use crate::plugin::policies::Isolation;
use crate::plugin::state::{NoSecret, PluginContext, State};
use crate::plugin::v0_1::{ExportIndices, Exports};
use crate::secret::Secret;
use crate::slow_lane::give_way;

/// Calls after which an instance is replaced: what a guest leaks does not add up for ever.
const CALLS_PER_INSTANCE: u32 = 10_000;
/// The tick at which a guest that is still at work gives way. Not the first: that one may come right behind its start.
const TICKS_AT_ONCE: u32 = 2;
/// Handles to resources, its own and WASI's, that one instance may have open.
const COMPONENT_HANDLES: usize = 1_024;

/// What each call has at least while its plugin is loaded. Nobody waits for such a call, and it comes right after
/// compiling, often of several plugins at once: a short deadline would refuse a start for a busy machine.
const LEAST_LOADING_DEADLINE: Duration = Duration::from_secs(5);

/// The instances of one plugin.
pub(crate) struct InstancePool {
    plugin: Arc<PluginContext>,
    /// How long each call may take.
    deadline: Duration,
    isolation: Isolation,
    ticker: Arc<Ticker>,
    idle: Mutex<Idle>,
    /// Those that no idle instance holds: one for each instance that may be at work.
    slots: Arc<Semaphore>,
    // Last, so that its share of the engine's pool is given back only when no instance is left.
    linked: Linked,
}

/// What instances are made from.
pub(crate) struct Linked {
    pub(crate) instances: InstancePre<State>,
    pub(crate) indices: ExportIndices,
    /// The share of the engine's pool that they live in; `None` on demand.
    #[expect(dead_code, reason = "it is held, not used")]
    pub(crate) reserved: Option<OwnedSemaphorePermit>,
}

/// Instances between two calls. The last one used is the next one used: its memory
/// is still warm.
#[derive(Default)]
struct Idle {
    /// With their slots, so that a call that finds one need not ask for a slot.
    ready: Vec<Slotted>,
    /// For calls that were waiting for a slot when these became free.
    #[expect(clippy::vec_box, reason = "the boxes are handed on: an instance is never moved itself")]
    promised: Vec<Box<Instance>>,
    /// Calls that have found no instance and have not got a slot yet.
    waiting: usize,
}

type Slotted = (Box<Instance>, OwnedSemaphorePermit);

struct Instance {
    store: Store<State>,
    exports: Exports,
    calls: u32,
}

impl InstancePool {
    pub(crate) fn new(plugin: Arc<PluginContext>, isolation: Isolation, linked: Linked, ticker: Arc<Ticker>) -> Self {
        let slots = (plugin.limits.instances.get() as usize).min(Semaphore::MAX_PERMITS);
        let (deadline, slots) = (plugin.limits.deadline(), Arc::new(Semaphore::new(slots)));
        Self { plugin, deadline, isolation, ticker, idle: Mutex::default(), slots, linked }
    }

    /// The same for the calls that load the plugin.
    pub(crate) fn while_loading(self) -> Self {
        Self { deadline: self.deadline.max(LEAST_LOADING_DEADLINE), ..self }
    }

    /// The same for the calls that it is loaded for.
    pub(crate) fn once_loaded(self) -> Self {
        Self { deadline: self.plugin.limits.deadline(), ..self }
    }

    /// An instance for one call, with a deadline that runs from here. Dropping the
    /// lease without [`Lease::finish`] throws the instance away.
    pub(crate) async fn lease(&self, stage: Stage) -> Result<Lease<'_>, CallError> {
        let deadline = Instant::now() + self.deadline;
        let (idle, slot) = self.take_idle_or_slot(stage, deadline).await?;
        let ticking = self.ticker.keep_ticking();
        let instance = match idle {
            Some(mut instance) => {
                instance.store.data_mut().budget.renew(&self.plugin.limits, deadline);
                instance.store.set_epoch_deadline(1);
                instance
            }
            None => {
                let instance = Box::new(self.instantiate(stage, deadline).await?);
                self.tell_if_slow(deadline - self.deadline);
                instance
            }
        };
        Ok(Lease { pool: self, stage, deadline, instance, slot, _ticking: ticking })
    }

    /// While it is loaded, a plugin has more time than later: that it will be too little is told then.
    fn tell_if_slow(&self, begun: Instant) {
        let (taken, limit) = (begun.elapsed(), self.plugin.limits.deadline());
        if taken > limit {
            tracing::warn!(
                plugin.name = %self.plugin.name,
                start_ms = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX),
                plugin.deadline_ms = self.plugin.limits.deadline_ms,
                "an instance took longer to start than a call may take: calls that need a new one will fail, \
                 so raise the plugin's deadline"
            );
        }
    }

    /// An instance that is idle, or the right to make one.
    async fn take_idle_or_slot(
        &self,
        stage: Stage,
        deadline: Instant,
    ) -> Result<(Option<Box<Instance>>, OwnedSemaphorePermit), CallError> {
        let _waiting = {
            let mut idle = self.idle.lock();
            if let Some((instance, slot)) = idle.ready.pop() {
                return Ok((Some(instance), slot));
            }
            // Under the same lock: from here on, slots are given back to the semaphore.
            idle.waiting += 1;
            Waiting(&self.idle)
        };
        let slot = self.wait_for_slot(stage, deadline).await?;
        Ok((self.idle.lock().promised.pop(), slot))
    }

    async fn wait_for_slot(&self, stage: Stage, deadline: Instant) -> Result<OwnedSemaphorePermit, CallError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        match tokio::time::timeout_at(deadline.into(), Arc::clone(&self.slots).acquire_owned()).await {
            Ok(slot) => Ok(slot.expect("the semaphore is never closed")),
            Err(_elapsed) => Err(self.saturated(stage)),
        }
    }

    async fn instantiate(&self, stage: Stage, deadline: Instant) -> Result<Instance, CallError> {
        let mut store = Store::new(self.linked.instances.engine(), State::new(Arc::clone(&self.plugin), deadline));
        store.limiter(|state| &mut state.budget);
        store.set_hostcall_fuel(self.plugin.limits.output_bytes());
        store.set_max_component_handles(COMPONENT_HANDLES);
        store.epoch_deadline_callback(|mut store| {
            let budget = &mut store.data_mut().budget;
            budget.check_deadline()?;
            budget.ticks += 1;
            if budget.ticks < TICKS_AT_ONCE {
                return Ok(UpdateDeadline::Continue(1));
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way())))
        });
        store.set_epoch_deadline(1);

        match within(deadline, self.linked.instances.instantiate_async(&mut store)).await {
            Ok(started) => match started.and_then(|instance| self.linked.indices.load(&mut store, &instance)) {
                Ok(exports) => Ok(Instance { store, exports, calls: 0 }),
                Err(error) => Err(self.explain(stage, store.data().budget.stopped_by, &error)),
            },
            Err(Late) => Err(self.explain_late(stage)),
        }
    }

    /// Says what really happened: bounds that the host keeps look like any other trap from inside.
    fn explain(&self, stage: Stage, stopped_by: Option<Stop>, error: &wasmtime::Error) -> CallError {
        let plugin = Arc::clone(&self.plugin.name);
        let limits = &self.plugin.limits;
        match stopped_by {
            Some(Stop::Deadline) => self.explain_late(stage),
            Some(Stop::Memory) => CallError::MemoryExceeded { plugin, stage, limit_bytes: limits.memory_bytes() },
            Some(Stop::HostCalls) => CallError::HostCallsExceeded { plugin, stage, limit: limits.host_calls },
            None if error.is::<PoolConcurrencyLimitError>() => self.saturated(stage),
            None => match error.downcast_ref::<Trap>() {
                Some(trap) => CallError::Trapped { plugin, stage, message: trap.to_string() },
                // It has no type of its own.
                None if error.root_cause().to_string().contains("allocated for hostcalls") => {
                    CallError::MalformedAnswer {
                        plugin,
                        stage,
                        problem: format!("it is larger than {} KiB, the limit `output_kib`", limits.output_kib),
                    }
                }
                // The answer could not be read: not a text, not in memory.
                None => CallError::MalformedAnswer { plugin, stage, problem: error.root_cause().to_string() },
            },
        }
    }

    fn explain_late(&self, stage: Stage) -> CallError {
        CallError::DeadlineExceeded {
            plugin: Arc::clone(&self.plugin.name),
            stage,
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn saturated(&self, stage: Stage) -> CallError {
        CallError::Saturated { plugin: Arc::clone(&self.plugin.name), stage }
    }

    /// A secret that an answer refers to.
    pub(crate) fn find_secret(&self, name: &str) -> Result<Secret, NoSecret> {
        self.plugin.find_secret(name)
    }

    /// For what only shows after an answer was read.
    pub(crate) fn malformed(&self, stage: Stage, problem: impl Into<String>) -> CallError {
        CallError::MalformedAnswer { plugin: Arc::clone(&self.plugin.name), stage, problem: problem.into() }
    }
}

impl Idle {
    fn keep(&mut self, instance: Box<Instance>, slot: OwnedSemaphorePermit) {
        if self.waiting == 0 {
            self.ready.push((instance, slot));
        } else {
            // The slot goes to whoever waits longest, and that one finds the instance.
            self.promised.push(instance);
        }
    }
}

/// Counts a call that waits, also when it is given up.
struct Waiting<'a>(&'a Mutex<Idle>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

/// One instance during one call.
pub(crate) struct Lease<'a> {
    pool: &'a InstancePool,
    stage: Stage,
    deadline: Instant,
    instance: Box<Instance>,
    // After the instance: there are never more instances than slots.
    slot: OwnedSemaphorePermit,
    _ticking: Ticking<'a>,
}

impl Lease<'_> {
    /// What a call needs: where it runs, what it may call, and within which bounds.
    pub(crate) fn parts(&mut self) -> (&mut Store<State>, &Exports, Instant) {
        let Instance { store, exports, calls: _ } = &mut *self.instance;
        (store, exports, self.deadline)
    }

    /// Bytes of linear memory that the instance has.
    pub(crate) fn memory_used(&self) -> usize {
        self.instance.store.data().budget.memory_used
    }

    /// Gives the instance back if it can be trusted with another call.
    pub(crate) fn finish<T>(self, answer: Result<wasmtime::Result<T>, Late>) -> Result<T, CallError> {
        match answer {
            Ok(Ok(answer)) => {
                self.keep_instance();
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.pool.explain(self.stage, self.instance.store.data().budget.stopped_by, &error)),
            Err(Late) => Err(self.pool.explain_late(self.stage)),
        }
    }

    fn keep_instance(mut self) {
        self.instance.calls += 1;
        if self.pool.isolation == Isolation::Reuse && self.instance.calls < CALLS_PER_INSTANCE {
            self.pool.idle.lock().keep(self.instance, self.slot);
        }
    }
}

/// The deadline passed while a call was waiting for something.
pub(crate) struct Late;

/// Waits for a call, not beyond its deadline. A guest that computes is stopped by
/// the ticks; this stops one that sleeps.
pub(crate) async fn within<T>(deadline: Instant, call: impl Future<Output = T>) -> Result<T, Late> {
    let mut call = pin!(call);
    // Most calls end in their first poll: those never pay for a timer.
    let first = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
    match first {
        Poll::Ready(answer) => Ok(answer),
        Poll::Pending => tokio::time::timeout_at(deadline.into(), call).await.map_err(|_elapsed| Late),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_call_that_sleeps_is_left_at_its_deadline() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(within(deadline, std::future::pending::<()>()).await.is_err());
        assert!(Instant::now() >= deadline);
    }
}
