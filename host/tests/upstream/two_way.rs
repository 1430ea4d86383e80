//! What it takes to watch both directions: a counterpart that keeps what it is sent,
//! calls that have it, streams that are written piece by piece, child processes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mcpjungle_host::names::ServerName;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::upstream::{Call, Counterpart, Pairing, Reply, ServerMessage, UpstreamSettings, Upstreams};
use mcpjungle_host::wire::{self, Message};
use tokio::sync::{mpsc, watch};

use crate::fixture::{Seen, call, settings};

/// What anything here may take at most; only a mistake takes so long.
pub const BOUND: Duration = Duration::from_secs(30);

/// A client that keeps what it is sent, and answers nothing by itself.
pub struct Recorder {
    /// Its downstream session: each client has one of its own.
    session: Arc<str>,
    received: Mutex<Vec<String>>,
    replies: Mutex<Vec<Reply>>,
    count: watch::Sender<usize>,
}

impl Recorder {
    pub fn new() -> Arc<Self> {
        static SESSIONS: AtomicUsize = AtomicUsize::new(0);
        let session = format!("d{}", SESSIONS.fetch_add(1, Ordering::Relaxed)).into();
        Arc::new(Self { session, received: Mutex::default(), replies: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// All messages, as they came.
    pub fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until there are so many messages, and gives them.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        let mut counted = self.count.subscribe();
        let waiting = counted.wait_for(|counted| *counted >= count);
        if tokio::time::timeout(BOUND, waiting).await.is_err() {
            panic!("only this came: {:#?}", self.received());
        }
        self.received()
    }

    /// The way back of the request that has waited longest.
    pub fn take_reply(&self) -> Reply {
        self.replies.lock().unwrap().remove(0)
    }
}

impl Counterpart for Recorder {
    fn receive(&self, message: ServerMessage) {
        let text = match message {
            ServerMessage::Notification(notification) => notification.bytes().clone(),
            ServerMessage::Request(request) => {
                self.replies.lock().unwrap().push(request.reply);
                request.message
            }
        };
        self.received.lock().unwrap().push(String::from_utf8(text.to_vec()).unwrap());
        self.count.send_modify(|count| *count += 1);
    }

    fn client_session(&self) -> Option<&Arc<str>> {
        Some(&self.session)
    }
}

/// A `tools/call` that asks for progress under `token`, JSON text.
pub fn call_with(counterpart: &Arc<Recorder>, token: &str) -> Call {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","_meta":{{"progressToken":{token}}}}}}}"#
    );
    let Ok(Message::Request(mut request)) = Message::parse(text.into()) else { panic!() };
    request.find_progress_token().unwrap();
    Call { request, counterpart: counterpart.clone(), ..call() }
}

/// A call that asks for nothing else.
pub fn call_of(counterpart: &Arc<Recorder>) -> Call {
    Call { counterpart: counterpart.clone(), ..call() }
}

pub fn pairing(id: &str, counterpart: &Arc<Recorder>) -> Pairing {
    Pairing { id: id.into(), counterpart: counterpart.clone() }
}

/// The token that the server was given with a call.
pub fn token(seen: &Seen) -> String {
    let token = seen.body.split_once(r#""progressToken":"#).expect("the call asks for progress").1;
    token.chars().take_while(char::is_ascii_digit).collect()
}

pub fn notification(text: &str) -> wire::Notification {
    let Ok(Message::Notification(notification)) = Message::parse(Bytes::copy_from_slice(text.as_bytes())) else {
        panic!("{text}")
    };
    notification
}

pub fn response(text: &str) -> wire::Response {
    let Ok(Message::Response(response)) = Message::parse(Bytes::copy_from_slice(text.as_bytes())) else {
        panic!("{text}")
    };
    response
}

/// The id of a request that a client was sent.
pub fn id_of(message: &str) -> String {
    let Ok([Some(id)]) = wire::object_members(message, ["id"]) else { panic!("no id: {message}") };
    id.to_owned()
}

pub fn progress(token: impl std::fmt::Display, progress: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress}}}}}"#
    )
}

pub fn log(data: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{data}"}}}}"#)
}

pub fn request(id: &str, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)
}

pub fn answer(id: impl std::fmt::Display, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The message as an event.
pub fn event(message: &str) -> String {
    format!("data: {message}\n\n")
}

/// Messages as one stream of events.
pub fn events(messages: impl IntoIterator<Item = String>) -> Response {
    let text: String = messages.into_iter().map(|message| event(&message)).collect();
    ([("content-type", "text/event-stream")], text).into_response()
}

/// A stream of what is sent to the sender, which ends when that is dropped.
pub fn open_stream() -> (mpsc::UnboundedSender<String>, Response) {
    let (sender, receiver) = mpsc::unbounded_channel::<String>();
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok::<_, Infallible>(Bytes::from(piece)), receiver))
    });
    (sender, ([("content-type", "text/event-stream")], Body::from_stream(pieces)).into_response())
}

/// As [`crate::fixture::upstreams`], with children that run without a supervisor.
pub fn upstreams_with_children() -> Upstreams {
    let path = std::env::var("PATH").unwrap();
    let settings = UpstreamSettings {
        supervisor: (PathBuf::from("env"), Vec::new()),
        child_environment: BTreeMap::from([("PATH".to_owned(), path)]),
        ..settings()
    };
    Upstreams::new(settings).unwrap()
}

/// A child that answers `initialize`, and does `on_message` with every other line
/// that has an id; in it, `$id` is that id, and `say` writes a line.
pub fn child(on_message: &str, session_mode: SessionMode) -> Arc<Server> {
    let script = format!(
        r#"say() {{ printf '%s\n' "$1"; }}
        answer() {{ say '{{"jsonrpc":"2.0","id":'"$1"',"result":'"$2"'}}'; }}
        while IFS= read -r line; do
            case $line in *'"id":'*) ;; *) continue ;; esac
            id=${{line#*'"id":'}}; id=${{id%%[!0-9]*}}
            case $line in
            *'"initialize"'*) answer "$id" '{{"protocolVersion":"2025-11-25","capabilities":{{"logging":{{}}}}}}' ;;
            *) {on_message} ;;
            esac
        done"#
    );
    Arc::new(Server {
        name: ServerName::parse("child").unwrap(),
        description: String::new(),
        transport: Transport::Stdio {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script],
            env: BTreeMap::new(),
        },
        session_mode,
        tool_sync_interval_seconds: None,
        audit: None,
    })
}
