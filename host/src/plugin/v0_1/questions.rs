//! From the host's types to the contract's: borrowed, never copied.

use crate::names::ServerName;
use crate::pipeline::{self, Endpoint, HttpRequest, Item, ItemKind, Observation, Principal, Request, UpstreamView};
use crate::plugin::v0_1::imports::principal_kind;
use crate::plugin::v0_1::{authenticator, header_injector, observer, types};

pub(super) fn request(request: &Request) -> types::Request<'_> {
    types::Request { id: &request.id, endpoint: endpoint(&request.endpoint), method: &request.method }
}

fn endpoint(endpoint: &Endpoint) -> types::Endpoint<'_> {
    match endpoint {
        Endpoint::Main => types::Endpoint::Main,
        Endpoint::Group(name) => types::Endpoint::Group(name.as_str()),
        Endpoint::Server(name) => types::Endpoint::Server(name.as_str()),
        Endpoint::Api => types::Endpoint::Api,
    }
}

pub(super) fn item(item: &Item) -> types::ItemParam<'_> {
    types::ItemParam {
        kind: match item.kind {
            ItemKind::Tool => types::ItemKind::Tool,
            ItemKind::Prompt => types::ItemKind::Prompt,
            ItemKind::Resource => types::ItemKind::Resource,
            ItemKind::ResourceTemplate => types::ItemKind::ResourceTemplate,
        },
        server: item.name.server.as_str(),
        name: &item.name.name,
        uri: item.uri.as_deref(),
    }
}

pub(super) fn items<'a>(items: &[&'a Item]) -> Vec<types::ItemParam<'a>> {
    items.iter().map(|&one| item(one)).collect()
}

/// A principal's lists as the contract wants them: slices of slices need a place to be.
pub(super) struct PrincipalParts<'a> {
    principal: &'a Principal,
    allow: Vec<&'a str>,
    attributes: Vec<types::AttributeParam<'a>>,
}

impl<'a> PrincipalParts<'a> {
    pub(super) fn of(principal: &'a Principal) -> Self {
        let attribute = |(name, value): &'a (String, String)| types::AttributeParam { name, value };
        Self {
            principal,
            allow: principal.allow.iter().map(String::as_str).collect(),
            attributes: principal.attributes.iter().map(attribute).collect(),
        }
    }

    pub(super) fn as_param(&self) -> types::PrincipalParam<'_> {
        types::PrincipalParam {
            kind: principal_kind(self.principal.kind),
            name: &self.principal.name,
            allow: &self.allow,
            attributes: &self.attributes,
        }
    }
}

pub(super) fn headers<'a>(request: &HttpRequest<'a>) -> Vec<authenticator::Header<'a>> {
    let header = |(name, value): (&'a http::HeaderName, &'a http::HeaderValue)| authenticator::Header {
        name: name.as_str(),
        value: value.as_bytes(),
    };
    request.headers.iter().map(header).collect()
}

pub(super) fn http_request<'a>(
    request: &HttpRequest<'a>,
    headers: &'a [authenticator::Header<'a>],
) -> authenticator::HttpRequest<'a> {
    authenticator::HttpRequest {
        id: request.id,
        endpoint: endpoint(request.endpoint),
        method: request.method,
        path: request.path,
        headers,
        peer: request.peer,
    }
}

pub(super) fn secret_names<'a>(upstream: &UpstreamView<'a>) -> Vec<&'a str> {
    upstream.secret_names.iter().map(String::as_str).collect()
}

pub(super) fn upstream<'a>(upstream: &UpstreamView<'a>, secret_names: &'a [&'a str]) -> header_injector::Upstream<'a> {
    let name: &'a ServerName = upstream.name;
    let transport = match upstream.transport {
        "stdio" => header_injector::Transport::Stdio,
        "sse" => header_injector::Transport::Sse,
        _ => header_injector::Transport::StreamableHttp,
    };
    header_injector::Upstream { name: name.as_str(), transport, secret_names }
}

pub(super) fn principals(observations: &[Observation]) -> Vec<Option<PrincipalParts<'_>>> {
    observations.iter().map(|observation| observation.principal.as_deref().map(PrincipalParts::of)).collect()
}

pub(super) fn observations<'a>(
    observations: &'a [Observation],
    principals: &'a [Option<PrincipalParts<'a>>],
) -> Vec<observer::Observation<'a>> {
    let convert = |(observation, principal): (&'a Observation, &'a Option<PrincipalParts<'a>>)| observer::Observation {
        request: request(&observation.request),
        principal: principal.as_ref().map(PrincipalParts::as_param),
        item: observation.item.as_ref().map(item),
        outcome: outcome(observation.outcome),
        denied_by: observation.denied_by.as_deref(),
        duration: observation.duration_us,
    };
    observations.iter().zip(principals).map(convert).collect()
}

fn outcome(outcome: pipeline::Outcome) -> observer::Outcome {
    match outcome {
        pipeline::Outcome::Success => observer::Outcome::Success,
        pipeline::Outcome::Error => observer::Outcome::Error,
        pipeline::Outcome::Denied => observer::Outcome::Denied,
        pipeline::Outcome::Unavailable => observer::Outcome::Unavailable,
    }
}
