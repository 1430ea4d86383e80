//! `version`, and the `--version` of the program itself.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use crate::api::Api;
use crate::banner::{BANNER, version};
use crate::printer::Printer;
use crate::settings::ClientSettings;

/// `mcpjungle --version`: asks nobody.
pub(crate) fn show_own(printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if printer.is_json() {
        printer.json(&json!({ "version": version() }).to_string())?;
    } else {
        writeln!(printer, "{BANNER}\n\nMCPJungle {}", version())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows both versions. A gateway that does not answer is no failure.
pub(super) async fn run(settings: &ClientSettings, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let server_version = api.metadata().await.map(|metadata| metadata.version);
    if printer.is_json() {
        let versions = json!({
            "cli_version": version(),
            "server_version": server_version.ok(),
            "server_url": settings.registry,
        });
        return Ok(printer.json(&versions.to_string())?);
    }
    writeln!(printer, "{BANNER}\n\nCLI Version: {}", version())?;
    match server_version {
        Ok(server_version) => writeln!(printer, "Server Version: {}", with_v(&server_version))?,
        Err(_) => writeln!(printer, "Couldn't retrieve Server version at this time")?,
    }
    Ok(writeln!(printer, "Server URL:  {}", settings.registry)?)
}

/// Versions are shown as `v1.2.3`, whether or not the gateway says the `v`.
fn with_v(version: &str) -> String {
    let prefix = if version.starts_with(|first: char| first.is_ascii_digit()) { "v" } else { "" };
    format!("{prefix}{version}")
}
