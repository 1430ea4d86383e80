//! A gateway in this process with as many clients and tools as one likes, on a real database.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use http::HeaderMap;
use mcpjungle_host::catalog::ViewScope;
use mcpjungle_host::downstream::{AllowedHosts, EdgePolicy};
use mcpjungle_host::gateway::{AdminAuthentication, Gateway, GatewaySettings, PolicySource};
use mcpjungle_host::group::ToolGroup;
use mcpjungle_host::identity::IdentityKind;
use mcpjungle_host::names::{CanonicalName, GroupName, ServerName};
use mcpjungle_host::pipeline::{Denial, Endpoint, HttpRequest, ItemKind, Mode, Principal, Request};
use mcpjungle_host::secret::Secret;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::store::{
    ConfiguredKey, Database, IdentityRef, IdentityUpdate, KeySource, NewIdentity, NewToken, PostgresDatabase,
    PostgresSettings,
};
use mcpjungle_host::telemetry::ResourceAttributes;
use mcpjungle_host::upstream::{Offer, ProxySettings, UpstreamSettings};

use crate::process::Directory;
use crate::stored;
use crate::upstream::definition_of;

const ONE_SERVER: &str = "one-server";
const EVERY_TOOL: &str = "every-tool";

/// How many there are of what.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) clients: usize,
    pub(crate) servers: usize,
    pub(crate) tools_per_server: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.servers * self.tools_per_server;
        write!(f, "{} clients and {tools} tools of {} servers", self.clients, self.servers)
    }
}

/// A gateway and its clients, each of which may use one server.
pub(crate) struct Crowd {
    gateway: Arc<Gateway>,
    size: Size,
    /// What it took to create each of them, up to their being served.
    pub(crate) creations: Vec<Duration>,
    /// How often a token was replaced, so that each is another.
    rotations: AtomicUsize,
    _folder: Directory,
}

impl Crowd {
    /// On SQLite.
    pub(crate) async fn new(size: Size) -> Result<Self> {
        let folder = Directory::new()?;
        let (database, keys) = stored::database_in(&folder.path());
        Self::fill(folder, database, keys, size).await
    }

    /// On an empty PostgreSQL database.
    pub(crate) async fn on_postgres(url: &str, size: Size) -> Result<Self> {
        let database = Database::Postgres(PostgresDatabase::parse(url, PostgresSettings::Url)?);
        let key = ConfiguredKey { value: Secret::new("5a".repeat(32)), variable: "MCPJUNGLE_SECRET_KEY" };
        Self::fill(Directory::new()?, database, KeySource { configured: Some(key), key_file: None }, size).await
    }

    async fn fill(folder: Directory, database: Database, keys: KeySource, size: Size) -> Result<Self> {
        let gateway = Gateway::open(settings(&folder, database, keys)).await?;
        let admin = stored::digest("token-of-the-administrator")?;
        gateway.store.initialize(Mode::Enterprise, Some(admin)).await?;
        ensure!(gateway.store.revision().await? <= 2, "the database is not empty");
        for number in 0..size.servers {
            let server = server(number)?;
            gateway.store.put_server(&server, &offer(size.tools_per_server), false).await?;
        }
        let one_server = vec![server_name(0)];
        let every_tool = (0..size.servers)
            .flat_map(|server| (0..size.tools_per_server).map(move |tool| canonical(server, tool)))
            .collect();
        for group in [
            ToolGroup { included_servers: one_server, ..ToolGroup::new(GroupName::parse(ONE_SERVER)?) },
            ToolGroup { included_tools: every_tool, ..ToolGroup::new(GroupName::parse(EVERY_TOOL)?) },
        ] {
            gateway.store.create_group(&group).await?;
        }
        gateway.refresh().await?;
        let mut crowd = Self {
            gateway,
            size,
            creations: Vec::with_capacity(size.clients),
            rotations: AtomicUsize::new(0),
            _folder: folder,
        };
        for number in 0..size.clients {
            let begun = Instant::now();
            crowd.create_client(&client_name(number), &token(number), number).await?;
            crowd.creations.push(begun.elapsed());
        }
        Ok(crowd)
    }

    /// One call's authentication and authorization, by each client in turn.
    pub(crate) async fn decide(&self, number: usize) -> Result<Duration> {
        self.decide_at(number % self.size.clients, number, Endpoint::Main).await
    }

    /// The same at the endpoint of a group of one server.
    pub(crate) async fn decide_in_group(&self, number: usize) -> Result<Duration> {
        self.decide_of_first_server(number, ONE_SERVER).await
    }

    /// The same where the group names all tools one by one.
    pub(crate) async fn decide_in_list(&self, number: usize) -> Result<Duration> {
        self.decide_of_first_server(number, EVERY_TOOL).await
    }

    async fn decide_of_first_server(&self, number: usize, group: &str) -> Result<Duration> {
        let client = number * self.size.servers % self.size.clients;
        self.decide_at(client, number, Endpoint::Group(GroupName::parse(group)?)).await
    }

    async fn decide_at(&self, client: usize, number: usize, endpoint: Endpoint) -> Result<Duration> {
        let (pipeline, snapshot) = (self.gateway.pipeline(), self.gateway.snapshot());
        let name = CanonicalName::parse(&canonical(client % self.size.servers, number % self.size.tools_per_server))?;
        let request = Request { id: self.gateway.next_request_id(), endpoint, method: "tools/call".into() };
        // As from the wire: just written.
        let headers = headers(&token(client))?;
        let begun = Instant::now();
        let principal = self.authenticate(&headers, &request).await?;
        let (_, found) = snapshot.find(ItemKind::Tool, &name).context("a tool that is stored is not there")?;
        if let Endpoint::Group(group) = &request.endpoint {
            pipeline.select(&request, group.as_str(), &found.item).await.map_err(denied)?;
        }
        pipeline.authorize(&request, &principal, &found.item).await.map_err(denied)?;
        Ok(begun.elapsed())
    }

    /// The list of one client, made anew as after a change.
    pub(crate) async fn list(&self, number: usize) -> Result<Duration> {
        let headers = headers(&token(number % self.size.clients))?;
        let (pipeline, snapshot) = (self.gateway.pipeline(), self.gateway.snapshot());
        let id = self.gateway.next_request_id();
        let request = Request { id, endpoint: Endpoint::Main, method: "tools/list".into() };
        let principal = Arc::new(self.authenticate(&headers, &request).await?);
        self.gateway.views.clear();
        let begun = Instant::now();
        let scope = ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &principal };
        let view = self.gateway.views.view(scope, ItemKind::Tool).await.map_err(denied)?;
        ensure!(view.items.len() == self.size.tools_per_server, "{} tools are listed", view.items.len());
        Ok(begun.elapsed())
    }

    /// Creates a client beside those that there are.
    pub(crate) async fn create(&self, number: usize) -> Result<Duration> {
        let begun = Instant::now();
        self.create_client(&later_name(number), &format!("later-{}", token(number)), number).await?;
        Ok(begun.elapsed())
    }

    /// Deletes one that was created so.
    pub(crate) async fn delete_created(&self, number: usize) -> Result<Duration> {
        let begun = Instant::now();
        let name = later_name(number);
        ensure!(self.gateway.store.delete_identity(IdentityRef::Client(&name)).await?, "{name} is not there");
        self.gateway.refresh().await?;
        Ok(begun.elapsed())
    }

    /// Gives one of those that were created so another token.
    pub(crate) async fn rotate(&self, number: usize) -> Result<Duration> {
        let begun = Instant::now();
        let rotation = self.rotations.fetch_add(1, Ordering::Relaxed);
        let token = NewToken {
            digest: stored::digest(&format!("rotated-{rotation}-{}", token(number)))?,
            grace: Duration::from_secs(600),
        };
        let (name, update) = (later_name(number), IdentityUpdate { token: Some(token), ..IdentityUpdate::default() });
        ensure!(self.gateway.store.update_identity(IdentityRef::Client(&name), &update).await?, "{name} is not there");
        self.gateway.refresh().await?;
        Ok(begun.elapsed())
    }

    async fn create_client(&self, name: &str, token: &str, number: usize) -> Result<()> {
        let allow = [self.server_of(number)];
        let digest = stored::digest(token)?;
        let client = NewIdentity { kind: IdentityKind::Client, name, description: "", allow: &allow, digest };
        self.gateway.store.create_identity(&client).await?;
        Ok(self.gateway.refresh().await?)
    }

    async fn authenticate(&self, headers: &HeaderMap, request: &Request) -> Result<Principal> {
        let request = HttpRequest {
            id: &request.id,
            endpoint: &request.endpoint,
            method: "POST",
            path: "/mcp",
            headers,
            peer: "127.0.0.1",
        };
        self.gateway.pipeline().authenticate(request).await.map_err(denied)
    }

    fn server_of(&self, client: usize) -> String {
        server_name(client % self.size.servers)
    }
}

fn settings(folder: &Directory, database: Database, keys: KeySource) -> GatewaySettings {
    let upstreams = UpstreamSettings {
        init_timeout: Duration::from_secs(10),
        session_idle_timeout: None,
        supervisor: ("no-supervisor".into(), Vec::new()),
        child_environment: Default::default(),
        proxies: ProxySettings::default(),
        gateway_version: "0".to_owned(),
    };
    GatewaySettings {
        mode: Mode::Enterprise,
        version: "0".to_owned(),
        database,
        keys,
        policies: PolicySource::default(),
        admin_authentication: AdminAuthentication::default(),
        plugin_cache: Some(folder.path().join("compiled")),
        upstreams,
        edge: EdgePolicy { hosts: AllowedHosts::LoopbackAnd(Vec::new()), origins: Vec::new() },
        // As in enterprise mode by default.
        metrics: Some(ResourceAttributes::default()),
        bootstrap_token: None,
        audit: None,
    }
}

/// A server that nobody calls here.
fn server(number: usize) -> Result<Server> {
    Ok(Server {
        name: ServerName::parse(&server_name(number))?,
        description: String::new(),
        transport: Transport::StreamableHttp {
            url: "http://127.0.0.1:9/mcp".parse()?,
            bearer_token: None,
            headers: Default::default(),
        },
        session_mode: SessionMode::Stateless,
        tool_sync_interval_seconds: 86_400.try_into().ok(),
        audit: None,
    })
}

fn offer(tools: usize) -> Offer {
    let initialize =
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"0"}}"#;
    let tools = (0..tools).map(|number| definition_of(&tool_name(number)).into());
    Offer { initialize: initialize.into(), tools: tools.collect(), ..Offer::default() }
}

fn headers(token: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "localhost:8080"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2025-11-25"),
        ("user-agent", "bench"),
        ("authorization", &format!("Bearer {token}")),
    ] {
        headers.insert(name, value.parse()?);
    }
    Ok(headers)
}

fn denied(denial: Denial) -> anyhow::Error {
    anyhow!("denied: {denial}")
}

fn server_name(number: usize) -> String {
    format!("server-{number:03}")
}

fn tool_name(number: usize) -> String {
    format!("tool_{number:05}")
}

fn canonical(server: usize, tool: usize) -> String {
    format!("{}__{}", server_name(server), tool_name(tool))
}

fn client_name(number: usize) -> String {
    format!("client-{number:05}")
}

fn later_name(number: usize) -> String {
    format!("later-{number:05}")
}

/// Of the length that made ones have.
fn token(number: usize) -> String {
    format!("token-{number:037}")
}
