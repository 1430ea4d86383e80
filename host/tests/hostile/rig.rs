//! A pipeline of components under test, and questions to ask it.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use mcpjungle_host::names::CanonicalName;
use mcpjungle_host::pipeline::{
    Denial, Directory, Endpoint, GroupDefinition, HttpRequest, Identity, Item, ItemKind, Listing, Mode, Pipeline,
    Principal, PrincipalKind, Request, Stage,
};
use mcpjungle_host::plugin::{ComponentSource, LoadError, PipelinePlan, PluginHost, PluginPlan, PluginSettings};
use mcpjungle_host::telemetry::PolicyMetrics;

/// One client `cursor`, one user `alice`, one group `reading`.
pub struct TestDirectory(pub Mode);

impl Directory for TestDirectory {
    fn mode(&self) -> Mode {
        self.0
    }

    fn find_by_token(&self, token: &str) -> Option<Identity> {
        match token {
            "client-token" => self.find_client("cursor"),
            "user-token" => self.find_user("alice"),
            _ => None,
        }
    }

    fn find_client(&self, name: &str) -> Option<Identity> {
        let allow = vec!["github".to_owned()];
        (name == "cursor").then(|| Identity { kind: PrincipalKind::Client, name: name.to_owned(), allow })
    }

    fn find_user(&self, name: &str) -> Option<Identity> {
        (name == "alice").then(|| Identity { kind: PrincipalKind::User, name: name.to_owned(), allow: Vec::new() })
    }

    fn find_group(&self, name: &str) -> Option<GroupDefinition> {
        (name == "reading").then(|| GroupDefinition {
            name: name.to_owned(),
            included_tools: vec!["time__now".to_owned()],
            included_servers: vec!["github".to_owned()],
            excluded_tools: vec!["github__delete".to_owned()],
            ..GroupDefinition::default()
        })
    }
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
        let metrics = Arc::new(PolicyMetrics::default());
        let host = PluginHost::new(PluginSettings::default(), Arc::new(TestDirectory(mode)))?;
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
