//! Who takes what an upstream sends on its own while a call runs: notifications,
//! and requests of its own. The one seam at which they are relayed to a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::wire::{self, Edit, Id, Notification, Request, Response, code};

/// What an upstream sends on its own, ready for its client: what is told apart per
/// connection (ids, progress tokens) is the gateway's or the client's own already.
pub enum ServerMessage {
    /// Wants no answer.
    Notification(Notification),
    /// Wants an answer.
    Request(ServerRequest),
}

/// A request of an upstream's own.
pub struct ServerRequest {
    /// Its id towards the client, unique in this process; also its progress token, if it has one.
    pub serial: u64,
    /// The method.
    pub method: Box<str>,
    /// The whole message, under `serial`.
    pub message: Bytes,
    /// The way back.
    pub reply: Reply,
}

/// Sends a message to the upstream that asked. It never blocks.
type Backchannel = Arc<dyn Fn(Bytes) + Send + Sync>;

/// The way back for the answer to one request of an upstream. Dropped without an
/// answer, it tells the upstream that there will be none.
pub struct Reply {
    /// The upstream's own id for the request.
    id: Id,
    /// The upstream's own progress token, JSON text.
    progress_token: Option<Box<str>>,
    backchannel: Backchannel,
    answered: bool,
}

/// Takes the messages of one upstream session, in the order in which they came and
/// before the response that follows them. Must not block: the session waits.
pub trait Counterpart: Send + Sync {
    /// Takes one message.
    fn receive(&self, message: ServerMessage);

    /// The downstream session of the client; `None` where there is no client, or it has none.
    fn client_session(&self) -> Option<&Arc<str>> {
        None
    }

    /// The upstream has closed the stream of its call before the response, and goes on
    /// with it for who comes back after this long.
    fn pause(&self, retry: Duration) {
        let _ = retry;
    }

    /// Whether a client is there to listen even while no call runs.
    fn is_listening(&self) -> bool {
        false
    }
}

impl ServerRequest {
    /// An id towards clients that nobody else has.
    pub(super) fn next_serial() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes in a request whose progress token was looked for; answers go to `send`, which is dropped with the way back.
    pub(super) fn new(request: Request, serial: u64, send: impl Fn(Bytes) + Send + Sync + 'static) -> Self {
        Self {
            serial,
            method: request.method().into(),
            message: request.render(serial),
            reply: Reply {
                id: request.id(),
                progress_token: request.progress_token().map(Into::into),
                backchannel: Arc::new(send),
                answered: false,
            },
        }
    }
}

impl Reply {
    /// Sends the client's answer, whatever its id.
    pub fn send(self, answer: &Response) {
        let id = self.id.clone();
        self.finish(answer.render(&id).concat().into());
    }

    /// Answers with a result of the gateway's own, JSON text.
    pub fn answer(self, result: Bytes) {
        let answer = wire::result_parts(&self.id, result);
        self.finish(answer.concat().into());
    }

    /// Answers with an error of the gateway's own.
    pub fn refuse(self, code: i64, message: &str) {
        let refusal = wire::error_response(Some(&self.id), code, message);
        self.finish(refusal);
    }

    /// The upstream wants no answer any more, so it gets none.
    pub fn withdraw(mut self) {
        self.answered = true;
    }

    /// Tells the upstream of the client's progress; nothing where it did not ask for any.
    pub fn tell_progress(&self, progress: &Notification) {
        let Some(token) = &self.progress_token else { return };
        let Ok([Some(sent)]) = progress.param_members(["progressToken"]) else { return };
        let edit = Edit { range: progress.range_of(sent), replacement: Bytes::copy_from_slice(token.as_bytes()) };
        (self.backchannel)(progress.with_edits(vec![edit]));
    }

    fn finish(mut self, answer: Bytes) {
        self.answered = true;
        (self.backchannel)(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            let message = "the client that was asked has gone, or cannot be asked";
            (self.backchannel)(wire::error_response(Some(&self.id), code::INTERNAL_ERROR, message));
        }
    }
}

/// A counterpart without a client: refuses requests, and lets notifications go by.
pub struct NoClient;

impl Counterpart for NoClient {
    fn receive(&self, message: ServerMessage) {
        match message {
            ServerMessage::Notification(notification) => {
                tracing::trace!(method = notification.method(), "a notification without a client went by");
            }
            ServerMessage::Request(request) => {
                request.reply.refuse(code::METHOD_NOT_FOUND, "the client of this session takes no such request");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::wire::Message;

    fn request(text: &'static str) -> (ServerRequest, Arc<Mutex<Vec<Bytes>>>) {
        let Ok(Message::Request(mut request)) = Message::parse(Bytes::from_static(text.as_bytes())) else { panic!() };
        request.find_progress_token().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&sent);
        let serial = ServerRequest::next_serial();
        (ServerRequest::new(request, serial, move |message| sink.lock().push(message)), sent)
    }

    #[test]
    fn without_a_client_every_request_is_refused() {
        let (asked, sent) = request(r#"{"jsonrpc":"2.0","id":4,"method":"sampling/createMessage","params":{}}"#);
        NoClient.receive(ServerMessage::Request(asked));
        assert_eq!(
            *sent.lock(),
            [
                r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"the client of this session takes no such request"}}"#
            ]
        );
    }

    #[test]
    fn ids_and_progress_tokens_are_each_sides_own() {
        let (asked, sent) = request(
            r#"{"jsonrpc":"2.0","id":"u1","method":"sampling/createMessage","params":{"_meta":{"progressToken":"t"},"x":1.0}}"#,
        );
        let serial = asked.serial;
        assert_eq!(
            asked.message,
            format!(
                r#"{{"jsonrpc":"2.0","id":{serial},"method":"sampling/createMessage","params":{{"_meta":{{"progressToken":{serial}}},"x":1.0}}}}"#
            )
        );
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{serial},"progress":1}}}}"#
        );
        let Ok(Message::Notification(progress)) = Message::parse(progress.into()) else { panic!() };
        asked.reply.tell_progress(&progress);
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{serial},"result":{{"n":1e2}}}}"#);
        let Ok(Message::Response(answer)) = Message::parse(answer.into()) else { panic!() };
        asked.reply.send(&answer);
        assert_eq!(
            *sent.lock(),
            [
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#,
                r#"{"jsonrpc":"2.0","id":"u1","result":{"n":1e2}}"#
            ]
        );
    }

    #[test]
    fn a_request_that_is_dropped_is_answered() {
        let (asked, sent) = request(r#"{"jsonrpc":"2.0","id":4,"method":"roots/list"}"#);
        drop(asked);
        assert_eq!(sent.lock().len(), 1);
    }
}
