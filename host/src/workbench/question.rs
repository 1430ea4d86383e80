//! One question to one stage, and the answer as people write it in a cases file.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::names::ServerName;
use crate::pipeline::{
    Authentication, CallError, Decision, Endpoint, HttpRequest, InjectedHeader, InjectedValue, Item, ItemKind, Listing,
    Observation, Plugin, Principal, PrincipalKind, Reason, Request, Review, Stage, UpstreamView, Validity,
};

/// What a decision is about, besides the item.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) request: Request,
    pub(crate) principal: Principal,
}

/// The part of an HTTP request that tells who sent it.
#[derive(Debug, Clone)]
pub(crate) struct HttpQuestion {
    pub(crate) id: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: String,
}

/// A registered server.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) name: ServerName,
    pub(crate) transport: &'static str,
    pub(crate) secret_names: Vec<String>,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    Authenticate(HttpQuestion),
    Authorize { about: About, item: Item },
    AuthorizeItems { about: About, items: Vec<Item> },
    Select { about: About, group: String, item: Item },
    SelectItems { about: About, group: String, items: Vec<Item> },
    ReviewArguments { about: About, item: Item, text: String },
    ReviewResult { about: About, item: Item, text: String },
    Inject { about: About, upstream: Upstream },
    Observe(Vec<Observation>),
}

/// What a component answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Authentication(Authentication),
    Decision(Decision),
    Listing(Listing),
    Review(Review),
    Headers(Result<Vec<InjectedHeader>, Reason>),
    /// An observer's: it has been told.
    Told,
}

impl Question {
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Authenticate(_) => Stage::Authenticator,
            Self::Authorize { .. } | Self::AuthorizeItems { .. } => Stage::Authorizer,
            Self::Select { .. } | Self::SelectItems { .. } => Stage::ToolFilter,
            Self::ReviewArguments { .. } | Self::ReviewResult { .. } => Stage::Guard,
            Self::Inject { .. } => Stage::HeaderInjector,
            Self::Observe(_) => Stage::Observer,
        }
    }

    /// Asks a plugin. Panics if it does not have the stage: who makes questions looks at that first.
    pub(crate) async fn ask(&self, plugin: &Plugin) -> Result<Answer, CallError> {
        const STAGE: &str = "questions are only made for stages that the component exports";
        match self {
            Self::Authenticate(http) => {
                let HttpQuestion { id, endpoint, method, path, headers, peer } = http;
                let request = HttpRequest { id, endpoint, method, path, headers, peer };
                plugin.authenticator.as_ref().expect(STAGE).authenticate(request).await.map(Answer::Authentication)
            }
            Self::Authorize { about: About { request, principal }, item } => {
                let authorizer = plugin.authorizer.as_ref().expect(STAGE);
                authorizer.authorize(request, principal, item).await.map(Answer::Decision)
            }
            Self::AuthorizeItems { about: About { request, principal }, items } => {
                let items: Vec<&Item> = items.iter().collect();
                let authorizer = plugin.authorizer.as_ref().expect(STAGE);
                authorizer.authorize_items(request, principal, &items).await.map(Answer::Listing)
            }
            Self::Select { about, group, item } => {
                let filter = plugin.tool_filter.as_ref().expect(STAGE);
                filter.select(&about.request, group, item).await.map(Answer::Decision)
            }
            Self::SelectItems { about, group, items } => {
                let items: Vec<&Item> = items.iter().collect();
                let filter = plugin.tool_filter.as_ref().expect(STAGE);
                filter.select_items(&about.request, group, &items).await.map(Answer::Listing)
            }
            Self::ReviewArguments { about: About { request, principal }, item, text } => {
                let guard = plugin.guard.as_ref().expect(STAGE);
                guard.review_arguments(request, principal, item, text).await.map(Answer::Review)
            }
            Self::ReviewResult { about: About { request, principal }, item, text } => {
                let guard = plugin.guard.as_ref().expect(STAGE);
                guard.review_result(request, principal, item, text).await.map(Answer::Review)
            }
            Self::Inject { about: About { request, principal }, upstream } => {
                let Upstream { name, transport, secret_names } = upstream;
                let view = UpstreamView { name, transport, secret_names };
                let injector = plugin.header_injector.as_ref().expect(STAGE);
                injector.inject(request, principal, view).await.map(Answer::Headers)
            }
            Self::Observe(observations) => {
                let observer = plugin.observer.as_ref().expect(STAGE);
                observer.observe(observations).await.map(|()| Answer::Told)
            }
        }
    }

    /// The items that a list is about.
    pub(crate) fn items(&self) -> &[Item] {
        match self {
            Self::AuthorizeItems { items, .. } | Self::SelectItems { items, .. } => items,
            Self::Authorize { item, .. } | Self::Select { item, .. } => std::slice::from_ref(item),
            _ => &[],
        }
    }

    /// A question about several items, about one of them.
    pub(crate) fn one(&self, item: &Item) -> Option<Self> {
        let item = item.clone();
        match self.clone() {
            Self::AuthorizeItems { about, .. } => Some(Self::Authorize { about, item }),
            Self::SelectItems { about, group, .. } => Some(Self::Select { about, group, item }),
            _ => None,
        }
    }

    /// A question about one item, as one about a list of it.
    pub(crate) fn list(&self) -> Option<Self> {
        match self.clone() {
            Self::Authorize { about, item } => {
                Some(Self::AuthorizeItems { about: about.listing(&item), items: vec![item] })
            }
            Self::Select { about, group, item } => {
                Some(Self::SelectItems { about: about.listing(&item), group, items: vec![item] })
            }
            _ => None,
        }
    }
}

impl About {
    /// As a list of such items would be asked for.
    fn listing(mut self, item: &Item) -> Self {
        self.request.method = item.kind.list_method().into();
        self
    }
}

impl Answer {
    /// In the words of a cases file: an object with one key that says what kind of answer it is, and with `holds`
    /// beside it for lists. `items` are those asked about.
    pub(crate) fn to_value(&self, items: &[Item]) -> Value {
        match self {
            Self::Authentication(Authentication::Authenticated(principal)) => {
                json!({ "principal": principal_value(principal) })
            }
            Self::Authentication(Authentication::Abstain) => word("abstain"),
            Self::Decision(Decision::Allow) => word("allow"),
            Self::Authentication(Authentication::Denied(reason))
            | Self::Decision(Decision::Deny(reason))
            | Self::Review(Review::Deny(reason))
            | Self::Headers(Err(reason)) => json!({ "deny": { "code": reason.code, "reason": reason.text } }),
            Self::Listing(listing) => {
                let seen = items.iter().zip(&listing.visible).filter(|(_, is_visible)| **is_visible);
                let names: Vec<String> = seen.map(|(item, _)| item.name.to_string()).collect();
                let holds = match listing.holds {
                    Validity::UntilChange => json!("until-change"),
                    Validity::Milliseconds(milliseconds) => json!(milliseconds),
                    Validity::NotKept => json!("not-kept"),
                };
                json!({ "visible": names, "holds": holds })
            }
            Self::Review(Review::Pass) => word("pass"),
            Self::Review(Review::Rewrite(text)) => {
                // Checked to be JSON where the answer came in.
                json!({ "rewrite": serde_json::from_slice::<Value>(text).unwrap_or(Value::Null) })
            }
            Self::Headers(Ok(headers)) => {
                let header = |header: &InjectedHeader| {
                    let value = match &header.value {
                        InjectedValue::Literal(text) => json!(text),
                        InjectedValue::Secret { prefix, name } => json!({ "secret": name, "prefix": prefix }),
                        InjectedValue::GrantedSecret { prefix, name, .. } => {
                            json!({ "granted_secret": name, "prefix": prefix })
                        }
                    };
                    (header.name.as_str().to_owned(), value)
                };
                json!({ "headers": headers.iter().map(header).collect::<Map<_, _>>() })
            }
            Self::Told => word("told"),
        }
    }
}

/// An answer without anything else to it.
pub(crate) fn word(word: &str) -> Value {
    json!({ word: {} })
}

fn principal_value(principal: &Principal) -> Value {
    let attributes: Map<String, Value> =
        principal.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "kind": principal_kind_word(principal.kind),
        "name": principal.name,
        "allow": principal.allow,
        "attributes": attributes,
    })
}

pub(crate) fn principal_kind_word(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Anonymous => "anonymous",
        PrincipalKind::Client => "client",
        PrincipalKind::User => "user",
        PrincipalKind::Admin => "admin",
        PrincipalKind::Gateway => "gateway",
    }
}

pub(crate) fn item_kind_word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource => "resource",
        ItemKind::ResourceTemplate => "resource-template",
    }
}

/// The word of a failure in `expect: {fails: …}`.
pub(crate) fn failure_word(error: &CallError) -> &'static str {
    match error {
        CallError::Trapped { .. } => "trap",
        CallError::DeadlineExceeded { .. } => "deadline",
        CallError::MemoryExceeded { .. } => "memory",
        CallError::HostCallsExceeded { .. } => "host-calls",
        CallError::MalformedAnswer { .. } => "malformed",
        CallError::Saturated { .. } => "saturated",
    }
}

/// A request of this number, at this endpoint.
pub(crate) fn request(number: usize, endpoint: Endpoint, method: &str) -> Request {
    Request { id: Arc::from(format!("case-{number}")), endpoint, method: method.into() }
}
