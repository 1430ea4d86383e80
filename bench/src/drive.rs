//! Load on one endpoint for as long as a profiler looks at what serves it.

use std::time::Duration;

use anyhow::Result;

use crate::calls::{Load, throughput};
use crate::process::Family;
use crate::targets::Target;

/// What to put load on.
#[derive(clap::Args)]
pub(crate) struct Drive {
    /// An MCP endpoint with the benchmark's tool.
    url: String,
    /// The token of a client.
    #[arg(long)]
    token: Option<String>,
    /// The process whose CPU time is counted, with its children.
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 32)]
    sessions: usize,
}

impl Drive {
    /// Calls until the time is over, and says how much was done.
    pub(crate) async fn run(self) -> Result<()> {
        let target = Target { name: String::new(), url: self.url, token: self.token, family: self.pid.map(Family) };
        let (calls_per_second, cpu_us_per_call) =
            throughput(&target, Load::Plain, self.sessions, Duration::from_secs(self.seconds)).await?;
        println!("{calls_per_second:.0} calls/s");
        if let Some(cpu) = cpu_us_per_call {
            println!("{cpu:.2} µs CPU a call");
        }
        Ok(())
    }
}
