//! The two engines that components run on, and the thread that keeps their time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::plugin::error::LoadError;

/// How often a busy guest gives way and its deadline is looked at.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without any call after which the ticking stops until the next one.
const IDLE_TICKS: u32 = 200;
/// Instances that the pool has room for, all plugins together. Only address
/// space is reserved ahead.
pub(crate) const POOL_SLOTS: u32 = 512;
/// What one component may be made of to fit a slot: a module of its own, and the
/// small ones that its tools put around it.
const SLOT_CORE_INSTANCES: u32 = 8;
const SLOT_TABLES: u32 = 4;
/// Components with more memory than this run on demand.
pub(crate) const POOL_MEMORY: usize = 64 << 20;

/// Where components are compiled and run.
pub(crate) struct Engines {
    /// Instances in slots made ahead; `None` where the address space for them is not to be had.
    pub(crate) pooled: Option<Engine>,
    /// Of the pool, what no plugin has reserved.
    slots: Arc<Semaphore>,
    /// For what does not fit the pool: slower to start, the same limits. Made at the first need.
    on_demand: OnceLock<Engine>,
    cache: Option<Cache>,
    pub(crate) ticker: Arc<Ticker>,
}

/// What looking for compiled code in the cache came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CacheLooks {
    pub(crate) found: usize,
    pub(crate) missed: usize,
}

impl Engines {
    /// Compiled code is kept in `cache_dir`, if there is one.
    pub(crate) fn start(cache_dir: Option<&Path>) -> Result<Self, LoadError> {
        let engine_error = |error: wasmtime::Error| LoadError::Engine { source: error.into() };
        let cache = cache_dir.map(open_cache).transpose().map_err(engine_error)?;
        let pooled = match Engine::new(config(cache.clone()).allocation_strategy(pooling())) {
            Ok(engine) => Some(engine),
            Err(error) => {
                tracing::info!(%error, "plugins run without a pool of instances");
                None
            }
        };
        let ticker = Arc::new(Ticker::start(pooled.iter().cloned().collect())?);
        let slots = Arc::new(Semaphore::new(POOL_SLOTS as usize));
        Ok(Self { pooled, slots, on_demand: OnceLock::new(), cache, ticker })
    }

    /// Sets slots of the pool aside for the instances of one plugin, until the answer
    /// is dropped: none can take the room of another. `None` if there are not enough.
    pub(crate) fn reserve_slots(&self, instances: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_many_owned(instances).ok()
    }

    /// How often compiled code was looked for in the cache so far and found there, and how often it was not.
    pub(crate) fn cache_looks(&self) -> CacheLooks {
        self.cache.as_ref().map_or(CacheLooks::default(), |cache| CacheLooks {
            found: cache.cache_hits(),
            missed: cache.cache_misses(),
        })
    }

    pub(crate) fn on_demand(&self) -> wasmtime::Result<&Engine> {
        if let Some(engine) = self.on_demand.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&config(self.cache.clone()))?;
        // Of two that are made at the same time, one is kept, and time is kept for that one.
        Ok(self.on_demand.get_or_init(|| {
            self.ticker.also_tick(engine.clone());
            engine
        }))
    }
}

/// Advances the engines' epoch while calls are at work; an idle gateway sleeps.
/// Ticks until it is dropped: whoever makes calls holds it.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Touched once a tick, and when an engine is added.
    engines: Mutex<Vec<Engine>>,
    stop: AtomicBool,
    asleep: AtomicBool,
    calls: Calls,
}

/// Each call writes it, twice. On cache lines of its own, so that this does not take
/// from other processors what they only read.
#[derive(Default)]
#[repr(align(128))]
struct Calls(AtomicUsize);

impl Ticker {
    fn start(engines: Vec<Engine>) -> Result<Self, LoadError> {
        let shared = Arc::new(Shared {
            engines: Mutex::new(engines),
            stop: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            calls: Calls::default(),
        });
        let thread = thread::Builder::new().name("plugin-ticker".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        });
        match thread {
            Ok(thread) => Ok(Self { shared, thread: Some(thread) }),
            Err(source) => Err(LoadError::Ticker { source }),
        }
    }

    /// Ticks come at least until the answer is dropped.
    pub(crate) fn keep_ticking(&self) -> Ticking<'_> {
        self.shared.calls.0.fetch_add(1, Ordering::SeqCst);
        // Either this sees that the thread went to sleep, or the thread sees the call.
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(&self.shared)
    }

    fn also_tick(&self, engine: Engine) {
        self.shared.engines.lock().push(engine);
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It cannot panic; and if it did, there is nobody left to tell.
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut idle_ticks = 0;
        while !self.stop.load(Ordering::SeqCst) {
            thread::park_timeout(TICK);
            for engine in self.engines.lock().iter() {
                engine.increment_epoch();
            }
            idle_ticks = if self.calls.0.load(Ordering::SeqCst) == 0 { idle_ticks + 1 } else { 0 };
            if idle_ticks > IDLE_TICKS {
                self.sleep();
                idle_ticks = 0;
            }
        }
    }

    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.calls.0.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::SeqCst) {
            // Not again at once when the call is already over: more are likely, and waking costs each of them.
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// Held by a call at work.
pub(crate) struct Ticking<'a>(&'a Shared);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.calls.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn config(cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config.cache(cache);
    config.epoch_interruption(true);
    // Plain functions only: the asynchronous component ABI costs twenty times as much a call.
    config.concurrency_support(false);
    // Backtraces of guests go nowhere, and cost time on each trap.
    config.wasm_backtrace_max_frames(None);
    config
}

fn pooling() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL_SLOTS)
        .max_core_instances_per_component(SLOT_CORE_INSTANCES)
        .total_core_instances(SLOT_CORE_INSTANCES * POOL_SLOTS)
        .max_memories_per_component(1)
        .total_memories(POOL_SLOTS)
        .max_tables_per_component(SLOT_TABLES)
        .total_tables(SLOT_TABLES * POOL_SLOTS)
        .total_stacks(POOL_SLOTS)
        .max_memory_size(POOL_MEMORY)
        .max_tables_per_module(4)
        // What a Rust policy touches: a new instance in a used slot then costs no page faults.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(4 << 10)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

fn open_cache(directory: &Path) -> wasmtime::Result<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(std::path::absolute(directory)?);
    Cache::new(config)
}
