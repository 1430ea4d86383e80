//! Policies as WebAssembly components: the only place that knows wasmtime. In reading order:
//!
//! - [`policies`]: the policies file, and the plan that it makes.
//! - `host`, `load`: from a plan to a pipeline; `settings_schema`: schemas of settings that cost too much.
//! - `engine`, `pool`, `limits`: where components run, one call at a time, and under which bounds.
//! - `state`, `log`: what one instance carries with it.
//! - `grants`, `capabilities`, `outbound_http`, `memory`: what a plugin may use if it is granted.
//! - `workpiece`: a component that is being tried and measured, for `workbench`.
//! - `v0_1`: track 0.1 of the contract: what components import, export, ask and answer.
//!
//! To support a further track: freeze the WIT folder of this one, put the new one beside
//! it, and add an adaptor beside `v0_1`.

pub mod policies;

mod capabilities;
mod engine;
mod error;
mod grants;
mod host;
mod limits;
mod load;
mod log;
mod memory;
mod outbound_http;
mod pool;
mod settings_schema;
mod state;
mod stock;
mod v0_1;
mod workpiece;

pub use capabilities::{
    Capabilities, KeyValue, KeyValueError, KeyValueFuture, LONGEST_KEY, LONGEST_VALUE, MOST_BYTES, MOST_KEYS,
    SecretSource,
};
pub(crate) use capabilities::{NUMBER_SIZE, check_entry, expiry, number_of};
pub use error::LoadError;
pub use grants::{Capability, Grant, GrantError, Grants, HttpGrant};
pub use host::{PluginHost, PluginSettings};
pub use limits::{LARGEST_DEADLINE_MS, LARGEST_MEMORY_MIB, LimitChanges, Limits};
pub use load::LARGEST_COMPONENT;
pub use load::{Examination, Import, digest_of};
pub(crate) use load::{check_digest, no_component};
pub use memory::MemoryKeyValue;
pub use policies::{
    ComponentSource, Isolation, LONGEST_SETTINGS, PipelinePlan, PlanError, PluginPlan, SettingsTooLong, is_plugin_name,
};
pub use stock::Stock;
pub use workpiece::{CONTRACT, InstanceCost, Instances, Workpiece};
