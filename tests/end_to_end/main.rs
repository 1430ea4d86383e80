//! The gateway as its users meet it: the real binary, real MCP servers, real clients.

mod audit;
mod both_directions;
mod catalog;
#[cfg(feature = "e2e")]
mod conformance;
mod edge;
mod enterprise;
mod enterprise_setup;
#[cfg(feature = "e2e")]
mod examples;
mod explain;
mod faults;
mod fidelity;
mod groups_of_clients;
mod harness;
mod hidden;
mod holes;
mod hostile_policies;
mod house_rules;
mod late_bodies;
#[cfg(feature = "e2e")]
mod lost_database;
mod metrics;
#[cfg(feature = "e2e")]
mod openapi;
#[cfg(feature = "e2e")]
mod plugin_authors;
mod plugin_grants;
mod plugins;
mod policies;
#[cfg(feature = "e2e")]
#[path = "../fixtures/postgres.rs"]
#[expect(dead_code, reason = "each test target uses its part")]
mod postgres;
#[cfg(feature = "e2e")]
mod real_clients;
#[cfg(feature = "e2e")]
mod real_servers;
mod registration;
mod relay;
mod revocation;
mod rmcp_client;
mod secrets;
#[cfg(feature = "e2e")]
mod shared_database;
mod shutdown;
mod storage;
mod sudden_death;
mod swaps;
#[cfg(feature = "e2e")]
mod tutorial;
mod upkeep;
mod upstream_stdio;
