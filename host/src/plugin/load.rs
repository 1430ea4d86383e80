//! From a component's bytes to a plugin in the pipeline. Everything that can be
//! wrong with one shows here, before anything changes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::pipeline::{CallError, Description, GuardedParts, Plugin, Stage};
use crate::plugin::engine::{Engines, POOL_MEMORY};
use crate::plugin::error::LoadError;
use crate::plugin::grants::Capability;
use crate::plugin::host::blocking;
use crate::plugin::policies::{ComponentSource, PluginPlan};
use crate::plugin::pool::{self, InstancePool};
use crate::plugin::settings_schema::{self, Misfit};
use crate::plugin::state::{PluginContext, State};
use crate::plugin::v0_1::{self, ExportIndices};

/// The engines, and what components may import on each.
pub(crate) struct Runtime {
    pub(crate) engines: Engines,
    pooled: Option<Linker<State>>,
    /// Made at the first need.
    on_demand: OnceLock<Linker<State>>,
}

/// What a component is made of, found without running it.
#[derive(Debug, Clone)]
pub struct Examination {
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub digest: Arc<str>,
    /// In bytes.
    pub size: usize,
    /// The stages that it exports.
    pub stages: Vec<Stage>,
    /// Everything that it imports.
    pub imports: Vec<Import>,
    /// Whether its instances fit the pool, with the limits that it was looked at with; others start more slowly.
    pub is_pooled: bool,
}

/// One import of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its full name, with the version.
    pub name: String,
    /// What must be granted for it; `None` if nothing.
    pub needs: Option<Capability>,
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
        Self::link_compiled(plan, digest, self.compile(plan, &bytes)?)
    }

    /// For a component that was compiled for this plan before.
    pub(crate) fn link_compiled(
        plan: &PluginPlan,
        digest: Arc<str>,
        compiled: Compiled<'_>,
    ) -> Result<Linked, LoadError> {
        check_grants(plan, &imports_of(&plan.name, &compiled.0)?)?;
        link_checked(plan, digest, compiled)
    }

    /// Reads, compiles and links for a look at what there is, for which nothing is granted: work for a thread that
    /// may block.
    pub(crate) fn examine(&self, plan: &PluginPlan) -> Result<(Examination, Linked), LoadError> {
        let bytes = read_component(plan)?;
        let compiled = self.compile(plan, &bytes)?;
        let imports = imports_of(&plan.name, &compiled.0)?;
        let linked = link_checked(plan, digest_of(&bytes), compiled)?;
        let examination = Examination {
            digest: Arc::clone(&linked.digest),
            size: bytes.len(),
            stages: linked.stages.clone(),
            imports,
            is_pooled: linked.reserved.is_some(),
        };
        Ok((examination, linked))
    }

    /// Compiles for the pool, with the room that the plugin may need there reserved.
    /// What does not fit runs on demand.
    pub(crate) fn compile(&self, plan: &PluginPlan, bytes: &[u8]) -> Result<Compiled<'_>, LoadError> {
        if let Some(linker) = self.pooled.as_ref().filter(|_| plan.limits.memory_bytes() <= POOL_MEMORY) {
            match self.engines.reserve_slots(plan.limits.instances.get()) {
                Some(reserved) => match Component::from_binary(linker.engine(), bytes) {
                    Ok(component) => return Ok((component, linker, Some(reserved))),
                    Err(error) => tracing::debug!(plugin.name = %plan.name, %error, "does not fit the pool"),
                },
                None => tracing::warn!(
                    plugin.name = %plan.name,
                    plugin.instances = plan.limits.instances,
                    "the pool has no room for so many instances: they are made on demand, which is slower, until the \
                     plugin is loaded anew and there is room"
                ),
            }
        }
        let linker = self.on_demand()?;
        match Component::from_binary(linker.engine(), bytes) {
            Ok(component) => Ok((component, linker, None)),
            Err(error) => Err(LoadError::Compile { plugin: Arc::clone(&plan.name), source: error.into() }),
        }
    }

    /// What components may import that are compiled for the pool, or not.
    pub(crate) fn linker(&self, is_pooled: bool) -> Result<&Linker<State>, LoadError> {
        match self.pooled.as_ref().filter(|_| is_pooled) {
            Some(linker) => Ok(linker),
            None => self.on_demand(),
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

/// Nothing that it imports is missing; what it exports is still to be seen.
fn link_checked(
    plan: &PluginPlan,
    digest: Arc<str>,
    (component, linker, reserved): Compiled<'_>,
) -> Result<Linked, LoadError> {
    check_exports(&plan.name, &component)?;
    let link_error = |error: wasmtime::Error| LoadError::Link { plugin: Arc::clone(&plan.name), source: error.into() };
    let instances = linker.instantiate_pre(&component).map_err(link_error)?;
    let indices = ExportIndices::find(&instances).map_err(link_error)?;
    let stages = choose_stages(plan, &indices)?;
    Ok(Linked { digest, instances, indices, stages, reserved })
}

/// With what it may import, and its share of the pool.
pub(crate) type Compiled<'a> = (Component, &'a Linker<State>, Option<OwnedSemaphorePermit>);

impl Linked {
    /// What it is to be installed for: one stage at least.
    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Where its instances run.
    pub(crate) fn into_pool(self, plan: &PluginPlan, context: PluginContext, runtime: &Runtime) -> InstancePool {
        let linked = pool::Linked { instances: self.instances, indices: self.indices, reserved: self.reserved };
        InstancePool::new(Arc::new(context), plan.isolation, linked, Arc::clone(&runtime.engines.ticker))
    }

    /// Starts an instance, and asks it what it says of itself.
    pub(crate) async fn describe(
        self,
        plan: &PluginPlan,
        context: PluginContext,
        runtime: &Runtime,
    ) -> Result<Description, LoadError> {
        let stage = self.stages[0];
        let pool = self.into_pool(plan, context, runtime).while_loading();
        let described = v0_1::describe(&pool, stage).await;
        described.map_err(|error| LoadError::Start { plugin: Arc::clone(&plan.name), source: error.into() })
    }

    /// Starts a first instance, has it accept its settings, and makes the plugin.
    pub(crate) async fn start(
        self,
        plan: &PluginPlan,
        context: PluginContext,
        runtime: &Runtime,
    ) -> Result<Plugin, LoadError> {
        let (digest, stages) = (Arc::clone(&self.digest), self.stages.clone());
        let is_loaded = Arc::clone(&context.is_loaded);
        let pool = self.into_pool(plan, context, runtime).while_loading();
        let failed = |error: CallError| LoadError::Start { plugin: Arc::clone(&plan.name), source: error.into() };
        let description = v0_1::describe(&pool, stages[0]).await.map_err(failed)?;
        check_settings(plan, &description).await?;
        match v0_1::accept_settings(&pool, stages[0], &plan.settings).await.map_err(failed)? {
            Ok(()) => {}
            Err(problem) => return Err(LoadError::SettingsRefused { plugin: Arc::clone(&plan.name), problem }),
        }
        let guarded = if stages.contains(&Stage::Guard) {
            v0_1::guarded_parts(&pool).await.map_err(failed)?
        } else {
            GuardedParts::default()
        };
        is_loaded.store(true, Ordering::Release);
        let policy = Arc::new(v0_1::Policy::new(pool.once_loaded()));
        let has = |stage| stages.contains(&stage);
        Ok(Plugin {
            name: Arc::clone(&plan.name),
            digest,
            description,
            stages: stages.clone(),
            guarded,
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

pub(crate) fn read_component(plan: &PluginPlan) -> Result<Cow<'_, [u8]>, LoadError> {
    match &plan.component {
        ComponentSource::Stock(stock) => Ok(stock.component().into()),
        ComponentSource::Bytes(bytes) => Ok((&**bytes).into()),
        ComponentSource::File(path) => std::fs::read(path).map(Into::into).map_err(|source| LoadError::Read {
            plugin: Arc::clone(&plan.name),
            path: path.display().to_string(),
            source,
        }),
    }
}

/// SHA-256 of a component, in lower-case hexadecimal.
pub fn digest_of(bytes: &[u8]) -> Arc<str> {
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(digest, "{byte:02x}").expect("a String takes everything");
    }
    digest.into()
}

/// The most bytes that a component may have.
pub const LARGEST_COMPONENT: usize = 64 << 20;
/// What WebAssembly begins with, and behind it what tells a core module from a component.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = b"\x01\0\0\0";

/// Says of what is no component at all what it is.
pub(crate) fn no_component(bytes: &[u8]) -> Option<&'static str> {
    match bytes.strip_prefix(MAGIC) {
        None if bytes.is_empty() => Some("this is empty: a component is expected, a .wasm file"),
        None => Some("this is no WebAssembly: a component is expected, a .wasm file"),
        Some(rest) if rest.starts_with(CORE_MODULE) => Some(
            "this is a WebAssembly core module, not a component: build it for the target wasm32-wasip2, or with \
             `cargo component`, or make it one with `wasm-tools component new`",
        ),
        Some(_) => None,
    }
}

/// The digest of a plan's component, which must be the one that the plan says, if it says one.
pub(crate) fn check_digest(plan: &PluginPlan, bytes: &[u8]) -> Result<Arc<str>, LoadError> {
    let found = digest_of(bytes);
    match &plan.digest {
        Some(expected) if **expected != *found => {
            Err(LoadError::WrongDigest { plugin: Arc::clone(&plan.name), expected: expected.clone(), found })
        }
        _ => Ok(found),
    }
}

/// Imports that are never ambient, and what each gives.
const GRANTABLE: [(&str, Capability); 3] = [
    ("mcpjungle:policy/key-value@", Capability::KeyValue),
    ("mcpjungle:policy/outbound-http@", Capability::Http),
    ("mcpjungle:policy/secrets@", Capability::Secrets),
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

/// `None` for what nobody can be granted.
pub(crate) fn read_import(name: &str) -> Option<Import> {
    let needs = GRANTABLE.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, capability)| *capability);
    let is_known = needs.is_some() || AMBIENT.iter().any(|prefix| name.starts_with(prefix));
    is_known.then(|| Import { name: name.to_owned(), needs })
}

/// All imports; one that nobody can be granted is an error.
fn imports_of(plugin: &Arc<str>, component: &Component) -> Result<Vec<Import>, LoadError> {
    let import = |import: &str| {
        read_import(import)
            .ok_or_else(|| LoadError::UnknownImport { plugin: Arc::clone(plugin), import: import.to_owned() })
    };
    component.component_type().imports(component.engine()).map(|(name, _)| import(name)).collect()
}

fn check_grants(plan: &PluginPlan, imports: &[Import]) -> Result<(), LoadError> {
    let missing = |import: &Import| {
        let capability = import.needs.filter(|capability| !plan.grants.allow(*capability))?;
        Some((import.name.clone(), capability))
    };
    let mut missing: Vec<_> = imports.iter().filter_map(missing).collect();
    let plugin = Arc::clone(&plan.name);
    match (missing.pop(), missing.is_empty()) {
        (None, _) => Ok(()),
        (Some((import, capability)), true) => Err(LoadError::ImportNotGranted { plugin, import, capability }),
        (Some(last), false) => {
            missing.push(last);
            Err(LoadError::ImportsNotGranted { plugin, missing })
        }
    }
}

/// Holds the settings against the schema that the component brings along.
async fn check_settings(plan: &PluginPlan, description: &Description) -> Result<(), LoadError> {
    let Some(schema) = description.settings_schema.clone() else { return Ok(()) };
    let settings = plan.settings.clone();
    let plugin = || Arc::clone(&plan.name);
    match blocking(move || settings_schema::check(&schema, &settings)).await {
        Ok(()) => Ok(()),
        Err(Misfit::Schema(problem)) => Err(LoadError::SettingsSchema { plugin: plugin(), problem }),
        Err(Misfit::Settings(problem)) => Err(LoadError::SettingsInvalid { plugin: plugin(), problem }),
    }
}

/// A stage of a later track left out in silence would be a policy that does not hold.
fn check_exports(plugin: &Arc<str>, component: &Component) -> Result<(), LoadError> {
    let ours = |name: &&str| name.starts_with("mcpjungle:policy/");
    let exports = component.component_type();
    let unknown = exports
        .exports(component.engine())
        .map(|(name, _)| name)
        .filter(ours)
        .find(|name| !v0_1::is_known_export(name));
    match unknown {
        Some(export) => Err(LoadError::UnknownExport { plugin: Arc::clone(plugin), export: export.to_owned() }),
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
