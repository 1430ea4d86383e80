//! `role-table`: who has a role sees and calls what it allows, in each of the three languages.

use serde_json::{Value, json};

use super::{example, write_policies};
use crate::harness::client::Client;
use crate::harness::enterprise::{client, home, start_in};
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn a_role_decides_what_is_seen_and_called_in_each_language() {
    let settings = json!({
        "roles": { "counter": { "allow": ["raw__numbers"] }, "all": { "allow": ["raw"], "deny": ["raw__numbers"] } },
        "assign": [{ "principal": "counter", "roles": ["counter"] }, { "principal": "other", "roles": ["all"] }],
    });
    let upstream = RawServer::http(&[]);
    for name in ["role-table", "role-table-js", "role-table-python"] {
        let people = [client("counter", "token-of-the-counter", &["*"]), client("other", "token-of-the-other", &["*"])];
        let home = home(&people).await;
        let file = write_policies(&home, &[example(name, &settings, &[])]);
        let gateway = start_in(home, &["--policies", &file]);
        gateway.register(&upstream.registration("raw"));
        let before = upstream.requests("tools/call").len();
        let connect = async |token| Client::new(gateway.url("/mcp")).with_token(token).introduced("{}").await;
        let (counter, other) = (connect("token-of-the-counter").await, connect("token-of-the-other").await);

        assert_eq!(counter.list("tools/list", "tools").await.len(), 1, "{name}");
        let listed = other.list("tools/list", "tools").await.join("\n");
        assert!(listed.contains("raw__echo") && !listed.contains("raw__numbers"), "{name}: {listed}");

        let refused: Value = serde_json::from_str(&other.call("raw__numbers", "{}").await).expect("JSON");
        assert_eq!(refused["error"]["code"], -32602, "{name}: {refused}");
        assert_eq!(upstream.requests("tools/call").len(), before, "{name}: the upstream was not asked");
        let allowed = counter.call("raw__numbers", "{}").await;
        assert!(allowed.contains("structuredContent"), "{name}: {allowed}");
    }
}
