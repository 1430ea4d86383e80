//! The first exchange of every session: `initialize`, whatever the transport.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::names::ServerName;
use crate::protocol::ProtocolVersion;
use crate::upstream::{ClientDeclaration, UpstreamError};
use crate::wire::{self, Response};

/// How many characters of an upstream's own words go into an error message.
const QUOTE_LIMIT: usize = 300;

/// What an upstream said to `initialize`.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    /// The revision that the session speaks.
    pub version: ProtocolVersion,
    /// The result, JSON text.
    pub result: Bytes,
}

impl Handshake {
    /// Whether the server declares this capability.
    pub(super) fn declares(&self, capability: &str) -> bool {
        let result = std::str::from_utf8(&self.result).ok();
        let declared = result
            .and_then(|result| wire::object_members(result, ["capabilities"]).ok())
            .and_then(|[capabilities]| wire::object_members(capabilities?, [capability]).ok());
        declared.and_then(|[declared]| declared).is_some_and(|declared| declared != "null")
    }
}

/// The gateway's `initialize`, on behalf of a client.
pub(super) fn initialize_request(
    client: &ClientDeclaration,
    gateway_version: &str,
) -> Result<wire::Request, UpstreamError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        protocol_version: &'static str,
        capabilities: &'a RawValue,
        client_info: ClientInfo<'a>,
    }
    #[derive(Serialize)]
    struct ClientInfo<'a> {
        name: &'static str,
        version: &'a str,
    }
    let unreadable = |error: serde_json::Error| UpstreamError::InvalidCapabilities { problem: error.to_string() };
    let params = Params {
        protocol_version: client.protocol_version.as_str(),
        capabilities: serde_json::from_slice(&client.capabilities).map_err(unreadable)?,
        client_info: ClientInfo { name: "mcpjungle", version: gateway_version },
    };
    wire::Request::author("initialize", Some(&params)).map_err(unreadable)
}

/// Ends the handshake, on every transport.
pub(super) fn initialized_notification() -> Bytes {
    wire::author_notification("notifications/initialized", None::<&()>).expect("a constant message serialises")
}

/// Reads the answer to `initialize`. Any revision that the gateway speaks will do,
/// whichever was asked for.
pub(super) fn read_initialize(server: &ServerName, response: &Response) -> Result<Handshake, UpstreamError> {
    let result = response
        .outcome()
        .map_err(|error| UpstreamError::InitRefused { server: server.clone(), message: error_message(error) })?;
    let invalid = |problem: String| UpstreamError::InvalidAnswer { server: server.clone(), problem };
    let [version] = wire::object_members(result, ["protocolVersion"])
        .map_err(|_| invalid("the result of initialize is not an object".to_owned()))?;
    let version: Cow<'_, str> = version
        .and_then(|version| serde_json::from_str(version).ok())
        .ok_or_else(|| invalid("the result of initialize has no protocol version".to_owned()))?;
    let Some(version) = ProtocolVersion::parse(&version) else {
        return Err(UpstreamError::UnsupportedVersion { server: server.clone(), version: quote(&version) });
    };
    Ok(Handshake { version, result: Bytes::copy_from_slice(result.as_bytes()) })
}

/// The message of a JSON-RPC error, as far as it goes into ours.
pub(super) fn error_message(error: &str) -> String {
    let message = wire::object_members(error, ["message"]).ok().and_then(|[message]| message);
    match message.and_then(|message| serde_json::from_str::<Cow<'_, str>>(message).ok()) {
        Some(message) => quote(&message),
        None => "an error without a message".to_owned(),
    }
}

fn quote(words: &str) -> String {
    words.chars().take(QUOTE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Message;

    fn read(answer: &'static str) -> Result<ProtocolVersion, String> {
        let server = ServerName::parse("s").unwrap();
        let Ok(Message::Response(response)) = Message::parse(Bytes::from_static(answer.as_bytes())) else { panic!() };
        read_initialize(&server, &response).map(|handshake| handshake.version).map_err(|error| error.to_string())
    }

    #[test]
    fn initialize_tells_the_truth_about_the_client() {
        let client = ClientDeclaration {
            protocol_version: ProtocolVersion::V2025_06_18,
            capabilities: Bytes::from_static(br#"{"vendor": 1.50}"#),
        };
        let sent = initialize_request(&client, "1.2\"3").unwrap().render(4);
        assert_eq!(
            sent,
            r#"{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"vendor": 1.50},"clientInfo":{"name":"mcpjungle","version":"1.2\"3"}}}"#
        );
        let client = ClientDeclaration { capabilities: Bytes::from_static(b"{"), ..client };
        assert!(matches!(initialize_request(&client, "1"), Err(UpstreamError::InvalidCapabilities { .. })));
    }

    #[test]
    fn only_what_is_declared_counts() {
        for (result, expected) in [
            (r#"{"capabilities":{"tools":{},"resources":{"subscribe":true}}}"#, [true, false, true]),
            (r#"{"capabilities":{"prompts":{},"tools":null}}"#, [false, true, false]),
            (r#"{"capabilities":{}}"#, [false; 3]),
            ("{}", [false; 3]),
        ] {
            let handshake =
                Handshake { version: ProtocolVersion::LATEST, result: Bytes::from_static(result.as_bytes()) };
            assert_eq!(["tools", "prompts", "resources"].map(|name| handshake.declares(name)), expected, "{result}");
        }
    }

    #[test]
    fn any_known_revision_is_accepted_and_everything_else_named() {
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26"}}"#),
            Ok(ProtocolVersion::V2025_03_26)
        );
        for (answer, problem) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-10-07"}}"#, "version \"2024-10-07\", which"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":7}}"#, "has no protocol version"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "has no protocol version"),
            (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, "is not an object"),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"go \"away\""}}"#,
                "refused to initialize: go \"away\"",
            ),
            (r#"{"jsonrpc":"2.0","id":1,"error":3}"#, "an error without a message"),
        ] {
            let error = read(answer).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
