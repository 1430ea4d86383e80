//! `explain`: what the gateway's policies would decide about a call, and why.

use std::io::{self, Write as _};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::Api;
use crate::arguments::ExplainArguments;
use crate::printer::Printer;

/// What is asked.
#[derive(Serialize)]
pub(crate) struct Question<'a> {
    client: Option<&'a str>,
    user: Option<&'a str>,
    tool: Option<&'a str>,
    prompt: Option<&'a str>,
    resource: Option<&'a str>,
    group: Option<&'a str>,
    server: Option<&'a str>,
    /// As it was typed.
    input: Option<&'a RawValue>,
}

/// What the gateway found.
#[derive(Debug, Deserialize)]
pub(crate) struct Explanation {
    allowed: bool,
    principal: Option<Principal>,
    endpoint: String,
    item: Option<Item>,
    findings: Vec<String>,
    stages: Vec<Stage>,
    told: Option<Told>,
}

#[derive(Debug, Deserialize)]
struct Principal {
    kind: String,
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Stage {
    stage: String,
    not_asked: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    plugin: String,
    digest: String,
    answer: Option<String>,
    code: Option<String>,
    reason: Option<String>,
    headers: Option<Vec<String>>,
    duration_us: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Told {
    status: u16,
    body: Box<RawValue>,
}

pub(crate) async fn run(arguments: &ExplainArguments, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let ExplainArguments { client, user, tool, prompt, resource, group, server, input } = arguments;
    let names_something = tool.is_some() || prompt.is_some() || resource.is_some();
    ensure!(names_something, "say what would be used: --tool, --prompt or --resource");
    let question = Question {
        client: client.as_deref(),
        user: user.as_deref(),
        tool: tool.as_deref(),
        prompt: prompt.as_deref(),
        resource: resource.as_deref(),
        group: group.as_deref(),
        server: server.as_deref(),
        input: input.as_deref().map(read_input).transpose().context("invalid input")?,
    };
    let answer = api.explain(&question).await.context("failed to explain")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    Ok(print(&answer.value, printer)?)
}

fn read_input(text: &str) -> anyhow::Result<&RawValue> {
    let input: &RawValue = serde_json::from_str(text)?;
    ensure!(input.get().starts_with('{'), "must be a JSON object");
    Ok(input)
}

fn print(explanation: &Explanation, printer: &mut Printer) -> io::Result<()> {
    if let Some(principal) = &explanation.principal {
        print_principal(principal, printer)?;
    }
    writeln!(printer, "Endpoint: {}", explanation.endpoint)?;
    if let Some(item) = &explanation.item {
        writeln!(printer, "Item: {} {}", item.kind, item.name)?;
    }
    explanation.stages.iter().try_for_each(|stage| print_stage(stage, printer))?;
    writeln!(printer, "\nFindings:")?;
    explanation.findings.iter().try_for_each(|finding| writeln!(printer, "- {finding}"))?;
    writeln!(printer, "\nResult: {}", if explanation.allowed { "the call would be made" } else { "refused" })?;
    match &explanation.told {
        Some(told) => writeln!(printer, "The caller would be told: status {}, {}", told.status, told.body),
        None => Ok(()),
    }
}

fn print_principal(principal: &Principal, printer: &mut Printer) -> io::Result<()> {
    let Principal { kind, name, allow } = principal;
    writeln!(printer, "Principal: {}", [kind.as_str(), name.as_str()].join(" ").trim_end())?;
    match (kind.as_str(), allow.as_slice()) {
        ("client", []) => writeln!(printer, "Allow-list: empty"),
        ("client", allow) => writeln!(printer, "Allow-list: {}", allow.join(", ")),
        _ => Ok(()),
    }
}

fn print_stage(stage: &Stage, printer: &mut Printer) -> io::Result<()> {
    match &stage.not_asked {
        Some(why) => writeln!(printer, "\n{}: not asked, {why}", stage.stage)?,
        None => writeln!(printer, "\n{}:", stage.stage)?,
    }
    for step in &stage.steps {
        write!(printer, "  {}", step.plugin)?;
        if let (Some(answer), Some(duration)) = (&step.answer, step.duration_us) {
            write!(printer, ": {answer} ({duration} µs)")?;
        }
        writeln!(printer)?;
        if let (Some(code), Some(reason)) = (&step.code, &step.reason) {
            writeln!(printer, "    {code}: {reason}")?;
        }
        match step.headers.as_deref() {
            Some([]) => writeln!(printer, "    no headers")?,
            Some(names) => writeln!(printer, "    {}", names.join(", "))?,
            None => {}
        }
        writeln!(printer, "    sha256:{}", step.digest)?;
    }
    Ok(())
}
