//! Why an upstream gave no answer. The messages are what users read: they name
//! the server, and hold neither secrets nor anything of other callers.

use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};

use crate::names::ServerName;

/// Why an upstream gave no answer. A JSON-RPC error that it sent is an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UpstreamError {
    #[error("the HTTP client for MCP servers cannot be set up: {problem}")]
    Setup { problem: String },
    #[error("the client's capabilities are not JSON: {problem}")]
    InvalidCapabilities { problem: String },

    // Connecting.
    #[error("server `{server}`: connection to the MCP server {url} was refused{}", docker_hint(*.is_loopback))]
    Refused { server: ServerName, url: String, is_loopback: bool },
    #[error("server `{server}`: the MCP server {url} cannot be reached: {problem}")]
    Unreachable { server: ServerName, url: String, problem: String },
    #[error("server `{server}`: the command `{command}` could not be started: {problem}{}", args_hint(.command))]
    CannotStart { server: ServerName, command: String, problem: String },
    #[error("server `{server}`: it has {limit} upstream sessions already, and none became free")]
    TooManySessions { server: ServerName, limit: usize },

    #[error("{last}; it is tried again in the background, next {}", in_words(*.retry_in))]
    Down {
        /// Why the last attempt failed.
        last: Box<UpstreamError>,
        retry_in: Duration,
    },

    // Initializing.
    #[error(
        "server `{server}`: initialization request to MCP server timed out after {} seconds. To increase the \
         timeout, use the MCP_SERVER_INIT_REQ_TIMEOUT_SEC environment variable for the mcpjungle server{}",
        .limit.as_secs_f64(),
        if *.is_child { ", and check mcpjungle server logs for any errors from this MCP server" } else { "" }
    )]
    InitTimedOut { server: ServerName, limit: Duration, is_child: bool },
    #[error("server `{server}`: the MCP server's process ended while it was initialized ({status}){}", stderr_hint(.stderr))]
    ExitedInitializing {
        server: ServerName,
        /// Such as `exit status 1`.
        status: String,
        /// The last lines of its standard error; for administrators only.
        stderr: String,
    },
    #[error("server `{server}`: the MCP server refused to initialize: {message}")]
    InitRefused { server: ServerName, message: String },
    #[error("server `{server}`: the MCP server speaks protocol version {version:?}, which this gateway does not")]
    UnsupportedVersion { server: ServerName, version: String },

    // Calling.
    #[error(
        "server `{server}`: the MCP server does not accept the gateway's credentials (it answered with HTTP \
         {status}): check the bearer token and headers that it is registered with"
    )]
    Unauthorized { server: ServerName, status: u16 },
    #[error("server `{server}`: the MCP server answered with HTTP {status}{}", status_hint(*.status))]
    HttpStatus { server: ServerName, status: u16 },
    #[error("server `{server}`: the MCP server's answer is not valid: {problem}")]
    InvalidAnswer { server: ServerName, problem: String },
    #[error("server `{server}`: the MCP server's answer has more than {limit_bytes} bytes")]
    TooLarge { server: ServerName, limit_bytes: usize },
    #[error("server `{server}`: {how} before the MCP server's answer was complete")]
    Closed {
        server: ServerName,
        /// Such as `the connection was closed`.
        how: String,
    },

    #[error("server `{server}`: the call was cancelled by its client")]
    Cancelled { server: ServerName },

    // Listing.
    #[error("server `{server}`: the MCP server's {method} is of no use: {problem}")]
    InvalidList { server: ServerName, method: &'static str, problem: String },
    #[error("server `{server}`: {method} of the MCP server timed out after {} seconds", .limit.as_secs_f64())]
    ListTimedOut { server: ServerName, method: &'static str, limit: Duration },

    // Ending.
    #[error("server `{server}`: it was deregistered or changed during the call")]
    Forgotten { server: ServerName },
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

impl UpstreamError {
    /// The error as clients may see it: what a process wrote to its standard error
    /// is for administrators.
    pub(super) fn for_clients(mut self) -> Self {
        match &mut self {
            Self::ExitedInitializing { stderr, .. } => stderr.clear(),
            Self::Down { last, .. } => **last = last.as_ref().clone().for_clients(),
            _ => {}
        }
        self
    }
}

fn in_words(time: Duration) -> String {
    match time.as_secs_f64().ceil() as u64 {
        0 | 1 => "within a second".to_owned(),
        seconds => format!("in {seconds} seconds"),
    }
}

/// No shell takes a command apart.
fn args_hint(command: &str) -> &'static str {
    if command.contains(' ') { "; if it holds arguments, they belong into `args`" } else { "" }
}

fn docker_hint(is_loopback: bool) -> &'static str {
    if is_loopback {
        ". If mcpjungle is running inside Docker, use 'host.docker.internal' as your MCP server's hostname"
    } else {
        ""
    }
}

fn stderr_hint(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; the last that it said: {stderr}") }
}

fn status_hint(status: u16) -> &'static str {
    match status {
        300..400 => ", a redirect, which is not followed: register the URL that it leads to",
        400 => ": check that its `transport` is right (`streamable_http` or `sse`)",
        404 | 405 => ": check the path of its URL, and that its `transport` is right (`streamable_http` or `sse`)",
        _ => "",
    }
}

/// Whether this URL can only mean the machine, or container, of the gateway.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A URL as messages show it. Some servers carry a credential in the path or the
/// query, so elsewhere than on loopback only the origin is shown.
pub(super) fn shown_url(url: &Url) -> String {
    let path = if is_loopback(url) { url.path() } else { "" };
    format!("{}{path}", url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_no_part_of_a_url_that_may_be_a_credential() {
        for (url, shown) in [
            ("http://user:pass@localhost:8000/mcp?key=s#f", "http://localhost:8000/mcp"),
            ("https://user:pass@tools.example/secret/mcp?key=s", "https://tools.example"),
            ("http://[::1]:9/mcp", "http://[::1]:9/mcp"),
        ] {
            assert_eq!(shown_url(&Url::parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn the_documented_messages_stand_as_documented() {
        let server = ServerName::parse("time").unwrap();
        let refused =
            UpstreamError::Refused { server: server.clone(), url: "http://localhost:1/mcp".into(), is_loopback: true };
        assert_eq!(
            refused.to_string(),
            "server `time`: connection to the MCP server http://localhost:1/mcp was refused. If mcpjungle is running \
             inside Docker, use 'host.docker.internal' as your MCP server's hostname"
        );
        let timed_out = UpstreamError::InitTimedOut { server, limit: Duration::from_secs(30), is_child: false };
        assert_eq!(
            timed_out.to_string(),
            "server `time`: initialization request to MCP server timed out after 30 seconds. To increase the \
             timeout, use the MCP_SERVER_INIT_REQ_TIMEOUT_SEC environment variable for the mcpjungle server"
        );
    }

    #[test]
    fn slips_in_a_registration_are_pointed_at() {
        let server = ServerName::parse("time").unwrap();
        let started = |command: &str| {
            UpstreamError::CannotStart { server: server.clone(), command: command.into(), problem: "no".into() }
                .to_string()
        };
        assert!(started("node server.js").ends_with(": no; if it holds arguments, they belong into `args`"));
        assert!(started("node").ends_with(": no"));
        let answered = |status: u16| UpstreamError::HttpStatus { server: server.clone(), status }.to_string();
        assert!(answered(400).contains("`transport`") && answered(404).contains("`transport`"));
        assert!(answered(500).ends_with("HTTP 500"));
    }

    #[test]
    fn what_a_process_said_is_kept_from_clients() {
        let server = ServerName::parse("time").unwrap();
        let error =
            UpstreamError::ExitedInitializing { server, status: "exit status 1".into(), stderr: "no key".into() };
        assert!(error.to_string().ends_with("(exit status 1); the last that it said: no key"));
        let down = UpstreamError::Down { last: Box::new(error.clone()), retry_in: Duration::from_millis(1100) };
        assert!(
            down.for_clients()
                .to_string()
                .ends_with("(exit status 1); it is tried again in the background, next in 2 seconds")
        );
        assert!(error.for_clients().to_string().ends_with("(exit status 1)"));
    }
}
