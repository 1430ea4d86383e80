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
    ];
    let same_lists =
        lists.iter().all(|(_, _, old, new)| missing_from(old, new).chain(missing_from(new, old)).next().is_none());
    if same_lists && old.description == new.description {
        return writeln!(printer, "No changes detected for Tool Group {name}. Nothing was updated.");
    }
    writeln!(printer, "Tool Group {name} updated successfully\n")?;
    if old.description != new.description {
        writeln!(printer, "* Description updated from:\n    {}\n  to:\n    {}", old.description, new.description)?;
    }
    lists.iter().try_for_each(|(things, field, old, new)| print_difference(things, field, old, new, printer))
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
