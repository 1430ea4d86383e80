//! `update group`: replaces a tool group by what a file says, and shows what that changed.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, ensure};

use crate::api::{Api, Group};
use crate::config_file;
use crate::environment::Environment;
use crate::printer::Printer;

pub(crate) async fn run(
    path: &Path,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let group = config_file::read(path, environment)?;
    let name = config_file::text(&group, "name");
    ensure!(!name.is_empty(), "config file must define a group name");
    let answer = api.update_group(name, &group).await.context("failed to update tool group")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    Ok(print_changes(name, &answer.value.old, &answer.value.new, printer)?)
}

fn print_changes(name: &str, old: &Group, new: &Group, printer: &mut Printer) -> io::Result<()> {
    let lists = [
        ("Tools", "included_tools", &old.included_tools, &new.included_tools),
        ("Servers", "included_servers", &old.included_servers, &new.included_servers),
        ("Tools", "excluded_tools", &old.excluded_tools, &new.excluded_tools),
        ("Prompts", "included_prompts", &old.included_prompts, &new.included_prompts),
        ("Prompts", "excluded_prompts", &old.excluded_prompts, &new.excluded_prompts),
        ("Resources", "included_resources", &old.included_resources, &new.included_resources),
        ("Resources", "excluded_resources", &old.excluded_resources, &new.excluded_resources),
    ];
    let same_lists =
        lists.iter().all(|(_, _, old, new)| missing_from(old, new).chain(missing_from(new, old)).next().is_none());
    if same_lists && old.description == new.description && old.allowed_clients == new.allowed_clients {
        return writeln!(printer, "No changes detected for Tool Group {name}. Nothing was updated.");
    }
    writeln!(printer, "Tool Group {name} updated successfully\n")?;
    if old.description != new.description {
        writeln!(printer, "* Description updated from:\n    {}\n  to:\n    {}", old.description, new.description)?;
    }
    // Nothing is said of prompts and resources in groups that have never had any.
    let (of_tools, others) = lists.split_at(3);
    let used = others.iter().filter(|(_, _, old, new)| !(old.is_empty() && new.is_empty()));
    for (things, field, old, new) in of_tools.iter().chain(used) {
        print_difference(things, field, old, new, printer)?;
    }
    print_clients(old.allowed_clients.as_deref(), new.allowed_clients.as_deref(), printer)
}

/// Who may use the group; nothing, if every client always could.
fn print_clients(old: Option<&[String]>, new: Option<&[String]>, printer: &mut Printer) -> io::Result<()> {
    match (old, new) {
        (None, None) => Ok(()),
        (Some(old), Some(new)) => print_difference("Clients", "allowed_clients", old, new, printer),
        (Some(_), None) => writeln!(printer, "* allowed_clients removed: every client may use the group now"),
        (None, Some([])) => writeln!(printer, "* allowed_clients added: no client may use the group now"),
        (None, Some(clients)) => {
            writeln!(printer, "* allowed_clients added: only these clients may use the group now:")?;
            clients.iter().try_for_each(|name| writeln!(printer, "    - {name}"))
        }
    }
}

fn print_difference(
    things: &str,
    field: &str,
    old: &[String],
    new: &[String],
    printer: &mut Printer,
) -> io::Result<()> {
    let removed: Vec<&String> = missing_from(old, new).collect();
    let added: Vec<&String> = missing_from(new, old).collect();
    if removed.is_empty() && added.is_empty() {
        return writeln!(printer, "* No changes in {field}");
    }
    for (title, names) in [("removed from", removed), ("added to", added)] {
        if !names.is_empty() {
            writeln!(printer, "* {things} {title} {field}:")?;
        }
        names.iter().try_for_each(|name| writeln!(printer, "    - {name}"))?;
    }
    Ok(())
}

/// Those of `names` that are not among `others`, in their order.
fn missing_from<'a>(names: &'a [String], others: &'a [String]) -> impl Iterator<Item = &'a String> {
    names.iter().filter(|name| !others.contains(name))
}
