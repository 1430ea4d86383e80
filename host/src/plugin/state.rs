//! What one instance carries with it on the host's side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::pipeline::Directory;
use crate::plugin::capabilities::{Capabilities, KeyValue, KeyValueError};
use crate::plugin::grants::{Capability, Grants};
use crate::plugin::limits::{Budget, Limits};
use crate::plugin::log::{PluginLog, StandardOutput};
use crate::plugin::outbound_http::OutboundHttp;
use crate::secret::Secret;
use crate::telemetry::{HostCallMetrics, HostCallResult};

/// Things that a guest may hold of WASI at the same time: streams, pollables.
const WASI_RESOURCES: usize = 256;
/// Random bytes that a guest may ask for at once.
const RANDOM_BYTES: u64 = 64 << 10;

/// What all instances of one plugin share.
pub(crate) struct PluginContext {
    /// Unique in the pipeline.
    pub(crate) name: Arc<str>,
    /// What its values are kept under.
    pub(crate) keeps_as: Arc<str>,
    /// Whether it was started and has accepted its settings.
    pub(crate) is_loaded: Arc<AtomicBool>,
    /// A JSON object as text.
    pub(crate) settings: String,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) capabilities: Capabilities,
    /// Its own connections, under its own grants.
    pub(crate) http: OutboundHttp,
    pub(crate) host_calls: Arc<HostCallMetrics>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) log: Arc<PluginLog>,
    /// The clock's zero.
    pub(crate) started: Instant,
    /// The most memory that any instance has used, in bytes.
    pub(crate) memory_peak: Arc<AtomicUsize>,
}

/// Why there is no secret for a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSecret {
    NotGranted,
    NotSet,
}

impl PluginContext {
    /// Where it writes what it keeps. As long as it is not loaded, nowhere: the change that brings it may
    /// be refused, which must leave nothing behind.
    pub(crate) fn values_to_write(&self) -> Result<&dyn KeyValue, KeyValueError> {
        if self.is_loaded.load(Ordering::Acquire) {
            Ok(&*self.capabilities.key_value)
        } else {
            Err(KeyValueError::loading())
        }
    }

    /// A secret by name, if the plugin was granted it.
    pub(crate) fn find_secret(&self, name: &str) -> Result<Secret, NoSecret> {
        let counted = self.host_calls.begin(Capability::Secrets);
        if !self.grants.allow_secret(name) {
            counted.end(HostCallResult::Refused);
            return Err(NoSecret::NotGranted);
        }
        counted.end(HostCallResult::Done);
        self.capabilities.secrets.find(name).ok_or(NoSecret::NotSet)
    }
}

/// What a store holds.
pub(crate) struct State {
    pub(crate) plugin: Arc<PluginContext>,
    pub(crate) budget: Budget,
    /// Made at the first use: most policies never ask for it.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    context: WasiCtx,
    resources: ResourceTable,
}

impl State {
    pub(crate) fn new(plugin: Arc<PluginContext>, deadline: Instant) -> Self {
        let mut budget = Budget::new(&plugin.limits, deadline);
        budget.memory_peak = Some(Arc::clone(&plugin.memory_peak));
        Self { plugin, budget, wasi: None }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(&self.plugin.log)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.resources }
    }
}

impl Wasi {
    /// WASI with nothing behind it: no files, no environment, no arguments, no
    /// network. What is printed goes to the log.
    fn new(log: &Arc<PluginLog>) -> Self {
        let output = |level| StandardOutput { log: Arc::clone(log), level };
        let context = WasiCtx::builder()
            .stdout(output(tracing::Level::INFO))
            .stderr(output(tracing::Level::WARN))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(WASI_RESOURCES);
        Self { context, resources }
    }
}
