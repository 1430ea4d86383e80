//! From starting the gateway to the first answered call, with 20 servers and a warm cache.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::Effort;
use crate::calls::median;
use crate::gateway::Home;
use crate::load::Session;
use crate::report::Report;
use crate::upstream::{Settings, TOOL, Upstream};

const SERVERS: usize = 20;

/// The clock runs from before the process exists.
pub(crate) async fn measure(gateway: &Path, effort: &Effort, report: &mut Report) -> Result<()> {
    eprintln!("starts with {SERVERS} servers");
    let upstream = Upstream::start(&Settings { port: 0, session_ids: false, tools: 20 })?;
    let home = Home::new(gateway)?;
    let first = home.start(&[])?;
    for number in 0..SERVERS {
        home.register(&first, &format!("up{number}"), &upstream.url(), "stateless")?;
    }
    home.create_group(&first, "up0")?;
    drop(first);

    let (mut to_call, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let begun = Instant::now();
        let running = home.start(&[])?;
        let mut session = Session::connect(&running.group_url()).await?.knowing(&format!("up0__{TOOL}"));
        session.initialize().await?;
        session.call().await?;
        to_call.push(begun.elapsed().as_secs_f64() * 1e3);
        resident.push(running.family().resident_kib()? as f64 / 1024.0);
    }
    report.add_start(SERVERS, median(to_call), median(resident));
    Ok(())
}
