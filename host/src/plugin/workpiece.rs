//! A component that is being tried: compiled once, started as often as it takes, and measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmtime::component::Component;

use crate::pipeline::{CallError, Description, Plugin, Stage};
use crate::plugin::error::LoadError;
use crate::plugin::host::{PluginHost, blocking};
use crate::plugin::load::{Import, Linked, Runtime, digest_of, read_component, read_import};
use crate::plugin::policies::PluginPlan;
use crate::plugin::pool::InstancePool;
use crate::plugin::state::PluginContext;
use crate::plugin::v0_1;

/// The package of the contract that this gateway speaks, with its version.
pub const CONTRACT: &str = "mcpjungle:policy@0.1.0";

/// A component that is compiled, and not yet looked at.
pub struct Workpiece {
    runtime: Arc<Runtime>,
    component: Component,
    memory_peak: Arc<AtomicUsize>,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub digest: Arc<str>,
    /// In bytes.
    pub size: usize,
    /// Whether its instances fit the pool; others start more slowly.
    pub is_pooled: bool,
    /// How long it took to compile it, or to find it in the cache.
    pub compile_time: Duration,
    /// Whether its code was in the cache from an earlier time.
    pub is_from_cache: bool,
}

/// What it takes to start one instance.
#[derive(Debug, Clone, Copy)]
pub struct InstanceCost {
    /// Until it could be called.
    pub time: Duration,
    /// Linear memory that it has then, in bytes.
    pub memory_bytes: usize,
}

/// Instances that are started to look at them.
pub struct Instances {
    pool: InstancePool,
    /// Failures are put down to it.
    stage: Stage,
}

impl PluginHost {
    /// Reads and compiles a component. Of the plan, its source and limits count.
    pub async fn compile(&self, plan: &PluginPlan) -> Result<Workpiece, LoadError> {
        let (runtime, plan) = (Arc::clone(&self.runtime), plan.clone());
        blocking(move || {
            let bytes = read_component(&plan)?;
            let (started, before) = (Instant::now(), runtime.engines.cache_looks());
            let (component, _, reserved) = runtime.compile(&plan, &bytes)?;
            let after = runtime.engines.cache_looks();
            Ok(Workpiece {
                component,
                memory_peak: Arc::default(),
                digest: digest_of(&bytes),
                size: bytes.len(),
                is_pooled: reserved.is_some(),
                compile_time: started.elapsed(),
                // What does not fit the pool is compiled for it, and then once more without it: that finds in the
                // cache what the first attempt has just put there.
                is_from_cache: after.found > before.found && after.missed == before.missed,
                runtime: Arc::clone(&runtime),
            })
        })
        .await
    }

    /// As [`PluginHost::load`] does, but for the compiling.
    pub async fn start(&self, piece: &Workpiece, plan: &PluginPlan) -> Result<Arc<Plugin>, LoadError> {
        piece.link(plan)?.start(plan, piece.context(self, plan), &self.runtime).await.map(Arc::new)
    }

    /// Links a component, to start instances of it and ask what it says of itself; whether it accepts its
    /// settings is not asked.
    pub fn instances(&self, piece: &Workpiece, plan: &PluginPlan) -> Result<Instances, LoadError> {
        let linked = piece.link(plan)?;
        let context = piece.context(self, plan);
        Ok(Instances { stage: linked.stages()[0], pool: linked.into_pool(plan, context, &self.runtime) })
    }
}

impl Workpiece {
    /// The full names of everything that it imports.
    pub fn imports(&self) -> Vec<String> {
        let kind = self.component.component_type();
        kind.imports(self.component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// The full names of everything that it exports.
    pub fn exports(&self) -> Vec<String> {
        let kind = self.component.component_type();
        kind.exports(self.component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// The stages that it would be installed for.
    pub fn stages(&self, plan: &PluginPlan) -> Result<Vec<Stage>, LoadError> {
        self.link(plan).map(|linked| linked.stages().to_vec())
    }

    /// What an import asks for; `None` if no component is given it.
    pub fn read_import(name: &str) -> Option<Import> {
        read_import(name)
    }

    /// Whether the contract has an export of this name.
    pub fn is_known_export(name: &str) -> bool {
        v0_1::is_known_export(name)
    }

    /// The most memory that any instance of it has used so far, in bytes.
    pub fn memory_peak(&self) -> usize {
        self.memory_peak.load(Ordering::Relaxed)
    }

    fn context(&self, host: &PluginHost, plan: &PluginPlan) -> PluginContext {
        PluginContext { memory_peak: Arc::clone(&self.memory_peak), ..host.context(plan) }
    }

    fn link(&self, plan: &PluginPlan) -> Result<Linked, LoadError> {
        let slots = self.is_pooled.then(|| self.runtime.engines.reserve_slots(plan.limits.instances.get())).flatten();
        let compiled = (self.component.clone(), self.runtime.linker(self.is_pooled)?, slots);
        Runtime::link_compiled(plan, Arc::clone(&self.digest), compiled)
    }
}

impl Instances {
    /// Starts an instance and throws it away.
    pub async fn measure(&self) -> Result<InstanceCost, CallError> {
        let started = Instant::now();
        let lease = self.pool.lease(self.stage).await?;
        Ok(InstanceCost { time: started.elapsed(), memory_bytes: lease.memory_used() })
    }

    /// What the component says of itself.
    pub async fn describe(&self) -> Result<Description, CallError> {
        v0_1::describe(&self.pool, self.stage).await
    }
}
