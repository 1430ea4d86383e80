//! A request whose body comes late, when what let it in holds no more: it is not carried out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use mcpjungle_host::store::{IdentityRef, IdentityUpdate, NewToken};
use reqwest::Method;
use serde_json::json;

use crate::harness::admin::Admin;
use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{self, ADMIN_TOKEN, client, digest};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;
use crate::harness::{PATIENCE, until_true};

const READER: IdentityRef<'static> = IdentityRef::Client("reader");

/// A request that has been let in, and whose body is awaited.
struct Begun {
    connection: TcpStream,
    body: String,
}

impl Begun {
    /// Sends all but the body, and waits until that is asked for.
    fn post(gateway: &Gateway, path: &str, token: &str, session: Option<&str>, body: &str) -> Self {
        let address = gateway.url("").replace("http://", "");
        let mut connection = TcpStream::connect(&address).expect("the gateway listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("it is longer than nothing");
        let session = session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{session}\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).expect("the gateway reads");
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut interim = vec![0; expected.len()];
        connection.read_exact(&mut interim).expect("the gateway asks for the body");
        assert_eq!(interim, expected, "{}", String::from_utf8_lossy(&interim));
        Self { connection, body: body.to_owned() }
    }

    /// Sends the body; all that answers it.
    fn finish(mut self) -> String {
        self.connection.write_all(self.body.as_bytes()).expect("the gateway reads");
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).expect("the gateway answers");
        answer
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[tokio::test]
async fn what_an_administrator_is_still_saying_when_the_token_is_replaced_is_not_done() {
    let gateway = enterprise::start(&[]).await;
    let intruder = json!({ "username": "intruder", "role": "admin", "access_token": "token-of-intruder" });
    let begun = Begun::post(&gateway, "/api/v0/users", ADMIN_TOKEN, None, &intruder.to_string());

    let store = enterprise::open(gateway.home()).await;
    let new_token = NewToken { digest: digest("another-token-of-the-administrator"), grace: std::time::Duration::ZERO };
    let update = IdentityUpdate { token: Some(new_token), ..IdentityUpdate::default() };
    assert!(store.update_identity(IdentityRef::User("admin"), &update).await.unwrap());
    let admin = Admin::with_token(&gateway, "another-token-of-the-administrator");
    until_true("the new token is known", async || admin.send(Method::GET, "/users/whoami", None).await.0 == 200).await;

    let answer = begun.finish();
    assert_eq!(status(&answer), "401", "{answer}");
    let users = admin.get("/users").await;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "{users}");
}

#[tokio::test]
async fn what_a_user_is_still_saying_when_made_less_than_an_administrator_is_not_done() {
    let gateway = enterprise::start(&[]).await;
    let admin = Admin::of(&gateway);
    let second = json!({ "username": "second", "role": "admin", "access_token": "token-of-second" });
    assert_eq!(admin.send(Method::POST, "/users", Some(&second)).await.0, 201);
    let body = json!({ "username": "intruder", "role": "admin" }).to_string();
    let begun = Begun::post(&gateway, "/api/v0/users", "token-of-second", None, &body);
    let demotion = json!({ "role": "user" });
    assert_eq!(admin.send(Method::PUT, "/users/second", Some(&demotion)).await.0, 200);
    let answer = begun.finish();
    assert_eq!(status(&answer), "403", "{answer}");
    assert_eq!(admin.get("/users").await.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_call_whose_arguments_come_after_the_allow_list_was_cut_is_one_of_an_unknown_tool() {
    let gateway = enterprise::start(&[client("reader", "token-of-reader", &["raw"])]).await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw__numbers","arguments":{}}}"#;
    let begun = Begun::post(&gateway, "/mcp", "token-of-reader", reader.session(), call);
    let of_server = Begun::post(&gateway, "/v0/servers/raw/mcp", "token-of-reader", None, INITIALIZE);

    let admin = Admin::of(&gateway);
    let nothing = json!({ "allow_list": [] });
    assert_eq!(admin.send(Method::PUT, "/clients/reader", Some(&nothing)).await.0, 200);
    let answer = begun.finish();
    assert!(answer.contains(r#""code":-32602"#) && answer.contains("raw__numbers"), "{answer}");
    let answer = of_server.finish();
    assert_eq!(status(&answer), "404", "{answer}");

    assert_eq!(admin.send(Method::DELETE, "/clients/reader", None).await.0, 204);
    assert!(upstream.requests("tools/call").is_empty(), "no server was asked");
}

#[tokio::test]
async fn a_client_that_is_deleted_meanwhile_is_nobody() {
    let gateway = enterprise::start(&[client("reader", "token-of-reader", &["raw"])]).await;
    let begun = Begun::post(&gateway, "/mcp", "token-of-reader", None, INITIALIZE);
    let store = enterprise::open(gateway.home()).await;
    assert!(store.delete_identity(READER).await.unwrap());
    let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader");
    until_true("the client is unknown", async || reader.post(INITIALIZE).await.status == 401).await;
    let answer = begun.finish();
    assert_eq!(status(&answer), "401", "{answer}");
}
