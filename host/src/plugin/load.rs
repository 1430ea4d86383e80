//! From a component's bytes to a plugin in the pipeline. Everything that can be
//! wrong with one shows here, before anything changes.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre, Linker};

use crate::pipeline::{Plugin, Stage};
use crate::plugin::engine::{Engines, POOL_MEMORY};
use crate::plugin::error::LoadError;
use crate::plugin::policies::{ComponentSource, PluginPlan};
use crate::plugin::pool::InstancePool;
use crate::plugin::state::{PluginContext, State};
use crate::plugin::v0_1::{self, ExportIndices};

/// The engines, and what components may import on each.
pub(crate) struct Runtime {
    pub(crate) engines: Engines,
    pooled: Option<Linker<State>>,
    on_demand: Linker<State>,
}

/// A component that is compiled and linked, but has not run yet.
pub(crate) struct Linked {
    digest: Arc<str>,
    instances: InstancePre<State>,
    indices: ExportIndices,
    stages: Vec<Stage>,
}

impl Runtime {
    pub(crate) fn start(cache_dir: Option<&Path>) -> Result<Self, LoadError> {
        let engines = Engines::start(cache_dir)?;
        let linker = |engine| v0_1::linker(engine).map_err(|error| LoadError::Engine { source: error.into() });
        let pooled = engines.pooled.as_ref().map(linker).transpose()?;
        let on_demand = linker(&engines.on_demand)?;
        Ok(Self { engines, pooled, on_demand })
    }

    /// Reads, compiles and links: work for a thread that may block.
    pub(crate) fn link(&self, plan: &PluginPlan) -> Result<Linked, LoadError> {
        let bytes = read_component(plan)?;
        let digest = check_digest(plan, &bytes)?;
        let (component, linker) = self.compile(plan, &bytes)?;
        check_imports(plan, &component)?;
        check_exports(plan, &component)?;
        let link_error =
            |error: wasmtime::Error| LoadError::Link { plugin: Arc::clone(&plan.name), source: error.into() };
        let instances = linker.instantiate_pre(&component).map_err(link_error)?;
        let indices = ExportIndices::find(&instances).map_err(link_error)?;
        let stages = choose_stages(plan, &indices)?;
        Ok(Linked { digest, instances, indices, stages })
    }

    /// A component that does not fit a slot of the pool runs on demand.
    fn compile(&self, plan: &PluginPlan, bytes: &[u8]) -> Result<(Component, &Linker<State>), LoadError> {
        if let Some(linker) = self.pooled.as_ref().filter(|_| plan.limits.memory_bytes() <= POOL_MEMORY) {
            match Component::from_binary(linker.engine(), bytes) {
                Ok(component) => return Ok((component, linker)),
                Err(error) => tracing::debug!(plugin.name = %plan.name, %error, "does not fit the pool"),
            }
        }
        match Component::from_binary(self.on_demand.engine(), bytes) {
            Ok(component) => Ok((component, &self.on_demand)),
            Err(error) => Err(LoadError::Compile { plugin: Arc::clone(&plan.name), source: error.into() }),
        }
    }
}

impl Linked {
    /// Starts a first instance, has it accept its settings, and makes the plugin.
    pub(crate) async fn start(
        self,
        plan: &PluginPlan,
        context: PluginContext,
        runtime: &Runtime,
    ) -> Result<Plugin, LoadError> {
        let ticker = Arc::clone(&runtime.engines.ticker);
        let pool = InstancePool::new(Arc::new(context), plan.isolation, self.instances, self.indices, ticker);
        match v0_1::accept_settings(&pool, self.stages[0], &plan.settings).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => return Err(LoadError::SettingsRefused { plugin: Arc::clone(&plan.name), problem }),
            Err(error) => return Err(LoadError::Start { plugin: Arc::clone(&plan.name), source: error.into() }),
        }
        let policy = Arc::new(v0_1::Policy::new(pool));
        let has = |stage| self.stages.contains(&stage);
        Ok(Plugin {
            name: Arc::clone(&plan.name),
            digest: self.digest,
            fail_open: plan.fail_open,
            authenticator: has(Stage::Authenticator).then(|| Arc::clone(&policy) as _),
            authorizer: has(Stage::Authorizer).then(|| Arc::clone(&policy) as _),
            tool_filter: has(Stage::ToolFilter).then(|| Arc::clone(&policy) as _),
            header_injector: has(Stage::HeaderInjector).then(|| Arc::clone(&policy) as _),
            guard: has(Stage::Guard).then(|| Arc::clone(&policy) as _),
            observer: has(Stage::Observer).then(|| Arc::clone(&policy) as _),
        })
    }
}

fn read_component(plan: &PluginPlan) -> Result<std::borrow::Cow<'static, [u8]>, LoadError> {
    match &plan.component {
        ComponentSource::Stock(stock) => Ok(stock.component().into()),
        ComponentSource::File(path) => std::fs::read(path).map(Into::into).map_err(|source| LoadError::Read {
            plugin: Arc::clone(&plan.name),
            path: path.display().to_string(),
            source,
        }),
    }
}

fn check_digest(plan: &PluginPlan, bytes: &[u8]) -> Result<Arc<str>, LoadError> {
    let mut found = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(found, "{byte:02x}").expect("a String takes everything");
    }
    let found: Arc<str> = found.into();
    match &plan.digest {
        Some(expected) if **expected != *found => {
            Err(LoadError::WrongDigest { plugin: Arc::clone(&plan.name), expected: expected.clone(), found })
        }
        _ => Ok(found),
    }
}

/// Imports that are never ambient, and what each gives.
const GRANTABLE: [(&str, &str); 3] = [
    ("mcpjungle:policy/key-value@", "a store of values that outlive a call"),
    ("mcpjungle:policy/outbound-http@", "outbound HTTP requests"),
    ("mcpjungle:policy/secrets@", "secrets by name"),
];
/// What every component may import; what WASI finds behind it is nothing.
const AMBIENT: [&str; 11] = [
    "mcpjungle:policy/types@",
    "mcpjungle:policy/log@",
    "mcpjungle:policy/clock@",
    "mcpjungle:policy/settings@",
    "mcpjungle:policy/directory@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

fn check_imports(plan: &PluginPlan, component: &Component) -> Result<(), LoadError> {
    for (import, _) in component.component_type().imports(component.engine()) {
        if AMBIENT.iter().any(|prefix| import.starts_with(prefix)) {
            continue;
        }
        let capability = GRANTABLE
            .iter()
            .find(|(prefix, _)| import.starts_with(prefix))
            .map_or("which this gateway does not know", |(_, capability)| capability);
        return Err(LoadError::ImportNotGranted {
            plugin: Arc::clone(&plan.name),
            import: import.to_owned(),
            capability,
        });
    }
    Ok(())
}

/// A stage of a later track left out in silence would be a policy that does not hold.
fn check_exports(plan: &PluginPlan, component: &Component) -> Result<(), LoadError> {
    let ours = |name: &&str| name.starts_with("mcpjungle:policy/");
    let exports = component.component_type();
    let unknown = exports
        .exports(component.engine())
        .map(|(name, _)| name)
        .filter(ours)
        .find(|name| !v0_1::is_known_export(name));
    match unknown {
        Some(export) => Err(LoadError::UnknownExport { plugin: Arc::clone(&plan.name), export: export.to_owned() }),
        None => Ok(()),
    }
}

fn choose_stages(plan: &PluginPlan, indices: &ExportIndices) -> Result<Vec<Stage>, LoadError> {
    let exported: Vec<Stage> = Stage::ALL.into_iter().filter(|&stage| indices.has(stage)).collect();
    let plugin = || Arc::clone(&plan.name);
    let Some(wanted) = &plan.stages else {
        return if exported.is_empty() { Err(LoadError::NoStage { plugin: plugin() }) } else { Ok(exported) };
    };
    if let Some(&stage) = wanted.iter().find(|stage| !exported.contains(stage)) {
        return Err(LoadError::StageNotExported { plugin: plugin(), stage });
    }
    // Nothing to install it for is a mistake, not a wish.
    if wanted.is_empty() { Err(LoadError::NoStage { plugin: plugin() }) } else { Ok(wanted.clone()) }
}
