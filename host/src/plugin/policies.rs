//! The policies file: which plugins make up the pipeline, in which order and
//! under which limits. `docs/policies-file.md` is its page for users.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::pipeline::Stage;
use crate::plugin::grants::Grants;
use crate::plugin::limits::{LimitChanges, Limits};
use crate::plugin::stock::Stock;

/// Settings of a plugin, in bytes of JSON: each change of what is installed is stored with those of all plugins.
pub const LONGEST_SETTINGS: usize = 64 << 10;

/// What makes up a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelinePlan {
    /// In the order in which they are asked.
    pub plugins: Vec<PluginPlan>,
}

/// One plugin of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginPlan {
    /// Unique in the pipeline; in logs and metrics.
    pub name: Arc<str>,
    /// What its values are kept under; without an installation that knows better, its name.
    pub keeps_as: Arc<str>,
    /// Where its bytes come from.
    pub component: ComponentSource,
    /// The stages to install it for; `None` for all that it exports.
    pub stages: Option<Vec<Stage>>,
    /// A JSON object as text.
    pub settings: String,
    /// Bounds on each call.
    pub limits: Limits,
    /// Whether its instances are used again.
    pub isolation: Isolation,
    /// Whether a call that fails counts as no objection instead of a denial.
    pub fail_open: bool,
    /// What it may use beyond what every plugin may.
    pub grants: Grants,
    /// SHA-256 that the component must have, in lower-case hexadecimal.
    pub digest: Option<String>,
}

/// Where a component's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// It comes with the gateway.
    Stock(Stock),
    /// A `.wasm` file.
    File(PathBuf),
    /// These bytes.
    Bytes(Arc<[u8]>),
}

/// Whether a plugin's instances are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// One call after the other: what a component keeps in its memory lives on, across principals.
    #[default]
    Reuse,
    /// A fresh instance for each call.
    PerCall,
}

/// Why there is no plan.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PlanError {
    #[error("cannot read the policies file {path}")]
    Read { path: String, source: std::io::Error },
    #[error("the policies file {path} is not valid")]
    Parse { path: String, source: serde_norway::Error },
    #[error("the policies file {path} names two plugins `{name}`")]
    DuplicateName { path: String, name: Arc<str> },
    #[error("the policies file {path} cannot be used")]
    Settings { path: String, source: SettingsTooLong },
}

/// A plugin's settings are longer than [`LONGEST_SETTINGS`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the settings of plugin `{plugin}` are {bytes} bytes of JSON, and {most} is the most", most = LONGEST_SETTINGS)]
pub struct SettingsTooLong {
    plugin: String,
    bytes: usize,
}

impl SettingsTooLong {
    /// Looks at settings as JSON text.
    pub(crate) fn check(plugin: &str, settings: &str) -> Result<(), Self> {
        match settings.len() {
            0..=LONGEST_SETTINGS => Ok(()),
            bytes => Err(Self { plugin: plugin.to_owned(), bytes }),
        }
    }
}

impl ComponentSource {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stock(_) | Self::Bytes(_) => None,
        }
    }
}

impl PipelinePlan {
    /// The pipeline without a policies file: the four stock components.
    pub fn stock() -> Self {
        let plugins = Stock::ALL.into_iter().map(PluginPlan::stock).collect();
        Self { plugins }
    }

    /// Reads a policies file, YAML or JSON. Paths in it are relative to its folder.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read { path: shown.clone(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let file: PoliciesFile =
            serde_norway::from_str(&text).map_err(|source| PlanError::Parse { path: shown.clone(), source })?;
        let plan = Self { plugins: file.policies.into_iter().map(|policy| policy.into_plan(folder)).collect() };
        if let Some(name) = plan.find_duplicate() {
            return Err(PlanError::DuplicateName { path: shown, name });
        }
        for plugin in &plan.plugins {
            SettingsTooLong::check(&plugin.name, &plugin.settings)
                .map_err(|source| PlanError::Settings { path: shown.clone(), source })?;
        }
        Ok(plan)
    }

    fn find_duplicate(&self) -> Option<Arc<str>> {
        let mut seen = BTreeSet::new();
        self.plugins.iter().map(|plugin| &plugin.name).find(|name| !seen.insert(*name)).cloned()
    }
}

impl PluginPlan {
    /// A stock component under its own name, with default limits.
    pub fn stock(stock: Stock) -> Self {
        Self::new(&format!("builtin-{}", stock.as_str()), ComponentSource::Stock(stock))
    }

    /// A component with no settings and default limits.
    pub fn new(name: &str, component: ComponentSource) -> Self {
        let name: Arc<str> = name.into();
        Self {
            keeps_as: Arc::clone(&name),
            name,
            component,
            stages: None,
            settings: "{}".to_owned(),
            limits: Limits::default(),
            isolation: Isolation::default(),
            fail_open: false,
            grants: Grants::default(),
            digest: None,
        }
    }
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoliciesFile {
    policies: Vec<Policy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(deserialize_with = "read_name")]
    name: String,
    #[serde(deserialize_with = "read_component")]
    component: ComponentSource,
    #[serde(default)]
    stages: Option<Vec<Stage>>,
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    limits: LimitChanges,
    #[serde(default)]
    isolation: Isolation,
    #[serde(default)]
    fail_open: bool,
    #[serde(default)]
    grants: Grants,
    #[serde(default, deserialize_with = "read_digest")]
    digest: Option<String>,
}

impl Policy {
    fn into_plan(self, folder: &Path) -> PluginPlan {
        let component = match self.component {
            ComponentSource::File(path) => ComponentSource::File(folder.join(path)),
            other @ (ComponentSource::Stock(_) | ComponentSource::Bytes(_)) => other,
        };
        PluginPlan {
            component,
            stages: self.stages,
            settings: serde_json::Value::Object(self.settings).to_string(),
            limits: self.limits.applied_to(Limits::default()),
            isolation: self.isolation,
            fail_open: self.fail_open,
            grants: self.grants,
            digest: self.digest,
            ..PluginPlan::new(&self.name, ComponentSource::File(PathBuf::new()))
        }
    }
}

/// Whether a plugin may be called so.
pub fn is_plugin_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(is_word)
}

fn read_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if !is_plugin_name(&name) {
        return Err(serde::de::Error::custom(format!(
            "the name `{name}` must be made of letters, digits, underscores and hyphens, 64 at most"
        )));
    }
    Ok(name)
}

fn read_component<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ComponentSource, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.strip_prefix("builtin:") {
        Some(name) => Stock::find(name).map(ComponentSource::Stock).ok_or_else(|| {
            let known: Vec<_> = Stock::ALL.into_iter().map(Stock::as_str).collect();
            serde::de::Error::custom(format!("there is no `{text}`; there are {}", known.join(", ")))
        }),
        None => Ok(ComponentSource::File(text.into())),
    }
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match text.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Some(hex.to_ascii_lowercase()))
        }
        _ => Err(serde::de::Error::custom(format!("the digest `{text}` is not `sha256:` and 64 hexadecimal digits"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PipelinePlan, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policies.yaml");
        std::fs::write(&path, text).unwrap();
        PipelinePlan::read(&path).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{source}")
        })
    }

    #[test]
    fn a_file_may_say_everything_or_almost_nothing() {
        let plan = read(
            "policies:
               - name: auth
                 component: builtin:auth
               - name: corp
                 component: corp/policy.wasm
                 stages: [authorizer, guard]
                 settings: {teams: [a, b], strict: true, most: 3}
                 limits: {deadline_ms: 50, memory_mib: 4, host_calls: 0, output_kib: 1, instances: 2}
                 isolation: per-call
                 fail_open: true
                 digest: sha256:000000000000000000000000000000000000000000000000000000000000000A",
        )
        .unwrap();
        let [auth, corp] = &plan.plugins[..] else { panic!("two plugins") };
        assert_eq!(auth, &PluginPlan::new("auth", ComponentSource::Stock(Stock::Auth)));
        let ComponentSource::File(path) = &corp.component else { panic!("a file") };
        assert!(path.is_absolute() && path.ends_with("corp/policy.wasm"), "{path:?}");
        assert_eq!(corp.stages.as_deref(), Some(&[Stage::Authorizer, Stage::Guard][..]));
        let settings: serde_json::Value = serde_json::from_str(&corp.settings).unwrap();
        assert_eq!(settings, serde_json::json!({"teams": ["a", "b"], "strict": true, "most": 3}));
        assert_eq!((corp.limits.deadline_ms.get(), corp.limits.host_calls), (50, 0));
        assert_eq!((corp.isolation, corp.fail_open), (Isolation::PerCall, true));
        assert!(corp.digest.as_deref().unwrap().ends_with("0a"));
    }

    #[test]
    fn settings_have_a_bound() {
        let file = |bytes: usize| {
            let text = "x".repeat(bytes - r#"{"t":""}"#.len());
            format!("policies: [{{name: a, component: builtin:acl, settings: {{t: {text}}}}}]")
        };
        assert_eq!(read(&file(LONGEST_SETTINGS)).unwrap().plugins[0].settings.len(), LONGEST_SETTINGS);
        let problem = read(&file(LONGEST_SETTINGS + 1)).unwrap_err();
        let expected = "the settings of plugin `a` are 65537 bytes of JSON, and 65536 is the most";
        assert!(problem.ends_with(expected), "{problem}");
    }

    #[test]
    fn json_is_read_too_and_an_empty_list_means_no_policies() {
        assert_eq!(read(r#"{"policies": []}"#).unwrap().plugins, []);
        let plan = read(r#"{"policies": [{"name": "acl", "component": "builtin:acl"}]}"#).unwrap();
        assert_eq!(plan.plugins.len(), 1);
    }

    #[test]
    fn a_bad_file_is_refused_with_what_is_wrong_in_it() {
        let cases = [
            ("", "missing field `policies`"),
            ("policies: [{name: a, component: builtin:acl, failopen: true}]", "unknown field `failopen`"),
            ("policies: [{name: a, component: builtin:acl, limits: {memory: 1}}]", "unknown field `memory`"),
            ("polices: []", "unknown field `polices`"),
            ("policies: [{component: builtin:acl}]", "missing field `name`"),
            ("policies: [{name: a/b, component: builtin:acl}]", "the name `a/b` must be"),
            ("policies: [{name: a}]", "missing field `component`"),
            ("policies: [{name: a, component: builtin:x}]", "there is no `builtin:x`; there are auth, groups"),
            ("policies: [{name: a, component: b.wasm, stages: [acl]}]", "there is no stage `acl`; there are auth"),
            ("policies: [{name: a, component: b.wasm, digest: 'md5:1'}]", "the digest `md5:1` is not"),
            (
                "policies: [{name: a, component: b.wasm, limits: {deadline_ms: 0}}]",
                "expected a whole number from 1 to 60000",
            ),
            (
                "policies: [{name: a, component: b.wasm, limits: {memory_mib: 100000000}}]",
                "policies[0].limits.memory_mib: invalid value: integer `100000000`, expected a whole number from 1 to 4096",
            ),
            ("policies: [{name: a, component: b.wasm, settings: 3}]", "expected a map"),
            ("policies: [{name: a, component: b.wasm}, {name: a, component: c.wasm}]", "names two plugins `a`"),
        ];
        for (text, expected) in cases {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
