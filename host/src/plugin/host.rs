//! The plugin host: from a plan to a pipeline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::pipeline::{Directory, Mode, Pipeline, Plugin};
use crate::plugin::error::LoadError;
use crate::plugin::load::Runtime;
use crate::plugin::log::PluginLog;
use crate::plugin::policies::{PipelinePlan, PluginPlan};
use crate::plugin::state::PluginContext;
use crate::telemetry::PolicyMetrics;

/// How the plugin host is set up.
#[derive(Debug, Clone, Default)]
pub struct PluginSettings {
    /// Where compiled code is kept, so that a restart compiles nothing; `None`
    /// compiles at each start. Whoever may write there may run code in the
    /// gateway.
    pub cache_dir: Option<PathBuf>,
}

/// Loads components and makes pipelines of them. One per process is enough.
pub struct PluginHost {
    runtime: Arc<Runtime>,
    directory: Arc<dyn Directory>,
    started: Instant,
}

impl PluginHost {
    /// Starts the engines. `directory` answers the look-ups of all plugins.
    pub fn new(settings: PluginSettings, directory: Arc<dyn Directory>) -> Result<Self, LoadError> {
        let runtime = Arc::new(Runtime::start(settings.cache_dir.as_deref())?);
        Ok(Self { runtime, directory, started: Instant::now() })
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
        let mode = self.directory.mode();
        if mode == Mode::Enterprise && plugins.iter().all(|plugin| plugin.authenticator.is_none()) {
            return Err(LoadError::NoAuthenticator);
        }
        Ok(Pipeline::new(revision, &plugins, metrics).for_mode(mode))
    }

    async fn load(&self, plan: &PluginPlan) -> Result<Plugin, LoadError> {
        let linking = tokio::task::spawn_blocking({
            let (runtime, plan) = (Arc::clone(&self.runtime), plan.clone());
            move || runtime.link(&plan)
        });
        let linked = match linking.await {
            Ok(linked) => linked?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let context = PluginContext {
            name: Arc::clone(&plan.name),
            settings: plan.settings.clone(),
            limits: plan.limits,
            directory: Arc::clone(&self.directory),
            log: Arc::new(PluginLog::new(Arc::clone(&plan.name))),
            started: self.started,
        };
        linked.start(plan, context, &self.runtime).await
    }
}
