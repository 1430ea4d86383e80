//! `plugin list`: the pipeline as it runs, a table for each stage.

use std::io::Write as _;
use std::path::Path;

use super::table;
use crate::api::{Api, Policies, Stage, Step};
use crate::commands::audit::read::plain;
use crate::printer::Printer;

const HEAD: [&str; 9] = ["PLUGIN", "COMPONENT", "VERSION", "DIGEST", "STATE", "CALLS", "DENIALS", "FAILURES", "P99"];
/// Of a digest this much tells one from another.
const SHOWN_OF_DIGEST: usize = 12;

pub(super) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_plugins().await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let policies = answer.value;
    writeln!(printer, "{}", source(&policies))?;
    if let Some(refused) = &policies.refused {
        let reason = plain(&refused.reason);
        writeln!(printer, "REFUSED since {}, so older policies run: {reason}. Mend the file.", refused.since)?;
    }
    for stage in policies.stages.iter().filter(|stage| !stage.plugins.is_empty()) {
        writeln!(printer, "\n{}", stage.stage)?;
        table::print("  ", &HEAD, &rows(stage), printer)?;
    }
    let bare: Vec<_> =
        policies.stages.iter().filter(|stage| stage.plugins.is_empty()).map(|stage| stage.stage.as_str()).collect();
    if !bare.is_empty() {
        writeln!(printer, "\nNo plugin: {}", bare.join(", "))?;
    }
    if policies.source == "safe-mode" {
        writeln!(printer, "\nInstalled, but not running in safe mode:")?;
        let rows: Vec<_> = policies
            .plugins
            .iter()
            .map(|plugin| vec![plugin.name.clone(), origin(&plugin.component, None), plugin.state.clone()])
            .collect();
        table::print("  ", &["PLUGIN", "COMPONENT", "STATE"], &rows, printer)?;
    }
    Ok(())
}

fn source(policies: &Policies) -> String {
    match (policies.source.as_str(), &policies.file) {
        ("file", Some(file)) => format!("The policies are those of {file}, which is watched for changes."),
        ("safe-mode", _) => {
            "SAFE MODE: the stock policies run, whatever is installed. Mend it with `mcpjungle plugin disable`, `remove` \
             or `rollback`, and start without --safe-mode."
                .to_owned()
        }
        _ if policies.id == 0 => "The policies that come with the gateway; nobody has changed them.".to_owned(),
        _ => format!("The policies as of change {}; `mcpjungle plugin history` shows them all.", policies.id),
    }
}

fn rows(stage: &Stage) -> Vec<Vec<String>> {
    let row = |step: &Step| {
        let mut state = step.state.clone();
        if step.fail_open {
            state.push_str(", fails open");
        }
        if !step.grants.is_empty() {
            state.push_str(&format!(", granted {}", step.grants.join(" ")));
        }
        let version = if step.version.is_empty() { "-" } else { &step.version };
        vec![
            step.name.clone(),
            origin(&step.component, step.file.as_deref()),
            version.to_owned(),
            step.digest.chars().take(SHOWN_OF_DIGEST).collect(),
            state,
            step.calls.to_string(),
            step.denials.to_string(),
            step.failures.to_string(),
            step.p99_us.map_or_else(|| "-".to_owned(), duration),
        ]
    };
    stage.plugins.iter().map(row).collect()
}

/// Where a component comes from. Its digest stands in a column of its own.
fn origin(component: &str, file: Option<&str>) -> String {
    match file.and_then(|file| Path::new(file).file_name()) {
        Some(name) => name.to_string_lossy().into_owned(),
        None if component.starts_with("sha256:") => "uploaded".to_owned(),
        None => component.to_owned(),
    }
}

fn duration(microseconds: f64) -> String {
    if microseconds < 1_000.0 { format!("{microseconds:.0} µs") } else { format!("{:.1} ms", microseconds / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_called_by_where_it_comes_from() {
        let digest = "sha256:5f70";
        for (component, file, shown) in [
            ("builtin:acl", None, "builtin:acl"),
            (digest, None, "uploaded"),
            (digest, Some("/etc/mcpjungle/policies/office-hours.wasm"), "office-hours.wasm"),
        ] {
            assert_eq!(origin(component, file), shown);
        }
    }

    #[test]
    fn a_duration_is_shown_in_the_unit_that_fits() {
        for (microseconds, shown) in [(4.4, "4 µs"), (999.0, "999 µs"), (1_500.0, "1.5 ms"), (250_000.0, "250.0 ms")]
        {
            assert_eq!(duration(microseconds), shown);
        }
    }
}
