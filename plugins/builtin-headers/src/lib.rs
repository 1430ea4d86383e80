//! The stock header-injector: an upstream's bearer token and custom headers, by reference.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package mcpjungle:builtin-headers;
            world plugin {
                include mcpjungle:policy/configured@0.1.0;
                include mcpjungle:policy/header-injection@0.1.0;
            }
        ",
        path: "../../wit/v0.1",
        world: "mcpjungle:builtin-headers/plugin",
        generate_all,
    });
}

use bindings::exports::mcpjungle::policy::configuration::{self, Description};
use bindings::exports::mcpjungle::policy::header_injector::{
    self, Header, HeaderValue, SecretReference, Transport, Upstream,
};
use bindings::mcpjungle::policy::types::{Denial, Principal, Request};

const AUTHORIZATION: &str = "Authorization";

struct BuiltinHeaders;

impl configuration::Guest for BuiltinHeaders {
    fn describe() -> Description {
        Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "An upstream gets the bearer token and the custom headers that are stored with it.".to_owned(),
            settings_schema: Some(r#"{"type":"object","additionalProperties":false}"#.to_owned()),
        }
    }

    fn accept(_settings: String) -> Result<(), String> {
        Ok(())
    }
}

impl header_injector::Guest for BuiltinHeaders {
    fn inject(_request: Request, _principal: Principal, upstream: Upstream) -> Result<Vec<Header>, Denial> {
        Ok(headers_for(upstream))
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(BuiltinHeaders with_types_in bindings);

fn headers_for(upstream: Upstream) -> Vec<Header> {
    match upstream.transport {
        Transport::Stdio => Vec::new(),
        Transport::StreamableHttp | Transport::Sse => from_secrets(upstream.secret_names),
    }
}

fn from_secrets(secret_names: Vec<String>) -> Vec<Header> {
    // What an administrator wrote by hand beats what we would make of the token.
    let authorization_is_custom = secret_names
        .iter()
        .filter_map(|name| name.strip_prefix("header:"))
        .any(|header| header.eq_ignore_ascii_case(AUTHORIZATION));
    let to_header = |secret: String| match secret.strip_prefix("header:") {
        Some(header) => Some(Header { name: header.to_owned(), value: reference("", secret) }),
        None if secret == "bearer-token" && !authorization_is_custom => {
            Some(Header { name: AUTHORIZATION.to_owned(), value: reference("Bearer ", secret) })
        }
        None => None,
    };
    secret_names.into_iter().filter_map(to_header).collect()
}

fn reference(prefix: &str, name: String) -> HeaderValue {
    HeaderValue::Secret(SecretReference { prefix: prefix.to_owned(), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each header as `name: prefix<secret>`.
    fn inject(transport: Transport, secret_names: &[&str]) -> Vec<String> {
        let secret_names = secret_names.iter().map(|&name| name.to_owned()).collect();
        let show = |header: &Header| match &header.value {
            HeaderValue::Secret(secret) => format!("{}: {}<{}>", header.name, secret.prefix, secret.name),
            other => panic!("{}: {other:?}", header.name),
        };
        headers_for(Upstream { name: "github".to_owned(), transport, secret_names }).iter().map(show).collect()
    }

    #[test]
    fn the_bearer_token_and_custom_headers_go_upstream_by_reference() {
        for transport in [Transport::StreamableHttp, Transport::Sse] {
            assert_eq!(
                inject(transport, &["bearer-token", "header:X-Team"]),
                ["Authorization: Bearer <bearer-token>", "X-Team: <header:X-Team>"]
            );
        }
        assert!(inject(Transport::StreamableHttp, &[]).is_empty());
    }

    #[test]
    fn a_custom_authorization_beats_the_bearer_token() {
        assert_eq!(
            inject(Transport::StreamableHttp, &["bearer-token", "header:authorization"]),
            ["authorization: <header:authorization>"]
        );
    }

    #[test]
    fn nothing_goes_to_a_child_process() {
        assert!(inject(Transport::Stdio, &["bearer-token", "header:X-Team"]).is_empty());
    }
}
