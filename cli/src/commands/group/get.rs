//! `get group`: a tool group and its endpoint.

use std::io::{self, Write as _};

use anyhow::Context;

use crate::api::Api;
use crate::printer::Printer;

pub(crate) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.get_group(name).await.with_context(|| format!("failed to get tool group '{name}'"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let group = answer.value;
    writeln!(printer, "{}", group.name)?;
    if !group.description.is_empty() {
        writeln!(printer, "Description: {}", group.description)?;
    }
    writeln!(printer, "\nMCP Server streamable http endpoint:\n{}", group.streamable_http_endpoint)?;
    print_names("Included Tools", &group.included_tools, printer)?;
    print_names("Included Servers", &group.included_servers, printer)?;
    print_names("Excluded Tools", &group.excluded_tools, printer)?;
    for (title, names) in [
        ("Included Prompts", &group.included_prompts),
        ("Excluded Prompts", &group.excluded_prompts),
        ("Included Resources", &group.included_resources),
        ("Excluded Resources", &group.excluded_resources),
    ] {
        if !names.is_empty() {
            print_names(title, names, printer)?;
        }
    }
    // Of a group that every client may use, nothing is said.
    if let Some(clients) = &group.allowed_clients {
        print_names("Allowed Clients", clients, printer)?;
    }
    writeln!(
        printer,
        "\nNOTE: If a tool in this group is disabled globally or has been deleted, \
         then it will not be available via the group's MCP endpoint."
    )?;
    Ok(())
}

fn print_names(title: &str, names: &[String], printer: &mut Printer) -> io::Result<()> {
    if names.is_empty() {
        return writeln!(printer, "\n{title}: None");
    }
    writeln!(printer, "\n{title}:")?;
    (1..).zip(names).try_for_each(|(number, name)| writeln!(printer, "{number}. {name}"))
}
