//! What policies are asked about and what they answer, in the host's own types.
//! The contract's twins of these types are in `wit/`; only `plugin` knows both.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::names::{CanonicalName, GroupName, ServerName};
use crate::secret::Secret;

/// What kind of party a request acts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// Nobody in particular: development mode.
    Anonymous,
    /// An MCP client with a stored record.
    Client,
    /// A human with access to the admin API.
    User,
    /// A user who may also change what the gateway does.
    Admin,
    /// The gateway itself: registration, catalog sync.
    Gateway,
}

/// Whom a request acts for: the result of authentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// What kind of party this is.
    pub kind: PrincipalKind,
    /// Unique within its kind; empty when anonymous.
    pub name: String,
    /// What its authenticator grants it: patterns over canonical names. Empty grants nothing.
    pub allow: Vec<String>,
    /// Further facts, name and value, for later stages.
    pub attributes: Vec<(String, String)>,
}

impl Principal {
    /// Nobody in particular, who may use everything: development mode without an authenticator.
    pub fn anonymous() -> Self {
        Self { kind: PrincipalKind::Anonymous, name: String::new(), allow: vec!["*".into()], attributes: Vec::new() }
    }

    /// The gateway on its own behalf: registration and catalog sync.
    pub fn gateway() -> Self {
        Self { kind: PrincipalKind::Gateway, name: "gateway".into(), allow: vec!["*".into()], attributes: Vec::new() }
    }
}

/// What kind of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemKind {
    /// Something to call.
    Tool,
    /// A prompt template to render.
    Prompt,
    /// Something to read, by its URI.
    Resource,
    /// A family of resources, by a URI template.
    ResourceTemplate,
}

impl ItemKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::ResourceTemplate];

    /// The MCP method that lists them.
    pub fn list_method(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
            Self::Resource => "resources/list",
            Self::ResourceTemplate => "resources/templates/list",
        }
    }
}

/// One thing that an upstream offers, as policies see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The server that offers it, and its own name there.
    pub name: CanonicalName,
    /// The upstream's own URI or URI template; `None` for tools and prompts.
    pub uri: Option<Arc<str>>,
}

/// The endpoint that a request came in at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/mcp`.
    Main,
    /// `/v0/groups/{name}/mcp`.
    Group(GroupName),
    /// `/v0/servers/{name}/mcp`.
    Server(ServerName),
    /// `/api/v0`.
    Api,
}

/// The request that a decision belongs to.
#[derive(Debug, Clone)]
pub struct Request {
    /// The same for all decisions about one request, and in the log.
    pub id: Arc<str>,
    /// Where it came in.
    pub endpoint: Endpoint,
    /// The MCP method, such as `tools/call`.
    pub method: Arc<str>,
}

/// The part of an HTTP request that tells who sent it.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// The same for all decisions about one request, and in the log.
    pub id: &'a str,
    /// Where it came in.
    pub endpoint: &'a Endpoint,
    /// The HTTP method.
    pub method: &'a str,
    /// The path of the URL, without the query.
    pub path: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The address of the peer, without a port.
    pub peer: &'a str,
}

/// An authenticator's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The request acts for this principal.
    Authenticated(Principal),
    /// Nothing here that this authenticator knows.
    Abstain,
    /// Refused.
    Denied(Reason),
}

/// Why a policy refused, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A short stable word for programs.
    pub code: String,
    /// A sentence for the log; shown to the caller only when a guard gives it.
    pub text: String,
}

/// One policy's yes, or no and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may happen.
    Allow,
    /// It may not.
    Deny(Reason),
}

/// How long an answer may be kept and given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Until the catalog, the directory or the pipeline changes.
    UntilChange,
    /// For so many milliseconds, and not beyond a change.
    Milliseconds(u32),
    /// Not at all.
    NotKept,
}

impl Validity {
    /// The shorter of two: an answer made of both holds as long as both do.
    pub fn shorter(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotKept, _) | (_, Self::NotKept) => Self::NotKept,
            (Self::Milliseconds(a), Self::Milliseconds(b)) => Self::Milliseconds(a.min(b)),
            (Self::Milliseconds(a), Self::UntilChange) | (Self::UntilChange, Self::Milliseconds(a)) => {
                Self::Milliseconds(a)
            }
            (Self::UntilChange, Self::UntilChange) => Self::UntilChange,
        }
    }
}

/// The answer to a question about many items at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// One answer for each item asked about, in the same order.
    pub visible: Vec<bool>,
    /// How long this answer holds.
    pub holds: Validity,
}

/// What a header-injector may know of an upstream.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamView<'a> {
    /// Its name.
    pub name: &'a ServerName,
    /// How it is reached: `streamable_http`, `stdio` or `sse`.
    pub transport: &'a str,
    /// The names of the secrets stored with it.
    pub secret_names: &'a [String],
}

/// What a header is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectedValue {
    /// This text.
    Literal(String),
    /// A secret of the upstream, filled in by the host.
    Secret {
        /// Text before it, such as `Bearer `; may be empty.
        prefix: String,
        /// The secret's name.
        name: String,
    },
    /// A secret that the injector was granted, filled in by the host.
    GrantedSecret {
        /// Text before it, such as `Bearer `; may be empty.
        prefix: String,
        /// The secret's name.
        name: String,
        /// The secret, without the white space around it.
        value: Secret,
    },
}

/// One header to send upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedHeader {
    /// Checked: never `Host`, a hop-by-hop header, `Content-*` or `Mcp-*`.
    pub name: HeaderName,
    /// Its value.
    pub value: InjectedValue,
}

/// What a guard does with arguments or a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// Leave them as they are.
    Pass,
    /// Put this JSON text, already checked to be one, in their place.
    Rewrite(Bytes),
    /// Refuse; the caller is told the reason.
    Deny(Reason),
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered.
    Success,
    /// The upstream answered with an error, or a tool with `isError`.
    Error,
    /// A policy refused.
    Denied,
    /// The upstream or a policy could not be reached.
    Unavailable,
}

/// One request that has ended, for observers.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The request.
    pub request: Request,
    /// Whom it acted for; `None` if it was refused before that was known.
    pub principal: Option<Arc<Principal>>,
    /// What it was about, if about one item.
    pub item: Option<Item>,
    /// How it ended.
    pub outcome: Outcome,
    /// The plugin that refused, if one did.
    pub denied_by: Option<Arc<str>>,
    /// From arrival to the last byte, in microseconds.
    pub duration_us: u64,
}
