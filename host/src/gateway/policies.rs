//! The policies that run: loaded from what is installed, tried before anything changes, and
//! replaced in one step while calls in flight finish on the old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::admin::with_sources;
use crate::audit::{NamedPlugin, record_policies_file};
use crate::gateway::{Gateway, RefreshError};
use crate::installation::{Edit, EditError, InstalledPlugin};
use crate::pipeline::{FailureListener, Pipeline, Plugin, Stage};
use crate::plugin::{LoadError, PlanError, PluginHost};
use crate::slow_lane;
use crate::store::{NextInstallation, Store, StoreError, StoredInstallation};
use crate::telemetry::PolicyMetrics;

pub(super) mod file;
mod load;
mod refusal;

use load::Loader;
use refusal::Refusal;
pub use refusal::Refused;

/// How long what another gateway installed is not tried again here once it did not load.
const RETRY: Duration = Duration::from_secs(30);
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
    /// The file that a policies file reads its component from; `None` for others.
    pub file: Option<PathBuf>,
    /// The stages that it is asked at, or would be if it were enabled.
    pub stages: Vec<Stage>,
    /// As it is loaded; `None` if it is disabled.
    pub loaded: Option<Arc<Plugin>>,
}

/// Why policies do not run.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PolicyError {
    #[error(transparent)]
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
    #[error("somebody else has changed the plugins: look at `mcpjungle plugin history`, and try again")]
    Overtaken,
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("other administrators change the plugins all the time: try again")]
    Busy,
    #[error(transparent)]
    Refresh(#[from] RefreshError),
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMade {
    /// Which one, in the history.
    pub id: i64,
    /// What was done.
    pub summary: String,
    /// In safe mode, where nothing is tried before: why what is installed now would still not start.
    pub problem: Option<String>,
}

/// What an administrator wants changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// This.
    Edit(Edit),
    /// The last change undone.
    RollBack {
        /// The change that is taken to be the last one: where it is not, nothing is undone.
        change: Option<i64>,
    },
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
    /// What another gateway installed and could not be loaded here, and when that was found.
    failed: parking_lot::Mutex<Option<(i64, Instant)>>,
    /// The last problem that was logged.
    told: parking_lot::Mutex<String>,
    /// Whether what runs is what the policies file says.
    refusal: Refusal,
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
            failed: parking_lot::Mutex::default(),
            told: parking_lot::Mutex::default(),
            refusal: Refusal::default(),
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
        self.told.lock().clear();
        self.pipeline.store(Arc::clone(&running.pipeline));
        self.running.store(Arc::new(running));
        self.forget_what_does_not_run();
    }

    /// What was counted of plugins that have gone, or were tried only: what comes under their names begins anew.
    fn forget_what_does_not_run(&self) {
        let running = self.running();
        let installed = running.plugins.iter().map(|plugin| (&*plugin.installed.name, plugin.stages.as_slice()));
        self.metrics.forget_all_but(installed);
    }

    /// Loads what would be installed after a wish; nothing changes.
    async fn try_out(&self, store: &Store, next: &StoredInstallation) -> Result<RunningPolicies, PolicyError> {
        let tried = self.loader(&self.running()).load_installed(store, next.clone(), self.next_revision()).await;
        if tried.is_err() || self.source == PolicySource::SafeMode {
            self.forget_what_does_not_run();
        }
        tried
    }
}

/// Runs what another gateway installed, if anything: in a task of its own, because compiling takes as
/// long as it takes, and what else others change must be seen meanwhile.
pub(super) fn begin_following(gateway: &Arc<Gateway>) {
    let policies = &gateway.policies;
    if policies.source != PolicySource::Store || gateway.snapshot().installation == policies.running().id {
        return;
    }
    let gateway = Arc::clone(gateway);
    tokio::spawn(slow_lane::wait(async move {
        if let Err(error) = gateway.follow_policies().await
            && !gateway.is_closing()
        {
            gateway.policies.tell_of(&error);
        }
    }));
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
    pub async fn change_policies(&self, wish: &Wish, author: &str) -> Result<ChangeMade, ChangeError> {
        let _turn = self.policies.changing.lock().await;
        let mut wish = wish.clone();
        for _ in 0..ATTEMPTS {
            let base = self.store.installation().await.map_err(PolicyError::from)?;
            if let Wish::RollBack { change } = &mut wish {
                // What another gateway changes meanwhile is not what was to be undone.
                change.get_or_insert(base.id);
            }
            let next = self.after(&wish, &base).await?;
            // In safe mode what is installed does not run, and may be what must be mended.
            let tried = match self.policies.source {
                PolicySource::SafeMode => None,
                PolicySource::Store | PolicySource::File(_) => Some(self.policies.try_out(&self.store, &next).await?),
            };
            let summary = wish.summary(Some(next.id));
            let stored = NextInstallation {
                base: base.id,
                undone_to: next.undone_to,
                installation: &next.installation,
                summary: &summary,
                author,
            };
            let Some(id) = self.store.install(stored).await.map_err(PolicyError::from)? else { continue };
            let problem = match tried {
                Some(tried) => {
                    self.swap_policies(RunningPolicies { id, ..tried });
                    None
                }
                None => self.policies.try_out(&self.store, &next).await.err().map(|error| with_sources(&error)),
            };
            self.refresh().await?;
            return Ok(ChangeMade { id, summary, problem });
        }
        Err(ChangeError::Busy)
    }

    /// What would run after a change; nothing changes.
    pub async fn try_policies(&self, wish: &Wish) -> Result<RunningPolicies, ChangeError> {
        let base = self.store.installation().await.map_err(PolicyError::from)?;
        let next = self.after(wish, &base).await?;
        // What is only tried writes nothing where the one that runs would find it.
        let host = self.policies.host.forgetful();
        let running = self.policies.running();
        let loader = Loader { host: &host, metrics: &PolicyMetrics::default(), ..self.policies.loader(&running) };
        Ok(loader.load_installed(&self.store, next, self.policies.next_revision()).await?)
    }

    async fn after(&self, wish: &Wish, base: &StoredInstallation) -> Result<StoredInstallation, ChangeError> {
        if let PolicySource::File(path) = &self.policies.source {
            return Err(ChangeError::FromFile(path.clone()));
        }
        match wish {
            Wish::Edit(edit) => Ok(StoredInstallation {
                id: base.id,
                undone_to: Some(base.id),
                installation: base.installation.edited(edit, base.id + 1)?,
            }),
            Wish::RollBack { change } => {
                if change.is_some_and(|change| change != base.id) {
                    return Err(ChangeError::Overtaken);
                }
                let id = base.undone_to.ok_or(ChangeError::NothingToUndo)?;
                let earlier = self.store.installation_of(id).await.map_err(PolicyError::from)?;
                // With where that one goes back to: undoing once more goes further back.
                earlier.ok_or(ChangeError::TooOld)
            }
        }
    }

    /// Runs what another gateway installed, if anything.
    async fn follow_policies(&self) -> Result<(), PolicyError> {
        // Whoever has the turn changes them here; what is wanted after that is looked at in a second.
        let Ok(_turn) = self.policies.changing.try_lock() else { return Ok(()) };
        let wanted = self.snapshot().installation;
        if wanted == self.policies.running().id {
            return Ok(());
        }
        // Compiling it takes long: not once a second.
        let has_failed = |failed: &mut (i64, Instant)| failed.0 == wanted && failed.1.elapsed() < RETRY;
        if self.policies.failed.lock().as_mut().is_some_and(has_failed) {
            return Ok(());
        }
        let stored = self.store.installation().await?;
        let loaded = match self.policies.try_out(&self.store, &stored).await {
            Ok(loaded) => loaded,
            Err(error) => {
                *self.policies.failed.lock() = Some((wanted, Instant::now()));
                return Err(error);
            }
        };
        self.swap_policies(loaded);
        tracing::info!("the plugins that another gateway installed run here, too");
        Ok(())
    }

    /// Runs what a policies file says now; whether that is something else than before.
    pub async fn reload_policies_file(&self, path: &Path) -> Result<bool, PolicyError> {
        let outcome = self.run_policies_file(path).await;
        // It is tried again and again: once is enough for the record.
        if self.policies.refusal.note(&outcome) {
            self.record_file(path, load::named_in_file(path).await, false);
        }
        outcome
    }

    /// Why the policies file does not run as it is now; `None` where it does.
    pub fn refused_policies_file(&self) -> Option<Refused> {
        self.policies.refusal.current()
    }

    async fn run_policies_file(&self, path: &Path) -> Result<bool, PolicyError> {
        let _turn = self.policies.changing.lock().await;
        let running = self.policies.running();
        let loaded = self.policies.loader(&running).load_file(path, self.policies.next_revision()).await;
        let loaded = loaded.inspect_err(|_| self.policies.forget_what_does_not_run())?;
        if loaded.runs_same_as(&running) {
            return Ok(false);
        }
        let plugins = loaded.plugins.iter().map(RunningPlugin::named).collect();
        self.swap_policies(loaded);
        self.record_file(path, plugins, true);
        Ok(true)
    }

    fn record_file(&self, path: &Path, plugins: Vec<NamedPlugin>, is_made: bool) {
        record_policies_file(self.audit.as_ref(), self.next_request_id(), path, plugins, is_made);
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

impl RunningPolicies {
    /// Whether the very same plugins run in the same order.
    fn runs_same_as(&self, other: &Self) -> bool {
        let loaded = |plugin: &RunningPlugin| plugin.loaded.as_ref().map(Arc::as_ptr);
        self.plugins.iter().map(loaded).eq(other.plugins.iter().map(loaded))
    }
}

impl RunningPlugin {
    /// As the audit log names it.
    fn named(&self) -> NamedPlugin {
        let version = &self.installed.version;
        NamedPlugin::new(&self.installed.name, Some(version.component.to_string()), version.grants.iter())
    }
}

impl Wish {
    /// What it does, for the history. `earlier` is the change that is gone back to, where that is known.
    pub fn summary(&self, earlier: Option<i64>) -> String {
        match (self, earlier) {
            (Self::Edit(edit), _) => edit.summary(),
            (Self::RollBack { .. }, Some(earlier)) => format!("go back to the plugins after change {earlier}"),
            (Self::RollBack { .. }, None) => "go back to the plugins before the last change".to_owned(),
        }
    }
}
