//! `start`: the gateway itself.

mod child_environment;
pub(crate) mod database;
pub(crate) mod dotenv;
mod lifecycle;
mod logging;
mod run;
pub(crate) mod settings;

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use mcpjungle_host::gateway::PolicySource;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::arguments::StartArguments;
use crate::banner::BANNER;
use crate::environment::Environment;
use crate::printer::Printer;
use settings::StartSettings;

/// How long what the runtime still does in the background may take once all else has ended.
const LEAVE_BEHIND_AFTER: Duration = Duration::from_secs(1);

/// Where the gateway keeps what components are compiled to, if there is a place for that.
pub(crate) fn plugin_cache(environment: &Environment) -> Option<PathBuf> {
    settings::find_plugin_cache(environment).and_then(run::usable_directory)
}

/// Resolves the settings and runs a gateway until it is told to stop.
pub(crate) fn run(
    arguments: &StartArguments,
    mut environment: Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    for warning in dotenv::load(&mut environment) {
        printer.note(warning)?;
    }
    let settings = StartSettings::resolve(arguments, &environment)?;
    logging::start(settings.log_filter.as_deref(), environment.stderr_is_terminal)?;
    for warning in &settings.warnings {
        printer.note(warning)?;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    run_to_end(runtime, serve(settings, printer))
}

/// Leaves behind what still waits for a disk or for the resolver: it may never end.
fn run_to_end<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LEAVE_BEHIND_AFTER);
    outcome
}

async fn serve(settings: StartSettings, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    // From here on a signal is an orderly end, even while the gateway is still opening.
    let mut signals = lifecycle::Signals::listen()?;
    let listener = bind(&settings.host, settings.port).await?;
    let address = listener.local_addr().context("failed to read the address that is listened on")?;
    let host_is_default = settings.host_is_default;
    let config_dir = settings.config_dir.clone();
    let database = settings.database.to_string();
    let is_in_safe_mode = settings.policies == PolicySource::SafeMode;
    let gateway = tokio::select! {
        gateway = run::open(settings) => gateway?,
        // It may be waiting for its database.
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it was ready");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if !gateway.is_initialized() {
        writeln!(printer, "{NOT_INITIALIZED}")?;
    }
    announce(address, host_is_default, &database, printer)?;
    if is_in_safe_mode {
        writeln!(printer, "{SAFE_MODE}\n")?;
        printer.flush()?;
    }
    if let Some(folder) = config_dir {
        mcpjungle_host::config_dir::start(&gateway, folder);
    }
    run::serve(listener, gateway, signals).await
}

/// In enterprise mode nothing is served before an administrator has done this.
const NOT_INITIALIZED: &str =
    "Starting server in Enterprise mode, don't forget to initialize it by running the `init-server` command";

/// What is different from what whoever looks at the policies might expect.
const SAFE_MODE: &str = "\
SAFE MODE: only the stock policies run, so nothing is refused that only your own policies refuse.
`mcpjungle plugin list` shows what is installed; mend it, and start without --safe-mode.";

async fn bind(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((host, port)).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program uses that port: stop it, or choose another with --port",
            std::io::ErrorKind::PermissionDenied => "choose a port above 1023 with --port",
            _ => "check --host and --port",
        };
        anyhow!("failed to listen on {}: {error}; {advice}", host_and_port(host, port))
    })
}

/// Says that the gateway is ready, and where.
fn announce(address: SocketAddr, host_is_default: bool, database: &str, printer: &mut Printer) -> std::io::Result<()> {
    let port = address.port();
    // An unspecified address is not one to connect to; this machine is reached at its own.
    let reachable = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    writeln!(printer, "{BANNER}\n\nMCPJungle HTTP server listening on :{port}\n")?;
    writeln!(printer, "MCP endpoint: http://{}/mcp", host_and_port(&reachable, port))?;
    match address.ip() {
        ip if ip.is_unspecified() => writeln!(printer, "Listening on all addresses of this machine.")?,
        ip if host_is_default => writeln!(
            printer,
            "Listening on {ip} only: other machines cannot connect. \
             `--host 0.0.0.0` lets them; name the hosts they use in MCPJUNGLE_ALLOWED_HOSTS."
        )?,
        ip => writeln!(printer, "Listening on {ip}.")?,
    }
    writeln!(printer, "Database: {database}\n")?;
    printer.flush()
}

fn host_and_port(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Ok(IpAddr::V4(_)) | Err(_) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_disk_that_hangs_does_not_keep_the_gateway_from_ending() {
        let (never, waits) = mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let outcome = run_to_end(runtime, async {
            // Until it has begun: what has not is just dropped.
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            drop(tokio::task::spawn_blocking(move || {
                begun.send(()).unwrap();
                waits.recv()
            }));
            has_begun.await.unwrap();
            7
        });
        assert_eq!(outcome, 7);
        drop(never);
    }
}
