//! What the names of imports and exports say: stages, grants, and other tracks of the contract.

use crate::pipeline::Stage;
use crate::plugin::{CONTRACT, Capability, Workpiece};
use crate::workbench::check::{ImportReport, Problem};

/// Everything of ours begins so.
const PACKAGE: &str = "mcpjungle:policy/";

/// All names that this gateway does not know, and exports that come to nothing.
pub(super) fn find_problems(imports: &[String], exports: &[String]) -> Vec<Problem> {
    let unknown_imports = imports.iter().filter_map(|name| match track_of(name) {
        Some(track) if track != our_track() => Some(other_track("imports", name)),
        _ if Workpiece::read_import(name).is_none() => Some(unknown_import(name)),
        _ => None,
    });
    let ours = exports.iter().filter(|name| name.starts_with(PACKAGE));
    let unknown_exports = ours.filter(|name| !Workpiece::is_known_export(name)).map(|name| match track_of(name) {
        Some(track) if track != our_track() => other_track("exports", name),
        _ => Problem::new(
            "exports",
            &format!("`{name}` is in no contract that this gateway knows"),
            "rebuild it against the contract of this gateway: `mcpjungle plugin new` writes it into a project",
        ),
    });
    let mut problems: Vec<_> = unknown_imports.chain(unknown_exports).collect();
    if stages(exports).is_empty() && problems.is_empty() {
        problems.push(no_stage(exports));
    }
    problems
}

/// The stages of our track, in the order of a call's walk.
pub(super) fn stages(exports: &[String]) -> Vec<&'static str> {
    let is_exported = |stage: &Stage| {
        let export = format!("{PACKAGE}{stage}@{}", our_track());
        exports.contains(&export)
    };
    Stage::ALL.into_iter().filter(is_exported).map(Stage::as_str).collect()
}

pub(super) fn read_imports(imports: &[String]) -> Vec<ImportReport> {
    let ours = imports.iter().filter(|name| name.starts_with(PACKAGE));
    let grant = |name: &str| Workpiece::read_import(name)?.needs.map(Capability::example);
    ours.map(|name| ImportReport { name: name.clone(), grant: grant(name) }).collect()
}

pub(super) fn grant_flags(imports: &[ImportReport]) -> Vec<String> {
    imports.iter().filter_map(|import| import.grant).map(|grant| format!("--grant {grant}")).collect()
}

fn our_track() -> &'static str {
    CONTRACT.rsplit_once('@').map_or("", |(_, track)| track)
}

/// The track of one of our names.
fn track_of(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE).map(|rest| rest.rsplit_once('@').map_or("", |(_, track)| track))
}

fn other_track(place: &'static str, name: &str) -> Problem {
    let track = track_of(name).filter(|track| !track.is_empty()).unwrap_or("no version");
    Problem::new(
        place,
        &format!("`{name}` is of track {track} of the contract, and this gateway speaks {CONTRACT}"),
        &format!("build it against the WIT of {CONTRACT}, or run it in a gateway that speaks track {track}"),
    )
}

fn unknown_import(name: &str) -> Problem {
    let fix = if name.starts_with("wasi:http/") {
        "for HTTP requests import mcpjungle:policy/outbound-http, to be granted with `--grant http:HOST`"
    } else if name.starts_with("wasi:") {
        "of WASI there are cli, clocks, filesystem, io, random and sockets of 0.2, with nothing behind them: leave it out"
    } else {
        "leave it out: a policy may import WASI 0.2 and interfaces of the contract, and no others"
    };
    Problem::new("imports", &format!("`{name}` is nothing that this gateway gives to any component"), fix)
}

fn no_stage(exports: &[String]) -> Problem {
    let message = match exports {
        [] => "it exports nothing, and so no stage".to_owned(),
        exports => format!("it exports no stage, only {}", exports.join(", ")),
    };
    let stages = Stage::ALL.map(Stage::as_str).join(", ");
    Problem::new("exports", &message, &format!("export at least one of the interfaces {stages} of {CONTRACT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(imports: &[&str], exports: &[&str]) -> String {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let problems = find_problems(&owned(imports), &owned(exports));
        problems.into_iter().map(|problem| format!("{}: {}\n", problem.place, problem.message)).collect()
    }

    #[test]
    fn every_name_that_is_not_known_is_told() {
        let guard = "mcpjungle:policy/guard@0.1.0";
        assert_eq!(problems(&["wasi:cli/environment@0.2.6", "mcpjungle:policy/key-value@0.1.0"], &[guard]), "");
        let told = problems(
            &["mcpjungle:policy/log@0.2.0", "wasi:http/outgoing-handler@0.2.0", "a:b/c"],
            &["mcpjungle:policy/guard@0.3.0", "other:package/thing"],
        );
        let expected = "\
imports: `mcpjungle:policy/log@0.2.0` is of track 0.2.0 of the contract, and this gateway speaks mcpjungle:policy@0.1.0
imports: `wasi:http/outgoing-handler@0.2.0` is nothing that this gateway gives to any component
imports: `a:b/c` is nothing that this gateway gives to any component
exports: `mcpjungle:policy/guard@0.3.0` is of track 0.3.0 of the contract, and this gateway speaks mcpjungle:policy@0.1.0
";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_component_of_no_stage_is_told_what_it_exports() {
        assert_eq!(problems(&[], &[]), "exports: it exports nothing, and so no stage\n");
        assert!(problems(&[], &["wasi:cli/run@0.2.0"]).contains("only wasi:cli/run@0.2.0"));
    }

    #[test]
    fn grants_are_told_as_they_are_given() {
        let imports = ["mcpjungle:policy/log@0.1.0", "mcpjungle:policy/secrets@0.1.0"].map(str::to_owned);
        assert_eq!(grant_flags(&read_imports(&imports)), ["--grant secret:NAME"]);
    }
}
