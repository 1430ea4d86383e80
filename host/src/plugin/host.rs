//! The plugin host: from a plan to a pipeline.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::pipeline::{Description, Directory, Mode, Pipeline, Plugin};
use crate::plugin::capabilities::Capabilities;
use crate::plugin::error::LoadError;
use crate::plugin::limits::Limits;
use crate::plugin::load::{Examination, Linked, Runtime};
use crate::plugin::log::PluginLog;
use crate::plugin::outbound_http::OutboundHttp;
use crate::plugin::policies::{ComponentSource, PipelinePlan, PluginPlan};
use crate::plugin::state::PluginContext;
use crate::telemetry::PolicyMetrics;

/// What a component may use that is looked at without being installed, in MiB.
const LOOK_MEMORY_MIB: NonZeroU32 = NonZeroU32::new(256).expect("not zero");

/// How the plugin host is set up.
#[derive(Clone, Default)]
pub struct PluginSettings {
    /// Where compiled code is kept, so that a restart compiles nothing; `None`
    /// compiles at each start. Whoever may write there may run code in the
    /// gateway.
    pub cache_dir: Option<PathBuf>,
    /// What it lends to plugins that are granted it.
    pub capabilities: Capabilities,
}

/// Loads components and makes pipelines of them. One per process is enough.
pub struct PluginHost {
    pub(crate) runtime: Arc<Runtime>,
    directory: Arc<dyn Directory>,
    capabilities: Capabilities,
    started: Instant,
}

impl PluginHost {
    /// Starts the engines. `directory` answers the look-ups of all plugins.
    pub fn new(settings: PluginSettings, directory: Arc<dyn Directory>) -> Result<Self, LoadError> {
        let runtime = Arc::new(Runtime::start(settings.cache_dir.as_deref())?);
        Ok(Self { runtime, directory, capabilities: settings.capabilities, started: Instant::now() })
    }

    /// Loads every plugin of the plan, several at a time, and puts them in order.
    /// Calls will be counted in `metrics`.
    pub async fn assemble(
        &self,
        plan: &PipelinePlan,
        revision: u64,
        metrics: &PolicyMetrics,
    ) -> Result<Pipeline, LoadError> {
        let loading: Vec<_> = plan.plugins.iter().map(|plugin| self.load(plugin)).collect();
        let plugins = futures_util::future::try_join_all(loading).await?;
        self.order(&plugins, revision, metrics)
    }

    /// Puts loaded plugins in order. They may be in other pipelines too.
    pub fn order(
        &self,
        plugins: &[Arc<Plugin>],
        revision: u64,
        metrics: &PolicyMetrics,
    ) -> Result<Pipeline, LoadError> {
        let mode = self.directory.mode();
        if mode == Mode::Enterprise && plugins.iter().all(|plugin| plugin.authenticator.is_none()) {
            return Err(LoadError::NoAuthenticator);
        }
        Ok(Pipeline::new(revision, plugins, metrics).for_mode(mode))
    }

    /// Compiles, links and starts one plugin, and has it accept its settings. Nothing else changes.
    pub async fn load(&self, plan: &PluginPlan) -> Result<Arc<Plugin>, LoadError> {
        let (runtime, linking) = (Arc::clone(&self.runtime), plan.clone());
        let linked = blocking(move || runtime.link(&linking)).await?;
        linked.start(plan, self.context(plan), &self.runtime).await.map(Arc::new)
    }

    /// What there is in a component, and what it says of itself. It needs no settings and is granted nothing, and
    /// has more memory than it may be given later: whether that is enough shows when it is installed.
    pub async fn describe(&self, name: &str, bytes: Arc<[u8]>) -> Result<(Examination, Description), LoadError> {
        let mut plan = PluginPlan::new(name, ComponentSource::Bytes(bytes));
        plan.limits = Limits { memory_mib: LOOK_MEMORY_MIB, ..plan.limits };
        let (examination, linked) = self.look_at(&plan).await?;
        // Nothing is granted yet, so it has values of its own, no secrets, and no host to ask.
        let context = self.lending(Capabilities::default()).context(&plan);
        Ok((examination, linked.describe(&plan, context, &self.runtime).await?))
    }

    /// What the instances of a plugin share.
    pub(crate) fn context(&self, plan: &PluginPlan) -> PluginContext {
        PluginContext {
            name: Arc::clone(&plan.name),
            keeps_as: Arc::clone(&plan.keeps_as),
            is_loaded: Arc::default(),
            settings: plan.settings.clone(),
            limits: plan.limits,
            grants: plan.grants.clone(),
            directory: Arc::clone(&self.directory),
            http: OutboundHttp::new(plan.grants.clone()),
            host_calls: self.capabilities.metrics.host_calls(&plan.name),
            capabilities: self.capabilities.clone(),
            log: Arc::new(PluginLog::new(Arc::clone(&plan.name))),
            started: self.started,
            memory_peak: Arc::default(),
        }
    }

    /// The same engines, where what plugins keep goes nowhere and nothing is counted.
    #[must_use]
    pub fn forgetful(&self) -> Self {
        let secrets = Arc::clone(&self.capabilities.secrets);
        self.lending(Capabilities { secrets, ..Capabilities::default() })
    }

    /// The same engines, with other things to lend.
    #[must_use]
    pub fn lending(&self, capabilities: Capabilities) -> Self {
        let (runtime, directory) = (Arc::clone(&self.runtime), Arc::clone(&self.directory));
        Self { runtime, directory, capabilities, started: self.started }
    }

    /// Compiles a component and says what it exports and imports, without running it. `name` is for messages.
    pub async fn examine(&self, name: &str, bytes: Arc<[u8]>) -> Result<Examination, LoadError> {
        let plan = PluginPlan::new(name, ComponentSource::Bytes(bytes));
        Ok(self.look_at(&plan).await?.0)
    }

    async fn look_at(&self, plan: &PluginPlan) -> Result<(Examination, Linked), LoadError> {
        let (runtime, plan) = (Arc::clone(&self.runtime), plan.clone());
        blocking(move || runtime.examine(&plan)).await
    }
}

/// Compiling takes longer than a thread of the runtime may be held.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
