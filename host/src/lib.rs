//! The MCPJungle gateway as a library. In reading order:
//!
//! - [`names`], [`server`], [`group`], [`identity`], [`secret`], [`protocol`]: the words that everything else uses.
//! - [`wire`]: JSON-RPC envelopes over raw bytes.
//! - [`pipeline`]: the ordered policies, in the host's own types.
//! - [`plugin`]: policies as WebAssembly components; the only place that knows wasmtime.
//! - [`upstream`]: facing MCP servers.
//! - [`store`]: what outlives the process; the only place that knows sqlx.
//! - [`audit`]: who did what, and what was refused.
//! - [`catalog`]: what the upstreams offer, as an immutable snapshot.
//! - [`sync`]: the catalog follows its upstreams.
//! - [`gateway`]: all of these put together.
//! - [`walk`]: one call, from a method and its parameters to the upstream's answer.
//! - [`downstream`]: facing MCP clients.
//! - [`admin`]: the HTTP API.
//! - [`configuration`]: servers, groups and policies as files.
//! - [`config_dir`]: keeping to a watched folder of them.
//! - [`serve`]: serving until told to stop.
//! - [`telemetry`]: counting what happened.
//! - [`workbench`]: trying a component without a gateway.

pub mod admin;
pub mod audit;
pub mod catalog;
mod clock;
pub mod config_dir;
pub mod configuration;
pub mod downstream;
pub mod gateway;
pub mod group;
pub mod identity;
pub mod installation;
mod line_rate;
pub mod names;
pub mod pipeline;
pub mod plugin;
pub mod protocol;
mod random;
pub mod secret;
pub mod serve;
pub mod server;
mod slow_lane;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod upstream;
pub mod walk;
pub mod wire;
pub mod workbench;
