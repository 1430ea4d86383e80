//! JSON-RPC envelopes over raw bytes: the only place that parses or splices them.
//!
//! A message is read just far enough to find what the gateway needs (`id`,
//! `method`, and named members of `params`), and changed by replacing byte
//! ranges. Everything else arrives as it was sent: unknown members, number
//! spellings, key order.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

mod envelope;
mod object;
mod splice;
pub mod sse;

use envelope::Envelope;
pub use object::{array_elements, borrowed_text, object_members, unmistakable_members};
pub use splice::{Edit, single_line, splice};

/// JSON-RPC's own error codes, and the gateway's, which lie outside the range
/// -32768..-32000 that JSON-RPC and MCP keep for themselves.
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON, but no valid message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Nobody serves this method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Malformed parameters; also unknown, disabled and hidden tools and prompts.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The upstream failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Unknown, disabled and hidden resources, in protocol revisions up to 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// A policy could not decide.
    pub const POLICY_UNAVAILABLE: i64 = -31000;
    /// A policy refused, and the caller may know.
    pub const POLICY_REFUSED: i64 = -31001;
    /// The gateway has as much to do as it can.
    pub const OVERLOADED: i64 = -31002;
}

/// Many readers of JSON match members whatever their case, and take the last:
/// they would see another message than the one that policies were asked about.
const LOOK_ALIKE: &str = "a member's name differs from one that the gateway reads only in its case";

/// The parameters that decide what a request is about, whatever its method.
const DECISIVE_PARAMS: [&str; 3] = ["name", "uri", "arguments"];

/// Why bytes are not one valid message.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ParseError {
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    #[error("batches are not supported: send one message at a time")]
    Batch,
    #[error("not a JSON-RPC 2.0 message: {0}")]
    NotJsonRpc(&'static str),
}

impl ParseError {
    /// The JSON-RPC error code for it.
    pub fn code(&self) -> i64 {
        match self {
            Self::NotJson(_) => code::PARSE_ERROR,
            Self::Batch | Self::NotJsonRpc(_) => code::INVALID_REQUEST,
        }
    }
}

/// A request's id as the sender spelled it: a JSON string or number. Two spellings
/// of one string are the same id.
#[derive(Debug, Clone)]
pub struct Id(Box<str>);

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.without_escapes() == other.without_escapes()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.without_escapes().hash(state);
    }
}

impl Id {
    /// An id that stands in another message, such as in a cancellation.
    pub fn from_json(text: &str) -> Option<Self> {
        text.starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).then(|| Self(text.into()))
    }

    /// The id's JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    fn without_escapes(&self) -> Cow<'_, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(&self.0);
        }
        let text = serde_json::from_str::<String>(&self.0).and_then(|text| serde_json::to_string(&text));
        text.map_or(Cow::Borrowed(&self.0), Cow::Owned)
    }

    /// The id as the number that the gateway gives its own requests.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl From<u64> for Id {
    fn from(id: u64) -> Self {
        Self(id.to_string().into())
    }
}

/// One JSON-RPC message.
#[derive(Debug, Clone)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Answers a request.
    Response(Response),
}

/// A request, with the changes that are to be made to it before it is sent on.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Bytes,
    id: Range<usize>,
    method: Box<str>,
    params: Option<Range<usize>>,
    /// Set once it was looked for.
    progress_token: Option<Range<usize>>,
    edits: Vec<Edit>,
}

/// A notification.
#[derive(Debug, Clone)]
pub struct Notification {
    bytes: Bytes,
    method: Box<str>,
    params: Option<Range<usize>>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    bytes: Bytes,
    id: Range<usize>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Result(Range<usize>),
    Error(Range<usize>),
}

impl Message {
    /// Reads one message. Linear in its length; no tree is built.
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(&bytes).map_err(|error| ParseError::NotJson(error.to_string()))?;
        let envelope = Envelope::read(text).map_err(|error| explain(text, &error))?;
        if envelope.jsonrpc != Some("\"2.0\"") {
            return Err(ParseError::NotJsonRpc("`jsonrpc` must be \"2.0\""));
        }
        let range = |raw: &str| range_within(text, raw);
        let id = envelope.id.map(range);
        let params = envelope.params.map(range);
        if let Some(id) = &id
            && !matches!(text.as_bytes()[id.start], b'"' | b'-' | b'0'..=b'9' | b'n')
        {
            return Err(ParseError::NotJsonRpc("`id` must be a string or a number"));
        }
        let is_null = |range: &Range<usize>| &text[range.clone()] == "null";
        match (envelope.method, id, envelope.result, envelope.error) {
            (Some(_), ..) if envelope.has_look_alike => Err(ParseError::NotJsonRpc(LOOK_ALIKE)),
            (Some(method), id, None, None) => {
                let method = borrowed_text(method).ok_or(ParseError::NotJsonRpc("`method` must be a string"))?;
                let method = method.into();
                if let Some(params) = &params
                    && !matches!(text.as_bytes()[params.start], b'{' | b'[')
                {
                    return Err(ParseError::NotJsonRpc("`params` must be an object"));
                }
                match id {
                    Some(id) if is_null(&id) => Err(ParseError::NotJsonRpc("`id` must be a string or a number")),
                    Some(id) => Ok(Self::Request(Request {
                        bytes,
                        id,
                        method,
                        params,
                        progress_token: None,
                        edits: Vec::new(),
                    })),
                    None => Ok(Self::Notification(Notification { bytes, method, params })),
                }
            }
            (None, Some(id), Some(result), None) => {
                let body = Body::Result(range(result));
                Ok(Self::Response(Response { bytes, id, body }))
            }
            (None, Some(id), None, Some(error)) => {
                let body = Body::Error(range(error));
                Ok(Self::Response(Response { bytes, id, body }))
            }
            (None, None, ..) => Err(ParseError::NotJsonRpc("neither `method` nor `id` is present")),
            _ => Err(ParseError::NotJsonRpc("exactly one of `method`, `result` and `error` must be present")),
        }
    }
}

/// Tells JSON that is no message from what is not JSON at all.
fn explain(text: &str, error: &serde_json::Error) -> ParseError {
    if text.trim_start().starts_with('[') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        ParseError::Batch
    } else if error.is_data() {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => {
                ParseError::NotJsonRpc("it must be one object, with each member at most once and `method` a string")
            }
            Err(error) => ParseError::NotJson(error.to_string()),
        }
    } else {
        ParseError::NotJson(error.to_string())
    }
}

/// Where `part`, a slice of `whole`, lies in it.
fn range_within(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

fn text_at<'a>(bytes: &'a Bytes, range: &Range<usize>) -> &'a str {
    std::str::from_utf8(&bytes[range.clone()])
        .expect("the whole message was checked to be UTF-8, and JSON values end at character boundaries")
}

impl Request {
    /// A request that the gateway itself writes; its id is given when it is sent.
    pub fn author(method: &str, params: Option<&impl Serialize>) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        struct Authored<'a, P> {
            jsonrpc: &'static str,
            id: u8,
            method: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            params: Option<&'a P>,
        }
        let bytes = serde_json::to_vec(&Authored { jsonrpc: "2.0", id: 0, method, params })?;
        match Message::parse(bytes.into()) {
            Ok(Message::Request(request)) => Ok(request),
            other => unreachable!("an authored request is a request: {other:?}"),
        }
    }

    /// The sender's id.
    pub fn id(&self) -> Id {
        Id(text_at(&self.bytes, &self.id).into())
    }

    /// How long the message was as it came, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The JSON text of `params` as the sender sent it.
    pub fn params(&self) -> Option<&str> {
        self.params.as_ref().map(|range| text_at(&self.bytes, range))
    }

    /// Members of `params`, in the order asked for. See [`object_members`]; a
    /// member that looks like one of them, or like one that decides what the
    /// request is about, but for its case is refused.
    pub fn param_members<const N: usize>(&self, names: [&str; N]) -> Result<[Option<&str>; N], ParseError> {
        match self.params() {
            Some(params) => object::members_unlike(params, names, &DECISIVE_PARAMS),
            None => Ok([None; N]),
        }
    }

    /// Puts `replacement` where `part`, a slice that [`Self::params`] or
    /// [`Self::param_members`] returned, stands. Parts must not overlap.
    pub fn replace(&mut self, part: Range<usize>, replacement: impl Into<Bytes>) {
        self.edits.push(Edit { range: part, replacement: replacement.into() });
    }

    /// Adds a member to `params`, which must be there and hold at least one.
    pub fn insert_param(&mut self, name: &str, value: &[u8]) {
        let params = self.params.clone().expect("an item is named by a parameter");
        let after_brace = params.start + 1;
        let member = [b"\"", name.as_bytes(), b"\":", value, b","].concat();
        self.replace(after_brace..after_brace, member);
    }

    /// Where a slice of this message lies in it, for [`Self::replace`].
    pub fn range_of(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr() as usize - self.bytes.as_ptr() as usize;
        start..start + part.len()
    }

    /// Looks for `_meta.progressToken`; from then on [`Self::render`] replaces it. What
    /// stands there twice, or once more in another case, is refused: the receiver might
    /// take the one that stays, which is another call's.
    pub fn find_progress_token(&mut self) -> Result<(), ParseError> {
        let is_object = |json: &&str| json.starts_with('{');
        let Some(params) = self.params().filter(is_object) else { return Ok(()) };
        let [meta] = unmistakable_members(params, ["_meta"])?;
        let Some(meta) = meta.filter(is_object) else { return Ok(()) };
        let [token] = unmistakable_members(meta, ["progressToken"])?;
        let is_token = |token: &&str| token.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
        self.progress_token = token.filter(is_token).map(|token| self.range_of(token));
        Ok(())
    }

    /// The sender's progress token, JSON text, if it was looked for and is there.
    pub fn progress_token(&self) -> Option<&str> {
        self.progress_token.as_ref().map(|range| text_at(&self.bytes, range))
    }

    /// The message to send on, under an id of the gateway's own, which is also the
    /// progress token, where there is one: both are told apart per connection.
    pub fn render(&self, id: u64) -> Bytes {
        let mut edits = self.edits.clone();
        edits.push(Edit { range: self.id.clone(), replacement: id.to_string().into() });
        if let Some(token) = &self.progress_token {
            edits.push(Edit { range: token.clone(), replacement: id.to_string().into() });
        }
        splice(&self.bytes, edits)
    }
}

impl Notification {
    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The JSON text of `params`.
    pub fn params(&self) -> Option<&str> {
        self.params.as_ref().map(|range| text_at(&self.bytes, range))
    }

    /// Members of `params`, in the order asked for. See [`object_members`].
    pub fn param_members<const N: usize>(&self, names: [&str; N]) -> Result<[Option<&str>; N], ParseError> {
        match self.params() {
            Some(params) => object_members(params, names),
            None => Ok([None; N]),
        }
    }

    /// Where a slice of this message lies in it, for [`Self::with_edits`].
    pub fn range_of(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr() as usize - self.bytes.as_ptr() as usize;
        start..start + part.len()
    }

    /// The whole message.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole message with changes; see [`splice()`].
    pub fn with_edits(&self, edits: Vec<Edit>) -> Bytes {
        splice(&self.bytes, edits)
    }

    /// The same with other values in `params`.
    pub fn edited(&self, edits: Vec<Edit>) -> Self {
        match Message::parse(self.with_edits(edits)) {
            Ok(Message::Notification(notification)) => notification,
            other => unreachable!("a notification with another value is a notification: {other:?}"),
        }
    }
}

impl Response {
    /// How long the message is, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The id that it answers; `null` where the sender could not tell.
    pub fn id(&self) -> Id {
        Id(text_at(&self.bytes, &self.id).into())
    }

    /// The JSON text of `result`, or of `error`.
    pub fn outcome(&self) -> Result<&str, &str> {
        match &self.body {
            Body::Result(range) => Ok(text_at(&self.bytes, range)),
            Body::Error(range) => Err(text_at(&self.bytes, range)),
        }
    }

    /// The message under the id that the receiver knows, in parts that share
    /// the original's memory: a large result is not copied for the sake of its id.
    pub fn render(&self, id: &Id) -> [Bytes; 3] {
        let id = Bytes::copy_from_slice(id.as_json().as_bytes());
        [self.bytes.slice(..self.id.start), id, self.bytes.slice(self.id.end..)]
    }

    /// The same message with another result, which is JSON text.
    pub fn with_result(&self, result: Bytes) -> Self {
        let Body::Result(range) = &self.body else { return self.clone() };
        let bytes = splice(&self.bytes, vec![Edit { range: range.clone(), replacement: result }]);
        match Message::parse(bytes) {
            Ok(Message::Response(response)) => response,
            other => unreachable!("a response with another result is a response: {other:?}"),
        }
    }
}

/// A notification that the gateway itself writes.
pub fn author_notification(method: &str, params: Option<&impl Serialize>) -> Result<Bytes, serde_json::Error> {
    #[derive(Serialize)]
    struct Authored<'a, P> {
        jsonrpc: &'static str,
        method: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<&'a P>,
    }
    serde_json::to_vec(&Authored { jsonrpc: "2.0", method, params }).map(Bytes::from)
}

/// The three parts of a response whose result is already text: joined, they are the message.
pub fn result_parts(id: &Id, result: Bytes) -> [Bytes; 3] {
    let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, id.as_json());
    [head.into(), result, Bytes::from_static(b"}")]
}

/// An error response; without an id where the request's could not be read.
pub fn error_response(id: Option<&Id>, code: i64, message: &str) -> Bytes {
    error_response_with_data(id, code, message, None)
}

/// As [`error_response`], with `data`, which is JSON text.
pub fn error_response_with_data(id: Option<&Id>, code: i64, message: &str, data: Option<&str>) -> Bytes {
    let id = id.map_or("null", Id::as_json);
    let message = serde_json::to_string(message).expect("text serialises");
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, ParseError> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_id_is_the_same_however_it_is_spelled() {
        let ids = ["1", "1.0", r#""1""#, r#""a\u0062""#, r#""\u0061b""#, r#""ab""#, r#""\ud800""#];
        let ids: std::collections::HashSet<_> = ids.into_iter().filter_map(Id::from_json).collect();
        assert_eq!(ids.len(), 5);
    }

    #[test]
    fn a_request_keeps_every_byte_that_is_not_replaced() {
        let text = "{ \"params\" : {\"x\":1.50e+3, \"name\": \"s__t\",\"_meta\":{}} ,\"vendor\":[ 1 ],\"id\" : \"a\\u0062\" , \"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}";
        let Message::Request(mut request) = parse(text).unwrap() else { panic!() };
        assert_eq!(request.method(), "tools/call");
        assert_eq!(request.id().as_json(), r#""a\u0062""#);
        let [name] = request.param_members(["name"]).unwrap();
        let range = request.range_of(name.unwrap());
        request.replace(range, "\"t\"");
        let sent = request.render(7);
        assert_eq!(sent, text.replace("\"s__t\"", "\"t\"").replace("\"a\\u0062\"", "7"));
    }

    #[test]
    fn messages_are_told_apart() {
        assert!(matches!(parse(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Ok(Message::Request(_))));
        assert!(matches!(parse(r#"{"jsonrpc":"2.0","method":"x"}"#), Ok(Message::Notification(_))));
        let Ok(Message::Response(response)) = parse(r#"{"jsonrpc":"2.0","id":1,"result":null}"#) else { panic!() };
        assert_eq!(response.outcome(), Ok("null"));
        let Ok(Message::Response(response)) = parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#) else { panic!() };
        assert_eq!(response.outcome(), Err(r#"{"code":1}"#));
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_right_code() {
        for (text, code) in [
            ("{", -32700),
            ("", -32700),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":3", -32700),
            ("[]", -32600),
            ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600),
            ("3", -32600),
            ("{}", -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":3}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{},"PARAMS":{}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","param\u017f":{}}"#, -32600),
        ] {
            assert_eq!(parse(text).unwrap_err().code(), code, "{text}");
        }
        assert_eq!(Message::parse(Bytes::from_static(b"{\"\xff\":1}")).unwrap_err().code(), -32700);
    }

    #[test]
    fn a_parameter_that_another_reader_could_take_for_a_decisive_one_is_refused() {
        for look_alike in ["Name", "NAME", "Uri", "Argument\u{17f}"] {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","{look_alike}":"b"}}}}"#
            );
            let Ok(Message::Request(request)) = parse(&text) else { panic!("{text}") };
            assert!(request.param_members(["name"]).is_err(), "{text}");
        }
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","named":"b","arguments":{"Name":1}}}"#;
        let Ok(Message::Request(request)) = parse(text) else { panic!() };
        assert_eq!(request.param_members(["name"]).unwrap(), [Some("\"a\"")]);
    }

    #[test]
    fn a_progress_token_that_another_reader_could_take_for_another_is_refused() {
        let find = |params: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            let Ok(Message::Request(mut request)) = parse(&text) else { panic!("{text}") };
            request.find_progress_token().map(|()| request.progress_token().map(str::to_owned))
        };
        for params in [
            r#"{"_meta":{"progressToken":1},"_meta":{}}"#,
            r#"{"_meta":{},"_Meta":{"progressToken":1}}"#,
            r#"{"_meta":{"progressToken":1,"progressToken":2}}"#,
            r#"{"_meta":{"ProgressToken":1}}"#,
            r#"{"_meta":{"progressTo\u212aen":1}}"#,
        ] {
            assert!(find(params).is_err(), "{params}");
        }
        for (params, token) in [
            (r#"{"_meta":{"progressToken":"a","x":{"ProgressToken":1}},"arguments":{"_Meta":1}}"#, Some("\"a\"")),
            (r#"{"_meta":{"progressToken":null}}"#, None),
            (r#"{"_meta":null}"#, None),
            ("[1]", None),
        ] {
            assert_eq!(find(params).unwrap().as_deref(), token, "{params}");
        }
    }

    #[test]
    fn a_response_goes_back_under_the_receivers_id() {
        let Ok(Message::Response(response)) = parse(r#"{"result":{"n":1e2},"id":5,"x":0,"jsonrpc":"2.0"}"#) else {
            panic!()
        };
        let sent = response.render(&Id("\"k\"".into()));
        assert_eq!(sent.concat(), br#"{"result":{"n":1e2},"id":"k","x":0,"jsonrpc":"2.0"}"#);
    }

    #[test]
    fn the_parts_of_a_ready_result_join_to_a_message() {
        let parts = result_parts(&Id::from(3), Bytes::from_static(b"{}"));
        assert_eq!(parts.concat(), br#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
    }
}
