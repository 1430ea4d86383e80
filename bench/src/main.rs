//! The gateway beside a direct connection and a plain reverse proxy, on one
//! machine, in alternation. In reading order:
//!
//! - `targets`: what is measured: direct, nginx, the gateway, others.
//! - `load`: calls that are timed and verified, one by one.
//! - `calls`, `lists`, `start`: the measurements.
//! - `policies`: what the stages cost, without a network.
//! - `loops`: what policies that never end cost others; `hostile` makes them.
//! - `scale`: many clients and tools beside few; `crowd` is what has them.
//! - `stored`: what is put into databases directly.
//! - `swaps`: policies that are changed under load, and the memory that this leaves behind.
//! - `drive`: load on one endpoint, for a profiler.
//! - `report`: the table.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod calls;
mod crowd;
mod drive;
mod gateway;
#[path = "../../host/tests/hostile/component.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod hostile;
mod lists;
mod load;
mod loops;
mod nginx;
mod policies;
mod process;
mod report;
mod scale;
mod start;
mod stored;
mod swaps;
mod targets;
mod upstream;

use report::Report;

/// Measures the gateway beside a direct connection, nginx, and further gateways.
#[derive(Parser)]
struct Arguments {
    /// What the benchmark starts itself as.
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// How to measure.
#[derive(clap::Args)]
struct Options {
    /// The binary `mcpjungle`; without it only direct and nginx are measured.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// A further gateway, as NAME=URL of its MCP endpoint. It must have the
    /// benchmark's upstream registered: fix that one's port with --upstream-port.
    #[arg(long, value_name = "NAME=URL")]
    also: Vec<String>,
    /// The port of the upstream without session ids; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    upstream_port: u16,
    /// An empty PostgreSQL database, to create clients in besides SQLite.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Only the measurement of many clients and tools.
    #[arg(long)]
    only_scale: bool,
    /// Only the measurements of policies: in process, and beside policies that never end.
    #[arg(long)]
    only_policies: bool,
    /// A further authorizer to measure in process, as NAME=FILE of a component that allows
    /// everything with the settings in the file beside it whose name ends in `.json` instead.
    #[arg(long, value_name = "NAME=FILE")]
    authorizer: Vec<String>,
    /// A smoke run: everything once, and briefly. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Also write all figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Role {
    /// The MCP server behind everything.
    #[command(hide = true)]
    Upstream(upstream::Settings),
    /// A file behind the gateway's HTTP stack.
    #[command(hide = true)]
    StaticFile(lists::StaticFile),
    /// Load on one endpoint, and nothing measured but how much it takes.
    Drive(drive::Drive),
    /// Thousands of changes of a gateway's policies under load: what fails, and what memory it takes.
    Soak(swaps::Soak),
    /// A gateway that changes its policies when it is told to.
    #[command(hide = true)]
    SwappingGateway(swaps::SwappingGateway),
}

/// How much to measure.
struct Effort {
    rounds: usize,
    latency_calls: usize,
    throughput_time: Duration,
    sessions: usize,
    list_requests: usize,
    starts: usize,
}

impl Effort {
    fn of(options: &Options) -> Self {
        let throughput_time = Duration::from_millis(if options.quick { 300 } else { 2_500 });
        if options.quick {
            Self { rounds: 1, latency_calls: 300, throughput_time, sessions: 32, list_requests: 20, starts: 1 }
        } else {
            Self { rounds: 7, latency_calls: 4_000, throughput_time, sessions: 32, list_requests: 300, starts: 7 }
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // One thread each for load and upstream: on a small machine they must not starve what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // What is measured runs as it runs everywhere.
    let whole_machine = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match arguments.role {
        Some(Role::Upstream(settings)) => runtime.block_on(upstream::serve(settings)),
        Some(Role::StaticFile(file)) => runtime.block_on(lists::serve_file(file)),
        Some(Role::Drive(drive)) => runtime.block_on(drive.run()),
        Some(Role::Soak(soak)) => runtime.block_on(soak.run()),
        Some(Role::SwappingGateway(gateway)) => whole_machine()?.block_on(gateway.run()),
        None => runtime.block_on(measure(&arguments.options)),
    }
}

async fn measure(options: &Options) -> Result<()> {
    let effort = Effort::of(options);
    if options.only_scale {
        return scale::run(&effort, options.quick, options.postgres.as_deref()).await;
    }
    if options.only_policies {
        policies::run(&process::Directory::new()?.path(), &options.authorizer).await?;
        return match &options.gateway {
            Some(gateway) => loops::measure(gateway, &effort).await,
            None => Ok(()),
        };
    }
    let mut report = Report::default();
    calls::measure_without_session_ids(options, &effort, &mut report).await?;
    calls::measure_with_session_ids(options, &effort, &mut report).await?;
    if let Some(gateway) = &options.gateway {
        lists::measure(gateway, &effort, &mut report).await?;
        start::measure(gateway, &effort, &mut report).await?;
    }
    report.print();
    println!("\npolicies, in process");
    policies::run(&process::Directory::new()?.path(), &options.authorizer).await?;
    if let Some(gateway) = &options.gateway {
        loops::measure(gateway, &effort).await?;
    }
    scale::run(&effort, options.quick, options.postgres.as_deref()).await?;
    match &options.json {
        Some(file) => report.write(file),
        None => Ok(()),
    }
}
