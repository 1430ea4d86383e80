//! `user-credential`: each client's own credential goes upstream, and no other's.

use serde_json::{Value, json};

use super::{example, write_policies};
use crate::harness::client::Client;
use crate::harness::enterprise::{client, home, start_in};
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn everybody_calls_with_their_own_credential_and_who_has_none_does_not_call() {
    let people = ["ann", "bob", "eve"].map(|name| (name, format!("gateway-token-of-{name}")));
    let everything: &[&str] = &["*"];
    let clients: Vec<_> = people.iter().map(|(name, token)| client(name, token, everything)).collect();
    let home = home(&clients).await;
    let settings = json!({ "credentials": [{ "servers": ["raw"], "secret": "{server}/{principal}" }] });
    let file = write_policies(&home, &[example("user-credential", &settings, &["secret:raw/*"])]);
    let gateway = start_in(home, &["--policies", &file]);
    for name in ["ann", "bob"] {
        let file = gateway.home().join(name);
        std::fs::write(&file, format!("credential-of-{name}\n")).expect("the home is writable");
        let file = file.to_str().expect("temporary paths are UTF-8");
        gateway.succeed(&["plugin", "secret", "set", &format!("raw/{name}"), "--from-file", file]);
    }
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    for (name, token) in &people {
        let before = upstream.requests("tools/call").len();
        let client = Client::new(gateway.url("/mcp")).with_token(token).introduced("{}").await;
        let answer: Value = serde_json::from_str(&client.call("raw__echo", "{}").await).expect("JSON");
        let calls = upstream.requests("tools/call");
        if *name == "eve" {
            assert!(answer["error"].is_object(), "{answer}");
            assert_eq!(calls.len(), before, "the upstream was not asked");
            continue;
        }
        let sent = calls.last().and_then(|call| call.headers.get("authorization").cloned());
        assert_eq!(sent, Some(format!("Bearer credential-of-{name}")), "{answer}");
    }
    assert!(!gateway.log().contains("credential-of-"), "{}", gateway.log());
}
