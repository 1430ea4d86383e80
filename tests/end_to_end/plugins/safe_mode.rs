//! A gateway that does not start any more is mended in safe mode.

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, bare_command, finish};
use crate::plugins::{add_deny, lists, with_upstream};

#[tokio::test]
async fn what_does_not_start_is_mended_in_safe_mode() {
    let (gateway, upstream, _client) = with_upstream().await;
    add_deny(&gateway, "raw__numbers");
    let home = gateway.keep_home();
    drop(gateway);

    // In safe mode nothing is tried, so what is stored may be what does not start.
    let safe = Gateway::start_in(home.clone(), &["--safe-mode"]);
    let client = Client::connect(safe.url("/mcp")).await;
    assert!(lists(&client, "raw__numbers").await, "stock policies only");
    let printed = safe.succeed(&["plugin", "update", "deny", "--settings", r#"{"deny": 1}"#]);
    assert!(
        printed.contains("the gateway would still not start: plugin `deny` does not accept its settings"),
        "{printed}"
    );
    drop(safe);

    let mut command = bare_command(home.path());
    command.args(["start", "--port", "0"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for part in ["plugin `deny` does not accept its settings", "--safe-mode"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }

    let safe = Gateway::start_in(home.clone(), &["--safe-mode"]);
    let listed = safe.succeed(&["plugin", "list"]);
    assert!(listed.contains("SAFE MODE") && listed.contains("deny"), "{listed}");
    let printed = safe.succeed(&["plugin", "rollback", "deny"]);
    assert!(printed.contains("this runs once it is started without --safe-mode"), "{printed}");
    drop(safe);
    let mended = Gateway::start_in(home, &[]);
    let client = Client::connect(mended.url("/mcp")).await;
    assert!(!lists(&client, "raw__numbers").await);
    drop(upstream);
}
