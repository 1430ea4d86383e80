//! The policies that run: loaded from what is installed, tried before anything changes, and
//! replaced in one step while calls in flight finish on the old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::admin::with_sources;
use crate::gateway::{Gateway, RefreshError};
use crate::installation::{ComponentRef, Edit, EditError, Installation, InstalledPlugin, PluginVersion};
use crate::pipeline::{FailureListener, Pipeline, Plugin};
use crate::plugin::{ComponentSource, LoadError, PipelinePlan, PlanError, PluginHost, PluginPlan, Stock, digest_of};
use crate::store::{NextInstallation, Store, StoreError, StoredInstallation};
use crate::telemetry::PolicyMetrics;

/// How often a change is made anew because another gateway's came first.
const ATTEMPTS: usize = 5;

/// Where it is said which plugins run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PolicySource {
    /// In the database: administrators change it over the API.
    #[default]
    Store,
    /// In this file, which is watched.
    File(PathBuf),
    /// Nowhere: the stock plugins, whatever is installed.
    SafeMode,
}

/// Who is asked whether somebody may use the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdminAuthentication {
    /// The stock authenticator, whatever is installed: no plugin can take the API away, or give it to anybody.
    #[default]
    Stock,
    /// The authenticators that are installed.
    Installed,
}

/// Plugins as they run, or would run.
pub struct RunningPolicies {
    /// Which of the stored installations it is; 0 where they do not come from one.
    pub id: i64,
    /// In their order.
    pub plugins: Vec<RunningPlugin>,
    /// What calls ask.
    pub pipeline: Arc<Pipeline>,
}

/// One plugin of these.
#[derive(Clone)]
pub struct RunningPlugin {
    /// As it is installed.
    pub installed: InstalledPlugin,
    /// As it is loaded; `None` if it is disabled.
    pub loaded: Option<Arc<Plugin>>,
}

/// Why policies do not run.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PolicyError {
    #[error("cannot load the policies: {0}")]
    Load(#[from] LoadError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("the component sha256:{digest} of plugin `{plugin}` is not in the store: upload it first")]
    NoComponent { plugin: Arc<str>, digest: Arc<str> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the installed plugins were not changed.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ChangeError {
    #[error("the policies are those of the file {}: change that file", .0.display())]
    FromFile(PathBuf),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error("there is no change to undo")]
    NothingToUndo,
    #[error("what was installed before is not kept any more")]
    TooOld,
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("other administrators change the plugins all the time: try again")]
    Busy,
    #[error(transparent)]
    Refresh(#[from] RefreshError),
}

/// What an administrator wants changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// This.
    Edit(Edit),
    /// The last change undone.
    RollBack,
}

/// Loads policies, and holds those that run.
pub(crate) struct Policies {
    pub(crate) source: PolicySource,
    host: PluginHost,
    metrics: Arc<PolicyMetrics>,
    failures: Option<FailureListener>,
    /// Grows with every pipeline that this process has run.
    revision: AtomicU64,
    /// Held while policies are tried and put in place of others.
    changing: Mutex<()>,
    running: ArcSwap<RunningPolicies>,
    /// The last problem that was logged.
    told: parking_lot::Mutex<String>,
    /// Read by every call: one step less than through `running`.
    pipeline: ArcSwap<Pipeline>,
    /// The stock authenticator, for the admin API; `None` where that asks what is installed.
    admin: Option<Arc<Pipeline>>,
}

impl Policies {
    /// Loads what is to run.
    pub(crate) async fn open(
        host: PluginHost,
        store: &Store,
        source: PolicySource,
        admin: AdminAuthentication,
        metrics: Arc<PolicyMetrics>,
        failures: Option<FailureListener>,
    ) -> Result<Self, PolicyError> {
        let loader = Loader { host: &host, metrics: &metrics, failures: &failures, running: None };
        let running = match &source {
            PolicySource::Store => loader.load_installed(store, store.installation().await?, 1).await?,
            PolicySource::File(path) => loader.load_file(path, 1).await?,
            PolicySource::SafeMode => loader.load_stock(1).await?,
        };
        let admin = match admin {
            AdminAuthentication::Stock => Some(loader.load_admin().await?),
            AdminAuthentication::Installed => None,
        };
        Ok(Self {
            source,
            revision: AtomicU64::new(1),
            changing: Mutex::new(()),
            told: parking_lot::Mutex::default(),
            pipeline: ArcSwap::new(Arc::clone(&running.pipeline)),
            running: ArcSwap::from_pointee(running),
            admin,
            host,
            metrics,
            failures,
        })
    }

    pub(crate) fn pipeline(&self) -> &ArcSwap<Pipeline> {
        &self.pipeline
    }

    /// Whom the admin API asks who somebody is.
    pub(crate) fn admin_pipeline(&self) -> Arc<Pipeline> {
        self.admin.clone().unwrap_or_else(|| self.pipeline.load_full())
    }

    pub(crate) fn running(&self) -> Arc<RunningPolicies> {
        self.running.load_full()
    }

    pub(crate) fn host(&self) -> &PluginHost {
        &self.host
    }

    fn next_revision(&self) -> u64 {
        self.revision.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn loader<'a>(&'a self, running: &'a RunningPolicies) -> Loader<'a> {
        Loader { host: &self.host, metrics: &self.metrics, failures: &self.failures, running: Some(running) }
    }

    /// Logs why what another gateway installed does not run here: once, not every second.
    pub(crate) fn tell_of(&self, error: &PolicyError) {
        let problem = with_sources(error);
        let mut told = self.told.lock();
        if *told != problem {
            tracing::error!(error = problem, "what another gateway installed cannot run here: the old policies stay");
            *told = problem;
        }
    }

    fn publish(&self, running: RunningPolicies) {
        self.pipeline.store(Arc::clone(&running.pipeline));
        self.running.store(Arc::new(running));
    }

    /// Loads what would be installed after a wish; nothing changes.
    async fn try_out(&self, store: &Store, next: &StoredInstallation) -> Result<RunningPolicies, PolicyError> {
        self.loader(&self.running()).load_installed(store, next.clone(), self.next_revision()).await
    }
}

impl Gateway {
    /// The plugins as they run.
    pub fn running_policies(&self) -> Arc<RunningPolicies> {
        self.policies.running()
    }

    /// Where it is said which plugins run.
    pub fn policy_source(&self) -> &PolicySource {
        &self.policies.source
    }

    /// What loads plugins.
    pub fn plugin_host(&self) -> &PluginHost {
        self.policies.host()
    }

    /// Makes a change of the installed plugins, after it was tried. Calls in flight end on the old ones.
    pub async fn change_policies(&self, wish: &Wish, author: &str) -> Result<(), ChangeError> {
        let _turn = self.policies.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let base = self.store.installation().await.map_err(PolicyError::from)?;
            let next = self.after(wish, &base).await?;
            // In safe mode what is installed does not run, and may be what must be mended.
            let tried = match self.policies.source {
                PolicySource::SafeMode => None,
                PolicySource::Store | PolicySource::File(_) => Some(self.policies.try_out(&self.store, &next).await?),
            };
            let summary = wish.summary();
            let stored = NextInstallation {
                base: base.id,
                undone_to: next.undone_to,
                installation: &next.installation,
                summary: &summary,
                author,
            };
            let Some(id) = self.store.install(stored).await.map_err(PolicyError::from)? else { continue };
            if let Some(tried) = tried {
                self.swap_policies(RunningPolicies { id, ..tried });
            }
            tracing::info!(change = summary, author, "the installed plugins have changed");
            self.refresh().await?;
            return Ok(());
        }
        Err(ChangeError::Busy)
    }

    /// What would run after a change; nothing changes.
    pub async fn try_policies(&self, wish: &Wish) -> Result<RunningPolicies, ChangeError> {
        let base = self.store.installation().await.map_err(PolicyError::from)?;
        let next = self.after(wish, &base).await?;
        Ok(self.policies.try_out(&self.store, &next).await?)
    }

    async fn after(&self, wish: &Wish, base: &StoredInstallation) -> Result<StoredInstallation, ChangeError> {
        if let PolicySource::File(path) = &self.policies.source {
            return Err(ChangeError::FromFile(path.clone()));
        }
        match wish {
            Wish::Edit(edit) => Ok(StoredInstallation {
                id: base.id,
                undone_to: Some(base.id),
                installation: base.installation.edited(edit)?,
            }),
            Wish::RollBack => {
                let id = base.undone_to.ok_or(ChangeError::NothingToUndo)?;
                let earlier = self.store.installation_of(id).await.map_err(PolicyError::from)?;
                // With where that one goes back to: undoing once more goes further back.
                earlier.ok_or(ChangeError::TooOld)
            }
        }
    }

    /// Runs what another gateway installed, if anything.
    pub(crate) async fn follow_policies(&self) -> Result<(), PolicyError> {
        let _turn = self.policies.changing.lock().await;
        if self.policies.source != PolicySource::Store || self.snapshot().installation == self.policies.running().id {
            return Ok(());
        }
        let stored = self.store.installation().await?;
        let loaded = self.policies.try_out(&self.store, &stored).await?;
        self.swap_policies(loaded);
        tracing::info!("the plugins that another gateway installed run here, too");
        Ok(())
    }

    /// Runs what a policies file says now.
    pub async fn reload_policies_file(&self, path: &Path) -> Result<(), PolicyError> {
        let _turn = self.policies.changing.lock().await;
        let running = self.policies.running();
        let loaded = self.policies.loader(&running).load_file(path, self.policies.next_revision()).await?;
        self.swap_policies(loaded);
        Ok(())
    }

    /// Lists are made anew, clients are told whose view has changed, and sessions that the
    /// new policies do not let in end.
    fn swap_policies(&self, policies: RunningPolicies) {
        self.policies.publish(policies);
        self.views.clear();
        self.views_changed();
        self.recheck_sessions();
    }
}

impl Wish {
    fn summary(&self) -> String {
        match self {
            Self::Edit(edit) => edit.summary(),
            Self::RollBack => "undo the last change".to_owned(),
        }
    }
}

/// What loading needs.
struct Loader<'a> {
    host: &'a PluginHost,
    metrics: &'a PolicyMetrics,
    failures: &'a Option<FailureListener>,
    /// Plugins that have not changed go on as they are, with what they keep in memory.
    running: Option<&'a RunningPolicies>,
}

impl Loader<'_> {
    async fn load_installed(
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
                    Some(self.host.load(&installed.version.plan(&installed.name, bytes)).await?)
                }
            };
            Ok::<_, PolicyError>(RunningPlugin { installed, loaded })
        });
        let plugins = futures_util::future::try_join_all(loading).await?;
        self.order(stored.id, plugins, revision)
    }

    /// The components are read now: what is checked is what runs.
    async fn load_file(&self, path: &Path, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let plan = PipelinePlan::read(path)?;
        let loading = plan.plugins.into_iter().map(async |mut plan| {
            let installed = read_planned(&mut plan).await?;
            let loaded = match self.unchanged(&installed) {
                Some(unchanged) => unchanged,
                None => self.host.load(&plan).await?,
            };
            Ok::<_, PolicyError>(RunningPlugin { installed, loaded: Some(loaded) })
        });
        let plugins = futures_util::future::try_join_all(loading).await?;
        self.order(0, plugins, revision)
    }

    async fn load_stock(&self, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let stock = Installation::stock().plugins.into_iter().map(async |installed| {
            let loaded = self.host.load(&installed.version.plan(&installed.name, Arc::default())).await?;
            Ok::<_, PolicyError>(RunningPlugin { installed, loaded: Some(loaded) })
        });
        let plugins = futures_util::future::try_join_all(stock).await?;
        self.order(0, plugins, revision)
    }

    /// A pipeline that knows who somebody is, and nothing else.
    async fn load_admin(&self) -> Result<Arc<Pipeline>, PolicyError> {
        let plugin = self.host.load(&PluginPlan::stock(Stock::Auth)).await?;
        let pipeline = self.host.order(&[plugin], 0, &PolicyMetrics::default())?;
        Ok(Arc::new(pipeline.reporting_to(self.failures.clone())))
    }

    fn order(&self, id: i64, plugins: Vec<RunningPlugin>, revision: u64) -> Result<RunningPolicies, PolicyError> {
        let loaded: Vec<_> = plugins.iter().filter_map(|plugin| plugin.loaded.clone()).collect();
        let pipeline = self.host.order(&loaded, revision, self.metrics)?.reporting_to(self.failures.clone());
        Ok(RunningPolicies { id, plugins, pipeline: Arc::new(pipeline) })
    }

    fn unchanged(&self, installed: &InstalledPlugin) -> Option<Arc<Plugin>> {
        let is_same = |plugin: &&RunningPlugin| {
            plugin.installed.name == installed.name && plugin.installed.version == installed.version
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
async fn read_planned(plan: &mut PluginPlan) -> Result<InstalledPlugin, PolicyError> {
    let component = match &plan.component {
        ComponentSource::Stock(stock) => ComponentRef::Stock(*stock),
        ComponentSource::Bytes(bytes) => ComponentRef::Digest(digest_of(bytes)),
        ComponentSource::File(path) => {
            let read = tokio::fs::read(path).await.map_err(|source| LoadError::Read {
                plugin: Arc::clone(&plan.name),
                path: path.display().to_string(),
                source,
            });
            let bytes: Arc<[u8]> = read?.into();
            let digest = digest_of(&bytes);
            plan.component = ComponentSource::Bytes(bytes);
            ComponentRef::Digest(digest)
        }
    };
    let settings = serde_json::from_str(&plan.settings).expect("settings of a plan are a JSON object");
    Ok(InstalledPlugin {
        name: Arc::clone(&plan.name),
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
