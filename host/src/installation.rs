//! Which plugins are installed, in which order and with which earlier versions: what an
//! administrator changes, and what the store keeps. `edit` makes one installation out of another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pipeline::Stage;
use crate::plugin::{ComponentSource, Grants, Isolation, Limits, PluginPlan, Stock};

mod edit;

pub use edit::{Edit, EditError, Place, VersionChanges};

/// The installed plugins, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Installation {
    /// Names are unique.
    pub plugins: Vec<InstalledPlugin>,
}

/// One installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPlugin {
    /// Unique; in logs and metrics.
    pub name: Arc<str>,
    /// The change that added it, which tells it from others that had its name before or after it; 0 if no
    /// change did: it came with the gateway, or is of a policies file.
    #[serde(default)]
    pub added: i64,
    /// A disabled plugin keeps its place, and is not asked.
    pub enabled: bool,
    /// What runs.
    #[serde(flatten)]
    pub version: PluginVersion,
    /// What ran before, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PluginVersion>,
}

/// A component with all that it is run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// What is run.
    pub component: ComponentRef,
    /// The stages to install it for; `None` for all that it exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<Stage>>,
    /// Handed to the component as a JSON object.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What it may use beyond what every plugin may.
    #[serde(default)]
    pub grants: Grants,
    /// Bounds on each call.
    #[serde(default)]
    pub limits: Limits,
    /// Whether its instances are used again.
    #[serde(default)]
    pub isolation: Isolation,
    /// Whether a call that fails counts as no objection instead of a denial.
    #[serde(default)]
    pub fail_open: bool,
}

/// Which component: `builtin:NAME`, or `sha256:` and the digest of one that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ComponentRef {
    /// It comes with the gateway.
    Stock(Stock),
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    Digest(Arc<str>),
}

impl Installation {
    /// What is installed before anybody changes it: the stock plugins.
    pub fn stock() -> Self {
        Self { plugins: Stock::ALL.into_iter().map(InstalledPlugin::stock).collect() }
    }

    /// The plugin of this name.
    pub fn find(&self, name: &str) -> Option<&InstalledPlugin> {
        self.plugins.iter().find(|plugin| *plugin.name == *name)
    }

    /// The digests of all components, those of earlier versions too.
    pub fn digests(&self) -> impl Iterator<Item = &Arc<str>> {
        let versions = self.plugins.iter().flat_map(|plugin| std::iter::once(&plugin.version).chain(&plugin.previous));
        versions.filter_map(|version| match &version.component {
            ComponentRef::Digest(digest) => Some(digest),
            ComponentRef::Stock(_) => None,
        })
    }
}

impl InstalledPlugin {
    /// A stock plugin under its own name.
    pub fn stock(stock: Stock) -> Self {
        Self {
            name: PluginPlan::stock(stock).name,
            added: 0,
            enabled: true,
            version: PluginVersion::new(ComponentRef::Stock(stock)),
            previous: Vec::new(),
        }
    }

    /// What its values are kept under: through all its versions the same, and no other plugin's.
    pub fn keeps_as(&self) -> Arc<str> {
        match self.added {
            0 => Arc::clone(&self.name),
            // No name has this character in it.
            added => format!("{}#{added}", self.name).into(),
        }
    }

    /// How to load it. `bytes` are those of the component, where it is not a stock one.
    pub fn plan(&self, bytes: Arc<[u8]>) -> PluginPlan {
        let version = &self.version;
        let (component, digest) = match &version.component {
            ComponentRef::Stock(stock) => (ComponentSource::Stock(*stock), None),
            ComponentRef::Digest(digest) => (ComponentSource::Bytes(bytes), Some(digest.to_string())),
        };
        PluginPlan {
            name: Arc::clone(&self.name),
            keeps_as: self.keeps_as(),
            component,
            stages: version.stages.clone(),
            settings: serde_json::Value::Object(version.settings.clone()).to_string(),
            limits: version.limits,
            isolation: version.isolation,
            fail_open: version.fail_open,
            grants: version.grants.clone(),
            digest,
        }
    }
}

impl PluginVersion {
    /// Without settings or grants, and with default limits.
    pub fn new(component: ComponentRef) -> Self {
        Self {
            component,
            stages: None,
            settings: serde_json::Map::new(),
            grants: Grants::default(),
            limits: Limits::default(),
            isolation: Isolation::default(),
            fail_open: false,
        }
    }
}

impl fmt::Display for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stock(stock) => write!(f, "builtin:{}", stock.as_str()),
            Self::Digest(digest) => write!(f, "sha256:{digest}"),
        }
    }
}

impl Serialize for ComponentRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ComponentRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let stock = text.strip_prefix("builtin:").and_then(Stock::find).map(Self::Stock);
        let digest = || {
            let hex = text.strip_prefix("sha256:")?;
            let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_digest.then(|| Self::Digest(hex.to_ascii_lowercase().into()))
        };
        stock.or_else(digest).ok_or_else(|| {
            let known: Vec<_> = Stock::ALL.into_iter().map(|stock| format!("builtin:{}", stock.as_str())).collect();
            serde::de::Error::custom(format!(
                "`{text}` is no component; there are {}, and `sha256:` with the digest of an uploaded one",
                known.join(", ")
            ))
        })
    }
}
