//! `cargo xtask …`: everything that a developer or CI runs.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod contract;
mod examples;
mod fetch;
mod node;
mod plugins;
mod postgres;
mod system;
mod test;

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the stock policy components into `plugins/dist`.
    Plugins(plugins::Plugins),
    /// Build the example policies into `target/examples`.
    Examples(examples::Examples),
    /// Set up all that the tests need, then run every test.
    Test(test::Test),
    /// Write the reference of the policy contract, `docs/plugins/contract.md`.
    Contract(contract::Contract),
    /// Measure the gateway beside a direct connection and nginx.
    Bench(bench::Bench),
    /// Change a gateway's policies ten thousand times under load: no call may fail, and memory may not grow.
    Soak(bench::Soak),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Plugins(task) => task.run(),
        Task::Examples(task) => task.run(),
        Task::Test(task) => task.run(),
        Task::Contract(task) => task.run(),
        Task::Bench(task) => task.run(),
        Task::Soak(task) => task.run(),
    }
}
