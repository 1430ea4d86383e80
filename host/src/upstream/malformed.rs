//! Which request a message asks or answers, where it is not a [`wire::Message`]: ours
//! on their way out, and what comes in and is malformed.

use crate::wire;

/// The id that a message with the look of a response bears. Its sender will send no
/// other, so whoever waits for it must be told.
pub(super) fn answered_id(message: &[u8]) -> Option<u64> {
    let message = std::str::from_utf8(message).ok()?;
    let [id, method] = wire::object_members(message, ["id", "method"]).ok()?;
    if method.is_some() { None } else { id?.parse().ok() }
}

/// The id under which a message of the gateway's own asks for an answer.
pub(super) fn asked_id(message: &[u8]) -> Option<u64> {
    let message = std::str::from_utf8(message).ok()?;
    let [id, method] = wire::object_members(message, ["id", "method"]).ok()?;
    method.and(id)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_response_answers_a_request() {
        for (message, id) in [
            (r#"{"jsonrpc":"1.0","id":7,"result":1}"#, Some(7)),
            (r#"{"id":7,"result":1,"error":{}}"#, Some(7)),
            (r#"{"id":7,"method":"m","result":1}"#, None),
            (r#"{"id":"7"}"#, None),
            (r#"{"id":7"#, None),
            ("[7]", None),
        ] {
            assert_eq!(answered_id(message.as_bytes()), id, "{message}");
        }
    }
}
