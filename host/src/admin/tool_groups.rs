//! Tool groups. What is in one is the tool-filters' decision, here too.

use http::header::HOST;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::admin::error::{ApiError, with_sources};
use crate::admin::input::nullable;
use crate::gateway::Gateway;
use crate::group::ToolGroup;
use crate::names::GroupName;

mod check;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod effective;
pub(super) mod read;
pub(super) mod update;

pub(super) use check::check_names;

/// A group as an administrator writes it. The name is checked apart: on an
/// update the path gives it.
#[derive(Debug, Deserialize)]
pub struct GroupDescription {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    description: String,
    #[serde(default, deserialize_with = "nullable")]
    included_tools: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    included_servers: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    excluded_tools: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    included_prompts: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    excluded_prompts: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    included_resources: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    excluded_resources: Vec<String>,
    /// `None`: every client.
    #[serde(default)]
    allowed_clients: Option<Vec<String>>,
}

impl GroupDescription {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_group(self, name: GroupName) -> ToolGroup {
        ToolGroup {
            name,
            description: self.description,
            included_tools: self.included_tools,
            included_servers: self.included_servers,
            excluded_tools: self.excluded_tools,
            included_prompts: self.included_prompts,
            excluded_prompts: self.excluded_prompts,
            included_resources: self.included_resources,
            excluded_resources: self.excluded_resources,
            allowed_clients: self.allowed_clients,
        }
    }
}

fn holds_nothing() -> ApiError {
    ApiError::invalid(
        "tool group must contain at least one tool, prompt or resource after resolving servers and exclusions",
    )
}

/// Undoes a change that turned out to be refused, unless another gateway has made one
/// since; what the caller is told.
async fn take_back(gateway: &Gateway, written: &ToolGroup, old: Option<&ToolGroup>, refusal: ApiError) -> ApiError {
    let name = &written.name;
    let (problem, remedy) = match gateway.store.take_back_group(written, old).await {
        Ok(is_taken_back) => match gateway.refresh().await {
            Ok(()) => {
                if !is_taken_back {
                    tracing::info!(group = %name, "a refused change was not taken back: another came after it");
                }
                return refusal;
            }
            Err(error) => (with_sources(&error), "it is served until the database answers again"),
        },
        Err(error) => (with_sources(&error), "it is stored and served: update or delete it when the database is back"),
    };
    tracing::error!(group = %name, error = problem, "a refused change could not be taken back");
    let message =
        format!("tool group {name} is refused ({}), but could not be taken back: {remedy}", refusal.message());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

fn missing(name: &GroupName) -> ApiError {
    ApiError::not_found(format!("tool group not found: {name}"))
}

/// Where a group is served, by the name that the caller knows the gateway under.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Endpoints {
    streamable_http_endpoint: String,
    sse_endpoint: String,
    sse_message_endpoint: String,
}

impl Endpoints {
    fn of(name: &GroupName, headers: &HeaderMap) -> Self {
        let text = |header: &str| headers.get(header).and_then(|value| value.to_str().ok());
        let scheme = match text("x-forwarded-proto") {
            Some(protocol) if protocol.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        let base = format!("{scheme}://{}/v0/groups/{name}", text(HOST.as_str()).unwrap_or("localhost"));
        Self {
            streamable_http_endpoint: format!("{base}/mcp"),
            sse_endpoint: format!("{base}/sse"),
            sse_message_endpoint: format!("{base}/message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn endpoints_are_named_as_the_caller_reached_the_gateway() {
        let name = GroupName::parse("g").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("gw.example:8443"));
        assert_eq!(Endpoints::of(&name, &headers).streamable_http_endpoint, "http://gw.example:8443/v0/groups/g/mcp");
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert_eq!(Endpoints::of(&name, &headers).sse_endpoint, "https://gw.example:8443/v0/groups/g/sse");
    }
}
