//! Eight calls at once whose policy never ends, and what everybody else's calls take meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Effort;
use crate::calls::{median, percentile};
use crate::gateway::Home;
use crate::hostile::Hostile;
use crate::load::Session;
use crate::upstream::{Settings, Upstream};

const SERVER: &str = "up";
/// Its name begins with what makes the policy loop.
const LOOPING_TOOL: &str = "up__tool_00001";
const LOOPS: usize = 8;

/// Measures in alternation, quiet and beside the loops, and prints both.
pub(crate) async fn measure(gateway: &Path, effort: &Effort) -> Result<()> {
    let upstream = Upstream::start(&Settings { port: 0, session_ids: false, tools: 2 })?;
    let home = Home::new(gateway)?;
    let registering = home.start(&[])?;
    home.register(&registering, SERVER, &upstream.url(), "stateless")?;
    drop(registering);
    let looping = Hostile {
        trigger: Some('t'),
        authorize: "(loop (br 0)) unreachable",
        // Everything may be seen: as many answers as there are items.
        top_level: r#"(data (i32.const 128) "\01\01")"#,
        authorize_items: "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (local.get 15)) (i32.const 64)",
        ..Hostile::default()
    };
    let running = home.start_with_policy("loops", &looping.build(), "authorizer", "{}")?;
    let url = running.url("/mcp");
    let mut quiet = Vec::new();
    let mut beside = Vec::new();
    let mut ended = 0;
    latencies(&url, effort.latency_calls / 4).await?;
    for _ in 0..effort.rounds {
        quiet.push(latencies(&url, effort.latency_calls).await?);
        let loops = Loops::start(&url).await?;
        beside.push(latencies(&url, effort.latency_calls).await?);
        ended += loops.stop().await?;
    }
    let [quiet, beside] = [quiet, beside].map(Percentiles::medians);
    println!("\neight looping calls at once, and another client's calls");
    println!("{:<24}{:>9.0} us p50{:>9.0} us p99", "alone", quiet.p50_us, quiet.p99_us);
    println!("{:<24}{:>9.0} us p50{:>9.0} us p99", "beside the loops", beside.p50_us, beside.p99_us);
    println!(
        "{:<24}{:>9.2}x   p50{:>9.2}x   p99 (target 3); {ended} looping calls were ended",
        "ratio",
        beside.p50_us / quiet.p50_us,
        beside.p99_us / quiet.p99_us
    );
    Ok(())
}

struct Percentiles {
    p50_us: f64,
    p99_us: f64,
}

impl Percentiles {
    fn medians(rounds: Vec<Self>) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self { p50_us: of(|round| round.p50_us), p99_us: of(|round| round.p99_us) }
    }
}

async fn latencies(url: &str, calls: usize) -> Result<Percentiles> {
    let mut session = Session::open(url, None).await?;
    let mut taken: Vec<Duration> = Vec::with_capacity(calls);
    for _ in 0..calls {
        taken.push(session.call().await?);
    }
    Ok(Percentiles { p50_us: percentile(&mut taken, 50), p99_us: percentile(&mut taken, 99) })
}

/// Clients whose every call loops until it is ended.
struct Loops {
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Loops {
    async fn start(url: &str) -> Result<Self> {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = Vec::new();
        for _ in 0..LOOPS {
            let mut session = Session::open(url, None).await?.knowing(LOOPING_TOOL);
            let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
            clients.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = session.call_refused().await?;
                    ensure!(answer["error"]["code"] == -31000, "a loop was answered: {answer}");
                    ended.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        Ok(Self { stop, ended, clients })
    }

    async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await?.context("a looping call ended otherwise than it should")?;
        }
        Ok(self.ended.load(Ordering::Relaxed))
    }
}
