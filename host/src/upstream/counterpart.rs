//! Who takes what an upstream sends on its own while a call runs: notifications,
//! and requests of its own. The one seam at which they can be relayed to a client.

use bytes::Bytes;

use crate::wire::{self, Notification, Request, code};

/// What an upstream sends on its own.
pub(super) enum ServerMessage {
    /// Wants no answer.
    Notification(Notification),
    /// Wants an answer, by way of the [`Reply`].
    Request(Request, Reply),
}

/// The way back for the answer to one request of an upstream. It never blocks.
pub(super) struct Reply(Box<dyn FnOnce(Bytes) + Send>);

impl Reply {
    pub(super) fn new(send: impl FnOnce(Bytes) + Send + 'static) -> Self {
        Self(Box::new(send))
    }

    /// Sends a whole response, under the id of the request.
    pub(super) fn send(self, response: Bytes) {
        (self.0)(response);
    }
}

/// Takes the messages of one upstream session, in the order in which they came and
/// before the response that follows them. Must not block: the session waits.
pub(super) trait Counterpart: Send + Sync {
    fn receive(&self, message: ServerMessage);
}

/// A counterpart without a client: tells the upstream that it is alive, refuses
/// everything else, and lets notifications go by.
pub(super) struct NoClient;

impl Counterpart for NoClient {
    fn receive(&self, message: ServerMessage) {
        match message {
            ServerMessage::Notification(notification) => {
                tracing::trace!(method = notification.method(), "a notification without a client went by");
            }
            ServerMessage::Request(request, reply) if request.method() == "ping" => {
                let pong = wire::result_parts(&request.id(), Bytes::from_static(b"{}"));
                reply.send(pong.concat().into());
            }
            ServerMessage::Request(request, reply) => {
                let message = "the client of this session takes no such request";
                reply.send(wire::error_response(Some(&request.id()), code::METHOD_NOT_FOUND, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::wire::Message;

    fn answer_to(request: &'static str) -> Bytes {
        let Ok(Message::Request(request)) = Message::parse(Bytes::from_static(request.as_bytes())) else { panic!() };
        let (sender, answers) = mpsc::channel();
        NoClient.receive(ServerMessage::Request(request, Reply::new(move |answer| sender.send(answer).unwrap())));
        answers.recv().unwrap()
    }

    #[test]
    fn without_a_client_a_ping_is_answered_and_all_else_refused() {
        assert_eq!(
            answer_to(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#),
            r#"{"jsonrpc":"2.0","id":"p","result":{}}"#
        );
        assert_eq!(
            answer_to(r#"{"jsonrpc":"2.0","id":4,"method":"sampling/createMessage","params":{}}"#),
            r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"the client of this session takes no such request"}}"#
        );
    }
}
