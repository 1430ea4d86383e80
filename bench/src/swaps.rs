//! Changes of the policies, by the thousand, of a gateway that is called all the while: no call
//! fails, and its memory stays where it was after the first of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;

use crate::load::Session;
use crate::process::{Family, end};
use crate::upstream::{self, Upstream};

mod gateway;

pub(crate) use gateway::SwappingGateway;

/// Changes between two looks at the memory.
const STRIDE: u64 = 500;
const FAILED: &str = "a call failed while the policies were changed";

/// How much to change, and what may come of it.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// How often the policies are changed.
    #[arg(long, default_value_t = 10_000)]
    swaps: u64,
    /// Changes after which memory should not grow any more.
    #[arg(long, default_value_t = 1_000)]
    settled_after: u64,
    /// How much it may grow after that.
    #[arg(long, value_name = "MIB", default_value_t = 5.0)]
    most_growth: f64,
    /// Clients that call all the while.
    #[arg(long, default_value_t = 8)]
    sessions: usize,
}

/// Memory, in MiB, and what was done so far.
struct Look {
    swaps: u64,
    resident_mib: f64,
    calls: u64,
}

impl Soak {
    /// Changes, calls and measures; an error if a call fails or memory grows too much.
    pub(crate) async fn run(self) -> Result<()> {
        ensure!(
            self.settled_after < self.swaps,
            "memory is compared after --settled-after, so there must be more --swaps"
        );
        let upstream = Upstream::start(&upstream::Settings { port: 0, session_ids: false, tools: gateway::TOOLS })?;
        let mut gateway = Swapping::start(&upstream.url())?;
        let mut load = Load::start(&gateway.url(), self.sessions).await?;
        println!("{:>8}{:>12}{:>12}{:>14}", "swaps", "RSS MiB", "calls", "ms per swap");
        let mut looks = Vec::new();
        let mut done = 0;
        while done < self.swaps {
            // A look falls exactly on where it should settle, and on the end.
            let next = [done + STRIDE, self.settled_after, self.swaps].into_iter().filter(|&at| at > done).min();
            let next = next.context("there is always an end")?;
            let begun = Instant::now();
            gateway = tokio::task::spawn_blocking(move || gateway.swap(next - done).map(|()| gateway)).await??;
            let per_swap = begun.elapsed().as_secs_f64() * 1e3 / (next - done) as f64;
            done = next;
            load.check().await?;
            let resident_mib = gateway.family().resident_kib()? as f64 / 1024.0;
            let look = Look { swaps: done, resident_mib, calls: load.calls() };
            println!("{:>8}{:>12.1}{:>12}{:>14.1}", look.swaps, look.resident_mib, look.calls, per_swap);
            looks.push(look);
        }
        let calls = load.stop().await?;
        gateway.verify()?;
        self.judge(&looks, calls)
    }

    fn judge(&self, looks: &[Look], calls: u64) -> Result<()> {
        let settled = looks.iter().find(|look| look.swaps == self.settled_after).context("there is a look there")?;
        let last = looks.last().context("there are looks")?;
        let growth = last.resident_mib - settled.resident_mib;
        println!(
            "{} swaps, {calls} calls, 0 failed; RSS {:.1} MiB after {} swaps, {:.1} MiB after {}: {growth:+.1} MiB",
            last.swaps, settled.resident_mib, settled.swaps, last.resident_mib, last.swaps
        );
        ensure!(growth <= self.most_growth, "memory grew by {growth:.1} MiB, more than {:.1} MiB", self.most_growth);
        Ok(())
    }
}

/// A gateway in a process of its own that changes its policies when it is told to.
struct Swapping {
    child: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Swapping {
    fn start(upstream: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["swapping-gateway", "--upstream", upstream]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the gateway")?;
        let output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut swapping = Self { child, output, port: 0 };
        let port = swapping.read_line()?;
        swapping.port = port.parse().with_context(|| format!("not a port: {port:?}"))?;
        Ok(swapping)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    fn family(&self) -> Family {
        Family(self.child.id())
    }

    /// Has it change its policies so often, one change after the other.
    fn swap(&mut self, times: u64) -> Result<()> {
        self.tell(&times.to_string())
    }

    /// Has it look for anything that old policies have left behind.
    fn verify(&mut self) -> Result<()> {
        self.tell(gateway::VERIFY)
    }

    fn tell(&mut self, what: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("stdin is piped")?;
        writeln!(input, "{what}")?;
        let answer = self.read_line()?;
        ensure!(answer == gateway::DONE, "the gateway says: {answer:?}");
        Ok(())
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the gateway has ended: what it says is above");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Clients that call without a pause, each answer verified.
struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    calls: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    async fn start(url: &str, sessions: usize) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut workers = Vec::new();
        for _ in 0..sessions {
            let (mut session, shared) = (Session::open(url, None).await?, Arc::clone(&shared));
            workers.push(tokio::spawn(async move {
                while !shared.stop.load(Ordering::Relaxed) {
                    session.call().await?;
                    shared.calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        Ok(Self { shared, workers })
    }

    fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// A client stops early only when a call of its failed.
    async fn check(&mut self) -> Result<()> {
        match self.workers.iter_mut().find(|worker| worker.is_finished()) {
            Some(ended) => ended.await?.context(FAILED),
            None => Ok(()),
        }
    }

    /// How many calls were made, if none failed.
    async fn stop(self) -> Result<u64> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await?.context(FAILED)?;
        }
        Ok(self.shared.calls.load(Ordering::Relaxed))
    }
}
