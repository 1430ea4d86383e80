//! `register`: adds an MCP server and shows what it provides.

use std::io::Write as _;

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::RegisterArguments;
use crate::config_file;
use crate::environment::Environment;
use crate::printer::Printer;

const SSE_NOTE: &str = "\
This MCP server uses the SSE (Server-sent events) transport.
Like those of any other server, its tools are accessible at every endpoint.
WARNING: SSE is deprecated, use the 'streamable_http' transport where the server supports it.";

pub(crate) async fn run(
    arguments: &RegisterArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let server = match &arguments.conf {
        Some(path) => config_file::read(path, environment)?,
        None => from_flags(arguments)?,
    };
    let name = config_file::text(&server, "name");
    let answer = api.register_server(&server, arguments.force).await.context("failed to register server")?;
    if printer.is_json() {
        return Ok(printer.json(&answer)?);
    }
    writeln!(printer, "Server {name} registered successfully!")?;
    if config_file::text(&server, "transport") == "sse" {
        writeln!(printer, "\n{SSE_NOTE}")?;
    }
    print_offer(name, api, printer).await
}

/// The flags can only describe a server that is reached over Streamable HTTP.
fn from_flags(arguments: &RegisterArguments) -> anyhow::Result<Map<String, Value>> {
    let given = |flag: &Option<String>| flag.clone().filter(|value| !value.is_empty());
    let name =
        given(&arguments.name).context("either supply a configuration file or set the required flag \"name\"")?;
    let url = given(&arguments.url).context("required flag \"url\" not set")?;
    let mut server = Map::new();
    server.insert("name".to_owned(), json!(name));
    server.insert("transport".to_owned(), json!("streamable_http"));
    server.insert("url".to_owned(), json!(url));
    let optional = [("description", &arguments.description), ("bearer_token", &arguments.bearer_token)];
    for (field, flag) in optional {
        if let Some(value) = given(flag) {
            server.insert(field.to_owned(), json!(value));
        }
    }
    Ok(server)
}

/// Lists what came with the server. It is registered by now: a list that fails is only a warning.
async fn print_offer(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let (tools, prompts, resources) =
        tokio::join!(api.list_tools(Some(name)), api.list_prompts(Some(name)), api.list_resources(Some(name)));
    let all_known = tools.is_ok() && prompts.is_ok() && resources.is_ok();
    let tools = listed("tools", tools.map(|answer| answer.value), printer)?;
    let prompts = listed("prompts", prompts.map(|answer| answer.value), printer)?;
    let resources = listed("resources", resources.map(|answer| answer.value), printer)?;
    if !tools.is_empty() {
        writeln!(printer, "\nThe following tools are now available from this server:")?;
    }
    for (number, tool) in (1..).zip(&tools) {
        writeln!(printer, "{number}. {}: {}\n", tool.name, tool.description)?;
    }
    if !prompts.is_empty() {
        writeln!(printer, "\nThe following prompts are now available from this server:")?;
    }
    for (number, prompt) in (1..).zip(&prompts) {
        writeln!(printer, "{number}. {}\n   {}\n", prompt.name, prompt.description)?;
    }
    if !resources.is_empty() {
        writeln!(printer, "\nThe following resources are now available from this server:")?;
    }
    for (number, resource) in (1..).zip(&resources) {
        writeln!(printer, "{number}. {}\n   URI: {}", resource.name, resource.uri)?;
    }
    if all_known && tools.is_empty() && prompts.is_empty() && resources.is_empty() {
        writeln!(printer, "This server does not provide any tools, prompts or resources.")?;
    }
    Ok(())
}

fn listed<T>(kind: &str, answer: anyhow::Result<Vec<T>>, printer: &mut Printer) -> anyhow::Result<Vec<T>> {
    match answer {
        Ok(items) => Ok(items),
        Err(error) => {
            printer.note(format_args!("Warning: failed to list the {kind} of this server: {error:#}"))?;
            Ok(Vec::new())
        }
    }
}
