//! What belongs to no call: subscriptions and their updates, completion, the log level.

use crate::harness::client::Client;
use crate::harness::json::{member, on_one_line, text};
use crate::harness::live::{Live, let_go, param};
use crate::harness::until;
use crate::relay::{CAPABILITIES, Rig, direct, http, stdio};

const URI: &str = r#""file:\/\/\/odd path\/\u00e4.txt""#;

/// Subscribes, and hears of the update: the JSON text of its URI, and the rest of the message.
async fn hear_update(client: &Client, uri: &str, update: impl FnOnce()) -> (String, String) {
    let mut listening = Live::listen(client).await;
    let answer = client.ask("resources/subscribe", &format!(r#"{{"uri":{uri}}}"#)).await;
    assert!(member(&answer, "result").is_some(), "{answer}");
    update();
    let message = listening.until("notifications/resources/updated").await;
    let uri = param(&message, "uri").to_owned();
    let rest = message.replace(&uri, "@");
    (uri, rest)
}

#[tokio::test]
async fn an_update_of_a_resource_is_told_under_the_address_that_was_subscribed_to() {
    let (server, client) = direct().await;
    let (_, expected) = hear_update(&client, URI, || let_go(&server.path("updated"))).await;
    for rig in [Rig::stateless(http(&["--session-ids"])), Rig::stateless(stdio())] {
        let main = rig.client("/mcp").await;
        let own = rig.client("/v0/servers/raw/mcp").await;
        let resources = main.list("resources/list", "resources").await;
        let notes = resources.iter().find(|resource| resource.contains(r#""notes""#)).expect("it is listed");
        let listed = member(notes, "uri").expect("a resource has a URI").to_owned();

        let updated = rig.upstream.path("updated");
        let (told, rest) = hear_update(&main, &listed, || let_go(&updated)).await;
        assert_eq!(text(&told), text(&listed));
        assert_eq!(rest, expected);
        let asked = rig.upstream.requests("resources/subscribe").pop().expect("the server was asked");
        assert_eq!(text(param(&asked.body, "uri")), text(URI));

        std::fs::remove_file(&updated).expect("it was made");
        let (told, rest) = hear_update(&own, URI, || let_go(&updated)).await;
        assert_eq!((told.as_str(), rest), (URI, expected.clone()));

        let answer = main.ask("resources/unsubscribe", &format!(r#"{{"uri":{listed}}}"#)).await;
        assert!(member(&answer, "result").is_some(), "{answer}");
        let asked = rig.upstream.requests("resources/unsubscribe").pop().expect("the server was asked");
        assert_eq!(text(param(&asked.body, "uri")), text(URI));
    }
}

#[tokio::test]
async fn completion_asks_the_server_about_its_own_names() {
    let params = |name: &str| {
        format!(
            r#"{{"argument":{{"name":"who","value":"\u0061","x":1.0}},"ref":{{"x":1.50e+3,"name":"{name}","type":"ref/prompt"}},"context":{{"arguments":{{"n":null}}}}}}"#
        )
    };
    let (_server, client) = direct().await;
    let expected = on_one_line(&client.ask("completion/complete", &params("greet")).await);
    assert!(member(&expected, "result").is_some(), "{expected}");
    for (kind, rig) in Rig::of_every_kind() {
        for (path, name) in [("/mcp", "raw__greet"), ("/v0/servers/raw/mcp", "greet")] {
            let client = rig.client(path).await;
            let answer = client.ask("completion/complete", &params(name)).await;
            assert_eq!(on_one_line(&answer), expected, "{kind}, {path}");
        }
    }
}

#[tokio::test]
async fn the_log_level_reaches_every_server_that_is_called_for_this_client() {
    for (kind, rig) in Rig::of_every_kind() {
        let levels = ["debug", "warning", "emergency"];
        for ((client, prefix), level) in rig.clients().await.into_iter().zip(levels) {
            let answer = client.ask("logging/setLevel", &format!(r#"{{"level":"{level}"}}"#)).await;
            assert_eq!(member(&answer, "result"), Some("{}"), "{answer}");
            client.call(&format!("{prefix}numbers"), "{}").await;
            let record = rig.upstream.record();
            let last = |part: &str| record.iter().rposition(|entry| entry.body.contains(part));
            let (set, called) = (last(&format!(r#""level":"{level}""#)), last("\"tools/call\""));
            assert!(set.is_some() && set < called, "{kind}, {prefix:?}: {set:?} {called:?}");
        }
    }
}

#[tokio::test]
async fn a_change_of_roots_is_told_to_the_server_that_the_client_is_paired_with() {
    const CHANGED: &str = r#"{"params":{"x":1.50e+3},"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    for rig in [Rig::stateless(http(&["--session-ids"])), Rig::stateless(stdio())] {
        let own = rig.client("/v0/servers/raw/mcp").await;
        own.call("numbers", "{}").await;
        own.tell(CHANGED).await;
        let heard = || rig.upstream.requests("notifications/roots/list_changed");
        until("the server to hear of it", || !heard().is_empty()).await;
        assert_eq!(heard()[0].body, CHANGED);
    }
}

#[tokio::test]
async fn what_is_declared_to_a_client_is_what_its_server_declares_and_the_gateway_relays() {
    let rig = Rig::stateless(http(&[]));
    for path in ["/mcp", "/v0/servers/raw/mcp"] {
        let client = Client::new(rig.gateway.url(path));
        let initialize = crate::harness::client::INITIALIZE.replace("{}", CAPABILITIES);
        let answer = client.post(initialize).await.json();
        let declared = &answer["result"]["capabilities"];
        assert_eq!(declared["resources"]["subscribe"], true, "{path}: {declared}");
        assert_eq!(declared["tools"]["listChanged"], true, "{path}: {declared}");
        for capability in ["logging", "completions", "prompts"] {
            assert!(declared[capability].is_object(), "{path}: {declared}");
        }
        assert!(declared["tasks"]["requests"]["tools"]["call"].is_object(), "{path}: {declared}");
    }
}

#[tokio::test]
async fn what_a_server_says_beside_calls_reaches_the_client_that_is_paired_with_it() {
    const SAID: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.50e+3}}"#;
    const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;
    for rig in [Rig::stateless(http(&["--session-ids"])), Rig::stateless(stdio())] {
        let own = rig.client("/v0/servers/raw/mcp").await;
        let mut listening = Live::listen(&own).await;
        let steps = serde_json::json!([{ "aside": SAID }, { "aside": ROOTS }]);
        let mut live = Live::open(own.performing("", "7", None, &steps)).await;
        if rig.upstream.registration("raw")["transport"] == "stdio" {
            // On a pipe there is no aside: a running call is who is meant.
            assert_eq!(live.until("notifications/message").await, SAID);
            live.until("roots/list").await;
        } else {
            assert_eq!(listening.until("notifications/message").await, SAID);
            let asked = listening.until("roots/list").await;
            own.answer(&asked, r#"{"roots":["aside"]}"#).await;
            until("the answer to reach the server", || {
                rig.upstream.record().iter().any(|entry| entry.body.contains("aside\"]"))
            })
            .await;
        }
        live.rest().await;
    }
}
