//! A record: the line of JSON that an event becomes, and what it is found by.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::admin::rfc3339;
use crate::audit::event::{Decision, Event, NamedPlugin, Target, cut};
use crate::audit::redact::{Captured, Recorded, without_secrets};
use crate::audit::time::parse_rfc3339;
use crate::pipeline::{Decider, Endpoint, ItemKind, PrincipalKind};

/// A record as it is written. Members that say nothing are left out.
#[derive(Serialize)]
struct Record<'a> {
    at: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugins: Vec<Plugin<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by: Vec<By<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Recorded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Recorded>,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
}

#[derive(Serialize)]
struct Principal<'a> {
    kind: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    grants: &'a [String],
    #[serde(skip_serializing_if = "is_none")]
    more_grants: usize,
}

#[derive(Serialize)]
struct By<'a> {
    stage: &'static str,
    plugin: &'a str,
    digest: &'a str,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none(number: &usize) -> bool {
    *number == 0
}

/// The line that an event becomes, without its end.
pub(super) fn write(event: &Event) -> String {
    let (decision, by, reason) = match &event.decision {
        Decision::Allowed(deciders) => (Some("allowed"), deciders.iter().map(By::of).collect(), None),
        Decision::Denied { by, code } => (Some("denied"), by.iter().map(By::of).collect(), Some(cut(code))),
        Decision::Unavailable(decider) => (Some("unavailable"), vec![By::of(decider)], None),
        Decision::Passed(decider) => (Some("passed"), vec![By::of(decider)], None),
        Decision::None => (None, Vec::new(), None),
    };
    let (mut item, mut asked, mut target) = (None, None, None);
    match &event.target {
        Target::None => {}
        Target::Item(found) => {
            item = Some(Item {
                kind: item_word(found.kind),
                name: without_secrets(cut(&found.name.to_string())).into_owned(),
                uri: found.uri.as_deref().map(|uri| without_secrets(cut(uri))),
            });
        }
        Target::Asked(name) => asked = Some(without_secrets(cut(name))),
        Target::Named(name) => target = Some(cut(name)),
    }
    let record = Record {
        at: rfc3339(event.at_ms),
        kind: event.kind.as_str(),
        request: event.request.as_deref(),
        principal: event
            .principal
            .as_ref()
            .map(|principal| Principal { kind: kind_word(principal.kind), name: &principal.name }),
        endpoint: event.endpoint.as_ref().map(endpoint_path),
        method: cut(&event.method),
        path: event.path.as_deref().map(cut),
        peer: event.peer.as_deref(),
        server: event.server.as_ref().map(|server| server.as_str()),
        item,
        asked,
        target,
        plugins: event.plugins.iter().map(Plugin::of).collect(),
        decision,
        by,
        reason,
        outcome: event.outcome,
        status: event.status,
        duration_us: event.duration.map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        request_bytes: event.request_bytes,
        response_bytes: event.response_bytes,
        arguments: event.arguments.as_ref().map(Captured::record),
        result: event.result.as_ref().map(Captured::record),
        suppressed: event.suppressed,
    };
    serde_json::to_string(&record).expect("text and numbers serialise")
}

impl<'a> Plugin<'a> {
    fn of(plugin: &'a NamedPlugin) -> Self {
        let NamedPlugin { name, component, grants, more_grants } = plugin;
        Self { name, component: component.as_deref(), grants, more_grants: *more_grants }
    }
}

impl<'a> By<'a> {
    fn of(decider: &'a Decider) -> Self {
        Self { stage: decider.stage.as_str(), plugin: &decider.plugin, digest: &decider.digest }
    }
}

/// The word for a kind of principal.
fn kind_word(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Anonymous => "anonymous",
        PrincipalKind::Client => "client",
        PrincipalKind::User => "user",
        PrincipalKind::Admin => "admin",
        PrincipalKind::Gateway => "gateway",
    }
}

fn item_word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource => "resource",
        ItemKind::ResourceTemplate => "resource-template",
    }
}

fn endpoint_path(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Main => "/mcp".to_owned(),
        Endpoint::Group(name) => format!("/v0/groups/{}/mcp", name.as_str()),
        Endpoint::Server(name) => format!("/v0/servers/{}/mcp", name.as_str()),
        Endpoint::Api => "/api/v0".to_owned(),
    }
}

/// What a record is found by, read from its text: columns of the database that say otherwise are wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// When it was, in milliseconds since 1970.
    pub at_ms: i64,
    /// What kind of thing it was.
    pub kind: String,
    /// What kind of principal it was for; empty if that was not known.
    pub principal_kind: String,
    /// The principal's name.
    pub principal: String,
    /// The server that it was about; empty if about none.
    pub server: String,
    /// Whether somebody was refused something.
    pub denied: bool,
}

impl Index {
    /// Of a record's text. One that cannot be read is found by nothing.
    pub fn of(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Read {
            at: String,
            kind: String,
            #[serde(default)]
            principal: ReadPrincipal,
            #[serde(default)]
            server: String,
            #[serde(default)]
            decision: String,
        }
        #[derive(Default, Deserialize)]
        struct ReadPrincipal {
            kind: String,
            name: String,
        }
        let Ok(read) = serde_json::from_str::<Read>(text) else { return Self::default() };
        Self {
            at_ms: parse_rfc3339(&read.at).unwrap_or(0),
            denied: matches!(read.decision.as_str(), "denied" | "unavailable"),
            kind: read.kind,
            principal_kind: read.principal.kind,
            // PostgreSQL takes no NUL in a text, and one record must not hold up all others.
            principal: read.principal.name.replace('\0', ""),
            server: read.server,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::audit::event::Kind;
    use crate::names::{CanonicalName, GroupName};
    use crate::pipeline::{self, Stage};

    fn decider() -> Decider {
        Decider { stage: Stage::Authorizer, plugin: "acl".into(), digest: "ab".into() }
    }

    #[test]
    fn a_record_says_all_that_is_known_and_is_found_by_it() {
        let client =
            pipeline::Principal { kind: PrincipalKind::Client, name: "c".into(), allow: vec![], attributes: vec![] };
        let name = CanonicalName::parse("s__t").unwrap();
        let event = Event {
            at_ms: 1_500,
            request: Some("r-1".into()),
            principal: Some(Arc::new(client)),
            endpoint: Some(Endpoint::Group(GroupName::parse("g").unwrap())),
            server: Some(name.server.clone()),
            target: Target::Item(pipeline::Item { kind: ItemKind::Tool, name, uri: None }),
            decision: Decision::Allowed([decider()].into()),
            duration: Some(Duration::from_micros(7)),
            request_bytes: Some(1),
            response_bytes: Some(2),
            ..Event::new(Kind::Call, "tools/call", "success")
        };
        let text = write(&event);
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:01.500Z","kind":"call","request":"r-1","principal":{"kind":"client","name":"c"},"endpoint":"/v0/groups/g/mcp","method":"tools/call","server":"s","item":{"kind":"tool","name":"s__t"},"decision":"allowed","by":[{"stage":"authorizer","plugin":"acl","digest":"ab"}],"outcome":"success","duration_us":7,"request_bytes":1,"response_bytes":2}"#
        );
        let index = Index {
            at_ms: 1_500,
            kind: "call".into(),
            principal_kind: "client".into(),
            principal: "c".into(),
            server: "s".into(),
            denied: false,
        };
        assert_eq!(Index::of(&text), index);
    }

    #[test]
    fn a_denial_is_found_as_one_and_a_callers_words_are_cut() {
        for decision in [Decision::Denied { by: Some(decider()), code: "no".into() }, Decision::Unavailable(decider())]
        {
            let event = Event {
                target: Target::Asked("é".repeat(1_000)),
                decision,
                ..Event::new(Kind::Denial, "tools/call", "denied")
            };
            let text = write(&event);
            assert!(Index::of(&text).denied && !text.contains('\n') && text.len() < 800, "{text}");
        }
        assert_eq!(Index::of("not JSON"), Index::default());
        let of_nul = r#"{"at":"1970-01-01T00:00:01Z","kind":"call","principal":{"kind":"client","name":"a\u0000b"}}"#;
        assert_eq!(Index::of(of_nul).principal, "ab");
    }
}
