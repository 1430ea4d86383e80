//! `cargo xtask …`: everything that a developer or CI runs.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod plugins;

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
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Plugins(task) => task.run(),
    }
}
