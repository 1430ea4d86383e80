//! What is asked: who would call what, and where.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ApiError, Endpoint, GroupName, ItemKind, Mode, ServerName};
use crate::{walk, wire};

/// The body. One of `tool`, `prompt` and `resource` must be there.
#[derive(Debug, Deserialize)]
pub(in crate::admin) struct Question {
    client: Option<String>,
    user: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    /// A URI.
    resource: Option<String>,
    group: Option<String>,
    /// Whose own endpoint is meant.
    server: Option<String>,
    /// The arguments, an object.
    input: Option<Box<RawValue>>,
}

/// Who would call.
pub(super) enum Subject {
    /// Nobody in particular, which is everybody in development mode.
    Anybody,
    Client(String),
    User(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody"),
            Self::Client(name) => write!(f, "client `{name}`"),
            Self::User(name) => write!(f, "user `{name}`"),
        }
    }
}

impl Question {
    pub(super) fn subject(&self, mode: Mode) -> Result<Subject, ApiError> {
        match (&self.client, &self.user) {
            (Some(client), None) => Ok(Subject::Client(client.clone())),
            (None, Some(user)) => Ok(Subject::User(user.clone())),
            (None, None) if mode == Mode::Development => Ok(Subject::Anybody),
            (None, None) => Err(ApiError::invalid("say who would call: `client` or `user`")),
            (Some(_), Some(_)) => Err(ApiError::invalid("give either `client` or `user`, not both")),
        }
    }

    /// A user calls over the API, everybody else at an MCP endpoint.
    pub(super) fn endpoint(&self, subject: &Subject) -> Result<Endpoint, ApiError> {
        match (&self.group, &self.server, subject) {
            (None, None, Subject::User(_)) => Ok(Endpoint::Api),
            (_, _, Subject::User(_)) => {
                Err(ApiError::invalid("a user has the API only: `group` and `server` are for a `client`"))
            }
            (Some(group), None, _) => Ok(Endpoint::Group(GroupName::parse(group)?)),
            (None, Some(server), _) => Ok(Endpoint::Server(ServerName::parse(server)?)),
            (None, None, _) => Ok(Endpoint::Main),
            (Some(_), Some(_), _) => Err(ApiError::invalid("give either `group` or `server`, not both")),
        }
    }

    /// What it is about: the kind, and the name as the caller would give it.
    pub(super) fn asked(&self) -> Result<(ItemKind, &str), ApiError> {
        match (&self.tool, &self.prompt, &self.resource) {
            (Some(tool), None, None) => Ok((ItemKind::Tool, tool)),
            (None, Some(prompt), None) => Ok((ItemKind::Prompt, prompt)),
            (None, None, Some(resource)) => Ok((ItemKind::Resource, resource)),
            _ => Err(ApiError::invalid("give one of `tool`, `prompt` and `resource`")),
        }
    }

    /// The server whose own endpoint is meant.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The MCP method, and the request that the caller would send.
    pub(super) fn call(&self) -> Result<(&'static str, wire::Request), ApiError> {
        #[derive(Serialize)]
        struct Params<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            uri: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            arguments: Option<&'a RawValue>,
        }
        let (kind, asked) = self.asked()?;
        let arguments = self.input.as_deref().filter(|input| input.get() != "null");
        if arguments.is_some_and(|input| !input.get().starts_with('{')) {
            return Err(ApiError::invalid("`input` must be a JSON object"));
        }
        let (method, params) = match kind {
            ItemKind::Tool => ("tools/call", Params { name: Some(asked), uri: None, arguments }),
            ItemKind::Prompt => ("prompts/get", Params { name: Some(asked), uri: None, arguments }),
            ItemKind::Resource | ItemKind::ResourceTemplate if arguments.is_some() => {
                return Err(ApiError::invalid("`input` is for a tool or a prompt"));
            }
            ItemKind::Resource | ItemKind::ResourceTemplate => {
                ("resources/read", Params { name: None, uri: Some(asked), arguments: None })
            }
        };
        let request = walk::author_call(method, &params);
        Ok((method, request.map_err(|error| ApiError::invalid(format!("`input` cannot be sent: {error}")))?))
    }
}
