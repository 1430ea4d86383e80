//! Secrets by name: set by an administrator, read where they are granted, and shown to nobody.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use super::{all_grants, run, start, write_policies};
use crate::harness::PATIENCE;
use crate::harness::client::{Client, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN};
use crate::harness::gateway::{bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;

const VALUE: &str = "s3cret-of-ann";

#[tokio::test]
async fn a_secret_is_read_where_it_is_granted_as_soon_as_it_is_set_until_it_is_deleted() {
    let upstream = RawServer::http(&[]);
    let (gateway, client) = start(new_home(), &upstream, &all_grants(), 5_000).await;
    let read = async |name: &str| run(&client, &json!({ "secret": name })).await;
    assert_eq!(read("github/ann").await, Value::Null);

    std::fs::write(gateway.home().join("token"), format!("{VALUE}\n")).unwrap();
    let said = gateway.succeed(&["plugin", "secret", "set", "github/ann", "--from-file", "token"]);
    assert_eq!(said, "Secret 'github/ann' is set: a plugin reads it if it is granted `secret:github/ann`.\n");
    gateway.succeed(&["plugin", "secret", "set", "gitlab/ann", "--from-file", "token"]);
    assert_eq!(read("github/ann").await, format!("{} bytes, s3…", VALUE.len()));
    assert_eq!(read("gitlab/ann").await, Value::Null, "it is not granted");

    let listed = gateway.succeed(&["plugin", "secret", "list"]);
    assert!(listed.starts_with("github/ann  set ") && listed.contains("gitlab/ann  set "), "{listed}");
    let json = gateway.succeed(&["plugin", "secret", "list", "--json"]);
    assert!(json.contains(r#""readable": true"#), "{json}");
    for shown in [&listed, &json, &gateway.log()] {
        assert!(!shown.contains(VALUE), "{shown}");
    }
    gateway.succeed(&["plugin", "secret", "delete", "github/ann"]);
    assert_eq!(read("github/ann").await, Value::Null);
}

#[tokio::test]
async fn a_secret_comes_from_a_variable_or_standard_input_and_mistakes_are_named() {
    let upstream = RawServer::http(&[]);
    let (gateway, client) = start(new_home(), &upstream, &all_grants(), 5_000).await;
    let set = |arguments: &[&str], input: &str| {
        let file = gateway.home().join("input");
        std::fs::write(&file, input).unwrap();
        let mut command = bare_command(gateway.home());
        command.env("TOKEN", "of-variable").stdin(Stdio::from(std::fs::File::open(file).unwrap()));
        command.args(["--registry", &gateway.url(""), "plugin", "secret", "set"]).args(arguments);
        finish(command)
    };
    for (arguments, length) in [(&["github/b", "--from-env", "TOKEN"][..], 11), (&["github/b"], 8)] {
        let finished = set(arguments, "of-input\n");
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(run(&client, &json!({ "secret": "github/b" })).await, format!("{length} bytes, of…"));
    }
    for (arguments, problem) in [
        (&["x", "--from-env", "NOT_SET"][..], "environment variable NOT_SET is not set"),
        (&["x", "--from-file", "nowhere"], "failed to read the secret from file nowhere"),
        (&["x"], "there is no secret: standard input is empty"),
        (&["a b", "--from-env", "TOKEN"], "invalid name of a secret: 'a b' must consist of letters"),
    ] {
        let finished = set(arguments, "\n");
        assert!(finished.code == Some(1) && finished.stderr.contains(problem), "{arguments:?}: {finished:?}");
    }
}

#[tokio::test]
async fn only_administrators_set_secrets_and_the_audit_log_tells_names_and_no_values() {
    let home = enterprise::home(&[enterprise::user("alice", "token-of-alice")]).await;
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_AUDIT=true\n").unwrap();
    let file = write_policies(&home, &all_grants(), 5_000);
    let gateway = enterprise::start_in(home, &["--policies", &file]);
    let put = async |token: &str| {
        let url = gateway.url("/api/v0/plugin-secrets/github%2Fann");
        let request = Client::new(url).with_token(token).bare(Method::PUT);
        send(request.body(json!({ "value": VALUE }).to_string())).await
    };
    assert_eq!(put("token-of-alice").await.status, 403);
    let reply = put(ADMIN_TOKEN).await;
    assert!(reply.status == 200 && !reply.body.contains(VALUE), "{reply:?}");
    let audit = Client::new(gateway.url("/api/v0/audit")).with_token(ADMIN_TOKEN);
    let both = async {
        loop {
            let page = send(audit.bare(Method::GET)).await.body;
            if page.matches("github%2Fann").count() >= 2 {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    let page = tokio::time::timeout(PATIENCE, both).await.expect("both requests are recorded");
    assert!(page.contains("alice") && !page.contains(VALUE) && !gateway.log().contains(VALUE), "{page}");
}
