//! `plugin plan`: who would see what else after a change, which is not made.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::change::print_stages;
use super::source;
use crate::api::{Api, Plan, PlanRow};
use crate::arguments::PlanCommand;
use crate::commands::audit::read::plain;
use crate::environment::Environment;
use crate::printer::Printer;

/// Names in one line; beyond it their number says more.
const MOST_NAMES: usize = 8;

pub(super) async fn run(
    command: &PlanCommand,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let answer = api.plan_plugins(&question(command, api, environment).await?).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    Ok(print(&answer.value, printer)?)
}

async fn question(command: &PlanCommand, api: &Api, environment: &Environment) -> anyhow::Result<Value> {
    let named = |name: &str| json!({ "name": name });
    Ok(match command {
        PlanCommand::Add(plugin) => json!({ "add": source::addition(plugin, api, environment).await? }),
        PlanCommand::Update(plugin) => {
            let changes = source::changes(plugin, api, environment).await?;
            json!({ "update": { "name": plugin.name, "changes": changes } })
        }
        PlanCommand::Enable(plugin) => json!({ "enable": named(&plugin.name) }),
        PlanCommand::Disable(plugin) => json!({ "disable": named(&plugin.name) }),
        PlanCommand::Remove(plugin) => json!({ "remove": named(&plugin.name) }),
        PlanCommand::Order(order) => json!({ "order": { "names": order.names } }),
        PlanCommand::Rollback(back) => json!({ "rollback": { "name": back.name } }),
    })
}

fn print(plan: &Plan, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "Plan: {}. Nothing was changed.", plain(&plan.change))?;
    print_stages(plan.plugin_stages.as_ref(), printer)?;
    for row in &plan.rows {
        writeln!(printer)?;
        print_row(row, printer)?;
    }
    let looked_at = plan.looked_at;
    if plan.rows.is_empty() {
        writeln!(printer, "\nNobody would see anything else ({looked_at} views were compared).")?;
    } else {
        writeln!(printer, "\nAll others would see the same ({looked_at} views were compared).")?;
    }
    plan.notes.iter().try_for_each(|note| writeln!(printer, "Note: {}.", plain(note)))
}

fn print_row(row: &PlanRow, printer: &mut Printer) -> io::Result<()> {
    match row.who.as_slice() {
        [] => writeln!(printer, "In the group {}:", row.endpoint)?,
        who => writeln!(printer, "{} at {}:", names(who), row.endpoint)?,
    }
    if let Some(problem) = &row.problem {
        writeln!(printer, "  ! {}", plain(problem))?;
    }
    let signed = [("-", &row.disappear), ("+", &row.appear)];
    for (sign, item) in signed.into_iter().flat_map(|(sign, items)| items.iter().map(move |item| (sign, item))) {
        writeln!(printer, "  {sign} {} {}", item.kind, plain(&item.name))?;
    }
    if row.more > 0 {
        writeln!(printer, "  and {} more", row.more)?;
    }
    Ok(())
}

fn names(who: &[String]) -> String {
    let mut shown: Vec<_> = who.iter().take(MOST_NAMES).map(|name| plain(name)).collect();
    if who.len() > MOST_NAMES {
        shown.push(format!("and {} more", who.len() - MOST_NAMES));
    }
    shown.join(", ")
}
