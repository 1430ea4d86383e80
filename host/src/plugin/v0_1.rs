//! Track 0.1 of the contract: what components export and import, and the one
//! place where its types and the host's meet.

use wasmtime::component::{HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::pipeline::{CallError, Description, GuardedParts, Stage};
use crate::plugin::pool::{InstancePool, within};
use crate::plugin::state::State;

mod answers;
mod imports;
mod questions;
mod stages;

pub(crate) use stages::Policy;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package mcpjungle:host;
            world everything {
                include mcpjungle:policy/configured@0.1.0;
                include mcpjungle:policy/authentication@0.1.0;
                include mcpjungle:policy/authorization@0.1.0;
                include mcpjungle:policy/tool-filtering@0.1.0;
                include mcpjungle:policy/header-injection@0.1.0;
                include mcpjungle:policy/guarding@0.1.0;
                include mcpjungle:policy/observing@0.1.0;
                include mcpjungle:policy/uses-key-value@0.1.0;
                include mcpjungle:policy/uses-http@0.1.0;
                include mcpjungle:policy/uses-secrets@0.1.0;
            }
        ",
        path: "../wit/v0.1",
        world: "mcpjungle:host/everything",
        // Questions are lowered straight from the host's own texts, without a copy before.
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: {
            "mcpjungle:policy/key-value": async | trappable,
            "mcpjungle:policy/outbound-http": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

use bindings::exports::mcpjungle::policy::{
    authenticator, authorizer, configuration, guard, header_injector, observer, tool_filter,
};
use bindings::mcpjungle::policy::{clock, directory, key_value, log, outbound_http, secrets, settings, types};

/// What components may import. Whether one was granted what it imports is checked before it is linked.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    clock::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    settings::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    directory::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    key_value::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    outbound_http::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    secrets::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    // Components built on a standard library import it, needed or not.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Ok(linker)
}

macro_rules! exported_interfaces {
    ($($field:ident: $interface:literal,)*) => {
        /// Which interfaces of this track a component exports, and where.
        pub(crate) struct ExportIndices {
            $($field: Option<$field::GuestIndices>,)*
        }

        /// The exports of one instance, ready to be called.
        pub(crate) struct Exports {
            $($field: Option<$field::Guest>,)*
        }

        impl ExportIndices {
            /// An interface under a known name that does not hold what it should is an error, not absent.
            pub(crate) fn find(component: &InstancePre<State>) -> wasmtime::Result<Self> {
                Ok(Self {
                    $($field: match component.component().get_export_index(None, concat!("mcpjungle:policy/", $interface, "@0.1.0")) {
                        Some(_) => Some($field::GuestIndices::new(component)?),
                        None => None,
                    },)*
                })
            }

            pub(crate) fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Exports> {
                Ok(Exports {
                    $($field: match &self.$field {
                        Some(indices) => Some(indices.load(&mut *store, instance)?),
                        None => None,
                    },)*
                })
            }
        }

        /// Whether this track has an interface of this name.
        pub(crate) fn is_known_export(name: &str) -> bool {
            [$(concat!("mcpjungle:policy/", $interface, "@0.1.0")),*].contains(&name)
        }
    };
}

exported_interfaces! {
    configuration: "configuration",
    authenticator: "authenticator",
    authorizer: "authorizer",
    tool_filter: "tool-filter",
    header_injector: "header-injector",
    guard: "guard",
    observer: "observer",
}

impl ExportIndices {
    pub(crate) fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Authenticator => self.authenticator.is_some(),
            Stage::Authorizer => self.authorizer.is_some(),
            Stage::ToolFilter => self.tool_filter.is_some(),
            Stage::HeaderInjector => self.header_injector.is_some(),
            Stage::Guard => self.guard.is_some(),
            Stage::Observer => self.observer.is_some(),
        }
    }
}

/// Starts an instance and asks it what it says of itself.
pub(crate) async fn describe(pool: &InstancePool, stage: Stage) -> Result<Description, CallError> {
    let mut lease = pool.lease(stage).await?;
    let (store, exports, bounds) = lease.parts();
    let answer = match &exports.configuration {
        Some(configuration) => within(bounds, configuration.call_describe(store)).await,
        None => return lease.finish(Ok(Ok(Description::default()))),
    };
    let described = lease.finish(answer)?;
    Ok(Description {
        version: described.version,
        summary: described.summary,
        settings_schema: described.settings_schema,
    })
}

/// Asks a guard what it reviews.
pub(crate) async fn guarded_parts(pool: &InstancePool) -> Result<GuardedParts, CallError> {
    let mut lease = pool.lease(Stage::Guard).await?;
    let (store, exports, bounds) = lease.parts();
    let answer = match &exports.guard {
        Some(guard) => within(bounds, guard.call_reviews(store)).await,
        None => return lease.finish(Ok(Ok(GuardedParts::default()))),
    };
    let parts = lease.finish(answer)?;
    Ok(GuardedParts {
        arguments: parts.contains(guard::Parts::ARGUMENTS),
        results: parts.contains(guard::Parts::RESULTS),
    })
}

/// Starts an instance and asks it whether it accepts its settings. `stage` is
/// what a failure is put down to.
pub(crate) async fn accept_settings(
    pool: &InstancePool,
    stage: Stage,
    settings: &str,
) -> Result<Result<(), String>, CallError> {
    let mut lease = pool.lease(stage).await?;
    let (store, exports, bounds) = lease.parts();
    let answer = match &exports.configuration {
        Some(configuration) => within(bounds, configuration.call_accept(store, settings)).await,
        None => Ok(Ok(Ok(()))),
    };
    lease.finish(answer)
}
