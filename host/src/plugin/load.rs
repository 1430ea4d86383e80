//! From a component's bytes to a plugin in the pipeline. Everything that can be
//! wrong with one shows here, before anything changes.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::pipeline::{Plugin, Stage};
use crate::plugin::engine::{Engines, POOL_MEMORY};
use crate::plugin::error::LoadError;
use crate::plugin::policies::{ComponentSource, PluginPlan};
use crate::plugin::pool::{self, InstancePool};
use crate::plugin::state::{PluginContext, State};
use crate::plugin::v0_1::{self, ExportIndices};

/// The engines, and what components may import on each.
pub(crate) struct Runtime {
    pub(crate) engines: Engines,
    pooled: Option<Linker<State>>,
    /// Made at the first need.
    on_demand: OnceLock<Linker<State>>,
}

/// A component that is compiled and linked, but has not run yet.
pub(crate) struct Linked {
    digest: Arc<str>,
    instances: InstancePre<State>,
    indices: ExportIndices,
    stages: Vec<Stage>,
    /// Its share of the pool; `None` if it runs on demand.
    reserved: Option<OwnedSemaphorePermit>,
}

impl Runtime {
    pub(crate) fn start(cache_dir: Option<&Path>) -> Result<Self, LoadError> {
        let engines = Engines::start(cache_dir)?;
        let linker = |engine| v0_1::linker(engine).map_err(|error| LoadError::Engine { source: error.into() });
        let pooled = engines.pooled.as_ref().map(linker).transpose()?;
        Ok(Self { engines, pooled, on_demand: OnceLock::new() })
    }

    /// Reads, compiles and links: work for a thread that may block.
    pub(crate) fn link(&self, plan: &PluginPlan) -> Result<Linked, LoadError> {
        let bytes = read_component(plan)?;
        let digest = check_digest(plan, &bytes)?;
        let (component, linker, reserved) = self.compile(plan, &bytes)?;
        check_imports(plan, &component)?;
        check_exports(plan, &component)?;
        let link_error =
            |error: wasmtime::Error| LoadError::Link { plugin: Arc::clone(&plan.name), source: error.into() };
        let instances = linker.instantiate_pre(&component).map_err(link_error)?;
        let indices = ExportIndices::find(&instances).map_err(link_error)?;
        let stages = choose_stages(plan, &indices)?;
        Ok(Linked { digest, instances, indices, stages, reserved })
    }

    /// Compiles for the pool, with the room that the plugin may need there reserved.
    /// What does not fit runs on demand.
    fn compile(&self, plan: &PluginPlan, bytes: &[u8]) -> Result<Compiled<'_>, LoadError> {
        if let Some(linker) = self.pooled.as_ref().filter(|_| plan.limits.memory_bytes() <= POOL_MEMORY)
            && let Some(reserved) = self.engines.reserve_slots(plan.limits.instances.get())
        {
            match Component::from_binary(linker.engine(), bytes) {
                Ok(component) => return Ok((component, linker, Some(reserved))),
                Err(error) => tracing::debug!(plugin.name = %plan.name, %error, "does not fit the pool"),
            }
        }
        let linker = self.on_demand()?;
        match Component::from_binary(linker.engine(), bytes) {
            Ok(component) => Ok((component, linker, None)),
            Err(error) => Err(LoadError::Compile { plugin: Arc::clone(&plan.name), source: error.into() }),
        }
    }

    fn on_demand(&self) -> Result<&Linker<State>, LoadError> {
        if let Some(linker) = self.on_demand.get() {
            return Ok(linker);
        }
        let made = self.engines.on_demand().and_then(v0_1::linker);
        let linker = made.map_err(|error| LoadError::Engine { source: error.into() })?;
        Ok(self.on_demand.get_or_init(|| linker))
    }
}

/// With what it may import, and its share of the pool.
type Compiled<'a> = (Component, &'a Linker<State>, Option<OwnedSemaphorePermit>);

impl Linked {
    /// Starts a first instance, has it accept its settings, and makes the plugin.
    pub(crate) async fn start(
        self,
        plan: &PluginPlan,
        context: PluginContext,
        runtime: &Runtime,
    ) -> Result<Plugin, LoadError> {
        let ticker = Arc::clone(&runtime.engines.ticker);
        let linked = pool::Linked { instances: self.instances, indices: self.indices, reserved: self.reserved };
        let pool = InstancePool::new(Arc::new(context), plan.isolation, linked, ticker);
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use wasmtime::Engine;

    use super::*;
    use crate::plugin::engine::POOL_SLOTS;
    use crate::plugin::stock::Stock;

    fn plan(instances: u32) -> PluginPlan {
        let mut plan = PluginPlan::stock(Stock::Acl);
        plan.limits.instances = NonZeroU32::new(instances).unwrap();
        plan
    }

    #[test]
    fn what_the_pool_has_no_room_for_runs_on_demand_until_there_is() {
        let runtime = Runtime::start(None).unwrap();
        let pool = runtime.engines.pooled.as_ref().unwrap();
        let is_pooled = |linked: &Linked| Engine::same(linked.instances.engine(), pool);

        let large = runtime.link(&plan(POOL_SLOTS - 1)).unwrap();
        assert!(is_pooled(&large));
        assert!(!is_pooled(&runtime.link(&plan(2)).unwrap()));
        assert!(!is_pooled(&runtime.link(&plan(u32::MAX)).unwrap()));
        drop(large);
        assert!(is_pooled(&runtime.link(&plan(2)).unwrap()));
    }

    #[test]
    fn the_stock_components_fit_the_pool() {
        let runtime = Runtime::start(None).unwrap();
        for stock in Stock::ALL {
            assert!(runtime.link(&PluginPlan::stock(stock)).unwrap().reserved.is_some(), "{stock:?}");
        }
    }
}
