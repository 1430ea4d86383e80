//! A pipeline of components under test, and questions to ask it.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use mcpjungle_host::catalog::FixedDirectory;
use mcpjungle_host::group::ToolGroup;
use mcpjungle_host::names::{CanonicalName, GroupName};
use mcpjungle_host::pipeline::{
    Denial, Endpoint, HttpRequest, Identity, Item, ItemKind, Listing, Mode, Pipeline, Principal, PrincipalKind,
    Request, Stage,
};
use mcpjungle_host::plugin::{
    Capabilities, ComponentSource, LoadError, PipelinePlan, PluginHost, PluginPlan, PluginSettings,
};
use mcpjungle_host::telemetry::PolicyMetrics;

/// One client `cursor`, one user `alice`, one group `reading`.
fn directory(mode: Mode) -> FixedDirectory {
    let identity = |kind, name: &str, allow: &[&str]| {
        let allow = allow.iter().map(|&pattern| pattern.to_owned()).collect();
        Identity { kind, name: name.to_owned(), allow }
    };
    FixedDirectory::new(mode)
        .with_identity(identity(PrincipalKind::Client, "cursor", &["github"]), Some("client-token".to_owned()))
        .with_identity(identity(PrincipalKind::User, "alice", &[]), Some("user-token".to_owned()))
        .with_group(ToolGroup {
            included_tools: vec!["time__now".to_owned()],
            included_servers: vec!["github".to_owned()],
            excluded_tools: vec!["github__delete".to_owned()],
            ..ToolGroup::new(GroupName::parse("reading").unwrap())
        })
}

/// A pipeline and its counters.
pub struct Rig {
    pub pipeline: Pipeline,
    metrics: Arc<PolicyMetrics>,
    /// The pipeline outlives its host in no gateway.
    _host: PluginHost,
}

impl Rig {
    pub async fn try_new(plugins: Vec<PluginPlan>, mode: Mode) -> Result<Self, LoadError> {
        Self::lending(plugins, mode, Capabilities::default()).await
    }

    /// With things to lend of the test's own.
    pub async fn lending(plugins: Vec<PluginPlan>, mode: Mode, capabilities: Capabilities) -> Result<Self, LoadError> {
        let metrics = Arc::new(PolicyMetrics::default());
        let settings = PluginSettings { capabilities, ..PluginSettings::default() };
        let host = PluginHost::new(settings, Arc::new(directory(mode)))?;
        let pipeline = host.assemble(&PipelinePlan { plugins }, 1, &metrics).await?;
        Ok(Self { pipeline, metrics, _host: host })
    }

    pub async fn new(plugins: Vec<PluginPlan>) -> Self {
        Self::try_new(plugins, Mode::Development).await.unwrap()
    }

    pub async fn authorize(&self, canonical: &str) -> Result<(), Denial> {
        self.pipeline.authorize(&request(Endpoint::Main), &Principal::anonymous(), &tool(canonical)).await
    }

    pub async fn authorize_items(&self, canonical: &[&str]) -> Result<Listing, Denial> {
        let items: Vec<Item> = canonical.iter().map(|name| tool(name)).collect();
        let items: Vec<&Item> = items.iter().collect();
        self.pipeline.authorize_items(&request(Endpoint::Main), &Principal::anonymous(), &items).await
    }

    pub async fn authenticate(&self, endpoint: Endpoint, authorization: Option<&str>) -> Result<Principal, Denial> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::HOST, HeaderValue::from_static("localhost"));
        if let Some(value) = authorization {
            headers.insert(http::header::AUTHORIZATION, value.parse().unwrap());
        }
        let request = HttpRequest {
            id: "request-1",
            endpoint: &endpoint,
            method: "POST",
            path: "/mcp",
            headers: &headers,
            peer: "127.0.0.1",
        };
        self.pipeline.authenticate(request).await
    }

    pub fn failures(&self, plugin: &str) -> u64 {
        self.metrics.failures(plugin, Stage::Authorizer)
    }
}

pub fn file_plugin(name: &str, path: &Path) -> PluginPlan {
    PluginPlan::new(name, ComponentSource::File(path.to_owned()))
}

pub fn request(endpoint: Endpoint) -> Request {
    Request { id: "request-1".into(), endpoint, method: "tools/call".into() }
}

pub fn tool(canonical: &str) -> Item {
    Item { kind: ItemKind::Tool, name: CanonicalName::parse(canonical).unwrap(), uri: None }
}
