//! Long lists of tools, beside a file of the same size through the same HTTP stack.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use crate::Effort;
use crate::calls::{median, percentile};
use crate::gateway::Home;
use crate::load::Session;
use crate::process::{Directory, end, read_port};
use crate::report::Report;
use crate::upstream::{Settings, Upstream};

/// What is served as it is.
#[derive(clap::Args)]
pub(crate) struct StaticFile {
    file: PathBuf,
}

struct FileServer {
    child: Child,
    port: u16,
}

/// A list of 500 and one of 5,000 tools.
pub(crate) async fn measure(gateway: &Path, effort: &Effort, report: &mut Report) -> Result<()> {
    for tools in [500, 5_000] {
        eprintln!("lists of {tools} tools");
        let upstream = Upstream::start(&Settings { port: 0, session_ids: false, tools })?;
        let home = Home::new(gateway)?;
        let running = home.start(&[])?;
        home.register(&running, "up", &upstream.url(), "stateless")?;
        let mut through = Session::open(&running.url("/mcp"), None).await?;
        let answer = through.list_tools().await?;
        let listed: serde_json::Value = serde_json::from_slice(&answer)?;
        let count = listed["result"]["tools"].as_array().map_or(0, Vec::len);
        ensure!(count == tools, "{count} of {tools} tools are listed on one page");

        let directory = Directory::new()?;
        let file = directory.path().join("list.json");
        std::fs::write(&file, &answer)?;
        let server = FileServer::start(&file)?;
        let mut straight = Session::connect(&format!("http://127.0.0.1:{}/mcp", server.port)).await?;

        let (mut of_file, mut of_gateway) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            of_file.push(p50(&mut straight, effort.list_requests, &answer).await?);
            of_gateway.push(p50(&mut through, effort.list_requests, &answer).await?);
        }
        report.add_list(tools, answer.len(), median(of_file), median(of_gateway));
    }
    Ok(())
}

async fn p50(session: &mut Session, requests: usize, expected: &Bytes) -> Result<f64> {
    let mut latencies: Vec<Duration> = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        let answer = session.list_tools().await?;
        latencies.push(begun.elapsed());
        ensure!(answer == *expected, "a list has changed");
    }
    Ok(percentile(&mut latencies, 50))
}

impl FileServer {
    fn start(file: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("static-file").arg(file).stdout(Stdio::piped()).spawn()?;
        let port = read_port(&mut child).context("the file server did not start")?;
        Ok(Self { child, port })
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Prints its port and answers every POST with the file's bytes.
pub(crate) async fn serve_file(settings: StaticFile) -> Result<()> {
    let bytes = Bytes::from(std::fs::read(&settings.file)?);
    let answer = move || {
        let bytes = bytes.clone();
        async move { ([("content-type", "application/json")], bytes) }
    };
    let router = axum::Router::new().route("/mcp", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(axum::serve(listener, router).await?)
}
