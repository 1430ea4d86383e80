//! `list servers`.

use std::io::{self, Write as _};

use anyhow::Context;

use crate::api::{Api, Health, Server};
use crate::printer::Printer;

/// Stands for each value of a server's environment.
const MASK: &str = "****";

pub(crate) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_servers().await.context("failed to list servers")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no MCP servers in the registry")?);
    }
    for (number, server) in (1..).zip(&answer.value) {
        if number > 1 {
            writeln!(printer)?;
        }
        print_server(number, server, printer)?;
    }
    Ok(())
}

fn print_server(number: usize, server: &Server, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "{number}. {}", server.name)?;
    if !server.description.is_empty() {
        writeln!(printer, "{}", server.description)?;
    }
    // Said only where it explains why nothing of it can be seen.
    if !server.enabled {
        writeln!(printer, "Status: DISABLED")?;
    }
    writeln!(printer, "Transport: {}", server.transport)?;
    print_address(server, printer)?;
    match &server.health {
        // Nobody tries a disabled server: what was known of it is old.
        Some(health) if server.enabled => print_health(health, printer),
        Some(_) | None => Ok(()),
    }
}

fn print_address(server: &Server, printer: &mut Printer) -> io::Result<()> {
    if server.transport != "stdio" {
        return writeln!(printer, "URL: {}", server.url);
    }
    let words: Vec<&str> = std::iter::once(&server.command).chain(&server.args).map(String::as_str).collect();
    writeln!(printer, "Command: {}", words.join(" "))?;
    if !server.env.is_empty() {
        let masked: Vec<String> = server.env.keys().map(|name| format!("{name}:{MASK}")).collect();
        writeln!(printer, "Environment variables: map[{}]", masked.join(" "))?;
    }
    Ok(())
}

/// What went wrong before is of interest only while the server is down.
fn print_health(health: &Health, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "Health: {}", health.state)?;
    if health.state != "unhealthy" {
        return Ok(());
    }
    if let Some(error) = &health.last_error {
        writeln!(printer, "Last error: {error}")?;
    }
    if let Some(time) = &health.last_error_at {
        writeln!(printer, "Last error at: {time}")?;
    }
    Ok(())
}
