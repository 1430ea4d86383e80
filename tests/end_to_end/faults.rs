//! Upstreams that fail in every way there is. Each time: the caller hears, within a
//! bound, whose fault it is; another upstream answers all the while; and the next call works.
//!
//! | fault | shown by |
//! |---|---|
//! | killed in a call | `dying`: a process by SIGKILL, a connection, a whole HTTP server |
//! | hung | `hanging`: in a call, in `initialize` |
//! | flooding | `flooding`: with notifications, with garbage, with one line that does not end |
//! | answering garbage | `lying::garbage_…`; more of it in `host/tests/upstream/http.rs` and `upstream_stdio` |
//! | answering twice | `lying::a_second_answer_…` |
//! | answering another id | `lying::an_answer_to_something_else_…` |
//! | slow by one byte at a time | `hanging::an_answer_that_comes_byte_by_byte_…`, with 10 ms for the second |
//! | a child that ignores TERM | `ending`; the supervisor by itself in `upstream_stdio` |
//! | the gateway killed with -9 | `ending`: with what its children have started |
//! | a database that stops | `shared_database` |

mod dying;
mod ending;
mod flooding;
mod hanging;
mod lying;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::json::{member, text};
use crate::harness::live::{Live, within};
use crate::harness::raw_server::RawServer;

/// An upstream that is about to fail, and one that is not.
struct Rig {
    gateway: Gateway,
    faulty: RawServer,
    _sound: RawServer,
    client: Client,
}

impl Rig {
    async fn with(faulty: RawServer, session_mode: &str) -> Self {
        Self::on(Gateway::start(), faulty, session_mode).await
    }

    async fn on(gateway: Gateway, faulty: RawServer, session_mode: &str) -> Self {
        let mut registration = faulty.registration("faulty");
        registration["session_mode"] = json!(session_mode);
        Self::registered(gateway, faulty, &registration).await
    }

    async fn registered(gateway: Gateway, faulty: RawServer, registration: &Value) -> Self {
        gateway.register(registration);
        let sound = RawServer::http(&[]);
        gateway.register(&sound.registration("sound"));
        let client = Client::connect(gateway.url("/mcp")).await;
        Self { gateway, faulty, _sound: sound, client }
    }

    /// A kept process, a process for each call, and HTTP.
    async fn of_every_kind() -> [(&'static str, Self); 3] {
        [
            ("one process", Self::with(RawServer::stdio(), "stateful").await),
            ("a process for each call", Self::with(RawServer::stdio(), "stateless").await),
            ("http", Self::with(RawServer::http(&[]), "stateless").await),
        ]
    }

    fn performing(&self, steps: &Value) -> RequestBuilder {
        self.client.performing("faulty__", r#""its own""#, None, steps)
    }

    /// Has the faulty server perform, while the sound one answers; all that the client
    /// is told, the response last.
    async fn perform(&self, steps: &Value) -> (Vec<String>, String) {
        let call = async { Live::open(self.performing(steps)).await.rest().await };
        let (answer, ()) = tokio::join!(within("the answer of the faulty server", call), async {
            for _ in 0..3 {
                self.sound_one_answers().await;
            }
        });
        assert_eq!(member(&answer.1, "id"), Some(r#""its own""#));
        answer
    }

    /// As [`Self::perform`], for what must fail; what the client is told of it.
    async fn fail(&self, steps: &Value) -> String {
        let (_, response) = self.perform(steps).await;
        blamed(&response)
    }

    async fn sound_one_answers(&self) {
        let answer = within("the sound server", self.client.call("sound__numbers", "{}")).await;
        assert!(answer.contains("1.50e+3"), "{answer}");
    }

    /// A server that was down may be tried again after a pause: within the bound, it must.
    async fn next_call_works(&self) {
        let works = async {
            loop {
                let answer = self.client.call("faulty__numbers", "{}").await;
                if answer.contains("1.50e+3") {
                    return;
                }
                blamed(&answer);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        within("a call that works again", works).await;
        self.sound_one_answers().await;
    }

    /// For faults that leave the server itself well.
    async fn very_next_call_works(&self) {
        let answer = within("the next answer", self.client.call("faulty__numbers", "{}")).await;
        assert!(answer.contains("1.50e+3"), "{answer}");
        self.sound_one_answers().await;
    }
}

/// The message of an error, which must name the server.
#[track_caller]
fn blamed(response: &str) -> String {
    let error = member(response, "error").unwrap_or_else(|| panic!("no error: {response}"));
    let message = member(error, "message").and_then(text).unwrap_or_else(|| panic!("no message: {response}"));
    assert!(message.contains("`faulty`"), "it says whose fault it is: {message}");
    message
}
