//! `apply`: makes the registered servers and groups what files say.

use std::io::Write as _;

use anyhow::{Context, bail};
use mcpjungle_host::admin::{describe_server, read_group, read_server};
use mcpjungle_host::configuration::{Change, State, difference, find_files, read_state};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::ApplyArguments;
use crate::environment::Environment;
use crate::printer::Printer;

pub(crate) async fn run(
    arguments: &ApplyArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let desired = read_files(arguments, environment, printer)?;
    let current = registered(api).await?;
    let mut changes = difference(&current, &desired);
    if arguments.prune {
        changes.extend(current.leftovers(&desired));
    }
    if printer.is_json() {
        return apply_as_json(&changes, arguments.dry_run, api, printer).await;
    }
    if changes.is_empty() {
        return Ok(writeln!(printer, "Nothing to do: the gateway is as the files say.")?);
    }
    changes.iter().try_for_each(|change| writeln!(printer, "{change}"))?;
    if arguments.dry_run {
        return Ok(writeln!(printer, "\nNothing was changed (--dry-run).")?);
    }
    // Before the first change, whoever reads along.
    writeln!(printer)?;
    printer.flush()?;
    make_all(&changes, api).await?;
    Ok(writeln!(printer, "{} made.", count(changes.len()))?)
}

/// All files, checked: nothing changes unless every one is valid.
fn read_files(arguments: &ApplyArguments, environment: &Environment, printer: &mut Printer) -> anyhow::Result<State> {
    let shown = arguments.file.display();
    let files = find_files(&arguments.file).with_context(|| format!("failed to read {shown}"))?;
    if files.is_empty() {
        // With --prune this would remove everything, for one wrong word.
        bail!("there are no .json, .yaml or .yml files in {shown}");
    }
    match read_state(&files, &|name: &str| environment.find(name).map(str::to_owned)) {
        Ok(state) => Ok(state),
        Err(problems) => {
            problems.iter().try_for_each(|problem| printer.note(problem))?;
            bail!("nothing was changed: the files are not all valid")
        }
    }
}

/// What the gateway has, read as the files are.
async fn registered(api: &Api) -> anyhow::Result<State> {
    let mut state = State::default();
    for server in api.server_configs(true).await.context("failed to list servers")? {
        let server = typed(&server).and_then(|server| read_server(server).map_err(anyhow::Error::msg));
        let server = server.context("failed to read a server of the gateway")?;
        state.servers.insert(server.name.clone(), server);
    }
    for group in api.group_configs().await.context("failed to list tool groups")? {
        let group = typed(&group).and_then(|group| read_group(group).map_err(anyhow::Error::msg));
        let group = group.context("failed to read a tool group of the gateway")?;
        state.groups.insert(group.name.clone(), group);
    }
    Ok(state)
}

fn typed<T: DeserializeOwned>(described: &RawValue) -> anyhow::Result<T> {
    serde_json::from_str(described.get()).context("failed to parse response")
}

/// Makes one change after the other. A group that is refused does not keep the other groups
/// waiting; a server might be needed by them, and nothing is removed after a failure.
async fn make_all(changes: &[Change], api: &Api) -> anyhow::Result<()> {
    let mut failed = String::new();
    let (mut made, mut tried) = (0, 0);
    for change in changes {
        let is_group = matches!(change, Change::PutGroup { .. });
        if !failed.is_empty() && !is_group {
            break;
        }
        tried += 1;
        match make(change, api).await {
            Ok(()) => made += 1,
            Err(error) => {
                failed.push_str(&format!("\n  {change}: {error:#}"));
                if !is_group {
                    break;
                }
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let left: String = changes[tried..].iter().map(|change| format!("\n  {change}")).collect();
    let not_tried = if left.is_empty() { left } else { format!("\nNot tried:{left}") };
    bail!("Made: {}. Failed:{failed}{not_tried}\nRun the command again once this is mended", count(made))
}

async fn make(change: &Change, api: &Api) -> anyhow::Result<()> {
    match change {
        Change::PutServer { old, new } => api.register_server(&describe_server(new), old.is_some()).await.map(drop),
        Change::PutGroup { old, new } => {
            let group = group_fields(new)?;
            match old {
                None => api.create_group(&group).await.map(drop),
                Some(_) => api.update_group(new.name.as_str(), &group).await.map(drop),
            }
        }
        Change::RemoveGroup(name) => api.delete_group(name.as_str()).await,
        Change::RemoveServer(name) => api.deregister_server(name.as_str()).await,
    }
}

fn group_fields(group: &mcpjungle_host::group::ToolGroup) -> anyhow::Result<Map<String, Value>> {
    match serde_json::to_value(group).context("failed to write JSON")? {
        Value::Object(fields) => Ok(fields),
        _ => bail!("a tool group is not an object"),
    }
}

async fn apply_as_json(changes: &[Change], dry_run: bool, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    if !dry_run {
        make_all(changes, api).await?;
    }
    let shown = |change: &Change| json!({ "action": change.action(), "kind": change.kind(), "name": change.name(), "details": change.details() });
    let changes: Vec<Value> = changes.iter().map(shown).collect();
    Ok(printer.json(&json!({ "applied": !dry_run, "changes": changes }).to_string())?)
}

fn count(changes: usize) -> String {
    if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") }
}
