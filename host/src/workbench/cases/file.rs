//! A cases file as it is written. `docs/plugins/testing.md` is its page for users.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::group::ToolGroup;
use crate::pipeline::{Endpoint, Item, Mode, Outcome, PrincipalKind, Stage};
use crate::plugin::{Grants, Isolation, LimitChanges};
use crate::workbench::cases::expect::Expectation;
use crate::workbench::cases::words;
use crate::workbench::subject::trial_grants;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasesFile {
    /// For all cases that have none of their own.
    #[serde(default)]
    pub(crate) settings: Map<String, Value>,
    /// What the component may use, as in a policies file.
    #[serde(default)]
    pub(crate) grants: Grants,
    /// Secrets by name. They are made up: a cases file is no place for real ones.
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) directory: DirectoryDescription,
    /// As in a policies file.
    #[serde(default)]
    pub(crate) limits: LimitChanges,
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// For all cases that have none of their own.
    pub(crate) principal: Option<PrincipalDescription>,
    pub(crate) cases: Vec<Case>,
}

/// One row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "words::stage")]
    pub(crate) stage: Option<Stage>,
    pub(crate) settings: Option<Map<String, Value>>,
    /// Forget what earlier cases left behind: instances and stored values.
    #[serde(default)]
    pub(crate) fresh: bool,
    /// How often it is asked; each answer must be the expected one.
    #[serde(default = "once")]
    pub(crate) repeat: NonZeroU32,
    /// To wait before the first question.
    #[serde(default)]
    pub(crate) after_ms: u64,
    #[serde(default)]
    pub(crate) forms: Forms,
    #[serde(default)]
    pub(crate) request: RequestDescription,
    pub(crate) principal: Option<PrincipalDescription>,
    #[serde(default, deserialize_with = "words::item")]
    pub(crate) item: Option<Item>,
    #[serde(default, deserialize_with = "words::items")]
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) group: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) arguments: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) result: Option<Value>,
    pub(crate) upstream: Option<UpstreamDescription>,
    pub(crate) observations: Option<Vec<ObservationDescription>>,
    pub(crate) expect: Expectation,
}

/// Which forms of a question are asked, of those about one item and about many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forms {
    /// Both, and they must agree.
    #[default]
    Both,
    /// Only the one that the case is written as.
    One,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestDescription {
    pub(crate) id: Option<String>,
    #[serde(deserialize_with = "words::endpoint")]
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) headers: Option<BTreeMap<String, String>>,
    pub(crate) peer: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrincipalDescription {
    #[serde(default, deserialize_with = "words::principal_kind")]
    pub(crate) kind: Option<PrincipalKind>,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) allow: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamDescription {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) transport: Transport,
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    #[default]
    StreamableHttp,
    Stdio,
    Sse,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObservationDescription {
    #[serde(default)]
    pub(crate) request: RequestDescription,
    pub(crate) principal: Option<PrincipalDescription>,
    #[serde(default, deserialize_with = "words::item")]
    pub(crate) item: Option<Item>,
    #[serde(deserialize_with = "words::outcome")]
    pub(crate) outcome: Outcome,
    pub(crate) denied_by: Option<String>,
    #[serde(default)]
    pub(crate) duration_us: u64,
}

/// What the component finds in the gateway's directory.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DirectoryDescription {
    #[serde(deserialize_with = "words::mode")]
    pub(crate) mode: Option<Mode>,
    pub(crate) clients: Vec<ClientDescription>,
    pub(crate) users: Vec<UserDescription>,
    #[serde(deserialize_with = "words::groups")]
    pub(crate) groups: Vec<ToolGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientDescription {
    pub(crate) name: String,
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserDescription {
    pub(crate) name: String,
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) admin: bool,
}

impl CasesFile {
    /// No cases, and everything granted that does no harm: HTTP leads nowhere.
    pub(crate) fn trial() -> Self {
        Self {
            settings: Map::new(),
            grants: trial_grants(),
            secrets: BTreeMap::new(),
            directory: DirectoryDescription::default(),
            limits: LimitChanges::default(),
            isolation: Isolation::default(),
            principal: None,
            cases: Vec::new(),
        }
    }

    /// Puts these settings, a JSON object as text, in the place of the file's.
    pub(crate) fn override_settings(&mut self, settings: Option<&str>) {
        if let Some(Ok(settings)) = settings.map(serde_json::from_str) {
            self.settings = settings;
        }
    }
}

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// Tells `null` from nothing at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Transport {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::StreamableHttp => "streamable_http",
            Self::Stdio => "stdio",
            Self::Sse => "sse",
        }
    }
}
