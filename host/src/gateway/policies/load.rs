//! From what is installed, or a policies file, to plugins in order.

use std::path::Path;
use std::sync::Arc;

use crate::audit::NamedPlugin;
use crate::gateway::policies::{PolicyError, RunningPlugin, RunningPolicies};
use crate::installation::{ComponentRef, Installation, InstalledPlugin, PluginVersion};
use crate::pipeline::{FailureListener, Pipeline, Plugin, Stage};
use crate::plugin::{
    ComponentSource, LoadError, PipelinePlan, PluginHost, PluginPlan, Stock, check_digest, digest_of, no_component,
};
use crate::store::{Store, StoreError, StoredInstallation};
use crate::telemetry::PolicyMetrics;

/// What loading needs.
pub(super) struct Loader<'a> {
    pub(super) host: &'a PluginHost,
    pub(super) metrics: &'a PolicyMetrics,
    pub(super) failures: &'a Option<FailureListener>,
    /// Plugins that have not changed go on as they are, with what they keep in memory.
    pub(super) running: Option<&'a RunningPolicies>,
}

impl Loader<'_> {
    pub(super) async fn load_installed(
        &self,
        store: &Store,
        stored: StoredInstallation,
        revision: u64,
    ) -> Result<RunningPolicies, PolicyError> {
        let loading = stored.installation.plugins.into_iter().map(async |installed| {
            let loaded = match self.unchanged(&installed) {
                _ if !installed.enabled => None,
                Some(unchanged) => Some(unchanged),
                None => {
                    let bytes = read_component(store, &installed).await?;
                    Some(self.host.load(&installed.plan(bytes)).await?)
                }
            };
            let stages = match &loaded {
                Some(plugin) => plugin.stages.clone(),
                None => self.stages_of_disabled(store, &installed).await?,
            };
            Ok::<_, PolicyError>(RunningPlugin { installed, file: None, stages, loaded })
        });
        let plugins = futures_util::future::try_join_all(loading).await?;
        self.order(stored.id, plugins, revision)
    }

    /// The components are read now: what is checked is what runs.
    pub(super) async fn load_file(&self, path: &Path, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let plan = PipelinePlan::read(path)?;
        let loading = plan.plugins.into_iter().map(async |mut plan| {
            let file = plan.component.file().map(Path::to_owned);
            let installed = read_planned(&mut plan).await?;
            let loaded = match self.unchanged(&installed) {
                Some(unchanged) => unchanged,
                None => self.host.load(&plan).await?,
            };
            Ok::<_, PolicyError>(RunningPlugin { installed, file, stages: loaded.stages.clone(), loaded: Some(loaded) })
        });
        let plugins = futures_util::future::try_join_all(loading).await?;
        self.order(0, plugins, revision)
    }

    pub(super) async fn load_stock(&self, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let stock = Installation::stock().plugins.into_iter().map(async |installed| {
            let loaded = self.host.load(&installed.plan(Arc::default())).await?;
            let stages = loaded.stages.clone();
            Ok::<_, PolicyError>(RunningPlugin { installed, file: None, stages, loaded: Some(loaded) })
        });
        let plugins = futures_util::future::try_join_all(stock).await?;
        self.order(0, plugins, revision)
    }

    /// A pipeline that knows who somebody is, and nothing else.
    pub(super) async fn load_admin(&self) -> Result<Arc<Pipeline>, PolicyError> {
        let plugin = self.host.load(&PluginPlan::stock(Stock::Auth)).await?;
        let pipeline = self.host.order(&[plugin], 0, &PolicyMetrics::default())?;
        Ok(Arc::new(pipeline.reporting_to(self.failures.clone())))
    }

    fn order(&self, id: i64, plugins: Vec<RunningPlugin>, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let loaded: Vec<_> = plugins.iter().filter_map(|plugin| plugin.loaded.clone()).collect();
        let pipeline = self.host.order(&loaded, revision, self.metrics)?.reporting_to(self.failures.clone());
        Ok(RunningPolicies { id, plugins, pipeline: Arc::new(pipeline) })
    }

    /// The stages that a plugin would be asked at; none where its component is not one any more,
    /// which must not matter as long as it is disabled.
    async fn stages_of_disabled(&self, store: &Store, installed: &InstalledPlugin) -> Result<Vec<Stage>, StoreError> {
        if let Some(stages) = &installed.version.stages {
            return Ok(stages.clone());
        }
        // One that is asked at some of them only says nothing of the others.
        let has_same = |plugin: &&RunningPlugin| {
            let version = &plugin.installed.version;
            version.component == installed.version.component && version.stages.is_none()
        };
        if let Some(known) = self.running.and_then(|running| running.plugins.iter().find(has_same)) {
            return Ok(known.stages.clone());
        }
        let bytes = match &installed.version.component {
            ComponentRef::Stock(stock) => Some(stock.component().into()),
            ComponentRef::Digest(digest) => store.component(digest).await?,
        };
        let Some(bytes) = bytes else { return Ok(Vec::new()) };
        Ok(self.host.examine(&installed.name, bytes).await.map(|found| found.stages).unwrap_or_default())
    }

    fn unchanged(&self, installed: &InstalledPlugin) -> Option<Arc<Plugin>> {
        let is_same = |plugin: &&RunningPlugin| {
            let running = &plugin.installed;
            running.name == installed.name && running.added == installed.added && running.version == installed.version
        };
        self.running?.plugins.iter().find(is_same)?.loaded.clone()
    }
}

async fn read_component(store: &Store, installed: &InstalledPlugin) -> Result<Arc<[u8]>, PolicyError> {
    let ComponentRef::Digest(digest) = &installed.version.component else { return Ok(Arc::default()) };
    store
        .component(digest)
        .await?
        .ok_or_else(|| PolicyError::NoComponent { plugin: Arc::clone(&installed.name), digest: Arc::clone(digest) })
}

/// The plugin of a policies file as if it were installed; its component becomes the bytes of its file.
/// These must have the digest that the file says, also where the plugin runs already.
async fn read_planned(plan: &mut PluginPlan) -> Result<InstalledPlugin, PolicyError> {
    let component = match &plan.component {
        ComponentSource::Stock(stock) => {
            check_digest(plan, stock.component())?;
            ComponentRef::Stock(*stock)
        }
        ComponentSource::Bytes(bytes) => ComponentRef::Digest(check_digest(plan, bytes)?),
        ComponentSource::File(path) => {
            let read = tokio::fs::read(path).await.map_err(|source| LoadError::Read {
                plugin: Arc::clone(&plan.name),
                path: path.display().to_string(),
                source,
            });
            let bytes: Arc<[u8]> = read?.into();
            if let Some(problem) = no_component(&bytes) {
                let (plugin, path) = (Arc::clone(&plan.name), path.display().to_string());
                return Err(LoadError::NoComponent { plugin, path, problem }.into());
            }
            let digest = check_digest(plan, &bytes)?;
            plan.component = ComponentSource::Bytes(bytes);
            ComponentRef::Digest(digest)
        }
    };
    let settings = serde_json::from_str(&plan.settings).expect("settings of a plan are a JSON object");
    Ok(InstalledPlugin {
        name: Arc::clone(&plan.name),
        added: 0,
        enabled: true,
        version: PluginVersion {
            component,
            stages: plan.stages.clone(),
            settings,
            grants: plan.grants.clone(),
            limits: plan.limits,
            isolation: plan.isolation,
            fail_open: plan.fail_open,
        },
        previous: Vec::new(),
    })
}

/// The plugins of a policies file that is refused, as far as it can be read: for the audit log.
pub(super) async fn named_in_file(path: &Path) -> Vec<NamedPlugin> {
    let Ok(plan) = PipelinePlan::read(path) else { return Vec::new() };
    let naming = plan.plugins.into_iter().map(async |plugin| {
        let component = match &plugin.component {
            ComponentSource::Stock(stock) => Some(ComponentRef::Stock(*stock)),
            ComponentSource::Bytes(bytes) => Some(ComponentRef::Digest(digest_of(bytes))),
            ComponentSource::File(path) => {
                tokio::fs::read(path).await.ok().map(|bytes| ComponentRef::Digest(digest_of(&bytes)))
            }
        };
        NamedPlugin::new(&plugin.name, component.map(|component| component.to_string()), plugin.grants.iter())
    });
    futures_util::future::join_all(naming).await
}
