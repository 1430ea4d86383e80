//! The command line as a person at a terminal meets it: the real binary against a small HTTP
//! server that answers as the gateway's API does; exit status, standard output and standard
//! error of each command as one snapshot. `real_gateway` then takes the commands to the gateway itself.

mod apply;
mod clients;
mod completion;
mod conf_file;
mod config_dir;
mod enterprise;
mod explain;
mod export;
mod groups;
mod help;
mod logging_in;
mod mistakes;
mod plugin_administration;
mod plugin_bench;
mod plugin_check;
mod plugin_new;
mod plugin_options;
mod plugin_test;
#[cfg(feature = "e2e")]
#[path = "../fixtures/postgres.rs"]
#[expect(dead_code, reason = "each test target uses its part")]
mod postgres;
mod progress;
mod prompts;
mod real_gateway;
mod resources;
mod running;
mod servers;
mod starting;
#[cfg(feature = "e2e")]
mod starting_on_postgres;
mod support;
mod tools;
mod upkeep;
mod users;
mod validate;
mod version;
