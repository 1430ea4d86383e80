//! A server as an administrator describes it, checked before anything is done with it.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::admin::error::ApiError;
use crate::admin::input::nullable;
use crate::admin::servers::REDACTED;
use crate::audit::redact::folded;
use crate::names::ServerName;
use crate::secret::Secret;
use crate::server::{
    AuditDetail, DEFAULT_TOOL_SYNC_INTERVAL_SECONDS, Server, SessionMode, Transport, is_reserved_header,
};

const TRANSPORTS: &str = "acceptable values: 'streamable_http', 'stdio', 'sse'";

/// The body of `POST /servers`, and the configuration file of `mcpjungle register`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ServerDescription {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    transport: String,
    #[serde(deserialize_with = "nullable")]
    description: String,
    #[serde(deserialize_with = "nullable")]
    url: String,
    #[serde(deserialize_with = "nullable")]
    bearer_token: String,
    #[serde(deserialize_with = "nullable")]
    headers: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    command: String,
    #[serde(deserialize_with = "nullable")]
    args: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    env: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    session_mode: String,
    tool_sync_interval_seconds: Value,
    audit: Value,
}

/// The audit log is for who did what, and not a copy of all data.
const MAX_AUDIT_BYTES: u32 = 65_536;

/// URL, bearer token and headers.
type Endpoint = (Url, Option<Secret>, BTreeMap<String, Secret>);

impl ServerDescription {
    /// Checks everything that can be checked without connecting.
    pub(in crate::admin) fn parse(self) -> Result<Server, ApiError> {
        let name = ServerName::parse(&self.name)?;
        let session_mode = SessionMode::parse(&self.session_mode).ok_or_else(|| {
            let given = &self.session_mode;
            ApiError::invalid(format!("unsupported session mode: {given} (acceptable values: 'stateless', 'stateful')"))
        })?;
        let tool_sync_interval_seconds = parse_interval(&self.tool_sync_interval_seconds)?;
        let audit = parse_audit(&self.audit)?;
        if self.description.contains('\0') {
            return Err(ApiError::invalid("the description cannot hold a NUL character"));
        }
        self.refuse_redacted()?;
        let description = self.description.clone();
        let transport = match self.transport.as_str() {
            "" => return Err(ApiError::invalid(format!("transport is required ({TRANSPORTS})"))),
            "streamable_http" => {
                let (url, bearer_token, headers) = self.endpoint("streamable http", "streamable HTTP")?;
                Transport::StreamableHttp { url, bearer_token, headers }
            }
            "sse" => {
                let (url, bearer_token, headers) = self.endpoint("SSE", "SSE")?;
                Transport::Sse { url, bearer_token, headers }
            }
            "stdio" => self.stdio()?,
            other => {
                return Err(ApiError::invalid(format!("unsupported transport type: {other} ({TRANSPORTS})")));
            }
        };
        Ok(Server { name, description, transport, session_mode, tool_sync_interval_seconds, audit })
    }

    /// What a listing or an export shows in place of a secret must not become the secret.
    fn refuse_redacted(&self) -> Result<(), ApiError> {
        let of = |member: &str, names: &BTreeMap<String, String>| {
            let redacted = names.iter().find(|(_, value)| value.contains(REDACTED));
            redacted.map(|(name, _)| format!("{member}.{name}"))
        };
        let found = (self.bearer_token.contains(REDACTED).then(|| "bearer_token".to_owned()))
            .or_else(|| of("headers", &self.headers))
            .or_else(|| of("env", &self.env))
            .or_else(|| self.args.iter().any(|arg| arg == REDACTED).then(|| "args".to_owned()))
            .or_else(|| self.url.ends_with(REDACTED).then(|| "url".to_owned()));
        match found {
            Some(member) => Err(ApiError::invalid(format!(
                "{member} holds `{REDACTED}`, which stands for a secret that was not shown: put the secret in its place"
            ))),
            None => Ok(()),
        }
    }

    /// What both transports over HTTP need.
    fn endpoint(self, server: &str, transport: &str) -> Result<Endpoint, ApiError> {
        if self.url.is_empty() {
            return Err(ApiError::invalid(format!(
                "error creating {server} server: url is required for {transport} transport"
            )));
        }
        let url = parse_url(&self.url)?;
        check_headers(&self.headers)?;
        if HeaderValue::from_str(&self.bearer_token).is_err() {
            return Err(ApiError::invalid("the bearer token holds characters that HTTP does not allow in a header"));
        }
        let bearer_token = (!self.bearer_token.is_empty()).then(|| Secret::new(self.bearer_token));
        Ok((url, bearer_token, secrets(self.headers)))
    }

    fn stdio(self) -> Result<Transport, ApiError> {
        if self.command.is_empty() {
            return Err(ApiError::invalid("error creating stdio server: command is required for stdio transport"));
        }
        if self.command.contains('\0') || self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(ApiError::invalid("the command and its arguments cannot hold a NUL character"));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let name = name.escape_default();
                return Err(ApiError::invalid(format!(
                    "invalid environment variable '{name}': a name is not empty and holds no '=', and neither it nor its value holds a NUL character"
                )));
            }
        }
        Ok(Transport::Stdio { command: self.command, args: self.args, env: secrets(self.env) })
    }
}

/// Absent and 0 stand for the default.
fn parse_interval(given: &Value) -> Result<Option<NonZeroU32>, ApiError> {
    if given.is_null() {
        return Ok(None);
    }
    match given.as_u64().map(u32::try_from) {
        Some(Ok(seconds)) => Ok(NonZeroU32::new(seconds)),
        Some(Err(_)) | None => Err(ApiError::invalid(format!(
            "invalid tool_sync_interval_seconds: {given} must be a whole number of seconds from 1 to {}, \
             or 0 for the default of {DEFAULT_TOOL_SYNC_INTERVAL_SECONDS}",
            u32::MAX
        ))),
    }
}

/// Absent, and where it switches nothing on, it is nothing.
fn parse_audit(given: &Value) -> Result<Option<Arc<AuditDetail>>, ApiError> {
    if given.is_null() {
        return Ok(None);
    }
    let invalid = |problem: &dyn std::fmt::Display| {
        ApiError::invalid(format!(
            "invalid audit: {problem}; write it as {{\"arguments\": true, \"results\": false, \"redact\": [\"ssn\"], \"max_bytes\": 4096}}"
        ))
    };
    let detail: AuditDetail = serde_json::from_value(given.clone()).map_err(|error| invalid(&error))?;
    // Such a word would be in every key, or in none.
    if let Some(word) = detail.redact.iter().find(|word| folded(word).is_empty()) {
        return Err(invalid(&format_args!("'{}' in redact holds no letter and no digit", word.escape_default())));
    }
    if detail.max_bytes > MAX_AUDIT_BYTES {
        return Err(invalid(&format_args!("max_bytes must be at most {MAX_AUDIT_BYTES}")));
    }
    Ok((detail.arguments || detail.results).then(|| Arc::new(detail)))
}

fn parse_url(text: &str) -> Result<Url, ApiError> {
    let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    // A browser would read `http:x` as `http://x`; an administrator would not.
    let has_authority = text.to_ascii_lowercase().split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    match Url::parse(text) {
        // Not repeated, and not kept: it would be stored in clear, and never sent.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(ApiError::invalid(
            "invalid url: it must hold no user name and no password; use `headers` (`Authorization`) for credentials",
        )),
        Ok(url) if is_usable(&url) && has_authority => Ok(url),
        _ => Err(ApiError::invalid(format!("invalid url: '{text}' must be a valid http or https url"))),
    }
}

/// Values are never repeated in a message: they are secrets.
fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for (given, value) in headers {
        let Ok(name) = HeaderName::from_bytes(given.as_bytes()) else {
            return Err(ApiError::invalid(format!("invalid header name: '{}'", given.escape_default())));
        };
        if is_reserved_header(&name) {
            return Err(ApiError::invalid(format!(
                "header '{given}' cannot be set: it belongs to the connection or to the protocol"
            )));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(ApiError::invalid(format!(
                "the value of header '{given}' holds characters that HTTP does not allow"
            )));
        }
        if !seen.insert(name) {
            return Err(ApiError::invalid(format!("header '{given}' is given twice")));
        }
    }
    Ok(())
}

fn secrets(values: BTreeMap<String, String>) -> BTreeMap<String, Secret> {
    values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Server, String> {
        let description: ServerDescription = serde_json::from_str(body).unwrap();
        description.parse().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn what_is_wrong_with_a_description_is_said_as_documented() {
        for (body, fragment) in [
            (r#"{}"#, "invalid server name: '' must not be empty"),
            (r#"{"name":"a__b","transport":"stdio"}"#, "invalid server name: 'a__b' must"),
            (r#"{"name":"a"}"#, "transport is required (acceptable values: 'streamable_http', 'stdio', 'sse')"),
            (r#"{"name":"a","transport":"x"}"#, "unsupported transport type: x (acceptable values:"),
            (r#"{"name":"a","transport":"sse"}"#, "error creating SSE server: url is required for SSE transport"),
            (r#"{"name":"a","transport":"sse","url":"h"}"#, "invalid url: 'h' must be a valid http or https url"),
            (r#"{"name":"a","transport":"stdio"}"#, "error creating stdio server: command is required"),
            (r#"{"name":"a","transport":"streamable_http"}"#, "url is required for streamable HTTP transport"),
            (
                r#"{"name":"a","transport":"stdio","command":"c","session_mode":"x"}"#,
                "unsupported session mode: x (acceptable values: 'stateless', 'stateful')",
            ),
            (r#"{"name":"a","transport":"stdio","command":"c","env":{"A=B":"1"}}"#, "invalid environment variable"),
            (r#"{"name":"a","description":"a\u0000b"}"#, "the description cannot hold a NUL character"),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(fragment), "{body}: {error}");
        }
    }

    #[test]
    fn what_stands_for_a_secret_is_not_taken_for_one() {
        for (member, value) in [
            ("bearer_token", r#""[redacted]""#),
            ("headers.X-Key", r#"{"X-Key":"Bearer [redacted]"}"#),
            ("env.A", r#"{"A":"[redacted]"}"#),
            ("args", r#"["-y","[redacted]"]"#),
            ("url", r#""http://h/?[redacted]""#),
        ] {
            let (key, _) = member.split_once('.').unwrap_or((member, ""));
            for transport in ["stdio", "sse", "streamable_http"] {
                let body = format!(r#"{{"name":"a","transport":"{transport}","command":"c","{key}":{value}}}"#);
                let error = parse(&body).unwrap_err();
                assert!(error.contains(&format!("{member} holds `[redacted]`, which stands for")), "{body}: {error}");
            }
        }
    }

    #[test]
    fn a_sync_interval_is_a_whole_number_of_seconds() {
        let with = |interval: &str| {
            let body =
                format!(r#"{{"name":"a","transport":"sse","url":"http://h","tool_sync_interval_seconds":{interval}}}"#);
            parse(&body).map(|server| server.tool_sync_interval().as_secs())
        };
        for (interval, seconds) in [("null", 300), ("0", 300), ("1", 1), ("86400", 86_400)] {
            assert_eq!(with(interval), Ok(seconds), "{interval}");
        }
        for bad in ["-1", "1.5", "\"5\"", "4294967296", "[]"] {
            let error = with(bad).unwrap_err();
            assert!(error.contains("must be a whole number of seconds from 1 to 4294967295, or 0"), "{error}");
        }
    }

    #[test]
    fn what_the_audit_log_keeps_is_said_in_full_or_left_out() {
        let with = |audit: &str| {
            parse(&format!(r#"{{"name":"a","transport":"sse","url":"http://h","audit":{audit}}}"#))
                .map(|server| server.audit)
        };
        let detail = with(r#"{"arguments":true,"redact":["ssn"]}"#).unwrap().unwrap();
        let expected = AuditDetail { arguments: true, results: false, redact: vec!["ssn".to_owned()], max_bytes: 4096 };
        assert_eq!(*detail, expected);
        for off in ["null", "{}", r#"{"arguments":false}"#] {
            assert_eq!(with(off), Ok(None), "{off}");
        }
        for (bad, fragment) in [
            ("true", "invalid audit: invalid type"),
            (r#"{"argument":true}"#, "unknown field `argument`"),
            (r#"{"redact":["ssn","-"]}"#, "'-' in redact holds no letter"),
            (r#"{"max_bytes":65537}"#, "max_bytes must be at most 65536"),
            (r#"{"max_bytes":-1}"#, "invalid value"),
        ] {
            let error = with(bad).unwrap_err();
            assert!(error.contains(fragment), "{bad}: {error}");
        }
    }

    #[test]
    fn a_url_needs_http_and_a_host() {
        let with = |url: &str| parse(&format!(r#"{{"name":"a","transport":"streamable_http","url":"{url}"}}"#));
        for good in ["http://127.0.0.1:8000/mcp", "HTTPS://Example.com/mcp?x=1"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in ["ftp://h", "h:80/mcp", "http://", "http:///mcp", "http:x", "/mcp", "http://h:x"] {
            let error = with(bad).unwrap_err();
            assert!(error.contains(&format!("invalid url: '{bad}' must be a valid http or https url")), "{error}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_without_showing_them() {
        for authority in ["user:s3cret@h", "s3cret@h", ":s3cret@h"] {
            let body = format!(r#"{{"name":"a","transport":"streamable_http","url":"https://{authority}/mcp"}}"#);
            let error = parse(&body).unwrap_err();
            assert!(error.contains("use `headers`") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn headers_of_the_connection_and_the_protocol_are_refused_without_showing_values() {
        let with = |headers: &str| {
            parse(&format!(r#"{{"name":"a","transport":"streamable_http","url":"http://h","headers":{headers}}}"#))
        };
        assert!(with(r#"{"X-Key":"s3cret","authorization":"Basic x"}"#).is_ok());
        for bad in [
            r#"{"Host":"s3cret"}"#,
            r#"{"Proxy-Connection":"s3cret"}"#,
            r#"{"trailers":"s3cret"}"#,
            r#"{"content-type":"s3cret"}"#,
            r#"{"Mcp-Session-Id":"s3cret"}"#,
            r#"{"a b":"s3cret"}"#,
            r#"{"x":"s3cret\n"}"#,
            r#"{"X-A":"s3cret","x-a":"s3cret"}"#,
        ] {
            let error = with(bad).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_listed_server_can_be_registered_again_as_it_is_shown() {
        let body = r#"{"name":"a","transport":"streamable_http","url":"http://h/","command":"","args":null,"env":null,
                       "description":null,"session_mode":"stateful","enabled":true,"tool_sync_interval_seconds":300}"#;
        assert_eq!(parse(body).unwrap().session_mode, SessionMode::Stateful);
    }
}
