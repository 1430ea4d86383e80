//! The gateway put together: what every request has at hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::with_sources;
use crate::audit::{Audit, AuditSettings, AuditStartError, keep_shipping, policy_failed};
use crate::catalog::{Snapshot, SnapshotDirectory, Views};
use crate::downstream::{EdgePolicy, Sessions, changes, credentials};
use crate::pipeline::{FailureListener, Item, Mode, Observation, Pipeline};
use crate::plugin::{LoadError, PluginHost, PluginSettings};
use crate::secret::Secret;
use crate::slow_lane;
use crate::store::{Database, Initialization, KeyError, KeySource, Known, OpenError, Store, StoreError};
use crate::sync::CatalogSync;
use crate::telemetry::{Metrics, PolicyMetrics, ResourceAttributes};
use crate::upstream::{UpstreamError, UpstreamSettings, Upstreams};
use crate::walk::Refusal;
use crate::wire;

mod lending;
mod policies;
#[cfg(test)]
pub(crate) mod tests;

use policies::Policies;
pub use policies::{
    AdminAuthentication, ChangeError, ChangeMade, PolicyError, PolicySource, Refused, RunningPlugin, RunningPolicies,
    Wish,
};

/// How often the database is asked whether another gateway has changed it.
const STORE_CHECK: Duration = Duration::from_secs(1);
/// How often downstream sessions that have idled too long are looked for.
const IDLE_SESSION_CHECK: Duration = Duration::from_secs(60);
/// How many ended requests may wait for the observers; beyond it they are dropped, and counted.
const OBSERVATION_QUEUE: usize = 4096;
/// How many ended requests observers are told of in one call.
const OBSERVATION_BATCH: usize = 256;

/// All that a gateway depends on from outside.
pub struct GatewaySettings {
    /// How the gateway is run.
    pub mode: Mode,
    /// The version that it gives for itself, such as `0.1.0`.
    pub version: String,
    /// Where state is kept.
    pub database: Database,
    /// Where the key for stored secrets comes from.
    pub keys: KeySource,
    /// Where it is said which policies run.
    pub policies: PolicySource,
    /// Who is asked whether somebody may use the admin API.
    pub admin_authentication: AdminAuthentication,
    /// Where compiled policies are kept, so that a restart compiles nothing; `None` for nowhere.
    /// Whoever may write there may run code in the gateway.
    pub plugin_cache: Option<PathBuf>,
    /// How upstreams are reached.
    pub upstreams: UpstreamSettings,
    /// Who may connect.
    pub edge: EdgePolicy,
    /// What is said of this gateway at `/metrics`; `None` for no metrics.
    pub metrics: Option<ResourceAttributes>,
    /// What whoever initialises the gateway must know; `None` if that may be anybody.
    pub bootstrap_token: Option<Secret>,
    /// How the audit log is kept; `None` for none.
    pub audit: Option<AuditSettings>,
}

/// Why a gateway cannot start.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StartError {
    #[error(transparent)]
    OpenStore(#[from] OpenError),
    #[error("server is already initialized in {initialized} mode, cannot start in {wanted} mode")]
    OtherMode { initialized: Mode, wanted: Mode },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(
        "the audit log needs a secret key: set MCPJUNGLE_SECRET_KEY (or MCPJUNGLE_SECRET_KEY_FILE, to a file that \
         holds it) to 32 random bytes as base64 (`openssl rand -base64 32` prints some), the same for every gateway \
         on this database; or turn the audit log off with MCPJUNGLE_AUDIT=false"
    )]
    AuditKey,
    #[error(transparent)]
    Audit(#[from] AuditStartError),
    #[error("cannot set up the plugin host: {0}")]
    PluginHost(#[from] LoadError),
    #[error(transparent)]
    Policies(PolicyError),
    #[error(
        "{}; `mcpjungle start --safe-mode` runs the stock plugins only, so that this can be mended", with_sources(.0)
    )]
    InstalledPolicies(PolicyError),
    #[error("cannot set up upstream connections: {0}")]
    Upstreams(#[from] UpstreamError),
}

/// What is stored could not be read, so what was read before is served on.
#[derive(Debug, Error)]
#[error("cannot read what the database holds")]
pub struct RefreshError(#[from] StoreError);

/// What every request has at hand. Nothing on a request's way reads the store.
pub struct Gateway {
    /// How the gateway is run.
    pub mode: Mode,
    /// The version that it gives for itself, such as `0.1.0`.
    pub version: String,
    /// What outlives the process; for admin operations only.
    pub store: Store,
    /// Connections to MCP servers.
    pub upstreams: Upstreams,
    /// Lists kept ready.
    pub views: Views,
    /// The sessions of MCP clients.
    pub sessions: Sessions,
    /// Who may connect.
    pub edge: EdgePolicy,
    /// Calls under way, those included whose caller has gone.
    pub calls: TaskTracker,
    /// Keeps the catalog up to date with its upstreams.
    pub sync: CatalogSync,
    /// Counts of policies' calls.
    pub policy_metrics: Arc<PolicyMetrics>,
    /// What else is counted, if anybody wants to know.
    pub metrics: Option<Metrics>,
    /// What whoever initialises the gateway must know; `None` if that may be anybody.
    pub bootstrap_token: Option<Secret>,
    /// The audit log, if one is kept.
    pub audit: Option<Arc<Audit>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    policies: Policies,
    /// Held while a snapshot is read and published, so that an older one never replaces a newer one.
    publishing: Mutex<()>,
    /// Held from the check of a group to its being kept or taken back, so that nothing of another's is taken back.
    pub(crate) group_changes: Mutex<()>,
    observations: mpsc::Sender<Observation>,
    /// Tells that what clients see may have changed.
    views_changed: watch::Sender<()>,
    /// Tells that credentials which were good may not be any more.
    credentials_outdated: Arc<Notify>,
    /// Cancelled before the database is closed: who reads it all the time must not take that for a failure.
    closing: CancellationToken,
    requests: RequestIds,
}

impl Gateway {
    /// Opens the store, loads the policies and reads the catalog. No upstream is contacted.
    pub async fn open(settings: GatewaySettings) -> Result<Arc<Self>, StartError> {
        let metrics = settings.metrics.map(Metrics::new);
        let policy_metrics = Arc::<PolicyMetrics>::default();
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let directory = Arc::new(SnapshotDirectory::new(settings.mode, Arc::clone(&snapshot)));
        let store = Store::open(settings.database, settings.keys).await?;
        let capabilities = lending::capabilities(&store, &snapshot, &policy_metrics);
        let plugins = PluginHost::new(PluginSettings { cache_dir: settings.plugin_cache, capabilities }, directory)?;
        adopt_mode(&store, settings.mode).await?;
        let audit = start_audit(&store, settings.audit).await?;
        let failures = audit.clone().map(|audit| {
            let tell: FailureListener = Arc::new(move |failure| policy_failed(&audit, failure));
            tell
        });
        let is_installed = settings.policies == PolicySource::Store;
        if settings.policies == PolicySource::SafeMode {
            tracing::warn!("safe mode: the stock policies run, and none of those that are installed");
        }
        // Components may ask the directory and for secrets as soon as they are loaded.
        snapshot.store(Arc::new(Snapshot::build(store.load(&Known::default()).await?, &Snapshot::default())));
        let policies = Policies::open(
            plugins,
            &store,
            settings.policies,
            settings.admin_authentication,
            Arc::clone(&policy_metrics),
            failures,
        );
        let wrap = if is_installed { StartError::InstalledPolicies } else { StartError::Policies };
        let policies = policies.await.map_err(wrap)?;
        let (observations, observed) = mpsc::channel(OBSERVATION_QUEUE);
        let (views_changed, views_change) = watch::channel(());
        let gateway = Arc::new(Self {
            mode: settings.mode,
            version: settings.version,
            store,
            upstreams: Upstreams::new(settings.upstreams)?,
            views: Views::default(),
            sessions: Sessions::default(),
            edge: settings.edge,
            calls: TaskTracker::new(),
            sync: CatalogSync::default(),
            policy_metrics,
            metrics,
            bootstrap_token: settings.bootstrap_token,
            audit,
            snapshot,
            policies,
            publishing: Mutex::new(()),
            group_changes: Mutex::new(()),
            observations,
            views_changed,
            credentials_outdated: Arc::default(),
            closing: CancellationToken::new(),
            requests: RequestIds::default(),
        });
        let mut served = gateway.snapshot();
        if let Some(metrics) = &gateway.metrics {
            metrics.follow(&served);
        }
        // Loading takes as long as it takes: others may have changed something since.
        gateway.catch_up(&mut served).await?;
        gateway.sync.start(&gateway);
        tokio::spawn(tell_observers(Arc::downgrade(&gateway), observed));
        tokio::spawn(changes::tell(Arc::downgrade(&gateway), views_change));
        tokio::spawn(credentials::watch(Arc::downgrade(&gateway), Arc::clone(&gateway.credentials_outdated)));
        tokio::spawn(follow_store(Arc::downgrade(&gateway)));
        if let PolicySource::File(path) = gateway.policy_source() {
            tokio::spawn(policies::file::follow(Arc::downgrade(&gateway), path.clone()));
        }
        tokio::spawn(end_idle_sessions(Arc::downgrade(&gateway)));
        tokio::spawn(lending::sweep(Arc::downgrade(&gateway)));
        tokio::spawn(keep_shipping(Arc::downgrade(&gateway)));
        Ok(gateway)
    }

    /// What is served right now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether somebody has made this gateway theirs. In development mode it is anybody's.
    pub fn is_initialized(&self) -> bool {
        self.mode == Mode::Development || self.snapshot.load().initialized.is_some()
    }

    /// The policies that run right now.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        self.policies.pipeline().load_full()
    }

    /// Whom the admin API asks who somebody is.
    pub(crate) fn admin_pipeline(&self) -> Arc<Pipeline> {
        self.policies.admin_pipeline()
    }

    /// Grows whenever what authenticators go by has changed: identities, or the authenticators themselves.
    pub(crate) fn credentials_generation(&self) -> u64 {
        // Both only grow, so their sum changes with either.
        self.snapshot.load().identities.generation() + self.policies.pipeline().load().revision()
    }

    /// An id for a new request, unique in this process.
    pub fn next_request_id(&self) -> Arc<str> {
        self.requests.next()
    }

    /// Publishes what the store holds now, if that is something else than what is served.
    /// An admin operation answers only after this, so its caller sees its own change.
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        let _turn = self.publishing.lock().await;
        let current = self.snapshot();
        let mut stored = self.store.load(&current.known()).await?;
        if stored.revision < current.revision {
            // A backup was restored, or a replica took over that missed changes: a revision
            // that is known here may stand for another change there.
            stored = self.store.load(&Known::default()).await?;
        }
        if stored.revision != current.revision {
            let snapshot = Snapshot::build(stored, &current);
            // Most changes are of clients and users, and cost as little with many servers as with few.
            let has_other_servers = !snapshot.has_servers_of(&current);
            if let Some(metrics) = self.metrics.as_ref().filter(|_| has_other_servers) {
                metrics.follow(&snapshot);
            }
            let outdates_credentials = snapshot.identities.generation() != current.identities.generation();
            self.snapshot.store(Arc::new(snapshot));
            if outdates_credentials {
                self.recheck_sessions();
            }
            // They are void now, and hold on to what has gone.
            self.views.clear();
            self.views_changed();
            if has_other_servers {
                self.sync.snapshot_published();
            }
        }
        Ok(())
    }

    /// Serves what another gateway may have changed, and ends the sessions that this
    /// outdates. `followed` is the snapshot up to which that was done.
    async fn catch_up(&self, followed: &mut Arc<Snapshot>) -> Result<(), RefreshError> {
        if self.store.revision().await? != self.snapshot().revision {
            self.refresh().await?;
        }
        let followed = std::mem::replace(followed, self.snapshot());
        for (name, old) in &followed.servers {
            // As it is now: administrators go on registering.
            match self.snapshot().servers.get(name) {
                Some(new) if Arc::ptr_eq(new, old) => {}
                Some(new) => self.upstreams.supersede(&new.server),
                None => self.upstreams.forget(&old.server).await,
            }
        }
        Ok(())
    }

    /// Whether the database is closed, or about to be.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Has every session's credentials looked at again.
    pub(crate) fn recheck_sessions(&self) {
        self.credentials_outdated.notify_one();
    }

    /// Has clients told whose view of a list is another now.
    pub(crate) fn views_changed(&self) {
        self.views_changed.send_replace(());
    }

    /// Tells the observers, if there are any, that a request has ended.
    pub fn observe(&self, observation: impl FnOnce() -> Observation) {
        if self.policies.pipeline().load().has_observers() && self.observations.try_send(observation()).is_err() {
            self.policy_metrics.record_unobserved();
            tracing::warn!("observers are too slow: the end of a request was not told");
        }
    }

    /// Counts a call that has ended, if calls are counted.
    pub(crate) fn count_call(
        &self,
        method: &str,
        item: Option<&Item>,
        answer: &Result<wire::Response, Refusal>,
        arrived_at: Instant,
    ) {
        if let Some(metrics) = &self.metrics {
            metrics.record_call(method, item, answer, arrived_at.elapsed());
        }
    }

    /// Ends everything that the gateway holds open, towards upstreams and then the
    /// database; each may take as long as `bound`.
    pub async fn shutdown(&self, bound: Duration) {
        if tokio::time::timeout(bound, self.upstreams.shutdown()).await.is_err() {
            tracing::warn!("some upstream sessions did not close in time");
        }
        if let Some(audit) = &self.audit {
            match tokio::time::timeout(bound, audit.close(&self.store)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the last audit records wait on the disk for the next start"),
                Err(_) => tracing::warn!("the last audit records wait on the disk for the next start"),
            }
        }
        self.closing.cancel();
        // SQLite then moves its log into the database file, so that a copy of the file is whole.
        if tokio::time::timeout(bound, self.store.close()).await.is_err() {
            tracing::warn!("the database could not be closed in time");
        }
    }
}

/// The audit log's key is kept under the secret key, without which there can be no log.
async fn start_audit(store: &Store, settings: Option<AuditSettings>) -> Result<Option<Arc<Audit>>, StartError> {
    let Some(settings) = settings else { return Ok(None) };
    // First, so that a start that fails for want of it does not leave the database bound to its key.
    settings.create_folder()?;
    let key = store.audit_key().await.map_err(|error| match error {
        StoreError::Key(KeyError::Needed) => StartError::AuditKey,
        error => error.into(),
    })?;
    Ok(Some(Arc::new(Audit::start(settings, key)?)))
}

/// A gateway keeps the mode that its database was initialised in. Development mode
/// initialises by itself; enterprise mode waits for an administrator.
async fn adopt_mode(store: &Store, wanted: Mode) -> Result<(), StartError> {
    let outcome = match wanted {
        Mode::Development => store.initialize(wanted, None).await?,
        Mode::Enterprise => match store.initialized_mode().await? {
            Some(mode) => Initialization::AlreadyDone(mode),
            None => return Ok(()),
        },
    };
    match outcome {
        Initialization::AlreadyDone(initialized) if initialized != wanted => {
            Err(StartError::OtherMode { initialized, wanted })
        }
        Initialization::AlreadyDone(_) | Initialization::Done => Ok(()),
    }
}

/// Another gateway on the same database may change it: its changes are served here
/// too, as soon as they are announced, and within a second where nobody announces.
async fn follow_store(gateway: std::sync::Weak<Gateway>) {
    let mut ticks = tokio::time::interval(STORE_CHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Some(mut followed) = gateway.upgrade().map(|gateway| gateway.snapshot()) else { return };
    let mut is_failing = false;
    loop {
        // Nothing is held meanwhile: a gateway that nobody uses any more ends.
        let waiting = gateway.upgrade().map(|gateway| (gateway.store.announced(), gateway.closing.clone()));
        let Some((announced, closing)) = waiting else { return };
        tokio::select! {
            _ = ticks.tick() => {}
            () = announced => {}
            () = closing.cancelled() => return,
        }
        let Some(gateway) = gateway.upgrade() else { return };
        let caught_up = gateway.catch_up(&mut followed).await;
        if gateway.is_closing() {
            return;
        }
        policies::begin_following(&gateway);
        match caught_up {
            Ok(()) if is_failing => {
                is_failing = false;
                tracing::info!("the database can be read again");
            }
            Ok(()) => {}
            // Once, not every second.
            Err(error) if !is_failing => {
                is_failing = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, "the database cannot be read: changes by other gateways are not seen");
            }
            Err(_) => {}
        }
    }
}

/// What nobody uses any more goes: sessions, and streams that nobody took up again.
async fn end_idle_sessions(gateway: std::sync::Weak<Gateway>) {
    let mut ticks = tokio::time::interval(IDLE_SESSION_CHECK);
    loop {
        ticks.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        for session in gateway.sessions.end_idle() {
            gateway.upstreams.end_paired(&session.id);
        }
        for session in gateway.sessions.all() {
            session.tidy_up();
        }
    }
}

async fn tell_observers(gateway: std::sync::Weak<Gateway>, mut observed: mpsc::Receiver<Observation>) {
    let mut batch = Vec::with_capacity(OBSERVATION_BATCH);
    while observed.recv_many(&mut batch, OBSERVATION_BATCH).await > 0 {
        let Some(gateway) = gateway.upgrade() else { return };
        let pipeline = gateway.pipeline();
        let observing = async move {
            pipeline.observe(&batch).await;
            batch
        };
        batch = slow_lane::wait(observing).await;
        batch.clear();
    }
}

/// Ids that tell requests apart in the log: the process's own random part and a number.
struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let mut random = [0; 4];
        // Without randomness the ids of two runs could be the same, which only a reader of logs would notice.
        let _unseeded = getrandom::fill(&mut random);
        Self { process: random.iter().map(|byte| format!("{byte:02x}")).collect(), next: AtomicU64::new(1) }
    }
}

impl RequestIds {
    fn next(&self) -> Arc<str> {
        format!("{}-{}", self.process, self.next.fetch_add(1, Ordering::Relaxed)).into()
    }
}
