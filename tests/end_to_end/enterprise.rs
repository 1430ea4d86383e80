//! Enterprise mode: who is nobody gets nothing, and a client gets what its allow-list says.

mod conversation;
mod credentials;
mod endpoints;
mod hearing;
mod holes;
mod http_api;
mod lists;
mod methods;
mod principals;
mod sessions;
mod table;
mod world;

use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{self, client, user};
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn a_client_finds_what_its_allow_list_names_and_others_find_nothing() {
    let people = [client("reader", "token-of-reader", &["one"]), user("alice", "token-of-alice")];
    let gateway = enterprise::start(&people).await;
    let server = RawServer::http(&[]);
    for name in ["one", "two"] {
        gateway.register(&server.registration(name));
    }
    let endpoint = gateway.url("/mcp");
    for nobody in [Client::new(&endpoint), Client::new(&endpoint).with_token("token-of-alice")] {
        assert_eq!(nobody.post(INITIALIZE).await.status, 401);
    }
    let reader = Client::new(&endpoint).with_token("token-of-reader").introduced("{}").await;
    let listed = reader.list("tools/list", "tools").await;
    assert!(!listed.is_empty() && listed.iter().all(|tool| tool.contains("one__")), "{listed:?}");
}
