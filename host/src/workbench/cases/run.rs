//! Asks a component all questions of a table, in their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use thiserror::Error;

use crate::catalog::FixedDirectory;
use crate::configuration::{Problem, Source};
use crate::pipeline::{CallError, Decision, Identity, Mode, Plugin, PrincipalKind, Stage};
use crate::plugin::{
    Capabilities, Instances, LoadError, MemoryKeyValue, PluginHost, PluginPlan, SecretSource, Workpiece,
};
use crate::secret::Secret;
use crate::workbench::cases::compare::differences;
use crate::workbench::cases::file::{CasesFile, DirectoryDescription, Forms};
use crate::workbench::cases::plan::{Planned, plan, settings_text};
use crate::workbench::cases::{CaseReport, TestReport};
use crate::workbench::log::listening;
use crate::workbench::question::{Answer, Question, failure_word};
use crate::workbench::subject::Subject;

/// Why no case was asked.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TestError {
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Cases(Vec<Problem>),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("no case has {0:?} in its name")]
    NothingLeft(String),
}

/// Runs the cases of a file whose names contain `filter`, or all.
pub async fn run(subject: &Subject, source: Source<'_>, filter: Option<&str>) -> Result<TestReport, TestError> {
    let file = super::read(source).map_err(|problem| TestError::Cases(vec![problem]))?;
    let mut bench = Workbench::set_up(subject, &file).await?;
    let mut planned = plan(file, &bench.stages, source).map_err(TestError::Cases)?;
    let all = planned.len();
    if let Some(filter) = filter {
        planned.retain(|case| case.name.contains(filter));
        if planned.is_empty() {
            return Err(TestError::NothingLeft(filter.to_owned()));
        }
    }
    let mut report = TestReport {
        component: subject.shown.clone(),
        digest: format!("sha256:{}", bench.piece.digest),
        file: source.shown.to_owned(),
        passed: 0,
        failed: 0,
        left_out: all - planned.len(),
        cases: Vec::with_capacity(planned.len()),
    };
    for case in &planned {
        let outcome = bench.run(case).await?;
        if outcome.passed {
            report.passed += 1;
        } else {
            report.failed += 1;
        }
        report.cases.push(outcome);
    }
    Ok(report)
}

/// A component, started once for each of the settings that cases have.
pub(crate) struct Workbench {
    host: PluginHost,
    secrets: BTreeMap<String, String>,
    pub(crate) piece: Workpiece,
    plan: PluginPlan,
    /// What it exports.
    pub(crate) stages: Vec<Stage>,
    started: BTreeMap<String, Arc<Plugin>>,
}

impl Workbench {
    pub(crate) async fn set_up(subject: &Subject, file: &CasesFile) -> Result<Self, LoadError> {
        let secrets = file.secrets.clone();
        let host = subject.host(directory(&file.directory), capabilities(&secrets))?;
        let plan = PluginPlan {
            settings: settings_text(&file.settings),
            limits: file.limits.applied_to(subject.limits),
            isolation: file.isolation,
            grants: file.grants.clone(),
            ..subject.plan()
        };
        let piece = host.compile(&plan).await?;
        // What is wrong with its imports and exports shows here, before its cases are looked at.
        let stages = piece.stages(&plan)?;
        Ok(Self { host, secrets, piece, plan, stages, started: BTreeMap::new() })
    }

    /// The component with these settings, or with those of the whole file.
    pub(crate) async fn plugin(&mut self, settings: Option<&str>) -> Result<Arc<Plugin>, LoadError> {
        let settings = settings.unwrap_or(&self.plan.settings).to_owned();
        if let Some(plugin) = self.started.get(&settings) {
            return Ok(Arc::clone(plugin));
        }
        let plan = PluginPlan { settings: settings.clone(), ..self.plan.clone() };
        let plugin = self.host.start(&self.piece, &plan).await?;
        self.started.insert(settings, Arc::clone(&plugin));
        Ok(plugin)
    }

    /// Instances with the settings of the whole file, to be started and thrown away.
    pub(crate) fn instances(&self) -> Result<Instances, LoadError> {
        self.host.instances(&self.piece, &self.plan)
    }

    /// Forgets what was kept in instances and in the key-value store.
    fn start_afresh(&mut self) {
        self.started.clear();
        self.host = self.host.lending(capabilities(&self.secrets));
    }

    async fn run(&mut self, case: &Planned) -> Result<CaseReport, LoadError> {
        if case.is_fresh {
            self.start_afresh();
        }
        tokio::time::sleep(case.after).await;
        let started = Instant::now();
        let (asked, log) = listening(self.ask_all(case)).await;
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Asked { got, mut remarks } = asked?;
        let differences = differences(&case.expect.answer, &got);
        let missing = case.expect.log.iter().filter(|text| !log.iter().any(|line| line.contains(text.as_str())));
        remarks.extend(missing.map(|text| format!("no line of its log contains {text:?}")));
        Ok(CaseReport {
            name: case.name.clone(),
            stage: case.question.stage().as_str(),
            place: case.place,
            passed: differences.is_empty() && remarks.is_empty(),
            expected: case.expect.answer.clone(),
            got,
            differences,
            remarks,
            log,
            duration_us,
        })
    }

    /// Asks as often as the case says, until an answer is wrong.
    async fn ask_all(&mut self, case: &Planned) -> Result<Asked, LoadError> {
        let plugin = match self.plugin(case.settings.as_deref()).await {
            Ok(plugin) => plugin,
            // Only of settings of its own can a case say that they are refused.
            Err(error) if case.settings.is_some() => return failed_to_start(error),
            Err(error) => return Err(error),
        };
        let mut asked = Asked { got: Value::Null, remarks: Vec::new() };
        for round in 1..=case.repeat {
            asked = ask(&plugin, &case.question, case.forms).await;
            let is_wrong = !asked.remarks.is_empty() || !differences(&case.expect.answer, &asked.got).is_empty();
            if is_wrong {
                if case.repeat > 1 {
                    asked.remarks.push(format!("this was question {round} of {}", case.repeat));
                }
                break;
            }
        }
        Ok(asked)
    }
}

struct Asked {
    got: Value,
    remarks: Vec<String>,
}

fn failed_to_start(error: LoadError) -> Result<Asked, LoadError> {
    let word = match &error {
        LoadError::SettingsInvalid { .. } | LoadError::SettingsRefused { .. } => "settings",
        LoadError::Start { .. } => "start",
        _ => return Err(error),
    };
    Ok(Asked { got: json!({ "fails": word, "because": crate::admin::with_sources(&error) }), remarks: Vec::new() })
}

/// Asks in the form of the case, and then, if the answer is one, in the other one: they must agree.
async fn ask(plugin: &Plugin, question: &Question, forms: Forms) -> Asked {
    let answer = match question.ask(plugin).await {
        Ok(answer) => answer,
        Err(error) => return Asked { got: failure(&error), remarks: Vec::new() },
    };
    let got = answer.to_value(question.items());
    let remarks = match forms {
        Forms::Both => disagreements(plugin, question, &answer).await,
        Forms::One => Vec::new(),
    };
    Asked { got, remarks }
}

fn failure(error: &CallError) -> Value {
    json!({ "fails": failure_word(error), "because": error.to_string() })
}

/// What the two forms of a question say differently about the same items.
async fn disagreements(plugin: &Plugin, question: &Question, answer: &Answer) -> Vec<String> {
    let (single, list) = match question.stage() {
        Stage::Authorizer => ("authorize", "authorize-items"),
        Stage::ToolFilter => ("select", "select-items"),
        _ => return Vec::new(),
    };
    let said = |is_allowed: bool| if is_allowed { "allowed" } else { "denied" };
    let seen = |is_visible: bool| if is_visible { "visible" } else { "hidden" };
    let differ = |item: &dyn std::fmt::Display, is_allowed: bool, is_visible: bool| {
        (is_allowed != is_visible).then(|| {
            format!(
                "{single} and {list} do not agree: {item} is {} by the one and {} by the other",
                said(is_allowed),
                seen(is_visible)
            )
        })
    };
    match answer {
        Answer::Decision(decision) => {
            let (Some(other), [item]) = (question.list(), question.items()) else { return Vec::new() };
            let is_allowed = *decision == Decision::Allow;
            match other.ask(plugin).await {
                Ok(Answer::Listing(listing)) => {
                    differ(&item.name, is_allowed, listing.visible.first() == Some(&true)).into_iter().collect()
                }
                Ok(_) => Vec::new(),
                Err(error) => vec![format!("{single} answers about {}, and {list} does not: {error}", item.name)],
            }
        }
        Answer::Listing(listing) => {
            let mut remarks = Vec::new();
            for (item, &is_visible) in question.items().iter().zip(&listing.visible) {
                let Some(other) = question.one(item) else { continue };
                match other.ask(plugin).await {
                    Ok(answer) => {
                        let is_allowed = answer == Answer::Decision(Decision::Allow);
                        remarks.extend(differ(&item.name, is_allowed, is_visible));
                    }
                    Err(error) => {
                        remarks.push(format!("{list} answers about {}, and {single} does not: {error}", item.name))
                    }
                }
            }
            remarks
        }
        _ => Vec::new(),
    }
}

struct Secrets(BTreeMap<String, String>);

impl SecretSource for Secrets {
    fn find(&self, name: &str) -> Option<Secret> {
        self.0.get(name).map(Secret::new)
    }
}

fn capabilities(secrets: &BTreeMap<String, String>) -> Capabilities {
    Capabilities {
        key_value: Arc::new(MemoryKeyValue::default()),
        secrets: Arc::new(Secrets(secrets.clone())),
        ..Capabilities::default()
    }
}

fn directory(description: &DirectoryDescription) -> FixedDirectory {
    let mut directory = FixedDirectory::new(description.mode.unwrap_or(Mode::Development));
    for client in &description.clients {
        let identity = Identity { kind: PrincipalKind::Client, name: client.name.clone(), allow: client.allow.clone() };
        directory = directory.with_identity(identity, client.token.clone());
    }
    for user in &description.users {
        let kind = if user.admin { PrincipalKind::Admin } else { PrincipalKind::User };
        directory =
            directory.with_identity(Identity { kind, name: user.name.clone(), allow: Vec::new() }, user.token.clone());
    }
    description.groups.iter().cloned().fold(directory, FixedDirectory::with_group)
}
