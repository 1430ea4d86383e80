//! A client's own token does not go on to a server. None of a client's headers does; and
//! in `_meta`, where some repeat what they send in headers, the token is refused.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::downstream::{Exchange, Refused, reply};
use crate::wire::{Message, code, unmistakable_members};

/// What a client is told, and how it gets on.
pub(crate) const TOKEN_IN_META: &str =
    "`_meta` holds the access token of this request, and would be passed on: send the token in `Authorization` only";

/// Shorter ones are no tokens, and may stand anywhere by chance.
const MIN_TOKEN_BYTES: usize = 8;

/// Refuses a message whose `_meta` holds the token that let it in.
pub(super) fn check(exchange: &Exchange, message: &Message) -> Result<(), Refused> {
    let headers = &exchange.head.headers;
    let id = match message {
        Message::Request(request) if is_in_meta(headers, request.params()) => Some(request.id()),
        Message::Notification(notification) if is_in_meta(headers, notification.params()) => None,
        Message::Request(_) | Message::Notification(_) | Message::Response(_) => return Ok(()),
    };
    Err(Box::new(reply::rpc_error(StatusCode::BAD_REQUEST, id.as_ref(), code::INVALID_PARAMS, TOKEN_IN_META)))
}

fn is_in_meta(headers: &HeaderMap, params: Option<&str>) -> bool {
    // Nearly no message holds it anywhere, so `_meta` is hardly ever looked for.
    params.is_some_and(|params| {
        holds_token(headers, params)
            && match unmistakable_members(params, ["_meta"]) {
                Ok([meta]) => meta.is_some_and(|meta| holds_token(headers, meta)),
                // Which of several the server would take, nobody knows.
                Err(_) => true,
            }
    })
}

/// Whether a text holds the token that these headers say.
pub(crate) fn holds_token(headers: &HeaderMap, text: &str) -> bool {
    let values = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = values.filter_map(|value| value.split_whitespace().last());
    tokens.any(|token| token.len() >= MIN_TOKEN_BYTES && text.contains(token))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(authorization: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(authorization))])
    }

    #[test]
    fn a_token_is_found_in_meta_and_left_alone_elsewhere() {
        for (authorization, params, refused) in [
            ("Bearer secret-token", r#"{"_meta":{"token":"secret-token"}}"#, true),
            ("bearer  secret-token ", r#"{"_meta":{"a":["Bearer secret-token"]},"name":"x"}"#, true),
            ("secret-token", r#"{"_meta":{"token":"secret-token"}}"#, true),
            ("Bearer secret-token", r#"{"_Meta":{"token":"secret-token"}}"#, true),
            ("Bearer secret-token", r#"{"_meta":{},"_meta":{"token":"secret-token"}}"#, true),
            ("Bearer secret-token", r#"{"_meta":{"token":"another-token"}}"#, false),
            // What it says to a tool is the client's own affair.
            ("Bearer secret-token", r#"{"_meta":{},"arguments":{"token":"secret-token"}}"#, false),
            ("Bearer x", r#"{"_meta":{"x":"x"}}"#, false),
            ("", r#"{"_meta":{"x":"x"}}"#, false),
        ] {
            assert_eq!(is_in_meta(&headers(authorization), Some(params)), refused, "{authorization}: {params}");
        }
        assert!(!is_in_meta(&headers("Bearer secret-token"), None));
    }
}
